//! Throttling policies (business plans) by level. The built-in ones carry WSO2's default names and limits.

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PolicyLevel {
    Api,
    Application,
    Subscription,
}

/// At most `requests` per `seconds`; `None` means unlimited.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThrottlingPolicy {
    pub name: String,
    pub level: PolicyLevel,
    pub description: String,
    pub limit: Option<RequestLimit>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestLimit {
    pub requests: u64,
    pub seconds: u32,
}

/// The policies every installation starts with (WSO2 API Manager's default tiers).
pub fn built_in(level: PolicyLevel) -> Vec<ThrottlingPolicy> {
    let limits: &[(&str, Option<u64>)] = match level {
        PolicyLevel::Application => &[
            ("50PerMin", Some(50)),
            ("20PerMin", Some(20)),
            ("10PerMin", Some(10)),
            ("Unlimited", None),
        ],
        PolicyLevel::Subscription => &[
            ("Gold", Some(5_000)),
            ("Silver", Some(2_000)),
            ("Bronze", Some(1_000)),
            ("Unauthenticated", Some(500)),
            ("Unlimited", None),
        ],
        PolicyLevel::Api => &[
            ("50KPerMin", Some(50_000)),
            ("20KPerMin", Some(20_000)),
            ("10KPerMin", Some(10_000)),
            ("Unlimited", None),
        ],
    };
    limits
        .iter()
        .map(|&(name, per_minute)| ThrottlingPolicy {
            name: name.to_owned(),
            level,
            description: per_minute.map_or_else(
                || "Allows unlimited requests".to_owned(),
                |requests| format!("Allows {requests} requests per minute"),
            ),
            limit: per_minute.map(|requests| RequestLimit {
                requests,
                seconds: 60,
            }),
        })
        .collect()
}
