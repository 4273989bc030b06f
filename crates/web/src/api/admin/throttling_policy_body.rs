//! WSO2's `ThrottlePolicy` of the admin API, all three kinds, and its translation to and from [`PolicySettings`].

use std::collections::BTreeMap;

use domain::Invalid;
use domain::throttling_policy::{
    BillingPlan, BurstLimit, DataUnit, PolicyLevel, PolicySettings, Quota, QuotaAmount,
    ThrottlingPolicy, TimeUnit, TimeWindow,
};
use domain::validation::Check;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::api::throttling_policy_body::{MINUTE, UNLIMITED_REQUESTS};

/// A throttling policy. Members of the other kinds are left out; portals send back what they read.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = ThrottlePolicy)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ThrottlePolicyBody {
    #[schema(read_only)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    policy_id: Option<String>,
    #[schema(min_length = 1, max_length = 60)]
    policy_name: String,
    #[schema(max_length = 512)]
    #[serde(default)]
    display_name: Option<String>,
    #[schema(max_length = 1024)]
    #[serde(default)]
    description: Option<String>,
    #[schema(read_only)]
    #[serde(default)]
    is_deployed: Option<bool>,
    /// `ApplicationThrottlePolicy`, `SubscriptionThrottlePolicy` or `AdvancedThrottlePolicy`, as the path says.
    #[serde(default, rename = "type")]
    kind: Option<String>,
    default_limit: ThrottleLimitBody,
    /// Application policies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    burst_limit: Option<BurstLimitBody>,
    /// Subscription policies: requests at once; 0 stands for no burst limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rate_limit_count: Option<u64>,
    /// Subscription policies: `sec`, `min`, `hour` or `day`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rate_limit_time_unit: Option<String>,
    /// Subscription policies: false lets requests over the quota pass. True when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stop_on_quota_reach: Option<bool>,
    /// Subscription policies: `FREE` or `COMMERCIAL`.
    #[schema(value_type = Option<String>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    billing_plan: Option<BillingPlan>,
    /// Subscription policies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    custom_attributes: Option<Vec<CustomAttributeBody>>,
    /// Not offered: refused unless empty.
    #[schema(value_type = Option<Vec<Object>>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    conditional_groups: Option<Value>,
    /// Not offered: refused unless 0.
    #[schema(value_type = Option<i64>)]
    #[serde(default, skip_serializing, rename = "graphQLMaxComplexity")]
    graph_ql_max_complexity: Option<Value>,
    /// Not offered: refused unless 0.
    #[schema(value_type = Option<i64>)]
    #[serde(default, skip_serializing, rename = "graphQLMaxDepth")]
    graph_ql_max_depth: Option<Value>,
    /// Not offered: refused unless 0.
    #[schema(value_type = Option<i64>)]
    #[serde(default, skip_serializing)]
    subscriber_count: Option<Value>,
    /// Not offered: refused unless empty.
    #[schema(value_type = Option<Object>)]
    #[serde(default, skip_serializing)]
    permissions: Option<Value>,
    /// Not offered: refused unless empty.
    #[schema(value_type = Option<Object>)]
    #[serde(default, skip_serializing)]
    monetization: Option<Value>,
}

#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = ThrottleLimit)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ThrottleLimitBody {
    /// `REQUESTCOUNTLIMIT` or `BANDWIDTHLIMIT`.
    #[serde(rename = "type")]
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    request_count: Option<RequestCountLimitBody>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bandwidth: Option<BandwidthLimitBody>,
    /// Not offered: refused unless empty.
    #[schema(value_type = Option<Object>)]
    #[serde(default, skip_serializing)]
    event_count: Option<Value>,
    /// Not offered: refused unless empty.
    #[schema(value_type = Option<Object>)]
    #[serde(default, skip_serializing)]
    ai_api_quota: Option<Value>,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = RequestCountLimit)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RequestCountLimitBody {
    /// `sec`, `min`, `hour` or `day`.
    time_unit: String,
    unit_time: u32,
    /// 2147483647 stands for unlimited.
    request_count: u64,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = BandwidthLimit)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct BandwidthLimitBody {
    /// `sec`, `min`, `hour` or `day`.
    time_unit: String,
    unit_time: u32,
    data_amount: u64,
    /// `KB`, `MB` or `GB`.
    data_unit: String,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = BurstLimit)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct BurstLimitBody {
    #[serde(default)]
    rate_limit_count: Option<u64>,
    #[serde(default)]
    rate_limit_time_unit: Option<String>,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = CustomAttribute)]
