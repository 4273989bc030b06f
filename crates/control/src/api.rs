//! APIs: describing, importing, changing and deleting them, and how developers see them.
//!
//! Immutable copies and where they are deployed stand in [`revision`], states in [`lifecycle`], reading OpenAPI
//! documents in [`openapi`], who sees an API in [`visible`].

mod definition;
pub mod lifecycle;
pub mod openapi;
pub mod revision;
mod rules;
mod visible;

use domain::api::{
    Api, ApiEndpoints, ApiScope, ApiSettings, KeyManagerSelection, LifecycleState, MaxTps,
    Operation, Visibility, validate_definition,
};
use domain::cors::CorsPolicy;
use domain::id::ApiId;
use domain::mediation::Mediation;
use domain::user::Actor;
use domain::{FieldError, Invalid};
use serde_json::json;
use store::api::ApiQuery;
use store::snapshot_change::ChangedNoun;
use store::{Listed, Page, StoreError, Tx};

use crate::error::Noun;
use crate::identity::authorization::require;
use crate::{Control, Error, Transaction, blocking};

pub use openapi::{DefinitionError, DefinitionReport};
pub use revision::{DeploymentTarget, RevisionView};
pub use visible::VisibleApi;

pub(crate) use visible::find_visible;

pub(super) const VIEW: &[&str] = &[
    "apim:api_view",
    "apim:api_manage",
    "apim:api_list_view",
    "apim:api_import_export",
    "apim:api_product_import_export",
];
/// Revisions, deployments and the lifecycle: also for those who make and publish APIs.
pub(super) const VIEW_STATE: &[&str] = &[
    "apim:api_view",
    "apim:api_create",
    "apim:api_manage",
    "apim:api_publish",
    "apim:api_import_export",
];
const VIEW_DEFINITION: &[&str] = &[
    "apim:api_view",
    "apim:api_manage",
    "apim:api_definition_view",
];
const CREATE: &[&str] = &["apim:api_create", "apim:api_manage"];
const CHANGE: &[&str] = &["apim:api_create", "apim:api_manage", "apim:api_publish"];
const DELETE: &[&str] = &[
    "apim:api_delete",
    "apim:api_manage",
    "apim:api_import_export",
];

/// An API without its document and operations: what other nouns show of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiSummary {
    pub id: ApiId,
    pub name: String,
    pub context: String,
    pub version: String,
    pub description: String,
    pub provider: String,
    pub lifecycle: LifecycleState,
    /// Business plans that it offers.
    pub policies: Vec<String>,
}

impl ApiSummary {
    pub(crate) fn of(api: &Api) -> Self {
        Self {
            id: api.id,
            name: api.settings.name.clone(),
            context: api.settings.context.clone(),
            version: api.settings.version.clone(),
            description: api.settings.description.clone(),
            provider: api.provider.clone(),
            lifecycle: api.lifecycle,
            policies: api.settings.policies.clone(),
        }
    }
}

/// What a publisher says beside the document that is being imported. `None` means: as the document says, else
/// the default.
#[derive(Clone, Debug, Default)]
pub struct ImportApi {
    pub name: Option<String>,
    pub version: Option<String>,
    pub context: Option<String>,
    pub description: Option<String>,
    pub is_default_version: Option<bool>,
    pub endpoints: Option<ApiEndpoints>,
    pub key_managers: Option<KeyManagerSelection>,
    pub audiences: Option<Vec<String>>,
    pub authorization_header: Option<String>,
    pub policies: Option<Vec<String>>,
    pub api_throttling_policy: Option<String>,
    pub max_tps: Option<MaxTps>,
    pub visibility: Option<Visibility>,
    pub cors: Option<CorsPolicy>,
    pub mediation: Option<Mediation>,
    /// What the document has no word for, of operations that it has.
    pub operations: Vec<Operation>,
    /// Beside the document's; one of the same name says who may obtain the scope.
    pub scopes: Vec<ApiScope>,
}

