//! Key managers: what an administrator configures, and which of them a developer or publisher sees.
//!
//! What a connector's own values mean is the connector's business; clients at a key manager are
//! [`crate::key_mapping`]'s.

mod introspection;
mod settings;

use connectors::contract::ConnectionReport;
use connectors::discovery::DiscoveredKeyManager;
use domain::Invalid;
use domain::api::Api;
use domain::application::Application;
use domain::connector_descriptor::ConnectorDescriptor;
use domain::id::KeyManagerId;
use domain::key_manager::{KeyManager, KeyManagerSettings};
use domain::user::Actor;
use serde_json::json;
use store::snapshot_change::ChangedNoun;
use store::{Listed, Page, StoreError, Tx};
use url::Url;

use crate::error::{NotPossible, Noun};
use crate::identity::authorization::require;
use crate::open_connectors::{connector_type, open_unsaved};
use crate::{Control, Error};

/// REST scopes that may read and change key managers (WSO2 admin API).
const ADMINISTRATION: &[&str] = &[
    "apim:admin",
    "apim:admin_operations",
    "apim:keymanagers_manage",
];

/// REST scopes of those who choose key managers for an API (WSO2 publisher API).
const PUBLISHING: &[&str] = &[
    "apim:api_view",
    "apim:api_create",
    "apim:api_publish",
    "apim:api_manage",
    "apim:mcp_server_create",
    "apim:mcp_server_manage",
    "apim:mcp_server_view",
    "apim:publisher_settings",
];

/// A key manager in an administrator's list.
#[derive(Clone, Debug)]
pub struct KeyManagerSummary {
    pub key_manager: KeyManager,
    /// Some key mapping or API names it, so that it cannot be deleted.
    pub used: bool,
}

/// A key manager that a developer may use, and the form that its type asks them to fill in.
#[derive(Clone, Debug)]
pub struct VisibleKeyManager {
    pub key_manager: KeyManager,
    pub descriptor: ConnectorDescriptor,
}

/// The use-cases of key managers. Returned key managers hold their secrets as [`domain::SecretString`]: they are
/// never to be sent back.
#[derive(Clone, Copy)]
pub struct KeyManagers<'a> {
    control: &'a Control,
}

impl<'a> KeyManagers<'a> {
    pub(crate) const fn new(control: &'a Control) -> Self {
        Self { control }
    }

    /// All key managers, by name. Administrators only.
    pub async fn list(&self, actor: &Actor) -> Result<Vec<KeyManagerSummary>, Error> {
        require(actor, ADMINISTRATION)?;
        let mut tx = self.control.store().read().await?;
        let mut summaries = Vec::new();
        for key_manager in tx.key_managers().list().await? {
            let used = is_used(&mut *tx, &key_manager).await?;
            summaries.push(KeyManagerSummary { key_manager, used });
        }
        Ok(summaries)
    }

    pub async fn get(&self, actor: &Actor, id: KeyManagerId) -> Result<KeyManager, Error> {
        require(actor, ADMINISTRATION)?;
        let mut tx = self.control.store().read().await?;
        find(&mut *tx, id).await
    }

    /// `AlreadyExists` for a taken name, `NotPossible` for an unknown type, `Invalid` naming every wrong field.
    pub async fn create(
        &self,
        actor: &Actor,
        settings: KeyManagerSettings,
    ) -> Result<KeyManager, Error> {
        require(actor, ADMINISTRATION)?;
        let settings = settings::validated(self.control.dependencies(), settings)?;
        let now = self.control.clock().now();
        let key_manager = KeyManager {
            id: KeyManagerId::generate(self.control.clock(), self.control.random()),
            settings,
            created_at: now,
            updated_at: now,
            version: 1,
        };
        let mut tx = self.control.begin().await?;
        settings::check_roles(&mut *tx, &key_manager.settings).await?;
        let inserted = tx.key_managers().insert(&key_manager).await;
        inserted.map_err(|error| match error {
            StoreError::Duplicate { .. } => Error::AlreadyExists(Noun::KeyManager),
            other => other.into(),
        })?;
        let details = settings::audit_details(&key_manager.settings);
        tx.record_audit(
            &actor.username,
            "key_manager.create",
            key_manager.id,
            details,
        )
        .await?;
        tx.changed(ChangedNoun::KeyManager(key_manager.id));
        tx.commit().await?;
        Ok(key_manager)
    }

