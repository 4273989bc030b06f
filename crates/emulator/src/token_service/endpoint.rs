//! The HTTP face of the token endpoints.

use std::sync::Arc;

use axum::extract::{Path, Query, Request, State as Shared};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use super::issue::EndpointVersion;
use super::refusal::{add_headers, json_answer};
use super::request::TokenForm;
use super::tenant::find_authority;
use super::{Refusal, RequestIds, client_credentials, person_grants};
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

/// Any other method at a token endpoint.
pub(crate) async fn only_post(Shared(state): Shared<Arc<State>>, request: Request) -> Response {
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
    let answer = match TokenForm::read(request).await {
        Ok(form) => grant(state, version, tenant, &form).await,
        Err(refusal) => Err(refusal),
    };
    match answer {
        Ok(body) => {
            let mut response = json_answer(&body, &ids);
            add_headers(response.headers_mut(), &ids);
            response
        }
        Err(refusal) => {
            tracing::debug!(code = refusal.code(), "the token service refused a request");
            refusal.into_response(&ids, state)
        }
    }
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