#[serde(deny_unknown_fields)]
pub(crate) struct CustomAttributeBody {
    name: String,
    value: String,
}

impl ThrottlePolicyBody {
    pub(super) fn into_settings(self, level: PolicyLevel) -> Result<PolicySettings, Invalid> {
        let mut check = Check::default();
        self.check_offered(level, &mut check);
        let quota = self.default_limit.quota(&mut check);
        let is_application = level == PolicyLevel::Application;
        check.that(
            is_application || self.burst_limit.is_none(),
            "burstLimit",
            "is for application policies",
        );
        check.that(
            level == PolicyLevel::Subscription || self.rate_limit_count.is_none_or(|it| it == 0),
            "rateLimitCount",
            "is for subscription policies; application policies have burstLimit",
        );
        let (count, unit) = match self.burst_limit {
            Some(limit) => (limit.rate_limit_count, limit.rate_limit_time_unit),
            None => (self.rate_limit_count, self.rate_limit_time_unit),
        };
        let burst = burst(count, unit.as_deref(), &mut check);
        let attributes = self.custom_attributes.unwrap_or_default();
        let count = attributes.len();
        let attributes: BTreeMap<_, _> = attributes
            .into_iter()
            .map(|attribute| (attribute.name, attribute.value))
            .collect();
        check.that(
            attributes.len() == count,
            "customAttributes",
            "must not have one name twice",
        );
        check.finish()?;
        Ok(PolicySettings {
            display_name: self.display_name.unwrap_or_default(),
            name: self.policy_name,
            description: self.description.unwrap_or_default(),
            quota,
            burst,
            stop_on_quota_reach: self.stop_on_quota_reach.unwrap_or(true),
            billing_plan: self.billing_plan.unwrap_or_default(),
            attributes,
        })
    }

    /// What a gateway here would not enforce is refused, so that nobody relies on it.
    fn check_offered(&self, level: PolicyLevel, check: &mut Check) {
        check.that(
            self.kind.as_deref().is_none_or(|it| it == kind_of(level)),
            "type",
            format!("must be {}", kind_of(level)),
        );
        check.that(
            is_empty(self.conditional_groups.as_ref()),
            "conditionalGroups",
            "conditions on headers, parameters and addresses are not offered; the default limit holds for all",
        );
        let monetization = self.monetization.as_ref();
        for (field, value) in [
            (
                "graphQLMaxComplexity",
                self.graph_ql_max_complexity.as_ref(),
            ),
            ("graphQLMaxDepth", self.graph_ql_max_depth.as_ref()),
            ("subscriberCount", self.subscriber_count.as_ref()),
            ("permissions", self.permissions.as_ref()),
            (
                "monetization",
                monetization.map(|value| value.get("properties").unwrap_or(value)),
            ),
            (
                "defaultLimit.eventCount",
                self.default_limit.event_count.as_ref(),
            ),
            (
                "defaultLimit.aiApiQuota",
                self.default_limit.ai_api_quota.as_ref(),
            ),
        ] {
            check.that(is_empty(value), field, "is not offered");
        }
    }
}

impl ThrottleLimitBody {
    fn quota(&self, check: &mut Check) -> Option<Quota> {
        match (self.kind.as_str(), &self.request_count, &self.bandwidth) {
            ("REQUESTCOUNTLIMIT", Some(limit), None) => {
                let window = window(limit.unit_time, &limit.time_unit, check)?;
                (limit.request_count != UNLIMITED_REQUESTS).then_some(Quota {
                    amount: QuotaAmount::Requests(limit.request_count),
                    window,
                })
            }
            ("BANDWIDTHLIMIT", None, Some(limit)) => {
                let unit = DataUnit::parse(&limit.data_unit);
                check.that(
                    unit.is_some(),
                    "defaultLimit.bandwidth.dataUnit",
                    "must be KB, MB or GB",
                );
                Some(Quota {
                    window: window(limit.unit_time, &limit.time_unit, check)?,
                    amount: QuotaAmount::Bandwidth {
                        amount: limit.data_amount,
                        unit: unit?,
                    },
                })
            }
            _ => {
                check.that(
                    false,
                    "defaultLimit",
                    "must be of type REQUESTCOUNTLIMIT with requestCount alone, or BANDWIDTHLIMIT with bandwidth alone",
                );
                None
            }
        }
    }
}

