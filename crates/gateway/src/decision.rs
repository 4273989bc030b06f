//! What a decision is made of, and what it says: the request's parts, the basis it is decided on, an admission or the
//! reason for none. How it comes about is [`decide`](crate::decide::decide)'s.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use domain::SecretString;
use domain::api::Verb;
use domain::key_mapping::KeyType;
use http::{HeaderMap, Method};

use crate::api::Api;
use crate::application::Application;
use crate::backend_jwt::{BackendJwts, PassedClaims};
use crate::check::{Check, CheckObserver};
use crate::client_certificate::ClientCertificate;
use crate::config::IntrospectionConfig;
use crate::cors::Cors;
use crate::introspection::Introspected;
use crate::key_manager::KeyManager;
use crate::key_set::KeySet;
use crate::mediation::Edits;
use crate::rate_limit::Meter;
use crate::refusal::{Reason, Refusal};
use crate::snapshot::Snapshot;
use crate::subscription::Subscription;
use crate::throttling::Counting;
use crate::token_cache::TokenCache;

/// What of a request is decided on.
#[derive(Clone, Copy)]
pub(crate) struct RequestParts<'r> {
    pub(crate) method: &'r Method,
    /// Without query.
    pub(crate) path: &'r str,
    pub(crate) headers: &'r HeaderMap,
    pub(crate) certificate: &'r ClientCertificate<'r>,
    /// `None` only where nobody calls: for an explanation.
    pub(crate) client: Option<IpAddr>,
}

/// What requests are decided by.
#[derive(Clone, Copy)]
pub(crate) struct Basis<'b> {
    pub(crate) snapshot: &'b Snapshot,
    /// `None` verifies every signature anew.
    pub(crate) cache: Option<&'b TokenCache>,
    /// Seconds since 1970.
    pub(crate) now: i64,
    /// Nanoseconds since 1970.
    pub(crate) instant: u64,
    /// Seconds.
    pub(crate) leeway: i64,
    /// Bytes.
    pub(crate) longest_token: usize,
    pub(crate) unknown_key: UnknownKey,
    /// What a key manager said about the request's token, where it was asked.
    pub(crate) introspected: Option<&'b Introspected>,
    pub(crate) introspection: &'b IntrospectionConfig,
    pub(crate) backend_jwts: Option<&'b BackendJwts>,
    /// For APIs without a policy of their own.
    pub(crate) cors: Option<&'b Cors>,
    /// Whether limits count the request.
    pub(crate) counting: Counting,
}

/// What to do about a key id that the key set does not hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum UnknownKey {
    /// Hand it back: the caller may refresh the set and ask again.
    #[default]
    Ask,
    /// The set was refreshed, or may not be.
    Refuse,
}

/// A request that may pass.
#[derive(Debug)]
pub(crate) struct Admission {
    pub(crate) api: Arc<Api>,
    /// Which of the API's endpoints.
    pub(crate) key_type: KeyType,
    /// Path behind context and version, as the client wrote it.
    pub(crate) rest_of_path: String,
    /// `None` on open resources.
    pub(crate) caller: Option<Caller>,
    /// What becomes of the headers of request and answer; `None` where nothing does.
    pub(crate) edits: Option<Arc<Edits>>,
    /// Quotas of bytes that the bodies count against; empty for most.
    pub(crate) meters: Vec<Meter>,
}

/// Who calls.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) key_manager: Arc<KeyManager>,
    /// `None` where the API needs no subscription and the client is not known here.
    pub(crate) application: Option<Arc<Application>>,
    pub(crate) key_type: KeyType,
    pub(crate) subscription: Option<Subscription>,
    /// Business plan.
    pub(crate) subscription_policy: Option<Arc<str>>,
    /// Only where backend JWTs are made.
    pub(crate) passed_claims: Option<Arc<PassedClaims>>,
}

/// Why there is no admission, or not yet.
#[derive(Debug)]
pub(crate) enum NotAdmitted {
    Refused(Box<Refusal>),
    NeedsKey {
        set: Arc<KeySet>,
        key_id: String,
    },
    /// The key manager must be asked about the token.
    NeedsIntrospection {
        key_manager: Arc<KeyManager>,
        token: SecretString,
    },
    Preflight(Preflight),
}

/// A browser asks what it may do here.
#[derive(Debug)]
pub(crate) struct Preflight {
    pub(crate) api: Arc<Api>,
    /// What the path offers.
    pub(crate) verbs: BTreeSet<Verb>,
}

/// Goes on with the value, or stops for the reason.
pub(crate) fn pass<V, O: CheckObserver>(
    check: Check,
    outcome: Result<V, Reason>,
    api: &Api,
    observer: &mut O,
) -> Result<V, NotAdmitted> {
    match outcome {
        Ok(value) => {
            observer.passed(check);
            Ok(value)
        }
        Err(reason) => Err(refuse(check, reason, api, observer)),
    }
}

pub(crate) fn refuse<O: CheckObserver>(
    check: Check,
    reason: Reason,
    api: &Api,
    observer: &mut O,
) -> NotAdmitted {
    observer.failed(check, reason);
    NotAdmitted::refused(Refusal::new(reason).of(&api.entry))
}

impl NotAdmitted {
    pub(crate) fn refused(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}