    /// Replaces the settings. A secret that is absent or masked (`*****`) keeps its stored value; the name, the
    /// type and fields that the type declares immutable cannot change (`Invalid` names the field).
    pub async fn update(
        &self,
        actor: &Actor,
        id: KeyManagerId,
        settings: KeyManagerSettings,
    ) -> Result<KeyManager, Error> {
        require(actor, ADMINISTRATION)?;
        let mut tx = self.control.begin().await?;
        let stored = find(&mut *tx, id).await?;
        let merged = settings::merged(self.control.dependencies(), &stored.settings, settings)?;
        settings::check_roles(&mut *tx, &merged).await?;
        let key_manager = KeyManager {
            settings: merged,
            updated_at: self.control.clock().now(),
            ..stored
        };
        tx.key_managers().update(&key_manager).await?;
        let details = settings::audit_details(&key_manager.settings);
        tx.record_audit(&actor.username, "key_manager.update", id, details)
            .await?;
        tx.changed(ChangedNoun::KeyManager(id));
        let key_manager = find(&mut *tx, id).await?;
        tx.commit().await?;
        Ok(key_manager)
    }

    /// `InUse` while an application has keys of it or an API names it.
    pub async fn delete(&self, actor: &Actor, id: KeyManagerId) -> Result<(), Error> {
        require(actor, ADMINISTRATION)?;
        let mut tx = self.control.begin().await?;
        let key_manager = find(&mut *tx, id).await?;
        if is_used(&mut *tx, &key_manager).await? {
            return Err(in_use());
        }
        let deleted = tx.key_managers().delete(id).await;
        deleted.map_err(|error| match error {
            StoreError::Reference { .. } => in_use(),
            other => other.into(),
        })?;
        let details = json!({ "name": key_manager.settings.name });
        tx.record_audit(&actor.username, "key_manager.delete", id, details)
            .await?;
        tx.changed(ChangedNoun::KeyManager(id));
        tx.commit().await?;
        self.control.connectors().close(id);
        Ok(())
    }

    /// APIs that name this key manager.
    pub async fn api_usages(
        &self,
        actor: &Actor,
        id: KeyManagerId,
        page: Page,
    ) -> Result<Listed<Api>, Error> {
        require(actor, ADMINISTRATION)?;
        let mut tx = self.control.store().read().await?;
        let key_manager = find(&mut *tx, id).await?;
        let name = &key_manager.settings.name;
        Ok(tx.apis().list_naming_key_manager(name, page).await?)
    }

    /// Applications that have keys of this key manager.
    pub async fn app_usages(
        &self,
        actor: &Actor,
        id: KeyManagerId,
        page: Page,
    ) -> Result<Listed<Application>, Error> {
        require(actor, ADMINISTRATION)?;
        let mut tx = self.control.store().read().await?;
        find(&mut *tx, id).await?;
        Ok(tx.applications().list_using(id, page).await?)
    }

    /// Reads an authorization server's metadata document to fill in the form. `Invalid` (field `url`) says what
    /// is wrong with the address or the document, and what to do.
    pub async fn discover(
        &self,
        actor: &Actor,
        url: &str,
        connector_type_name: &str,
    ) -> Result<DiscoveredKeyManager, Error> {
        require(actor, ADMINISTRATION)?;
        connector_type(self.control.dependencies(), connector_type_name)?;
        let Ok(parsed) = Url::parse(url.trim()) else {
            return Err(Invalid::field("url", "must be an http or https URL").into());
        };
        let http = &self.control.dependencies().environment.http;
        connectors::discovery::discover(http, &parsed)
            .await
            .map_err(|error| {
                let message = format!("{error}. {}", error.advice());
                Invalid::field("url", message).into()
            })
    }

    /// The forms of all connector types.
    pub fn descriptors(&self) -> Vec<ConnectorDescriptor> {
        let types = &self.control.dependencies().connector_types;
        types.descriptors().cloned().collect()
    }

