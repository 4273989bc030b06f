//! The token endpoint (RFC 6749 section 3.2): password and client_credentials grants.

use axum::extract::State;
use axum::response::IntoResponse;
use control::Control;
use domain::SecretString;
use http::header;
use secrecy::ExposeSecret as _;
use serde::Serialize;
use utoipa::ToSchema;

use super::refusal::{OAuthErrorBody, OAuthRefusal};
use super::request::OAuthRequest;
use crate::json::Json;

#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the form in the OpenAPI document")]
pub(crate) struct TokenForm {
    /// `password` or `client_credentials`.
    grant_type: String,
    username: Option<String>,
    password: Option<String>,
    /// Separated by spaces; what the user may not have is left out.
    scope: Option<String>,
    /// Where the client does not use HTTP Basic.
    client_id: Option<String>,
    client_secret: Option<String>,
}

/// RFC 6749 section 5.1.
#[derive(Serialize, ToSchema)]
pub(crate) struct TokenResponse {
    access_token: String,
    #[schema(value_type = String)]
    token_type: &'static str,
    /// Seconds.
    expires_in: u64,
    scope: String,
}

/// Issues an access token for the REST APIs.
#[utoipa::path(
    post, path = "/oauth2/token", tag = "OAuth 2.0",
    request_body(content = TokenForm, content_type = "application/x-www-form-urlencoded"),
    security(()),
    responses(
        (status = 200, body = TokenResponse), (status = 400, body = OAuthErrorBody),
        (status = 401, body = OAuthErrorBody), (status = 429, body = OAuthErrorBody)
    )
)]
pub(super) async fn issue_token(
    State(control): State<Control>,
    mut request: OAuthRequest,
) -> Result<impl IntoResponse, OAuthRefusal> {
    let grant_type = request.require("grant_type")?;
    let scope = request.take("scope").unwrap_or_default();
    let scopes: Vec<String> = scope.split_whitespace().map(str::to_owned).collect();
    let identity = control.identity();
    let issued = match grant_type.as_str() {
        "password" => {
            let username = request.require("username")?;
            let password = SecretString::from(request.require("password")?);
            let client = &request.client;
            identity
                .token_by_password(
                    &client.name,
                    &client.secret,
                    &username,
                    &password,
                    &scopes,
                    request.address,
                )
                .await?
        }
        "client_credentials" => {
            let client = &request.client;
            identity
                .token_by_client_credentials(&client.name, &client.secret, &scopes)
                .await?
        }
        _ => return Err(OAuthRefusal::unsupported_grant_type()),
    };
    let body = TokenResponse {
        access_token: issued.access_token.expose_secret().to_owned(),
        token_type: "Bearer",
        expires_in: issued.expires_in.as_secs(),
        scope: issued.scopes.join(" "),
    };
    Ok((
        [
            (header::CACHE_CONTROL, "no-store"),
            (header::PRAGMA, "no-cache"),
        ],
        Json(body),
    ))
}
