//! Access tokens for trying an API.

use axum::Extension;
use axum::extract::{Path, State};
use control::Control;
use control::key_mapping::GenerateToken;
use domain::user::Actor;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::application_key::identifiers;
use super::application_key_body::ApplicationToken;
use crate::json::Json;
use crate::problem::{ErrorBody, Problem};
use crate::secret::SecretText;

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ApplicationTokenGenerateRequest {
    /// Needed for mapped clients, whose secret is not kept here.
    #[schema(value_type = Option<String>)]
    consumer_secret: Option<SecretText>,
    /// Seconds; the authorization server alone decides how long its tokens last.
    validity_period: Option<u64>,
    scopes: Option<Vec<String>>,
    /// Accepted and ignored: Claviger cannot revoke another server's token.
    #[serde(rename = "revokeToken")]
    _revoke_token: Option<String>,
    /// `CLIENT_CREDENTIALS`.
    grant_type: Option<GrantType>,
    #[serde(rename = "additionalProperties")]
    #[schema(value_type = Option<Object>)]
    _additional_properties: Option<Value>,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum GrantType {
    ClientCredentials,
    TokenExchange,
}

/// Obtains an access token with the application's own credentials.
#[utoipa::path(
    post, path = "/applications/{applicationId}/oauth-keys/{keyMappingId}/generate-token",
    tag = "Application Tokens",
    params(("applicationId" = String, Path), ("keyMappingId" = String, Path)),
    request_body = ApplicationTokenGenerateRequest,
    security(("OAuth2Security" = ["apim:subscribe", "apim:app_manage"])),
    responses(
        (status = 200, body = ApplicationToken),
        (status = 400, body = ErrorBody), (status = 404, body = ErrorBody)
    )
)]
pub(super) async fn generate_token(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    Path(path): Path<(String, String)>,
    Json(body): Json<ApplicationTokenGenerateRequest>,
) -> Result<Json<ApplicationToken>, Problem> {
    let (application, id) = identifiers(&path)?;
    if body.grant_type == Some(GrantType::TokenExchange) {
        return Err(Problem::bad_request(
            "The grant type TOKEN_EXCHANGE is not offered; use CLIENT_CREDENTIALS.",
        ));
    }
    let wanted = GenerateToken {
        consumer_secret: body.consumer_secret.and_then(SecretText::given),
        scopes: body.scopes.unwrap_or_default(),
        validity: body.validity_period,
    };
    let token = control
        .key_mappings()
        .generate_token(&actor, application, id, wanted)
        .await?;
    Ok(Json(token.into()))
}
