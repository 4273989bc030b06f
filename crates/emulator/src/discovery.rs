//! What clients find out before they ask for tokens: metadata documents, key sets, instances.
//!
//! Issuers are Microsoft's; endpoints point to this emulator (Microsoft: *OpenID Connect on the Microsoft identity platform*).

mod document;
mod instance;

use std::sync::Arc;

use axum::Router;
use axum::extract::{OriginalUri, Path, Query, State as Shared};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, HeaderValue, header};
use serde_json::{Value, json};

use self::document::Subject;
use self::instance::InstanceQuery;
use crate::state::State;
use crate::token_service::{Refusal, RequestIds};

#[cfg(test)]
mod tests;

/// The routes of the discovery documents.
pub(crate) fn router() -> Router<Arc<State>> {
    Router::new()
        .route(
            "/{tenant}/.well-known/openid-configuration",
            get(metadata_v1),
        )
        .route(
            "/{tenant}/v2.0/.well-known/openid-configuration",
            get(metadata_v2),
        )
        .route("/{tenant}/discovery/keys", get(key_set))
        .route("/{tenant}/discovery/v2.0/keys", get(key_set))
        .route("/common/discovery/instance", get(instances))
        .route("/common/userrealm/{name}", get(user_realm))
}

async fn metadata_v1(
    Shared(state): Shared<Arc<State>>,
    Path(tenant): Path<String>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Response {
    answer(&state, &tenant, &headers, uri.query(), |subject| {
        subject.metadata_v1(state.base_url())
    })
}

async fn metadata_v2(
    Shared(state): Shared<Arc<State>>,
    Path(tenant): Path<String>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Response {
    answer(&state, &tenant, &headers, uri.query(), |subject| {
        subject.metadata_v2(state.base_url())
    })
}

async fn key_set(
    Shared(state): Shared<Arc<State>>,
    Path(tenant): Path<String>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Response {
    answer(&state, &tenant, &headers, uri.query(), |subject| {
        state.keys.to_jwks(&subject.key_issuer())
    })
}

async fn instances(
    Shared(state): Shared<Arc<State>>,
    Query(query): Query<InstanceQuery>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Response {
    match instance::document(state.base_url(), &query) {
        Ok(document) => cacheable(&document),
        Err(refusal) => {
            let ids = RequestIds::of(&headers, uri.query(), &state);
            refusal.into_response(&ids, &state)
        }
    }
}

/// Clients ask before they send a password: every domain here is managed, none is federated.
async fn user_realm(Path(name): Path<String>) -> Response {
    let domain = name.rsplit_once('@').map_or("", |(_, domain)| domain);
    cacheable(&json!({
        "ver": "1.0",
        "account_type": "Managed",
        "domain_name": domain,
        "cloud_instance_name": "microsoftonline.com",
        "cloud_audience_urn": "urn:federation:MicrosoftOnline",
    }))
}

fn answer(
    state: &State,
    tenant: &str,
    headers: &HeaderMap,
    query: Option<&str>,
    document: impl FnOnce(&Subject) -> Value,
) -> Response {
    match Subject::find(state, tenant) {
        Ok(subject) => cacheable(&document(&subject)),
        Err(refusal) => refuse(state, headers, query, refusal),
    }
}

fn refuse(state: &State, headers: &HeaderMap, query: Option<&str>, refusal: Refusal) -> Response {
    let ids = RequestIds::of(headers, query, state);
    refusal.into_discovery_response(&ids, state)
}

/// Entra lets everybody keep its documents for a day and read them from any web page.
fn cacheable(document: &Value) -> Response {
    let mut response = axum::Json(document).into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("max-age=86400, private"),
    );
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        HeaderValue::from_static("*"),
    );
    response
}
