//! Why an address could not be read, told apart as far as a person can act on it.

use domain::provider_failure::{FailureClass, ProviderFailure};

use super::target_policy::RefusedTarget;

/// Why an address could not be read. Texts never hold the address itself: its query might be a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// Only guarded requests answer this.
    #[error("{host} is an address that may only be reached from inside")]
    RefusedTarget { host: String },
    #[error("the address must begin with https:// or http:// and must not hold a user name")]
    UnsupportedUrl,
    /// Name unknown, connection refused, TLS not trusted, connection broken.
    #[error("the server cannot be reached: {0}")]
    Unreachable(String),
    #[error("the server did not answer in time")]
    TooSlow,
    #[error("the answer is larger than {limit} bytes")]
    TooLarge { limit: usize },
    #[error("the server answered with status {0}")]
    Status(u16),
    #[error("the answer is not JSON")]
    NotJson,
}

impl FetchError {
    pub(crate) fn from_transport(error: reqwest::Error) -> Self {
        if let Some(refused) = source_of::<RefusedTarget>(&error) {
            return Self::RefusedTarget {
                host: refused.host.clone(),
            };
        }
        if error.is_timeout() {
            return Self::TooSlow;
        }
        Self::Unreachable(innermost_text(&error.without_url()))
    }

    /// Whether the same request may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::TooSlow => true,
            Self::Status(status) => matches!(status, 408 | 429 | 500..),
            Self::RefusedTarget { .. }
            | Self::UnsupportedUrl
            | Self::TooLarge { .. }
            | Self::NotJson => false,
        }
    }

    /// As a failure of `operation`.
    pub fn into_failure(self, operation: &str) -> ProviderFailure {
        let class = match &self {
            Self::Status(429) => FailureClass::Throttled,
            error if error.is_transient() => FailureClass::Transient,
            Self::RefusedTarget { .. } | Self::UnsupportedUrl => FailureClass::Misconfigured,
            _ => FailureClass::Rejected,
        };
        let mut failure = ProviderFailure::new(class, operation, self.to_string());
        if let Self::Status(status) = self {
            failure.status = Some(status);
        }
        failure.advice = self.advice().map(str::to_owned);
        failure
    }

    /// What a person can do about it, one sentence.
    pub fn advice(&self) -> Option<&'static str> {
        match self {
            Self::RefusedTarget { .. } => Some(
                "Use a public address, or allow private targets in Claviger's outbound HTTP settings.",
            ),
            Self::Unreachable(_) => Some(
                "Check the address, and that this machine may reach it (proxy, firewall, certificate authority).",
            ),
            Self::TooSlow => Some("Check that the server is healthy and try again."),
            Self::Status(404) => Some("Check the path of the address."),
            Self::UnsupportedUrl | Self::TooLarge { .. } | Self::Status(_) | Self::NotJson => None,
        }
    }
}

/// The first error of a type in a chain of causes.
fn source_of<'e, E: std::error::Error + 'static>(
    error: &'e (dyn std::error::Error + 'static),
) -> Option<&'e E> {
    let mut current = Some(error);
    while let Some(error) = current {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        current = error.source();
    }
    None
}

/// The outer texts of a transport error only say "error sending request".
fn innermost_text(error: &(dyn std::error::Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
