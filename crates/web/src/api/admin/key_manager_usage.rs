//! What uses a key manager: the APIs that name it and the applications that hold its keys.

use axum::Extension;
use axum::extract::{Path, State};
use control::Control;
use control::error::Noun;
use domain::api::{Api, KeyManagerSelection};
use domain::application::Application;
use domain::user::Actor;
use serde::Serialize;
use utoipa::ToSchema;

use crate::json::Json;
use crate::paging::PageQuery;
use crate::problem::{ErrorBody, Problem};
use crate::query::{QueryString, identifier};

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KeyManagerAPIUsages {
    /// All of them, not only those on this page.
    api_count: u64,
    apis: Vec<ApiUsage>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = APIInfoKeyManager)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApiUsage {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    name: String,
    transport_type: &'static str,
    description: String,
    context: String,
    version: String,
    provider: String,
    status: &'static str,
    advertise_only: bool,
    /// The key managers that the API names.
    key_manager_entry: String,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KeyManagerAppUsages {
    /// All of them, not only those on this page.
    application_count: u64,
    applications: Vec<ApplicationUsage>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ApplicationInfoKeyManager)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApplicationUsage {
    name: String,
    uuid: String,
    organization_id: &'static str,
    owner: String,
    organization: &'static str,
}

/// There is one organization; WSO2 calls the first tenant so.
const ORGANIZATION: &str = "carbon.super";

impl From<Api> for ApiUsage {
    fn from(api: Api) -> Self {
        let key_manager_entry = match &api.settings.key_managers {
            KeyManagerSelection::All => "all".to_owned(),
            KeyManagerSelection::Only(names) => names.join(","),
        };
        Self {
            id: api.id.to_string(),
            kind: "API",
            name: api.settings.name,
            transport_type: "HTTP",
            description: api.settings.description,
            context: api.settings.context,
            version: api.settings.version,
            provider: api.provider,
            status: api.lifecycle.as_str(),
            advertise_only: false,
            key_manager_entry,
        }
    }
}

impl From<Application> for ApplicationUsage {
    fn from(application: Application) -> Self {
        Self {
            name: application.settings.name,
            uuid: application.id.to_string(),
            organization_id: ORGANIZATION,
            owner: application.owner,
            organization: ORGANIZATION,
        }
    }
}

/// The APIs that name this key manager.
#[utoipa::path(
    get, path = "/key-managers/{keyManagerId}/api-usages", tag = "Key Manager API Usages",
    params(("keyManagerId" = String, Path), PageQuery),
    security(("OAuth2Security" = ["apim:admin", "apim:admin_operations"])),
    responses((status = 200, body = KeyManagerAPIUsages), (status = 404, body = ErrorBody))
)]
pub(super) async fn list_api_usages(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    Path(id): Path<String>,
    QueryString(page): QueryString<PageQuery>,
) -> Result<Json<KeyManagerAPIUsages>, Problem> {
    let id = identifier(&id, Noun::KeyManager)?;
    let listed = control
        .key_managers()
        .api_usages(&actor, id, page.page())
        .await?;
    Ok(Json(KeyManagerAPIUsages {
        api_count: listed.total,
        apis: listed.items.into_iter().map(ApiUsage::from).collect(),
    }))
}

/// The applications that hold keys of this key manager.
#[utoipa::path(
    get, path = "/key-managers/{keyManagerId}/app-usages", tag = "Key Manager App Usages",
    params(("keyManagerId" = String, Path), PageQuery),
    security(("OAuth2Security" = ["apim:admin", "apim:admin_operations"])),
    responses((status = 200, body = KeyManagerAppUsages), (status = 404, body = ErrorBody))
)]
pub(super) async fn list_application_usages(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    Path(id): Path<String>,
    QueryString(page): QueryString<PageQuery>,
) -> Result<Json<KeyManagerAppUsages>, Problem> {
    let id = identifier(&id, Noun::KeyManager)?;
    let listed = control
        .key_managers()
        .app_usages(&actor, id, page.page())
        .await?;
    Ok(Json(KeyManagerAppUsages {
        application_count: listed.total,
        applications: listed
            .items
            .into_iter()
            .map(ApplicationUsage::from)
            .collect(),
    }))
}
