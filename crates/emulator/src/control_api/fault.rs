//! Fault rules: list, add, remove.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State as Shared},
};
use http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use super::reply::{Body, Failure};
use crate::{fault::FaultRule, state::State};

pub(super) async fn list(Shared(state): Shared<Arc<State>>) -> Json<Vec<FaultRule>> {
    Json(state.faults.list())
}

pub(super) async fn add(
    Shared(state): Shared<Arc<State>>,
    Body(rule): Body<FaultRule>,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let id = state.request_random.uuid();
    let id = state
        .faults
        .add(rule, id)
        .map_err(|error| Failure::invalid(error.to_string()))?;
    Ok((StatusCode::CREATED, Json(json!({ "id": id }))))
}

pub(super) async fn remove(
    Shared(state): Shared<Arc<State>>,
    Path(id): Path<Uuid>,
) -> Result<StatusCode, Failure> {
    if state.faults.remove(id) {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Failure::not_found("rule"))
    }
}

pub(super) async fn clear(Shared(state): Shared<Arc<State>>) -> StatusCode {
    state.faults.clear();
    StatusCode::NO_CONTENT
}
