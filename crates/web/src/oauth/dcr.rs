//! WSO2's dynamic client registration v0.17.

use axum::Extension;
use axum::extract::State;
use control::Control;
use control::identity::NewClient;
use domain::user::Actor;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::json::Json;
use crate::problem::{ErrorBody, Problem};

#[derive(Deserialize, ToSchema)]
#[schema(as = DCR)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ClientRegistration {
    callback_url: Option<String>,
    /// The same name again answers with the same client and a new secret.
    client_name: String,
    /// The caller when absent. Only administrators may name somebody else.
    owner: Option<String>,
    /// Separated by spaces, for example `client_credentials password refresh_token`.
    grant_type: Option<String>,
    /// Accepted and ignored.
    #[serde(rename = "saasApp")]
    #[schema(value_type = Option<bool>)]
    _saas_app: Option<Value>,
    /// Accepted and ignored: tokens of these APIs are opaque.
    #[serde(rename = "tokenType")]
    _token_type: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = DCRResult)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RegisteredClient {
    client_id: String,
    client_name: String,
    #[serde(rename = "callBackURL")]
    callback_url: String,
    /// Here and never again.
    client_secret: String,
    is_saas_application: bool,
    app_owner: String,
    json_string: String,
    json_app_attribute: String,
    #[serde(rename = "applicationUUID")]
    application_uuid: Option<String>,
    #[schema(value_type = String)]
    token_type: &'static str,
}

/// Registers an OAuth client for scripts. Sign in with HTTP Basic.
#[utoipa::path(
    post, path = "/client-registration/v0.17/register", tag = "Dynamic client registration",
    request_body = ClientRegistration,
    security(("OAuth2Security" = ["apim:dcr:app_manage"])),
    responses(
        (status = 200, body = RegisteredClient),
        (status = 400, body = ErrorBody), (status = 401, body = ErrorBody)
    )
)]
pub(super) async fn register_client(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    Json(body): Json<ClientRegistration>,
) -> Result<Json<RegisteredClient>, Problem> {
    let grant_type = body.grant_type.unwrap_or_default();
    let new = NewClient {
        name: body.client_name,
        owner: body.owner.filter(|owner| !owner.is_empty()),
        callback_url: body.callback_url.unwrap_or_default(),
        grant_types: grant_type.split_whitespace().map(str::to_owned).collect(),
    };
    let registered = control.identity().register_client(&actor, new).await?;
    let client = registered.client;
    let attributes = json!({
        "grant_types": client.grant_types.join(" "),
        "redirect_uris": client.callback_url,
        "client_name": client.name,
    });
    Ok(Json(RegisteredClient {
        client_id: client.client_id,
        client_name: client.name,
        callback_url: client.callback_url,
        client_secret: registered.client_secret.expose_secret().to_owned(),
        is_saas_application: true,
        app_owner: client.owner,
        json_string: attributes.to_string(),
        json_app_attribute: "{}".to_owned(),
        application_uuid: None,
        token_type: "DEFAULT",
    }))
}
