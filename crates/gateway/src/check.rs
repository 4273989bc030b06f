//! What a decision tells about itself while it is made. Requests listen to nothing; `explain` writes it all down.

use std::sync::Arc;

use domain::api::Operation;
use domain::key_mapping::KeyType;

use crate::api::Api;
use crate::application::Mapping;
use crate::claims::Claims;
use crate::identity::Identity;
use crate::key_manager::KeyManager;
use crate::key_manager_choice::Choice;
use crate::refusal::Reason;
use crate::subscription::Subscription;
use crate::token::Header;

/// The checks, in the order in which they are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    Route,
    /// Blocking conditions for the API and where the request comes from.
    RequestBlocking,
    Credential,
    Format,
    KeyManager,
    Algorithm,
    Key,
    Signature,
    /// In place of algorithm, key and signature where the key manager is asked.
    Introspection,
    Time,
    /// Only of tokens that are bound to a certificate.
    Certificate,
    Revocation,
    TokenType,
    Audience,
    ConsumerKey,
    Application,
    Subscription,
    Endpoint,
    Scopes,
    /// Blocking conditions for who calls.
    CallerBlocking,
    Throttling,
}

/// Something that the checks came upon.
pub(crate) enum Fact<'f> {
    Api(&'f Arc<Api>),
    Operation(&'f Operation),
    Header(&'f Header),
    /// First those of the token, unverified; then those that its key manager answered.
    Claims(&'f Claims),
    KeyManager(&'f Arc<KeyManager>, Choice),
    Identity(&'f Identity),
    Mapping(&'f Mapping),
    /// With the name of its business plan.
    Subscription(&'f Subscription, Option<&'f Arc<str>>),
    KeyType(KeyType),
}

pub(crate) trait CheckObserver {
    fn saw(&mut self, fact: Fact<'_>);
    fn passed(&mut self, check: Check);
    fn failed(&mut self, check: Check, reason: Reason);
}

/// For requests.
pub(crate) struct Unobserved;

impl CheckObserver for Unobserved {
    #[inline]
    fn saw(&mut self, _: Fact<'_>) {}
    #[inline]
    fn passed(&mut self, _: Check) {}
    #[inline]
    fn failed(&mut self, _: Check, _: Reason) {}
}

impl Check {
    pub(crate) const ALL: [Self; 21] = [
        Self::Route,
        Self::RequestBlocking,
        Self::Credential,
        Self::Format,
        Self::KeyManager,
        Self::Algorithm,
        Self::Key,
        Self::Signature,
        Self::Introspection,
        Self::Time,
        Self::Certificate,
        Self::Revocation,
        Self::TokenType,
        Self::Audience,
        Self::ConsumerKey,
        Self::Application,
        Self::Subscription,
        Self::Endpoint,
        Self::Scopes,
        Self::CallerBlocking,
        Self::Throttling,
    ];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Route => "route",
            Self::RequestBlocking => "request_blocking",
            Self::Credential => "credential",
            Self::Format => "format",
            Self::KeyManager => "issuer",
            Self::Algorithm => "algorithm",
            Self::Key => "key",
            Self::Signature => "signature",
            Self::Introspection => "introspection",
            Self::Time => "time",
            Self::Certificate => "certificate",
            Self::Revocation => "revocation",
            Self::TokenType => "token_type",
            Self::Audience => "audience",
            Self::ConsumerKey => "consumer_key",
            Self::Application => "application",
            Self::Subscription => "subscription",
            Self::Endpoint => "endpoint",
            Self::Scopes => "scopes",
            Self::CallerBlocking => "caller_blocking",
            Self::Throttling => "throttling",
        }
    }
}
