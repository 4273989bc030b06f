//! `/settings` of the publisher API: gateway environments above all.

use axum::Extension;
use axum::extract::State;
use control::Control;
use control::GatewayEnvironment;
use control::identity::authorization::PUBLISHER_SCOPES;
use domain::user::Actor;
use serde::Serialize;
use url::Url;
use utoipa::ToSchema;

use crate::json::Json;
use crate::problem::Problem;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PublisherSettings {
    /// Where revisions may be deployed to.
    environment: Vec<Environment>,
    #[schema(value_type = Vec<String>)]
    gateway_types: Vec<&'static str>,
    #[schema(value_type = Vec<String>)]
    scopes: Vec<&'static str>,
    #[schema(value_type = String)]
    default_subscription_policy: &'static str,
    #[schema(value_type = String)]
    default_advance_policy: &'static str,
    #[schema(value_type = String)]
    authorization_header: &'static str,
    org_access_control_enabled: bool,
    allow_subscription_validation_disabling: bool,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Environment {
    id: String,
    name: String,
    display_name: String,
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    kind: &'static str,
    server_url: String,
    show_in_api_console: bool,
    vhosts: Vec<VirtualHost>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = VHost)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VirtualHost {
    host: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    http_port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    https_port: Option<u16>,
}

impl From<&GatewayEnvironment> for Environment {
    fn from(environment: &GatewayEnvironment) -> Self {
        let url = Url::parse(&environment.base_url).ok();
        let port_of = |scheme: &str| {
            url.as_ref()
                .filter(|url| url.scheme() == scheme)
                .and_then(Url::port_or_known_default)
        };
        Self {
            id: environment.name.clone(),
            name: environment.name.clone(),
            display_name: environment.name.clone(),
            kind: "hybrid",
            server_url: environment.base_url.clone(),
            show_in_api_console: true,
            vhosts: vec![VirtualHost {
                host: environment.vhost.clone(),
                http_port: port_of("http"),
                https_port: port_of("https"),
            }],
        }
    }
}

/// What a publisher portal must know before it draws a page.
#[utoipa::path(
    get, path = "/settings", tag = "Settings",
    security(("OAuth2Security" = ["apim:api_view", "apim:publisher_settings"])),
    responses((status = 200, body = PublisherSettings))
)]
pub(super) async fn get_publisher_settings(
    State(control): State<Control>,
    Extension(_actor): Extension<Actor>,
) -> Result<Json<PublisherSettings>, Problem> {
    let environments = control.settings().environments.iter();
    Ok(Json(PublisherSettings {
        environment: environments.map(Environment::from).collect(),
        gateway_types: vec!["Regular"],
        scopes: PUBLISHER_SCOPES.to_vec(),
        default_subscription_policy: "Unlimited",
        default_advance_policy: "Unlimited",
        authorization_header: "Authorization",
        org_access_control_enabled: false,
        allow_subscription_validation_disabling: true,
    }))
}
