//! `/throttling-policies` of the publisher API.

use axum::Extension;
use axum::extract::{Path, State};
use control::Control;
use control::error::{Error, Noun};
use domain::throttling_policy::PolicyLevel;
use domain::user::Actor;

use crate::api::throttling_policy_body::{ThrottlingPolicyBody, ThrottlingPolicyList};
use crate::json::Json;
use crate::paging::PageQuery;
use crate::problem::{ErrorBody, Problem};
use crate::query::QueryString;

/// The policies of a level: `subscription` (business plans) or `api`.
#[utoipa::path(
    get, path = "/throttling-policies/{policyLevel}", tag = "Throttling Policies",
    params(("policyLevel" = String, Path), PageQuery),
    security(("OAuth2Security" = ["apim:api_view", "apim:mcp_server_view", "apim:tier_view", "apim:tier_manage"])),
    responses((status = 200, body = ThrottlingPolicyList), (status = 404, body = ErrorBody))
)]
pub(super) async fn list_publisher_throttling_policies(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    Path(level): Path<String>,
    QueryString(page): QueryString<PageQuery>,
) -> Result<Json<ThrottlingPolicyList>, Problem> {
    let policies = control
        .policies()
        .list(&actor, parse_level(&level)?)
        .await?;
    let path = format!("/throttling-policies/{level}");
    Ok(Json(ThrottlingPolicyList::of(policies, page, &path)))
}

/// One policy by its name.
#[utoipa::path(
    get, path = "/throttling-policies/{policyLevel}/{policyName}", tag = "Throttling Policies",
    params(("policyLevel" = String, Path), ("policyName" = String, Path)),
    security(("OAuth2Security" = ["apim:api_view", "apim:mcp_server_view", "apim:tier_view", "apim:tier_manage"])),
    responses((status = 200, body = ThrottlingPolicyBody), (status = 404, body = ErrorBody))
)]
pub(super) async fn get_publisher_throttling_policy(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    Path((level, name)): Path<(String, String)>,
) -> Result<Json<ThrottlingPolicyBody>, Problem> {
    let level = parse_level(&level)?;
    let policy = control.policies().get(&actor, level, &name).await?;
    Ok(Json(policy.into()))
}

fn parse_level(text: &str) -> Result<PolicyLevel, Problem> {
    match text {
        "api" => Ok(PolicyLevel::Api),
        "subscription" => Ok(PolicyLevel::Subscription),
        _ => Err(Error::NotFound(Noun::ThrottlingPolicy).into()),
    }
}
