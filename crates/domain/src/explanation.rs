//! Why a token is accepted or refused: every check in order, for a person.

use serde::{Deserialize, Serialize};

/// The answer to "why was my token rejected?".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// Whether a call with this token to this API would be let through.
    pub accepted: bool,
    /// The gateway's code where it would not, for example `900901`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The bounded reason, as in the gateway's log and metrics, for example `issuer_unknown`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// In the gateway's order; what comes after a failed check is [`CheckOutcome::NotReached`].
    pub checks: Vec<ExplainedCheck>,
    /// The application whose consumer key the token carries. For authorization; not shown to others.
    #[serde(skip)]
    pub application: Option<crate::id::ApplicationId>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedCheck {
    /// For example `issuer`, `signature`, `subscription`.
    pub name: String,
    pub outcome: CheckOutcome,
    /// What the token or the request has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen: Option<String>,
    /// What would pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What to do, one sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckOutcome {
    Passed,
    Failed,
    NotReached,
}