/// The use-cases of APIs.
#[derive(Clone, Copy)]
pub struct Apis<'a> {
    control: &'a Control,
}

impl<'a> Apis<'a> {
    pub(crate) const fn new(control: &'a Control) -> Self {
        Self { control }
    }

    /// Reads an OpenAPI or Swagger document and says what an import would make of it. What is wrong stands
    /// in the report.
    pub async fn validate_definition(&self, definition: &str) -> Result<DefinitionReport, Error> {
        let definition = definition.to_owned();
        blocking::run(move || openapi::read(&definition)).await
    }

    /// Makes an API from an OpenAPI or Swagger document, JSON or YAML.
    pub async fn import(
        &self,
        actor: &Actor,
        definition: String,
        overrides: ImportApi,
    ) -> Result<Api, Error> {
        require(actor, CREATE)?;
        validate_definition(&definition)?;
        let read = move || definition::import(&definition, overrides).map(|it| (it, definition));
        let (settings, definition) = blocking::run(read).await??;
        self.insert(actor, settings, &definition).await
    }

    /// Makes an API from its settings; a document is written from the operations.
    pub async fn create(&self, actor: &Actor, settings: ApiSettings) -> Result<Api, Error> {
        require(actor, CREATE)?;
        let settings = definition::normalise(settings);
        settings.validate()?;
        let write = move || {
            let definition = openapi::generate(&settings);
            (settings, definition)
        };
        let (settings, definition) = blocking::run(write).await?;
        validate_definition(&definition)?;
        self.insert(actor, settings, &definition).await
    }

    async fn insert(
        &self,
        actor: &Actor,
        settings: ApiSettings,
        definition: &str,
    ) -> Result<Api, Error> {
        settings.validate()?;
        let now = self.control.clock().now();
        let api = Api {
            id: ApiId::generate(self.control.clock(), self.control.random()),
            provider: actor.username.clone(),
            settings,
            lifecycle: LifecycleState::Created,
            created_at: now,
            updated_at: now,
            version: 1,
        };
        let mut tx = self.control.begin().await?;
        rules::check(&mut *tx, &api.settings).await?;
        tx.apis()
            .insert(&api, definition)
            .await
            .map_err(not_stored)?;
        self.finish(tx, actor, "api.create", api.id).await
    }

    pub async fn get(&self, actor: &Actor, id: ApiId) -> Result<Api, Error> {
        require(actor, VIEW)?;
        let mut tx = self.control.store().read().await?;
        find(&mut *tx, id).await
    }

    pub async fn list(
        &self,
        actor: &Actor,
        query: &ApiQuery,
        page: Page,
    ) -> Result<Listed<Api>, Error> {
        require(actor, VIEW)?;
        let mut tx = self.control.store().read().await?;
        Ok(tx.apis().list(query, page).await?)
    }

    /// The document as it was given.
    pub async fn definition(&self, actor: &Actor, id: ApiId) -> Result<String, Error> {
        require(actor, VIEW_DEFINITION)?;
        self.stored_definition(id).await
    }

    async fn stored_definition(&self, id: ApiId) -> Result<String, Error> {
        let mut tx = self.control.store().read().await?;
        find_definition(&mut *tx, id).await
    }

    /// Replaces the settings; name, context, version and the document stay. Without operations they are read from
    /// the document. What gateways serve changes with the next
    /// deployment of a new revision.
    pub async fn update(
        &self,
        actor: &Actor,
        id: ApiId,
        settings: ApiSettings,
    ) -> Result<Api, Error> {
        require(actor, CHANGE)?;
        let mut settings = definition::normalise(settings);
        if settings.operations.is_empty() {
            // Reading a document takes a while; not while others wait to write.
            let definition = self.stored_definition(id).await?;
            let read = move || definition::take_operations(settings, &definition);
            settings = blocking::run(read).await??;
        }
        let mut tx = self.control.begin().await?;
        let api = find(&mut *tx, id).await?;
        fixed_fields_stay(&api.settings, &settings)?;
        self.save(tx, actor, api, settings, "api.update").await
    }

