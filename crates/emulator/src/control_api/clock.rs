//! The clock: read, set, advance, freeze, resume.

use std::sync::Arc;

use axum::{Json, extract::State as Shared};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use super::reply::{Body, Failure};
use crate::state::State;

/// Fifty years: enough to see anything expire.
const MAXIMUM_STEP_SECONDS: f64 = 50.0 * 366.0 * 86_400.0;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Instant {
    now: Timestamp,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    seconds: f64,
}

pub(super) async fn show(Shared(state): Shared<Arc<State>>) -> Json<Value> {
    shown(&state)
}

pub(super) async fn set(
    Shared(state): Shared<Arc<State>>,
    Body(instant): Body<Instant>,
) -> Json<Value> {
    state.clock.set(instant.now);
    shown(&state)
}

pub(super) async fn advance(
    Shared(state): Shared<Arc<State>>,
    Body(step): Body<Step>,
) -> Result<Json<Value>, Failure> {
    if !(0.0..=MAXIMUM_STEP_SECONDS).contains(&step.seconds) {
        return Err(Failure::invalid(
            "seconds must be between 0 and fifty years",
        ));
    }
    state
        .clock
        .advance(SignedDuration::from_secs_f64(step.seconds));
    Ok(shown(&state))
}

pub(super) async fn freeze(Shared(state): Shared<Arc<State>>) -> Json<Value> {
    state.clock.freeze();
    shown(&state)
}

pub(super) async fn resume(Shared(state): Shared<Arc<State>>) -> Json<Value> {
    state.clock.resume();
    shown(&state)
}

fn shown(state: &State) -> Json<Value> {
    Json(json!({ "now": state.clock.now(), "frozen": state.clock.is_frozen() }))
}