impl From<ThrottlingPolicy> for ThrottlePolicyBody {
    fn from(policy: ThrottlingPolicy) -> Self {
        let settings = policy.settings;
        let body = Self {
            policy_id: Some(policy.id.to_string()),
            policy_name: settings.name,
            display_name: Some(settings.display_name),
            description: Some(settings.description),
            is_deployed: Some(true),
            kind: Some(kind_of(policy.level).to_owned()),
            default_limit: limit_of(settings.quota),
            ..Self::default()
        };
        let count = settings.burst.map_or(0, |burst| burst.requests);
        let unit = settings.burst.map(|burst| burst.unit.as_str().to_owned());
        match policy.level {
            PolicyLevel::Api => Self {
                conditional_groups: Some(Value::Array(Vec::new())),
                ..body
            },
            PolicyLevel::Application => Self {
                burst_limit: settings.burst.map(|_| BurstLimitBody {
                    rate_limit_count: Some(count),
                    rate_limit_time_unit: unit,
                }),
                ..body
            },
            PolicyLevel::Subscription => {
                let attributes = settings.attributes.into_iter();
                Self {
                    rate_limit_count: Some(count),
                    rate_limit_time_unit: unit,
                    stop_on_quota_reach: Some(settings.stop_on_quota_reach),
                    billing_plan: Some(settings.billing_plan),
                    custom_attributes: Some(
                        attributes
                            .map(|(name, value)| CustomAttributeBody { name, value })
                            .collect(),
                    ),
                    ..body
                }
            }
        }
    }
}

fn limit_of(quota: Option<Quota>) -> ThrottleLimitBody {
    let window = quota.map_or(MINUTE, |quota| quota.window);
    let time_unit = window.unit.as_str().to_owned();
    let requests = match quota.map(|quota| quota.amount) {
        None => UNLIMITED_REQUESTS,
        Some(QuotaAmount::Requests(requests)) => requests,
        Some(QuotaAmount::Bandwidth { amount, unit }) => {
            return ThrottleLimitBody {
                kind: "BANDWIDTHLIMIT".to_owned(),
                bandwidth: Some(BandwidthLimitBody {
                    time_unit,
                    unit_time: window.count,
                    data_amount: amount,
                    data_unit: unit.as_str().to_owned(),
                }),
                ..ThrottleLimitBody::default()
            };
        }
    };
    ThrottleLimitBody {
        kind: "REQUESTCOUNTLIMIT".to_owned(),
        request_count: Some(RequestCountLimitBody {
            time_unit,
            unit_time: window.count,
            request_count: requests,
        }),
        ..ThrottleLimitBody::default()
    }
}

fn window(count: u32, unit: &str, check: &mut Check) -> Option<TimeWindow> {
    let unit = TimeUnit::parse(unit);
    check.that(
        unit.is_some(),
        "defaultLimit.timeUnit",
        "must be sec, min, hour or day",
    );
    Some(TimeWindow { count, unit: unit? })
}

fn burst(count: Option<u64>, unit: Option<&str>, check: &mut Check) -> Option<BurstLimit> {
    let requests = count.filter(|count| *count > 0)?;
    let unit = unit.and_then(TimeUnit::parse);
    check.that(
        unit.is_some(),
        "rateLimitTimeUnit",
        "must be sec, min, hour or day",
    );
    Some(BurstLimit {
        requests,
        unit: unit?,
    })
}

const fn kind_of(level: PolicyLevel) -> &'static str {
    match level {
        PolicyLevel::Api => "AdvancedThrottlePolicy",
        PolicyLevel::Application => "ApplicationThrottlePolicy",
        PolicyLevel::Subscription => "SubscriptionThrottlePolicy",
    }
}

/// As portals send what nobody filled in.
fn is_empty(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::Bool(flag)) => !flag,
        Some(Value::Number(number)) => number.as_i64() == Some(0),
        Some(Value::String(text)) => text.is_empty(),
        Some(Value::Array(items)) => items.is_empty(),
        Some(Value::Object(members)) => members.values().all(|member| is_empty(Some(member))),
    }
}
