//! Throttling policies: how much may be asked of an API in how much time, by level.
//!
//! Owns their rules and the ones that every installation starts with (WSO2's default names and limits). Counting is
//! the gateway's business.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::ThrottlingPolicyId;
use crate::validation::{Check, Invalid};

/// What a policy is given to: an API or one of its resources (WSO2's "advanced"), an application, a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PolicyLevel {
    Api,
    Application,
    Subscription,
}

/// WSO2 admin API, schemas `ApplicationThrottlePolicy`, `SubscriptionThrottlePolicy`, `AdvancedThrottlePolicy`.
#[derive(Clone, Debug)]
pub struct ThrottlingPolicy {
    pub id: ThrottlingPolicyId,
    pub level: PolicyLevel,
    /// Built-in ones stay: they cannot be deleted.
    pub is_built_in: bool,
    pub settings: PolicySettings,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub version: i64,
}

/// What an administrator sets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicySettings {
    /// 1 to 60 letters, digits and `.`, `-`, `_`; unique per level and never changed: others refer to it.
    pub name: String,
    /// Up to 512 characters; empty means the name.
    pub display_name: String,
    /// Up to 1024 characters.
    pub description: String,
    /// `None` is unlimited.
    pub quota: Option<Quota>,
    /// At most so much at once, beside the quota. Not at API level.
    pub burst: Option<BurstLimit>,
    /// Subscription level: false lets requests over the quota pass. True at the other levels.
    pub stop_on_quota_reach: bool,
    /// Subscription level: kept for the portals, nobody is billed here.
    pub billing_plan: BillingPlan,
    /// Subscription level: shown in the portals.
    pub attributes: BTreeMap<String, String>,
}

/// An amount per time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    pub amount: QuotaAmount,
    pub window: TimeWindow,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuotaAmount {
    Requests(u64),
    /// Bodies of requests and responses together.
    Bandwidth {
        amount: u64,
        unit: DataUnit,
    },
}

/// Requests per one unit of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BurstLimit {
    pub requests: u64,
    pub unit: TimeUnit,
}

/// For example 10 minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeWindow {
    pub count: u32,
    pub unit: TimeUnit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeUnit {
    Second,
    Minute,
    Hour,
    Day,
}

/// As in WSO2: powers of 1024.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DataUnit {
    Kilobyte,
    Megabyte,
    Gigabyte,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum BillingPlan {
    #[default]
    Free,
    Commercial,
}

/// The name that stands for "no limit" at every level.
pub const UNLIMITED: &str = "Unlimited";

/// A quota's requests, and its bytes, at most.
const LARGEST_AMOUNT: u64 = 1 << 50;
/// A quota's time at most: a leap year.
const LONGEST_WINDOW_SECONDS: u64 = 366 * 24 * 60 * 60;
const MOST_ATTRIBUTES: usize = 50;

impl PolicyLevel {
    pub const ALL: [Self; 3] = [Self::Api, Self::Application, Self::Subscription];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Application => "application",
            Self::Subscription => "subscription",
        }
    }
}

