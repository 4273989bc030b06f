//! A refusal or trouble at a key manager, kept in the provider's own words.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

/// What kind of trouble it is; decides whether trying again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// Unreachable, a server error, or not yet visible everywhere (replication).
    Transient,
    /// Told to wait.
    Throttled,
    /// The request itself was refused; the same request will be refused again.
    Rejected,
    /// Claviger's own credentials, permissions or settings at the provider are wrong: an administrator must act.
    Misconfigured,
}

/// Nothing of the provider's answer is lost: code, text and request id travel to the person who can act on them.
/// Never holds a secret or a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct ProviderFailure {
    pub class: FailureClass,
    /// What Claviger was doing, for example `create application`.
    pub operation: String,
    /// HTTP status, where there was an answer.
    pub status: Option<u16>,
    /// The provider's own code, for example `Request_ResourceNotFound` or `AADSTS7000215`.
    pub code: Option<String>,
    /// The provider's own message, or ours where the provider said nothing. At most 2,000 characters.
    pub message: String,
    /// The provider's `request-id` / `trace_id`, to quote to its support.
    pub request_id: Option<String>,
    /// What a person can do about it, one sentence.
    pub advice: Option<String>,
    /// How long the provider asked to wait.
    pub retry_after: Option<SignedDuration>,
}

impl ProviderFailure {
    pub fn new(
        class: FailureClass,
        operation: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        let message: String = message.into();
        Self {
            class,
            operation: operation.into(),
            status: None,
            code: None,
            message: message.chars().take(2_000).collect(),
            request_id: None,
            advice: None,
            retry_after: None,
        }
    }

    pub fn is_retryable(&self) -> bool {
        matches!(
            self.class,
            FailureClass::Transient | FailureClass::Throttled
        )
    }
}
