//! `/throttling-policies` of the developer portal API.

use axum::Extension;
use axum::extract::{Path, State};
use control::error::{Error, Noun};
use control::{Control, Listed};
use domain::throttling_policy::{PolicyLevel, ThrottlingPolicy};
use domain::user::Actor;
use serde::Serialize;
use utoipa::ToSchema;

use crate::json::Json;
use crate::paging::{PageQuery, Pagination, count};
use crate::problem::{ErrorBody, Problem};
use crate::query::QueryString;

#[derive(Serialize, ToSchema)]
pub(crate) struct ThrottlingPolicyList {
    count: u64,
    list: Vec<ThrottlingPolicyBody>,
    pagination: Pagination,
}

/// How many requests in how much time.
#[derive(Serialize, ToSchema)]
#[schema(as = ThrottlingPolicy)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ThrottlingPolicyBody {
    name: String,
    description: String,
    #[schema(value_type = String)]
    policy_level: PolicyLevel,
    /// 2147483647 stands for unlimited, as in WSO2.
    request_count: u64,
    /// Milliseconds.
    unit_time: u64,
    #[schema(value_type = String)]
    time_unit: &'static str,
    rate_limit_count: u64,
    #[schema(value_type = String)]
    quota_policy_type: &'static str,
    #[schema(value_type = String)]
    tier_plan: &'static str,
    stop_on_quota_reach: bool,
}

/// What WSO2 writes for "unlimited".
const UNLIMITED: u64 = 2_147_483_647;

impl From<ThrottlingPolicy> for ThrottlingPolicyBody {
    fn from(policy: ThrottlingPolicy) -> Self {
        let (request_count, seconds) = policy
            .limit
            .map_or((UNLIMITED, 60), |limit| (limit.requests, limit.seconds));
        Self {
            name: policy.name,
            description: policy.description,
            policy_level: policy.level,
            request_count,
            unit_time: u64::from(seconds) * 1_000,
            time_unit: "min",
            rate_limit_count: 0,
            quota_policy_type: "REQUESTCOUNT",
            tier_plan: "FREE",
            stop_on_quota_reach: true,
        }
    }
}

/// The policies of a level: `application` or `subscription`.
#[utoipa::path(
    get, path = "/throttling-policies/{policyLevel}", tag = "Throttling Policies",
    params(("policyLevel" = String, Path), PageQuery),
    security(("OAuth2Security" = [])),
    responses((status = 200, body = ThrottlingPolicyList), (status = 404, body = ErrorBody))
)]
pub(super) async fn list_throttling_policies(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    Path(level): Path<String>,
    QueryString(page): QueryString<PageQuery>,
) -> Result<Json<ThrottlingPolicyList>, Problem> {
    let page = page.page();
    let policies = control
        .policies()
        .list(&actor, parse_level(&level)?)
        .await?;
    let listed = Listed {
        total: count(&policies),
        items: policies,
    };
    let path = format!("/throttling-policies/{level}");
    let pagination = Pagination::of(&listed, page, &path, &[]);
    let window = listed
        .items
        .into_iter()
        .skip(page.offset as usize)
        .take(page.limit as usize);
    let list: Vec<_> = window.map(ThrottlingPolicyBody::from).collect();
    Ok(Json(ThrottlingPolicyList {
        count: count(&list),
        list,
        pagination,
    }))
}

/// One policy by its name.
#[utoipa::path(
    get, path = "/throttling-policies/{policyLevel}/{policyId}", tag = "Throttling Policies",
    params(("policyLevel" = String, Path), ("policyId" = String, Path)),
    security(("OAuth2Security" = [])),
    responses((status = 200, body = ThrottlingPolicyBody), (status = 404, body = ErrorBody))
)]
pub(super) async fn get_throttling_policy(
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
        "application" => Ok(PolicyLevel::Application),
        "subscription" => Ok(PolicyLevel::Subscription),
        _ => Err(Error::NotFound(Noun::ThrottlingPolicy).into()),
    }
}