impl PolicySettings {
    /// The rules of a level.
    pub fn validate(&self, level: PolicyLevel) -> Result<(), Invalid> {
        let mut check = Check::default();
        check
            .length("policyName", &self.name, 1, 60)
            .that(
                self.name
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c)),
                "policyName",
                "may contain letters, digits and . - _",
            )
            .length("displayName", &self.display_name, 0, 512)
            .length("description", &self.description, 0, 1_024);
        if let Some(quota) = self.quota {
            quota.check(&mut check);
        }
        if let Some(burst) = self.burst {
            check
                .that(
                    level != PolicyLevel::Api,
                    "burstLimit",
                    "is for application and subscription policies",
                )
                .that(
                    (1..=LARGEST_AMOUNT).contains(&burst.requests),
                    "rateLimitCount",
                    format!("must be 1 to {LARGEST_AMOUNT}"),
                );
        }
        let is_subscription = level == PolicyLevel::Subscription;
        check
            .that(
                self.name != UNLIMITED || (self.quota.is_none() && self.burst.is_none()),
                "defaultLimit",
                "Unlimited has no limits; make a policy of another name",
            )
            .that(
                is_subscription || self.stop_on_quota_reach,
                "stopOnQuotaReach",
                "is for subscription policies",
            )
            .that(
                is_subscription || self.billing_plan == BillingPlan::Free,
                "billingPlan",
                "is for subscription policies",
            )
            .that(
                is_subscription || self.attributes.is_empty(),
                "customAttributes",
                "are for subscription policies",
            )
            .that(
                self.attributes.len() <= MOST_ATTRIBUTES,
                "customAttributes",
                format!("at most {MOST_ATTRIBUTES}"),
            );
        for (name, value) in &self.attributes {
            check.length("customAttributes.name", name, 1, 100).length(
                "customAttributes.value",
                value,
                0,
                1_024,
            );
        }
        check.finish()
    }
}

impl Quota {
    fn check(self, check: &mut Check) {
        let (field, amount) = match self.amount {
            QuotaAmount::Requests(requests) => ("defaultLimit.requestCount.requestCount", requests),
            QuotaAmount::Bandwidth { amount, unit } => (
                "defaultLimit.bandwidth.dataAmount",
                amount.saturating_mul(unit.bytes()),
            ),
        };
        check
            .that(
                (1..=LARGEST_AMOUNT).contains(&amount),
                field,
                format!("must be at least 1, and at most {LARGEST_AMOUNT} requests or bytes"),
            )
            .that(
                (1..=LONGEST_WINDOW_SECONDS).contains(&self.window.seconds()),
                "defaultLimit.unitTime",
                "must be at least 1, and at most 366 days",
            );
    }
}

impl TimeWindow {
    pub const fn seconds(self) -> u64 {
        self.unit.seconds().saturating_mul(self.count as u64)
    }
}

impl TimeUnit {
    pub const ALL: [Self; 4] = [Self::Second, Self::Minute, Self::Hour, Self::Day];

    pub const fn seconds(self) -> u64 {
        match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 60 * 60,
            Self::Day => 24 * 60 * 60,
        }
    }

    /// As WSO2 writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Second => "sec",
            Self::Minute => "min",
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }

    /// WSO2's words, as its portals (`min`) and its older configurations (`mins`) have them.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|unit| text.strip_suffix('s').unwrap_or(text) == unit.as_str())
    }
}

impl DataUnit {
    pub const ALL: [Self; 3] = [Self::Kilobyte, Self::Megabyte, Self::Gigabyte];

    pub const fn bytes(self) -> u64 {
        match self {
            Self::Kilobyte => 1 << 10,
            Self::Megabyte => 1 << 20,
            Self::Gigabyte => 1 << 30,
        }
    }

    /// As WSO2 writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kilobyte => "KB",
            Self::Megabyte => "MB",
            Self::Gigabyte => "GB",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|unit| unit.as_str() == text)
    }
}

/// The policies every installation starts with (WSO2 API Manager's default tiers): level, name, requests a minute.
/// The store's tables begin with them.
pub const BUILT_IN: [(PolicyLevel, &str, Option<u64>); 13] = [
    (PolicyLevel::Api, "50KPerMin", Some(50_000)),
    (PolicyLevel::Api, "20KPerMin", Some(20_000)),
    (PolicyLevel::Api, "10KPerMin", Some(10_000)),
    (PolicyLevel::Api, UNLIMITED, None),
    (PolicyLevel::Application, "50PerMin", Some(50)),
    (PolicyLevel::Application, "20PerMin", Some(20)),
    (PolicyLevel::Application, "10PerMin", Some(10)),
    (PolicyLevel::Application, UNLIMITED, None),
    (PolicyLevel::Subscription, "Gold", Some(5_000)),
    (PolicyLevel::Subscription, "Silver", Some(2_000)),
    (PolicyLevel::Subscription, "Bronze", Some(1_000)),
    (PolicyLevel::Subscription, "Unauthenticated", Some(500)),
    (PolicyLevel::Subscription, UNLIMITED, None),
];