    /// Replaces the document, and the operations and scopes with what it says.
    pub async fn replace_definition(
        &self,
        actor: &Actor,
        id: ApiId,
        definition: String,
    ) -> Result<Api, Error> {
        require(actor, CREATE)?;
        let document = blocking::run(move || definition::Document::read(definition)).await??;
        let mut tx = self.control.begin().await?;
        let api = find(&mut *tx, id).await?;
        let settings = document.describe(api.settings.clone());
        tx.apis().replace_definition(id, &document.text).await?;
        self.save(tx, actor, api, settings, "api.replace_definition")
            .await
    }

    async fn save(
        &self,
        mut tx: Transaction<'_>,
        actor: &Actor,
        mut api: Api,
        settings: ApiSettings,
        action: &str,
    ) -> Result<Api, Error> {
        settings.validate()?;
        rules::check(&mut *tx, &settings).await?;
        api.settings = settings;
        api.updated_at = self.control.clock().now();
        tx.apis().update(&api).await.map_err(not_stored)?;
        self.finish(tx, actor, action, api.id).await
    }

    /// Deletes an API with its revisions and deployments. `InUse` while it has subscriptions.
    pub async fn delete(&self, actor: &Actor, id: ApiId) -> Result<(), Error> {
        require(actor, DELETE)?;
        let mut tx = self.control.begin().await?;
        let api = find(&mut *tx, id).await?;
        let subscriptions = tx.subscriptions().list_of_api(id, Page::FIRST).await?;
        if subscriptions.total > 0 {
            return Err(Error::InUse {
                noun: Noun::Api,
                reason: format!(
                    "the API has {} subscriptions; they must be removed first",
                    subscriptions.total
                ),
            });
        }
        tx.apis().delete(id).await.map_err(not_stored)?;
        let details = json!({ "name": api.settings.name, "version": api.settings.version });
        tx.record_audit(&actor.username, "api.delete", id, details)
            .await?;
        tx.changed(ChangedNoun::Api(id));
        tx.commit().await
    }

    /// Audit, notice to gateways, commit; answers with what was stored.
    async fn finish(
        &self,
        mut tx: Transaction<'_>,
        actor: &Actor,
        action: &str,
        id: ApiId,
    ) -> Result<Api, Error> {
        let api = find(&mut *tx, id).await?;
        let details = json!({
            "name": api.settings.name,
            "version": api.settings.version,
            "lifecycle": api.lifecycle,
        });
        tx.record_audit(&actor.username, action, id, details)
            .await?;
        tx.changed(ChangedNoun::Api(id));
        tx.commit().await?;
        Ok(api)
    }
}

async fn find(tx: &mut dyn Tx, id: ApiId) -> Result<Api, Error> {
    tx.apis().find(id).await?.ok_or(Error::NotFound(Noun::Api))
}

/// The document alone.
async fn find_definition(tx: &mut dyn Tx, id: ApiId) -> Result<String, Error> {
    let found = tx.apis().definition(id).await?;
    found.ok_or(Error::NotFound(Noun::Api))
}

fn not_stored(error: StoreError) -> Error {
    match error {
        StoreError::Duplicate { .. } => Error::AlreadyExists(Noun::Api),
        StoreError::Reference { .. } => Error::InUse {
            noun: Noun::Api,
            reason: "the API is still referred to".to_owned(),
        },
        other => other.into(),
    }
}

/// Gateways and subscribers know an API by these three.
fn fixed_fields_stay(old: &ApiSettings, new: &ApiSettings) -> Result<(), Error> {
    let fields = [
        ("name", old.name == new.name),
        ("context", old.context == new.context),
        ("version", old.version == new.version),
    ];
    let errors: Vec<FieldError> = fields
        .into_iter()
        .filter(|&(_, is_same)| !is_same)
        .map(|(field, _)| FieldError::fixed(field, " after creation"))
        .collect();
    if errors.is_empty() {
        return Ok(());
    }
    Err(Invalid(errors).into())
}
