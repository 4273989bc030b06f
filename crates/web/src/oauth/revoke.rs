//! Token revocation (RFC 7009).

use axum::extract::State;
use control::Control;
use http::StatusCode;
use utoipa::ToSchema;

use super::refusal::{OAuthErrorBody, OAuthRefusal};
use super::request::OAuthRequest;

#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the form in the OpenAPI document")]
pub(crate) struct RevokeForm {
    token: String,
    /// `access_token`; anything is accepted.
    token_type_hint: Option<String>,
    /// Where the client does not use HTTP Basic.
    client_id: Option<String>,
    client_secret: Option<String>,
}

/// Revokes an access token of the client that asks. An unknown token is no error.
#[utoipa::path(
    post, path = "/oauth2/revoke", tag = "OAuth 2.0",
    request_body(content = RevokeForm, content_type = "application/x-www-form-urlencoded"),
    security(()),
    responses(
        (status = 200, description = "The token does not work any more"),
        (status = 400, body = OAuthErrorBody), (status = 401, body = OAuthErrorBody)
    )
)]
pub(super) async fn revoke_token(
    State(control): State<Control>,
    mut request: OAuthRequest,
) -> Result<StatusCode, OAuthRefusal> {
    let token = request.require("token")?;
    let client = &request.client;
    control
        .identity()
        .revoke(&client.name, &client.secret, &token)
        .await?;
    Ok(StatusCode::OK)
}