/// A policy as every installation starts with it.
pub fn built_in(name: &str, requests_per_minute: Option<u64>) -> PolicySettings {
    PolicySettings {
        name: name.to_owned(),
        display_name: name.to_owned(),
        description: requests_per_minute.map_or_else(
            || "Allows unlimited requests".to_owned(),
            |requests| format!("Allows {requests} requests per minute"),
        ),
        quota: requests_per_minute.map(|requests| Quota {
            amount: QuotaAmount::Requests(requests),
            window: TimeWindow {
                count: 1,
                unit: TimeUnit::Minute,
            },
        }),
        burst: None,
        stop_on_quota_reach: true,
        billing_plan: BillingPlan::Free,
        attributes: BTreeMap::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong_fields(settings: &PolicySettings, level: PolicyLevel) -> Vec<String> {
        let invalid = settings.validate(level).expect_err("refused");
        invalid.0.into_iter().map(|error| error.field).collect()
    }

    #[test]
    fn what_every_installation_starts_with_is_valid() {
        for (level, name, requests) in BUILT_IN {
            built_in(name, requests)
                .validate(level)
                .unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }

    #[test]
    fn a_level_takes_only_what_it_can_do() {
        let mut settings = built_in("Wide", Some(10));
        settings.burst = Some(BurstLimit {
            requests: 5,
            unit: TimeUnit::Second,
        });
        settings.stop_on_quota_reach = false;
        settings.billing_plan = BillingPlan::Commercial;
        settings
            .attributes
            .insert("region".to_owned(), "eu".to_owned());
        assert!(settings.validate(PolicyLevel::Subscription).is_ok());
        assert_eq!(
            wrong_fields(&settings, PolicyLevel::Api),
            [
                "burstLimit",
                "stopOnQuotaReach",
                "billingPlan",
                "customAttributes"
            ]
        );
    }

    #[test]
    fn limits_and_names_out_of_bounds_are_refused() {
        let mut settings = built_in("no spaces", Some(0));
        settings.burst = Some(BurstLimit {
            requests: 0,
            unit: TimeUnit::Day,
        });
        assert_eq!(
            wrong_fields(&settings, PolicyLevel::Application),
            [
                "policyName",
                "defaultLimit.requestCount.requestCount",
                "rateLimitCount"
            ]
        );
        let mut settings = built_in("Wide", Some(1));
        settings.quota = Some(Quota {
            amount: QuotaAmount::Bandwidth {
                amount: u64::MAX,
                unit: DataUnit::Gigabyte,
            },
            window: TimeWindow {
                count: u32::MAX,
                unit: TimeUnit::Day,
            },
        });
        assert_eq!(
            wrong_fields(&settings, PolicyLevel::Subscription),
            ["defaultLimit.bandwidth.dataAmount", "defaultLimit.unitTime"]
        );
        assert_eq!(
            wrong_fields(&built_in(UNLIMITED, Some(5)), PolicyLevel::Subscription),
            ["defaultLimit"]
        );
    }

    #[test]
    fn units_are_read_as_they_are_written() {
        for unit in TimeUnit::ALL {
            assert_eq!(TimeUnit::parse(unit.as_str()), Some(unit));
        }
        for unit in DataUnit::ALL {
            assert_eq!(DataUnit::parse(unit.as_str()), Some(unit));
        }
        assert_eq!(TimeUnit::parse("mins"), Some(TimeUnit::Minute));
        assert_eq!(TimeUnit::parse("year"), None);
        assert_eq!(DataUnit::parse("TB"), None);
    }
}
