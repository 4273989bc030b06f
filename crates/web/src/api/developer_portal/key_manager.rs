//! `/key-managers` of the developer portal API: those that the caller may use.

use axum::Extension;
use axum::extract::State;
use control::Control;
use control::key_manager::VisibleKeyManager;
use domain::key_manager::TokenType;
use domain::user::Actor;
use serde::Serialize;
use serde_json::{Map, Value, json};
use url::Url;
use utoipa::ToSchema;

use crate::json::Json;
use crate::paging::count;
use crate::problem::Problem;

#[derive(Serialize, ToSchema)]
pub(crate) struct KeyManagerList {
    count: u64,
    list: Vec<KeyManagerInfo>,
}

/// A key manager as a developer needs it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KeyManagerInfo {
    id: String,
    name: String,
    #[serde(rename = "type")]
    connector_type: String,
    display_name: String,
    description: String,
    enabled: bool,
    available_grant_types: Vec<String>,
    /// The display address where one is set.
    token_endpoint: String,
    revoke_endpoint: String,
    user_info_endpoint: String,
    enable_token_generation: bool,
    enable_token_encryption: bool,
    enable_token_hashing: bool,
    #[serde(rename = "enableOAuthAppCreation")]
    enable_oauth_app_creation: bool,
    #[serde(rename = "enableMapOAuthConsumerApps")]
    enable_map_oauth_consumer_apps: bool,
    /// Fields to fill in when generating keys.
    #[schema(value_type = Vec<Object>)]
    application_configuration: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alias: Option<String>,
    #[schema(value_type = Object)]
    additional_properties: Map<String, Value>,
    #[schema(value_type = String)]
    token_type: TokenType,
}

impl From<VisibleKeyManager> for KeyManagerInfo {
    fn from(visible: VisibleKeyManager) -> Self {
        let id = visible.key_manager.id;
        let settings = visible.key_manager.settings;
        let endpoints = settings.endpoints;
        Self {
            id: id.to_string(),
            display_name: if settings.display_name.is_empty() {
                settings.name.clone()
            } else {
                settings.display_name
            },
            name: settings.name,
            connector_type: settings.connector_type,
            description: settings.description,
            enabled: settings.enabled,
            available_grant_types: settings.available_grant_types,
            token_endpoint: text(endpoints.display_token.or(endpoints.token)),
            revoke_endpoint: text(endpoints.display_revoke.or(endpoints.revoke)),
            user_info_endpoint: text(endpoints.user_info),
            enable_token_generation: settings.capabilities.token_generation,
            enable_token_encryption: settings.capabilities.token_encryption,
            enable_token_hashing: settings.capabilities.token_hashing,
            enable_oauth_app_creation: settings.capabilities.oauth_app_creation,
            enable_map_oauth_consumer_apps: settings.capabilities.map_oauth_consumer_apps,
            application_configuration: visible
                .descriptor
                .application_configurations
                .iter()
                .map(|field| json!(field))
                .collect(),
            alias: settings.alias,
            additional_properties: Map::new(),
            token_type: settings.token_type,
        }
    }
}

/// The enabled key managers that the caller may use.
#[utoipa::path(
    get, path = "/key-managers", tag = "Key Managers",
    security(("OAuth2Security" = ["apim:subscribe"])),
    responses((status = 200, body = KeyManagerList))
)]
pub(super) async fn list_visible_key_managers(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
) -> Result<Json<KeyManagerList>, Problem> {
    let visible = control.key_managers().visible_to(&actor).await?;
    let list: Vec<_> = visible.into_iter().map(KeyManagerInfo::from).collect();
    Ok(Json(KeyManagerList {
        count: count(&list),
        list,
    }))
}

fn text(url: Option<Url>) -> String {
    url.map_or_else(String::new, String::from)
}
