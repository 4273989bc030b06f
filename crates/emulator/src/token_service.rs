//! The token endpoints of both versions: who asks, for what, and what token they get.
//!
//! Owns client authentication, grants, claims, lifetimes and the AADSTS errors. Reads the
//! directory as the token service sees it, which lags behind; keys are `keys`' affair.

mod assertion;
mod authorize;
mod claims;
mod client;
mod client_credentials;
mod delegated;
mod device;
mod endpoint;
mod federated;
mod graph_token;
mod issue;
mod person;
mod person_grants;
mod redirect;
mod refusal;
mod request;
mod resource;
mod sign_in_refusal;
mod sign_ins;
mod tenant;
mod userinfo;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

#[cfg(test)]
pub(crate) use graph_token::GraphTokenError;
pub(crate) use graph_token::{Caller, sign_portal_token};
pub(crate) use refusal::{Refusal, RequestIds};
pub(crate) use sign_ins::SignIns;
pub(crate) use tenant::find_tenant;

use crate::state::State;

#[cfg(test)]
pub(crate) mod tests;

/// The routes of the token service.
pub(crate) fn router() -> Router<Arc<State>> {
    Router::new()
        .route(
            "/{tenant}/oauth2/v2.0/token",
            post(endpoint::token_v2).fallback(endpoint::only_post),
        )
        .route(
            "/{tenant}/oauth2/token",
            post(endpoint::token_v1).fallback(endpoint::only_post),
        )
        .route(
            "/{tenant}/oauth2/v2.0/authorize",
            get(authorize::show).post(authorize::decide),
        )
        .route(
            "/{tenant}/oauth2/authorize",
            get(authorize::show).post(authorize::decide),
        )
        .route("/{tenant}/oauth2/v2.0/devicecode", post(device::start))
        .route("/{tenant}/oauth2/devicecode", post(device::start))
        .route("/devicelogin", get(device::show).post(device::decide))
        .route("/{tenant}/oauth2/v2.0/logout", get(userinfo::sign_out))
        .route("/{tenant}/oauth2/logout", get(userinfo::sign_out))
        .route("/oidc/userinfo", get(userinfo::show).post(userinfo::show))
        .route(
            "/{tenant}/openid/userinfo",
            get(userinfo::show).post(userinfo::show),
        )
        .route("/error", get(endpoint::error_page))
}
