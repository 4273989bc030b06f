//! WSO2's `ThrottlingPolicy` as the portals list it, for publishers and developers alike.

use std::collections::BTreeMap;

use control::Listed;
use domain::throttling_policy::{
    BillingPlan, PolicyLevel, QuotaAmount, ThrottlingPolicy, TimeUnit, TimeWindow,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::paging::{PageQuery, Pagination, count};

#[derive(Serialize, ToSchema)]
pub(crate) struct ThrottlingPolicyList {
    count: u64,
    list: Vec<ThrottlingPolicyBody>,
    pagination: Pagination,
}

/// How much in how much time.
#[derive(Serialize, ToSchema)]
#[schema(as = ThrottlingPolicy)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ThrottlingPolicyBody {
    name: String,
    display_name: String,
    description: String,
    #[schema(value_type = String)]
    policy_level: PolicyLevel,
    attributes: BTreeMap<String, String>,
    /// 2147483647 stands for unlimited, as in WSO2. For `BANDWIDTHVOLUME` the amount of data.
    request_count: u64,
    /// `KB`, `MB` or `GB`.
    #[schema(value_type = Option<String>)]
    data_unit: Option<&'static str>,
    /// Milliseconds.
    unit_time: u64,
    #[schema(value_type = String)]
    time_unit: &'static str,
    /// Requests at once; 0 stands for no burst limit.
    rate_limit_count: u64,
    #[schema(value_type = Option<String>)]
    rate_limit_time_unit: Option<&'static str>,
    #[schema(value_type = String)]
    quota_policy_type: &'static str,
    #[schema(value_type = String)]
    tier_plan: BillingPlan,
    stop_on_quota_reach: bool,
}

/// What WSO2 writes for "unlimited".
pub(crate) const UNLIMITED_REQUESTS: u64 = 2_147_483_647;

/// What WSO2 writes as the time of what is unlimited.
pub(crate) const MINUTE: TimeWindow = TimeWindow {
    count: 1,
    unit: TimeUnit::Minute,
};

impl ThrottlingPolicyList {
    /// `path` is the list's path below the API's base.
    pub(crate) fn of(policies: Vec<ThrottlingPolicy>, page: PageQuery, path: &str) -> Self {
        let page = page.page();
        let listed = Listed {
            total: count(&policies),
            items: policies,
        };
        let pagination = Pagination::of(&listed, page, path, &[]);
        let window = listed
            .items
            .into_iter()
            .skip(page.offset as usize)
            .take(page.limit as usize);
        let list: Vec<_> = window.map(ThrottlingPolicyBody::from).collect();
        Self {
            count: count(&list),
            list,
            pagination,
        }
    }
}

impl From<ThrottlingPolicy> for ThrottlingPolicyBody {
    fn from(policy: ThrottlingPolicy) -> Self {
        let settings = policy.settings;
        let amount = settings.quota.map(|quota| quota.amount);
        let (request_count, data_unit) = match amount {
            None => (UNLIMITED_REQUESTS, None),
            Some(QuotaAmount::Requests(requests)) => (requests, None),
            Some(QuotaAmount::Bandwidth { amount, unit }) => (amount, Some(unit.as_str())),
        };
        let window = settings.quota.map_or(MINUTE, |quota| quota.window);
        Self {
            name: settings.name,
            display_name: settings.display_name,
            description: settings.description,
            policy_level: policy.level,
            attributes: settings.attributes,
            request_count,
            quota_policy_type: if data_unit.is_some() {
                "BANDWIDTHVOLUME"
            } else {
                "REQUESTCOUNT"
            },
            data_unit,
            unit_time: window.seconds() * 1_000,
            time_unit: window.unit.as_str(),
            rate_limit_count: settings.burst.map_or(0, |burst| burst.requests),
            rate_limit_time_unit: settings.burst.map(|burst| burst.unit.as_str()),
            tier_plan: settings.billing_plan,
            stop_on_quota_reach: settings.stop_on_quota_reach,
        }
    }
}
