//! `/throttling/policies` of the admin API: `application`, `subscription` and `advanced` (API level) policies.
//!
//! WSO2's `custom` policies (Siddhi queries) are not offered: their address is not found.

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::IntoResponse;
use control::Control;
use control::error::{Error, Noun};
use domain::throttling_policy::PolicyLevel;
use domain::user::Actor;
use http::{StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use super::throttling_policy_body::ThrottlePolicyBody;
use crate::json::Json;
use crate::paging::count;
use crate::problem::{ErrorBody, Problem};
use crate::query::identifier;

#[derive(Serialize, ToSchema)]
pub(crate) struct ThrottlePolicyList {
    count: u64,
    list: Vec<ThrottlePolicyBody>,
}

/// The policies of a level, by name: `application`, `subscription` or `advanced`.
#[utoipa::path(
    get, path = "/throttling/policies/{policyLevel}", tag = "Throttling Policies",
    params(("policyLevel" = String, Path)),
    security(("OAuth2Security" = ["apim:admin", "apim:admin_tier_view"])),
    responses((status = 200, body = ThrottlePolicyList), (status = 404, body = ErrorBody))
)]
pub(super) async fn list_admin_throttling_policies(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    Path(level): Path<String>,
) -> Result<Json<ThrottlePolicyList>, Problem> {
    let level = parse_level(&level)?;
    let policies = control.policies().administered(&actor, level).await?;
    let list: Vec<_> = policies.into_iter().map(ThrottlePolicyBody::from).collect();
    Ok(Json(ThrottlePolicyList {
        count: count(&list),
        list,
    }))
}

/// Adds a policy. Conditional groups, event counts and other limits that no gateway here enforces are refused.
#[utoipa::path(
    post, path = "/throttling/policies/{policyLevel}", tag = "Throttling Policies",
    params(("policyLevel" = String, Path)), request_body = ThrottlePolicyBody,
    security(("OAuth2Security" = ["apim:admin", "apim:admin_tier_manage"])),
    responses(
        (status = 201, body = ThrottlePolicyBody, headers(("Location" = String))),
        (status = 400, body = ErrorBody), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)
    )
)]
pub(super) async fn create_throttling_policy(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    Path(level_name): Path<String>,
    Json(body): Json<ThrottlePolicyBody>,
) -> Result<impl IntoResponse, Problem> {
    let level = parse_level(&level_name)?;
    let settings = body.into_settings(level)?;
    let policy = control.policies().create(&actor, level, settings).await?;
    let location = format!(
        "/api/am/admin/v4/throttling/policies/{level_name}/{}",
        policy.id
    );
    Ok((
        StatusCode::CREATED,
        [(header::LOCATION, location)],
        Json(ThrottlePolicyBody::from(policy)),
    ))
}

/// One policy of a level.
#[utoipa::path(
    get, path = "/throttling/policies/{policyLevel}/{policyId}", tag = "Throttling Policies",
    params(("policyLevel" = String, Path), ("policyId" = String, Path)),
    security(("OAuth2Security" = ["apim:admin", "apim:admin_tier_view"])),
    responses((status = 200, body = ThrottlePolicyBody), (status = 404, body = ErrorBody))
)]
pub(super) async fn get_admin_throttling_policy(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    Path((level, id)): Path<(String, String)>,
) -> Result<Json<ThrottlePolicyBody>, Problem> {
    let level = parse_level(&level)?;
    let id = identifier(&id, Noun::ThrottlingPolicy)?;
    let policy = control.policies().get_by_id(&actor, level, id).await?;
    Ok(Json(policy.into()))
}

/// Replaces what a policy allows; gateways follow at once. Its name cannot be changed.
#[utoipa::path(
    put, path = "/throttling/policies/{policyLevel}/{policyId}", tag = "Throttling Policies",
    params(("policyLevel" = String, Path), ("policyId" = String, Path)), request_body = ThrottlePolicyBody,
    security(("OAuth2Security" = ["apim:admin", "apim:admin_tier_manage"])),
    responses(
        (status = 200, body = ThrottlePolicyBody),
        (status = 400, body = ErrorBody), (status = 404, body = ErrorBody)
    )
)]
pub(super) async fn update_throttling_policy(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    Path((level, id)): Path<(String, String)>,
    Json(body): Json<ThrottlePolicyBody>,
) -> Result<Json<ThrottlePolicyBody>, Problem> {
    let level = parse_level(&level)?;
    let id = identifier(&id, Noun::ThrottlingPolicy)?;
    let settings = body.into_settings(level)?;
    let policies = control.policies();
    let policy = policies.update(&actor, level, id, settings).await?;
    Ok(Json(policy.into()))
}

/// Deletes a policy that is not built in and that nothing names.
#[utoipa::path(
    delete, path = "/throttling/policies/{policyLevel}/{policyId}", tag = "Throttling Policies",
    params(("policyLevel" = String, Path), ("policyId" = String, Path)),
    security(("OAuth2Security" = ["apim:admin", "apim:admin_tier_manage"])),
    responses(
        (status = 200, description = "Deleted"),
        (status = 404, body = ErrorBody), (status = 412, body = ErrorBody)
    )
)]
pub(super) async fn delete_throttling_policy(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    Path((level, id)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let level = parse_level(&level)?;
    let id = identifier(&id, Noun::ThrottlingPolicy)?;
    control.policies().delete(&actor, level, id).await?;
    Ok(StatusCode::OK)
}

fn parse_level(text: &str) -> Result<PolicyLevel, Problem> {
    match text {
        "application" => Ok(PolicyLevel::Application),
        "subscription" => Ok(PolicyLevel::Subscription),
        "advanced" => Ok(PolicyLevel::Api),
        _ => Err(Error::NotFound(Noun::ThrottlingPolicy).into()),
    }
}