    /// "Test connection" of a stored key manager, with its stored secrets.
    pub async fn check(&self, actor: &Actor, id: KeyManagerId) -> Result<ConnectionReport, Error> {
        let key_manager = self.get(actor, id).await?;
        let connector = self
            .control
            .connectors()
            .of(self.control.dependencies(), &key_manager)?;
        Ok(connector.check().await?)
    }

    /// "Test connection" before anything is saved.
    pub async fn check_unsaved(
        &self,
        actor: &Actor,
        settings: KeyManagerSettings,
    ) -> Result<ConnectionReport, Error> {
        require(actor, ADMINISTRATION)?;
        let settings = settings::validated(self.control.dependencies(), settings)?;
        let connector = open_unsaved(self.control.dependencies(), &settings)?;
        Ok(connector.check().await?)
    }

    /// The enabled key managers that the actor may use, by name: what the developer portal offers.
    pub async fn visible_to(&self, actor: &Actor) -> Result<Vec<VisibleKeyManager>, Error> {
        let mut tx = self.control.store().read().await?;
        let dependencies = self.control.dependencies();
        let visible = tx.key_managers().list().await?.into_iter();
        let visible = visible.filter(|key_manager| may_use(actor, key_manager));
        Ok(visible
            .filter_map(|key_manager| {
                // A type that this build no longer has cannot be used: it is not offered.
                let found =
                    connector_type(dependencies, &key_manager.settings.connector_type).ok()?;
                Some(VisibleKeyManager {
                    descriptor: found.descriptor().clone(),
                    key_manager,
                })
            })
            .collect())
    }

    /// The key managers that a publisher may choose for an API, by name.
    pub async fn names(&self, actor: &Actor) -> Result<Vec<KeyManager>, Error> {
        require(actor, PUBLISHING)?;
        let mut tx = self.control.store().read().await?;
        Ok(tx.key_managers().list().await?)
    }
}

/// A key manager by its id or its name. Whether the actor may use it is asked of the answer.
pub(crate) async fn resolve(tx: &mut dyn Tx, reference: &str) -> Result<Option<KeyManager>, Error> {
    if let Ok(id) = reference.parse::<KeyManagerId>()
        && let Some(key_manager) = tx.key_managers().find(id).await?
    {
        return Ok(Some(key_manager));
    }
    Ok(tx.key_managers().find_by_name(reference).await?)
}

/// The key manager that a developer names, if it is there, enabled, and theirs to use.
pub(crate) async fn resolve_for(
    tx: &mut dyn Tx,
    actor: &Actor,
    reference: &str,
) -> Result<KeyManager, Error> {
    let Some(key_manager) = resolve(tx, reference).await? else {
        return Err(NotPossible::KeyManagerNotRegistered(reference.to_owned()).into());
    };
    check_usable(actor, &key_manager)?;
    Ok(key_manager)
}

/// Permission first: whoever may not use a key manager does not learn whether it is enabled.
pub(crate) fn check_usable(actor: &Actor, key_manager: &KeyManager) -> Result<(), Error> {
    let settings = &key_manager.settings;
    if !settings.may_be_used_by(&actor.roles) {
        return Err(NotPossible::KeyManagerRestricted.into());
    }
    if !settings.enabled {
        return Err(NotPossible::KeyManagerNotRegistered(settings.name.clone()).into());
    }
    Ok(())
}

fn may_use(actor: &Actor, key_manager: &KeyManager) -> bool {
    check_usable(actor, key_manager).is_ok()
}

async fn find(tx: &mut dyn Tx, id: KeyManagerId) -> Result<KeyManager, Error> {
    let found = tx.key_managers().find(id).await?;
    found.ok_or(Error::NotFound(Noun::KeyManager))
}

async fn is_used(tx: &mut dyn Tx, key_manager: &KeyManager) -> Result<bool, Error> {
    if tx.key_mappings().count_using(key_manager.id).await? > 0 {
        return Ok(true);
    }
    let one = Page {
        offset: 0,
        limit: 1,
    };
    let name = &key_manager.settings.name;
    let naming = tx.apis().list_naming_key_manager(name, one).await?;
    Ok(naming.total > 0)
}

fn in_use() -> Error {
    Error::InUse {
        noun: Noun::KeyManager,
        reason: "Key Manager is already used by an API or an Application.".to_owned(),
    }
}
