//! Signing keys: list, add, switch, retire, replace all at once.

use std::sync::Arc;

use axum::{Json, extract::State as Shared};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::reply::{Body, Failure};
use crate::state::State;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Named {
    kid: String,
}

pub(super) async fn list(Shared(state): Shared<Arc<State>>) -> Json<Value> {
    shown(&state)
}

pub(super) async fn add(
    Shared(state): Shared<Arc<State>>,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let kid = state
        .keys
        .add(state.clock.now())
        .map_err(|error| Failure::conflict(error.to_string()))?;
    Ok((StatusCode::CREATED, Json(json!({ "kid": kid }))))
}

pub(super) async fn switch(
    Shared(state): Shared<Arc<State>>,
    Body(named): Body<Named>,
) -> Result<Json<Value>, Failure> {
    state
        .keys
        .switch_to(&named.kid)
        .map_err(|error| Failure::conflict(error.to_string()))?;
    Ok(shown(&state))
}

pub(super) async fn retire(
    Shared(state): Shared<Arc<State>>,
    Body(named): Body<Named>,
) -> Result<Json<Value>, Failure> {
    state
        .keys
        .retire(&named.kid)
        .map_err(|error| Failure::conflict(error.to_string()))?;
    Ok(shown(&state))
}

pub(super) async fn replace_all(Shared(state): Shared<Arc<State>>) -> Result<Json<Value>, Failure> {
    state
        .keys
        .replace_all(state.clock.now())
        .map_err(|error| Failure::conflict(error.to_string()))?;
    Ok(shown(&state))
}

fn shown(state: &State) -> Json<Value> {
    Json(json!({ "signing": state.keys.signing_kid(), "published": state.keys.kids() }))
}
