//! What machines ask of a node: whether it lives, whether it can do its work, and its figures.
//!
//! Served without a sign-in, on the control plane's listener or, where there is none, on one of its own; so an answer names parts and never says why one fails:
//! that goes to the log.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use control::error::chain;
use gateway::Gateway;
use serde_json::json;
use store::Store;

const STORE_PATIENCE: Duration = Duration::from_secs(5);

/// What the answers are made of. Does not keep the gateway alive: the node alone decides when it stops.
#[derive(Clone)]
pub(crate) struct Monitored {
    /// `None` in a gateway of its own: it decides by what it holds, whatever becomes of the database.
    pub(crate) store: Option<Arc<dyn Store>>,
    pub(crate) gateway: Weak<Gateway>,
    /// Whether the gateway has taken over its first snapshot.
    pub(crate) has_snapshot: Arc<AtomicBool>,
    /// Whether it only finishes what it has accepted.
    pub(crate) is_ending: Arc<AtomicBool>,
}

/// `/health/live`, `/health/ready` and `/metrics`.
pub(crate) fn router(monitored: Monitored) -> Router {
    Router::new()
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .route("/metrics", get(metrics))
        .with_state(monitored)
}

async fn live() -> Response {
    (
        [(CACHE_CONTROL, "no-store")],
        Json(json!({"status": "live"})),
    )
        .into_response()
}

async fn ready(State(monitored): State<Monitored>) -> Response {
    let mut missing = Vec::new();
    if let Some(store) = &monitored.store
        && !store_answers(&**store).await
    {
        missing.push("store");
    }
    let runs = monitored.gateway.strong_count() > 0;
    let is_ending = monitored.is_ending.load(Ordering::Acquire);
    if !runs || is_ending || !monitored.has_snapshot.load(Ordering::Acquire) {
        missing.push("gateway");
    }
    let (status, body) = if missing.is_empty() {
        (StatusCode::OK, json!({"status": "ready"}))
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            json!({"status": "not ready", "notReady": missing}),
        )
    };
    (status, [(CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

async fn store_answers(store: &dyn Store) -> bool {
    match tokio::time::timeout(STORE_PATIENCE, store.ping()).await {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::warn!(error = chain(&error), "not ready: the store fails");
            false
        }
        Err(_) => {
            tracing::warn!("not ready: the store does not answer in time");
            false
        }
    }
}

async fn metrics(State(monitored): State<Monitored>) -> Response {
    let Some(gateway) = monitored.gateway.upgrade() else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let mut text = gateway.metrics();
    text.push_str(concat!(
        "# HELP claviger_build_info 1, labelled with the version that runs.\n",
        "# TYPE claviger_build_info gauge\n",
        "claviger_build_info{version=\"",
        env!("CARGO_PKG_VERSION"),
        "\"} 1\n",
    ));
    (
        [
            (CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"),
            (CACHE_CONTROL, "no-store"),
        ],
        text,
    )
        .into_response()
}

#[cfg(test)]
mod tests;
