//! The HTTP face of the token endpoints.

use std::sync::Arc;

use axum::extract::{Path, Query, Request, State as Shared};
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode, header};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::issue::EndpointVersion;
use super::refusal::json_answer;
use super::request::TokenForm;
use super::tenant::find_authority;
use super::{Refusal, RequestIds, client_credentials, person_grants};
use crate::audit::AuditNote;
use crate::state::State;

/// `POST /{tenant}/oauth2/v2.0/token`.
pub(crate) async fn token_v2(
    Shared(state): Shared<Arc<State>>,
    Path(tenant): Path<String>,
    request: Request,
) -> Response {
    token(&state, EndpointVersion::V2, &tenant, request).await
}

/// `POST /{tenant}/oauth2/token`.
pub(crate) async fn token_v1(
    Shared(state): Shared<Arc<State>>,
    Path(tenant): Path<String>,
    request: Request,
) -> Response {
    token(&state, EndpointVersion::V1, &tenant, request).await
}

/// Any other method at a token endpoint. Browsers ask first (`OPTIONS`) before a page of another
/// origin may redeem a code.
pub(crate) async fn only_post(Shared(state): Shared<Arc<State>>, request: Request) -> Response {
    if request.method() == Method::OPTIONS {
        let headers = [
            (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
            (header::ACCESS_CONTROL_ALLOW_METHODS, "POST, OPTIONS"),
            (
                header::ACCESS_CONTROL_ALLOW_HEADERS,
                "content-type, client-request-id",
            ),
            (header::ACCESS_CONTROL_MAX_AGE, "3600"),
        ];
        return (StatusCode::OK, headers).into_response();
    }
    let ids = RequestIds::of(request.headers(), request.uri().query(), &state);
    Refusal::OnlyPost.into_response(&ids, &state)
}

#[derive(Debug, Deserialize)]
pub(crate) struct ErrorQuery {
    #[serde(default)]
    code: String,
}

/// `GET /error?code=…`: where `error_uri` points.
pub(crate) async fn error_page(Query(query): Query<ErrorQuery>) -> Response {
    let code: String = query
        .code
        .chars()
        .filter(char::is_ascii_digit)
        .take(12)
        .collect();
    (
        StatusCode::OK,
        format!("AADSTS{code}: see the error_description of the answer.\n"),
    )
        .into_response()
}

async fn token(
    state: &State,
    version: EndpointVersion,
    tenant: &str,
    request: Request,
) -> Response {
    let ids = RequestIds::of(request.headers(), request.uri().query(), state);
    let mut caller_app_id = None;
    let answer = match TokenForm::read(request).await {
        Ok(form) => {
            caller_app_id = form
                .get("client_id")
                .and_then(|id| Uuid::try_parse(id).ok());
            grant(state, version, tenant, &form).await
        }
        Err(refusal) => Err(refusal),
    };
    let mut response = match answer {
        Ok(body) => json_answer(&body, &ids),
        Err(refusal) => {
            tracing::debug!(code = refusal.code(), "the token service refused a request");
            refusal.into_response(&ids, state)
        }
    };
    let tenant_id = state.directory().tenant(tenant).map(|tenant| tenant.id);
    response.extensions_mut().insert(AuditNote {
        tenant_id,
        caller_app_id,
        effects: Vec::new(),
    });
    response
}

async fn grant(
    state: &State,
    version: EndpointVersion,
    tenant: &str,
    form: &TokenForm,
) -> Result<Value, Refusal> {
    let authority = find_authority(&state.directory(), tenant)?;
    match form.require("grant_type")? {
        "client_credentials" => client_credentials::answer(state, version, authority, form).await,
        "authorization_code" => {
            person_grants::authorization_code(state, version, &authority, form).await
        }
        "refresh_token" => person_grants::refresh_token(state, version, &authority, form).await,
        "urn:ietf:params:oauth:grant-type:device_code" | "device_code" => {
            person_grants::device_code(state, version, &authority, form).await
        }
        "password" => person_grants::password(state, version, &authority, form).await,
        other => Err(Refusal::UnsupportedGrant(other.chars().take(200).collect())),
    }
}
