//! The one error of the use-cases: exhaustive, without HTTP and without SQL.

use connectors::ConnectorError;
use domain::Invalid;
use domain::provider_failure::ProviderFailure;
use store::StoreError;

/// Why a use-case did not do what was asked. `web` alone knows status codes and WSO2's numbers.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Also for what the actor may not know exists.
    #[error("{} not found", .0.as_str())]
    NotFound(Noun),
    /// The actor is known but may not do this.
    #[error("not allowed: {0}")]
    Forbidden(&'static str),
    #[error("invalid input")]
    Invalid(#[source] Invalid),
    #[error("{} already exists", .0.as_str())]
    AlreadyExists(Noun),
    /// The subject was changed by somebody else since it was read.
    #[error("{} was changed meanwhile", .0.as_str())]
    Stale(Noun),
    /// The subject's state does not admit the action; the sentence says what would.
    #[error("{reason}")]
    InUse { noun: Noun, reason: String },
    #[error("{0}")]
    NotPossible(#[from] NotPossible),
    /// The key manager refused or failed; its own words are inside.
    #[error("the key manager refused or failed")]
    KeyManager(#[source] Box<ProviderFailure>),
    /// Ours to repair; the person learns only that.
    #[error("internal error")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Kinds of things, for messages and codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Noun {
    Api,
    Application,
    BlockingCondition,
    Deployment,
    KeyManager,
    KeyMapping,
    OAuthClient,
    Revision,
    Revocation,
    Role,
    Subscription,
    ThrottlingPolicy,
    User,
}

impl Noun {
    const ALL: [Self; 13] = [
        Self::Api,
        Self::Application,
        Self::BlockingCondition,
        Self::Deployment,
        Self::KeyManager,
        Self::KeyMapping,
        Self::OAuthClient,
        Self::Revision,
        Self::Revocation,
        Self::Role,
        Self::Subscription,
        Self::ThrottlingPolicy,
        Self::User,
    ];

    /// By the word that the store uses; `None` for what only jobs and logs know of.
    fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|noun| noun.as_str() == word)
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Api => "API",
            Self::Application => "application",
            Self::BlockingCondition => "blocking condition",
            Self::Deployment => "deployment",
            Self::KeyManager => "key manager",
            Self::KeyMapping => "key mapping",
            Self::OAuthClient => "OAuth client",
            Self::Revision => "revision",
            Self::Revocation => "revocation",
            Self::Role => "role",
            Self::Subscription => "subscription",
            Self::ThrottlingPolicy => "throttling policy",
            Self::User => "user",
        }
    }
}

/// Refusals that WSO2's clients tell apart by code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotPossible {
    #[error("the key manager type {0:?} is not installed")]
    KeyManagerTypeUnknown(String),
    /// Named by a developer but unknown or disabled.
    #[error("the key manager {0:?} is not registered or not enabled")]
    KeyManagerNotRegistered(String),
    #[error("you are not permitted to use this key manager")]
    KeyManagerRestricted,
    #[error("the key manager does not create OAuth applications")]
    AppCreationDisabled,
    #[error("the key manager does not map existing OAuth applications")]
    AppMappingDisabled,
    #[error("the key manager does not generate tokens")]
    TokenGenerationDisabled,
    #[error("keys of this type already exist for this key manager")]
    KeyMappingExists,
    #[error("this consumer key is already mapped")]
    ConsumerKeyTaken,
    #[error("the application is not approved")]
    ApplicationInactive,
    #[error("the operation is not implemented by this type of key manager: {0}")]
    NotImplementedByConnector(&'static str),
    #[error("{0}")]
    LifecycleTransition(String),
    #[error("an API has at most {0} revisions; delete one first")]
    TooManyRevisions(u64),
    #[error("the business plan {0:?} is not offered by this API")]
    PlanNotOffered(String),
    #[error("the API does not accept subscriptions in its present lifecycle state")]
    NotSubscribable,
    #[error("no client with this consumer key exists at the key manager")]
    ClientNotFound,
    /// The consumer secret is not kept here (mapped clients); the caller must bring it.
    #[error("the consumer secret is not stored; give it with the request")]
    SecretNotStored,
}

impl From<Invalid> for Error {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid)
    }
}

impl From<StoreError> for Error {
    /// What a use-case has not already turned into something more telling.
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Stale { noun } => match Noun::named(noun) {
                Some(noun) => Self::Stale(noun),
                None => Self::Internal(Box::new(error)),
            },
            _ => Self::Internal(Box::new(error)),
        }
    }
}

impl From<ConnectorError> for Error {
    fn from(error: ConnectorError) -> Self {
        match error {
            ConnectorError::Provider(failure) => Self::KeyManager(Box::new(failure)),
            ConnectorError::Journal(source) => Self::Internal(source),
        }
    }
}

/// An error and its causes in one line, for the log.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
