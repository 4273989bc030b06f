//! An API's lifecycle: its state, the open transitions, taking one.

use axum::Extension;
use axum::extract::{Path, State};
use control::Control;
use control::error::Noun;
use domain::api::LifecycleState;
use domain::user::Actor;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::json::Json;
use crate::problem::{ErrorBody, Problem};
use crate::query::{QueryString, identifier};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LifecycleQuery {
    /// For example `Publish`; see `availableTransitions`.
    action: String,
    api_id: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = WorkflowResponse)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LifecycleChange {
    /// Always `APPROVED`: there are no approval workflows.
    #[schema(value_type = String)]
    workflow_status: &'static str,
    json_payload: String,
    lifecycle_state: LifecycleStateBody,
}

#[derive(Serialize, ToSchema)]
#[schema(as = LifecycleState)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LifecycleStateBody {
    /// For example `Published`.
    state: String,
    check_items: Vec<String>,
    available_transitions: Vec<Transition>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Transition {
    #[schema(value_type = String)]
    event: &'static str,
    target_state: String,
}

impl From<LifecycleState> for LifecycleStateBody {
    fn from(state: LifecycleState) -> Self {
        Self {
            state: title(state),
            check_items: Vec::new(),
            available_transitions: state
                .transitions()
                .iter()
                .map(|&(event, target)| Transition {
                    event,
                    target_state: title(target),
                })
                .collect(),
        }
    }
}

/// Takes a lifecycle event.
#[utoipa::path(
    post, path = "/apis/change-lifecycle", tag = "API Lifecycle", params(LifecycleQuery),
    security(("OAuth2Security" = ["apim:api_publish", "apim:api_manage", "apim:api_import_export"])),
    responses(
        (status = 200, body = LifecycleChange),
        (status = 400, body = ErrorBody), (status = 404, body = ErrorBody)
    )
)]
pub(super) async fn change_lifecycle(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    QueryString(query): QueryString<LifecycleQuery>,
) -> Result<Json<LifecycleChange>, Problem> {
    let id = identifier(&query.api_id, Noun::Api)?;
    let state = control
        .apis()
        .change_lifecycle(&actor, id, &query.action)
        .await?;
    Ok(Json(LifecycleChange {
        workflow_status: "APPROVED",
        json_payload: String::new(),
        lifecycle_state: state.into(),
    }))
}

/// The present state and the events that are open.
#[utoipa::path(
    get, path = "/apis/{apiId}/lifecycle-state", tag = "API Lifecycle", params(("apiId" = String, Path)),
    security(("OAuth2Security" = ["apim:api_view", "apim:api_publish", "apim:api_create", "apim:api_manage"])),
    responses((status = 200, body = LifecycleStateBody), (status = 404, body = ErrorBody))
)]
pub(super) async fn get_lifecycle_state(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    Path(id): Path<String>,
) -> Result<Json<LifecycleStateBody>, Problem> {
    let id = identifier(&id, Noun::Api)?;
    Ok(Json(control.apis().lifecycle(&actor, id).await?.into()))
}

/// `PUBLISHED` → `Published`, as WSO2 writes states here.
fn title(state: LifecycleState) -> String {
    let (first, rest) = state.as_str().split_at(1);
    format!("{first}{}", rest.to_ascii_lowercase())
}
