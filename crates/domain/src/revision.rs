//! Immutable copies of an API, and where they are deployed.

use jiff::Timestamp;

use crate::api::ApiSettings;
use crate::id::{ApiId, RevisionId};

/// An immutable copy of an API. At most [`Revision::MOST_PER_API`] an API.
#[derive(Clone, Debug)]
pub struct Revision {
    pub id: RevisionId,
    pub api_id: ApiId,
    /// From 1, never reused within an API.
    pub number: i64,
    pub description: String,
    pub settings: ApiSettings,
    pub created_at: Timestamp,
}

impl Revision {
    /// WSO2's default limit.
    pub const MOST_PER_API: u64 = 5;

    pub fn display_name(&self) -> String {
        format!("Revision {}", self.number)
    }
}

/// A revision's presence on a gateway. One per API and environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    pub api_id: ApiId,
    pub revision_id: RevisionId,
    /// Gateway environment, `Default` unless configured otherwise.
    pub environment: String,
    pub vhost: String,
    pub display_on_devportal: bool,
    pub deployed_at: Timestamp,
}
