//! `/_emulator/…`: how tests and people steer the emulator. JSON in and out, no authentication:
//! whoever reaches the listener owns the emulator, so it listens on the loopback address.
//!
//! A body must be declared as JSON, so that a web page of another origin cannot send one unasked.

mod clock;
mod directory;
mod fault;
mod key;
mod reply;

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Query, State as Shared},
    routing::{get, post},
};
use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    audit::{AuditEntry, AuditQuery},
    replica::{MAXIMUM_REPLICAS, ReplicationDelays},
    state::State,
};

use self::reply::{Body, Failure};

/// The routes of the control API.
pub(crate) fn router() -> Router<Arc<State>> {
    Router::new()
        .route("/_emulator", get(overview))
        .route("/_emulator/clock", get(clock::show).put(clock::set))
        .route("/_emulator/clock/advance", post(clock::advance))
        .route("/_emulator/clock/freeze", post(clock::freeze))
        .route("/_emulator/clock/resume", post(clock::resume))
        .route(
            "/_emulator/replication",
            get(replication).put(set_replication),
        )
        .route("/_emulator/throttling", get(throttling).put(set_throttling))
        .route(
            "/_emulator/faults",
            get(fault::list).post(fault::add).delete(fault::clear),
        )
        .route(
            "/_emulator/faults/{id}",
            axum::routing::delete(fault::remove),
        )
        .route("/_emulator/audit", get(audit).delete(clear_audit))
        .route("/_emulator/objects", get(directory::objects))
        .route("/_emulator/export", get(directory::export))
        .route("/_emulator/import", post(directory::import))
        .route("/_emulator/tenants", post(directory::add_tenant))
        .route(
            "/_emulator/tenants/{id}/policies",
            get(directory::policies).put(directory::set_policies),
        )
        .route("/_emulator/keys", get(key::list).post(key::add))
        .route("/_emulator/keys/switch", post(key::switch))
        .route("/_emulator/keys/retire", post(key::retire))
        .route("/_emulator/keys/replace-all", post(key::replace_all))
}

async fn overview(Shared(state): Shared<Arc<State>>) -> Json<Value> {
    let tenants: Vec<_> = state
        .directory()
        .tenants()
        .map(|tenant| json!({ "id": tenant.id, "displayName": tenant.display_name, "domains": tenant.domains }))
        .collect();
    Json(json!({
        "baseUrl": state.base_url(),
        "graph": format!("{}/v1.0", state.base_url()),
        "now": state.clock.now(),
        "tenants": tenants,
    }))
}

async fn replication(Shared(state): Shared<Arc<State>>) -> Json<ReplicationDelays> {
    Json(state.delays().clone())
}

async fn set_replication(
    Shared(state): Shared<Arc<State>>,
    Body(delays): Body<ReplicationDelays>,
) -> Result<StatusCode, Failure> {
    if !(1..=MAXIMUM_REPLICAS).contains(&delays.replicas) {
        return Err(Failure::invalid(format!(
            "replicas must be 1 to {MAXIMUM_REPLICAS}"
        )));
    }
    state.set_delays(delays);
    Ok(StatusCode::NO_CONTENT)
}

async fn throttling(Shared(state): Shared<Arc<State>>) -> Json<Value> {
    Json(json!({ "enabled": state.throttles() }))
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Throttling {
    enabled: bool,
}

async fn set_throttling(
    Shared(state): Shared<Arc<State>>,
    Body(wanted): Body<Throttling>,
) -> StatusCode {
    state.set_throttling(wanted.enabled);
    StatusCode::NO_CONTENT
}

async fn audit(
    Shared(state): Shared<Arc<State>>,
    Query(query): Query<AuditQuery>,
) -> Json<Vec<AuditEntry>> {
    Json(state.audit.find(&query))
}

async fn clear_audit(Shared(state): Shared<Arc<State>>) -> StatusCode {
    state.audit.clear();
    StatusCode::NO_CONTENT
}
