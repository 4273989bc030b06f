//! `/key-managers` of the publisher API: what an API may be bound to.

use axum::Extension;
use axum::extract::State;
use control::Control;
use domain::key_manager::KeyManager;
use domain::user::Actor;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::json::Json;
use crate::paging::count;
use crate::problem::Problem;

#[derive(Serialize, ToSchema)]
pub(crate) struct KeyManagerList {
    count: u64,
    list: Vec<KeyManagerInfo>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KeyManagerInfo {
    id: String,
    name: String,
    display_name: String,
    #[serde(rename = "type")]
    connector_type: String,
    description: String,
    enabled: bool,
    /// Always empty.
    #[schema(value_type = Vec<Object>)]
    additional_properties: Vec<Value>,
}

impl From<KeyManager> for KeyManagerInfo {
    fn from(key_manager: KeyManager) -> Self {
        let settings = key_manager.settings;
        Self {
            id: key_manager.id.to_string(),
            display_name: if settings.display_name.is_empty() {
                settings.name.clone()
            } else {
                settings.display_name
            },
            name: settings.name,
            connector_type: settings.connector_type,
            description: settings.description,
            enabled: settings.enabled,
            additional_properties: Vec::new(),
        }
    }
}

/// Key managers by name.
#[utoipa::path(
    get, path = "/key-managers", tag = "Key Managers (Collection)",
    security(("OAuth2Security" = ["apim:api_view", "apim:api_create", "apim:api_manage", "apim:mcp_server_view", "apim:mcp_server_create", "apim:mcp_server_manage"])),
    responses((status = 200, body = KeyManagerList))
)]
pub(super) async fn list_publisher_key_managers(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
) -> Result<Json<KeyManagerList>, Problem> {
    let key_managers = control.key_managers().names(&actor).await?;
    let list: Vec<_> = key_managers.into_iter().map(KeyManagerInfo::from).collect();
    Ok(Json(KeyManagerList {
        count: count(&list),
        list,
    }))
}
