//! `/settings` of the admin API: the connector types and the forms that they ask administrators to fill in.

use axum::Extension;
use axum::extract::State;
use control::Control;
use control::identity::authorization::ADMIN_SCOPES;
use domain::user::Actor;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::json::Json;
use crate::problem::Problem;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AdminSettings {
    scopes: Vec<&'static str>,
    gateway_types: Vec<&'static str>,
    #[serde(rename = "IsJWTEnabledForLoginTokens")]
    is_jwt_enabled_for_login_tokens: bool,
    org_access_control_enabled: bool,
    /// One entry a connector type: `type`, `displayName`, `defaultConsumerKeyClaim`, `configurations[]`,
    /// `endpointConfigurations[]`.
    #[schema(value_type = Vec<Object>)]
    key_manager_configuration: Vec<Value>,
    #[schema(value_type = Vec<Object>)]
    gateway_configuration: Vec<Value>,
    analytics_enabled: bool,
    transaction_counter_enable: bool,
    is_gateway_notification_enabled: bool,
}

/// Connector types with their forms, and the scopes of this API.
#[utoipa::path(
    get, path = "/settings", tag = "Settings",
    security(("OAuth2Security" = ["apim:admin", "apim:admin_settings"])),
    responses((status = 200, body = AdminSettings))
)]
pub(super) async fn get_admin_settings(
    State(control): State<Control>,
    Extension(_actor): Extension<Actor>,
) -> Result<Json<AdminSettings>, Problem> {
    let descriptors = control.key_managers().descriptors();
    Ok(Json(AdminSettings {
        scopes: ADMIN_SCOPES.to_vec(),
        gateway_types: vec!["Regular"],
        is_jwt_enabled_for_login_tokens: false,
        org_access_control_enabled: false,
        key_manager_configuration: descriptors
            .iter()
            .map(|descriptor| json!(descriptor))
            .collect(),
        gateway_configuration: Vec::new(),
        analytics_enabled: false,
        transaction_counter_enable: false,
        is_gateway_notification_enabled: false,
    }))
}
