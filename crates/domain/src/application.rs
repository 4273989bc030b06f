//! A consumer's application in the developer portal.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::ApplicationId;
use crate::validation::{Check, Invalid};

/// WSO2 developer portal API, schema `Application`.
#[derive(Clone, Debug)]
pub struct Application {
    pub id: ApplicationId,
    /// The owner's user name. Only the owner (and an administrator) may see or change it.
    pub owner: String,
    pub settings: ApplicationSettings,
    pub status: ApplicationStatus,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub version: i64,
}

/// What the owner sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplicationSettings {
    /// 1 to 100 characters, unique per owner.
    pub name: String,
    /// Name of an application-level throttling policy.
    pub throttling_policy: String,
    /// Up to 512 characters.
    pub description: String,
    /// Kept and returned for WSO2's clients: `JWT` or `OAUTH`.
    pub token_type: String,
    pub attributes: BTreeMap<String, String>,
    pub groups: Vec<String>,
    /// `PRIVATE` or `SHARED_WITH_ORG`.
    pub visibility: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ApplicationStatus {
    Approved,
    /// Its clients are being removed from their key managers; it goes when they are gone.
    DeletePending,
}

impl ApplicationSettings {
    pub fn validate(&self) -> Result<(), Invalid> {
        let mut check = Check::default();
        check
            .length("name", &self.name, 1, 100)
            .that(
                self.name.trim() == self.name,
                "name",
                "must not begin or end with white space",
            )
            .that(
                !self.name.contains(char::is_control),
                "name",
                "must not contain control characters",
            )
            .length("description", &self.description, 0, 512)
            .that(
                matches!(self.token_type.as_str(), "JWT" | "OAUTH"),
                "tokenType",
                "must be JWT or OAUTH",
            )
            .that(
                matches!(self.visibility.as_str(), "PRIVATE" | "SHARED_WITH_ORG"),
                "visibility",
                "must be PRIVATE or SHARED_WITH_ORG",
            )
            .that(self.attributes.len() <= 50, "attributes", "at most 50")
            .that(self.groups.len() <= 50, "groups", "at most 50");
        for (name, value) in &self.attributes {
            check
                .length("attributes", name, 1, 100)
                .length("attributes", value, 0, 1_024);
        }
        check.finish()
    }
}
