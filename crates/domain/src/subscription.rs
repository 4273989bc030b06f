//! A subscription: application → API, under a business plan.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{ApiId, ApplicationId, SubscriptionId};
use crate::key_mapping::KeyType;

/// WSO2 developer portal API, schema `Subscription`. Unique per application and API.
#[derive(Clone, Debug)]
pub struct Subscription {
    pub id: SubscriptionId,
    pub application_id: ApplicationId,
    pub api_id: ApiId,
    /// The business plan: name of a subscription-level throttling policy that the API offers.
    pub throttling_policy: String,
    pub status: SubscriptionStatus,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub version: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SubscriptionStatus {
    Unblocked,
    Blocked,
    /// Blocked for production keys only.
    ProdOnlyBlocked,
    OnHold,
    Rejected,
}

impl SubscriptionStatus {
    pub const ALL: [Self; 5] = [
        Self::Unblocked,
        Self::Blocked,
        Self::ProdOnlyBlocked,
        Self::OnHold,
        Self::Rejected,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unblocked => "UNBLOCKED",
            Self::Blocked => "BLOCKED",
            Self::ProdOnlyBlocked => "PROD_ONLY_BLOCKED",
            Self::OnHold => "ON_HOLD",
            Self::Rejected => "REJECTED",
        }
    }

    /// Blocked by a publisher. Not the same as inactive: what is on hold or rejected was never let through.
    pub const fn is_blocked_for(self, key_type: KeyType) -> bool {
        match self {
            Self::Blocked => true,
            Self::ProdOnlyBlocked => matches!(key_type, KeyType::Production),
            Self::Unblocked | Self::OnHold | Self::Rejected => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_production_block_leaves_the_sandbox_open() {
        let status = SubscriptionStatus::ProdOnlyBlocked;
        assert!(status.is_blocked_for(KeyType::Production));
        assert!(!status.is_blocked_for(KeyType::Sandbox));
    }
}
