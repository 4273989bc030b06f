//! `/settings` of the developer portal API.

use axum::Extension;
use axum::extract::State;
use control::Control;
use control::identity::authorization::DEVELOPER_PORTAL_SCOPES;
use domain::user::Actor;
use serde::Serialize;
use utoipa::ToSchema;

use crate::json::Json;
use crate::problem::Problem;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeveloperSettings {
    #[schema(value_type = Vec<String>)]
    grant_types: Vec<&'static str>,
    #[schema(value_type = Vec<String>)]
    scopes: Vec<&'static str>,
    application_sharing_enabled: bool,
    /// Some key manager lets existing clients be mapped.
    map_existing_auth_apps: bool,
    /// The first gateway environment's address.
    api_gateway_endpoint: String,
    monetization_enabled: bool,
    recommendation_enabled: bool,
    #[serde(rename = "IsUnlimitedTierPaid")]
    is_unlimited_tier_paid: bool,
    /// Public APIs can be seen without signing in.
    #[serde(rename = "IsAnonymousModeEnabled")]
    is_anonymous_mode_enabled: bool,
    #[serde(rename = "IsPasswordChangeEnabled")]
    is_password_change_enabled: bool,
    org_access_control_enabled: bool,
    #[schema(value_type = String)]
    devportal_mode: &'static str,
}

/// What a developer portal must know before it draws a page.
#[utoipa::path(
    get, path = "/settings", tag = "Settings",
    security(("OAuth2Security" = ["apim:store_settings"])),
    responses((status = 200, body = DeveloperSettings))
)]
pub(super) async fn get_developer_settings(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
) -> Result<Json<DeveloperSettings>, Problem> {
    let key_managers = control.key_managers().visible_to(&actor).await?;
    let gateway = control.settings().environments.first();
    Ok(Json(DeveloperSettings {
        grant_types: vec!["client_credentials"],
        scopes: DEVELOPER_PORTAL_SCOPES.to_vec(),
        application_sharing_enabled: false,
        map_existing_auth_apps: key_managers.iter().any(|visible| {
            let settings = &visible.key_manager.settings;
            settings.capabilities.map_oauth_consumer_apps
        }),
        api_gateway_endpoint: gateway.map_or_else(String::new, |one| one.base_url.clone()),
        monetization_enabled: false,
        recommendation_enabled: false,
        is_unlimited_tier_paid: false,
        is_anonymous_mode_enabled: true,
        is_password_change_enabled: false,
        org_access_control_enabled: false,
        devportal_mode: "API_ONLY",
    }))
}
