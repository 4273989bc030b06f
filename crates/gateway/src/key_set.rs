//! The key set of an authorization server: kept fresh in the background, never thrown away for a failure.
//!
//! Owns which keys are trusted and when a fetch is allowed. Fetching is [`refresh`]'s business, the copy on disk
//! [`mod@file`]'s, what a key can do `verify`'s.

pub(crate) mod file;
pub(crate) mod refresh;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use domain::token_profile::{SignatureAlgorithm, TokenProfile};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::watch;
use url::Url;

use crate::config::KeySetConfig;
use crate::verify::{Jwk, VerificationKey, thumbprint};

pub(crate) use refresh::KeySets;

/// Largest key set document that is read, in bytes.
pub const LARGEST_KEY_SET: usize = 1024 * 1024;
/// Most keys of one set that are kept.
const MOST_KEYS: usize = 128;
/// Most certificates of one key manager that are kept.
const MOST_CERTIFICATES: usize = 16;

/// Where a key manager's verification keys come from.
#[derive(Clone, Debug)]
pub(crate) enum KeySource {
    Remote(Arc<KeySet>),
    Certificates(Arc<[CertificateKey]>),
    /// Nothing configured: no token can be verified.
    None,
}

#[derive(Debug)]
pub(crate) struct CertificateKey {
    pub(crate) thumbprint: String,
    pub(crate) key: VerificationKey,
}

/// One address' keys. Readers take them without waiting.
#[derive(Debug)]
pub(crate) struct KeySet {
    url: Url,
    keys: ArcSwap<Keys>,
    /// Counts keys that lost trust: what was verified before a count may hang on one of them.
    removals: AtomicU64,
    state: Mutex<FetchState>,
    /// Counts finished fetches.
    finished: watch::Sender<u64>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Keys {
    by_id: HashMap<String, KeptKey>,
    /// When the provider last gave a set, seconds since 1970.
    fetched_at: Option<i64>,
}

#[derive(Clone, Debug)]
struct KeptKey {
    key: Arc<TrustedKey>,
    /// When the provider last listed it, seconds since 1970.
    last_seen: i64,
}

/// A key that the provider listed.
#[derive(Debug)]
pub(crate) struct TrustedKey {
    jwk: Jwk,
    key: VerificationKey,
}

#[derive(Debug)]
struct FetchState {
    in_flight: bool,
    /// When the background fetches next, seconds since 1970.
    due_at: i64,
    /// Fetches that unknown key ids may still cause, and since when that number counts.
    allowance: u32,
    allowance_since: i64,
    failures: u32,
    last_error: Option<String>,
}

/// What an unknown key id leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FetchPermit {
    /// The caller starts the fetch.
    Start,
    /// A fetch is under way: wait for it.
    Join,
    /// A fetch has just brought the key.
    Known,
    /// The provider was asked often enough.
    Refused,
}

/// What a set looks like from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeySetSummary {
    pub(crate) key_ids: Vec<String>,
    pub(crate) fetched_at: Option<Timestamp>,
    pub(crate) last_error: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeySetError {
    #[error("the key set is longer than {LARGEST_KEY_SET} bytes")]
    TooLarge,
    #[error("the answer is not a JSON Web Key Set")]
    NotAKeySet,
    #[error("the key set holds no usable key")]
    NoUsableKey,
}

impl KeySource {
    /// Keys of PEM certificates; what cannot be read is logged and left out.
    pub(crate) fn certificates(text: &str) -> Self {
        let blocks = pem::parse_many(text).unwrap_or_default();
        let keys: Vec<_> = blocks
            .iter()
            .filter(|block| block.tag() == "CERTIFICATE")
            .take(MOST_CERTIFICATES)
            .filter_map(
                |block| match VerificationKey::from_certificate(block.contents()) {
                    Ok(key) => Some(CertificateKey {
                        thumbprint: thumbprint(block.contents()),
                        key,
                    }),
                    Err(error) => {
                        tracing::warn!(%error, "a certificate of a key manager cannot be used");
                        None
                    }
                },
            )
            .collect();
        Self::Certificates(keys.into())
    }

    /// Separates what was verified before a key lost trust from what comes after.
    pub(crate) fn removals(&self) -> u64 {
        match self {
            Self::Remote(set) => set.removals.load(Ordering::Acquire),
            Self::Certificates(_) | Self::None => 0,
        }
    }
}

impl TrustedKey {
    pub(crate) fn verifies(
        &self,
        algorithm: SignatureAlgorithm,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        self.key.verifies(algorithm, message, signature)
    }

    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn jwk(&self) -> &Jwk {
        &self.jwk
    }

    pub(crate) fn can(&self, algorithm: SignatureAlgorithm) -> bool {
        self.key.can(algorithm)
    }

    /// Whether the key may sign tokens of `issuer`, by Microsoft's `issuer` member: equal after `{tenantid}` is
    /// filled in from the token's `tid`, or of the same tenant (the V1 and V2 forms of an issuer share their keys).
    pub(crate) fn may_sign_for(&self, issuer: &str, tenant: Option<&str>) -> bool {
        let Some(template) = &self.jwk.issuer else {
            return true;
        };
        let Some(tenant) = tenant.filter(|tenant| is_tenant_id(tenant)) else {
            return template == issuer;
        };
        let key_issuer = template.replace("{tenantid}", tenant);
        let names_tenant = |url: &str| url.split('/').any(|segment| segment == tenant);
        key_issuer == issuer || (names_tenant(&key_issuer) && names_tenant(issuer))
    }
}

/// Entra's tenant identifiers are GUIDs. Anything else (`v2.0`!) could be found in an issuer by accident.
fn is_tenant_id(text: &str) -> bool {
    text.len() == 36
        && text.char_indices().all(|(at, c)| {
            if matches!(at, 8 | 13 | 18 | 23) {
                c == '-'
            } else {
                c.is_ascii_hexdigit()
            }
        })
}

impl Keys {
    pub(crate) fn get(&self, key_id: &str) -> Option<&Arc<TrustedKey>> {
        self.by_id.get(key_id).map(|kept| &kept.key)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        let mut ids: Vec<_> = self.by_id.keys().cloned().collect();
        ids.sort();
        ids
    }
}

impl KeySet {
    fn new(url: Url, kept: Keys, now: i64, config: &KeySetConfig) -> Self {
        let due_at = kept
            .fetched_at
            .map_or(now, |at| at.saturating_add(seconds(config.refresh_every)));
        Self {
            url,
            keys: ArcSwap::from_pointee(kept),
            removals: AtomicU64::new(0),
            state: Mutex::new(FetchState {
                in_flight: false,
                due_at,
                allowance: config.unknown_key_burst.max(1),
                allowance_since: now,
                failures: 0,
                last_error: None,
            }),
            finished: watch::Sender::new(0),
        }
    }

    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    pub(crate) fn keys(&self) -> arc_swap::Guard<Arc<Keys>> {
        self.keys.load()
    }

    pub(crate) fn summary(&self) -> KeySetSummary {
        let keys = self.keys.load();
        KeySetSummary {
            key_ids: keys.ids(),
            fetched_at: keys
                .fetched_at
                .and_then(|at| Timestamp::from_second(at).ok()),
            last_error: self.state().last_error.clone(),
        }
    }

    /// True when the background shall fetch now; the caller then must.
    fn take_due(&self, now: i64) -> bool {
        let mut state = self.state();
        let is_due = !state.in_flight && state.due_at <= now;
        state.in_flight |= is_due;
        is_due
    }

    /// At most [`KeySetConfig::unknown_key_burst`] fetches at once and one an interval after that, whatever key ids
    /// tokens bring.
    fn permit_unknown_key(&self, key_id: &str, now: i64, config: &KeySetConfig) -> FetchPermit {
        let mut state = self.state();
        if state.in_flight {
            return FetchPermit::Join;
        }
        // Asked under the lock: a fetch stores its keys before it is no longer in flight.
        if self.keys.load().get(key_id).is_some() {
            return FetchPermit::Known;
        }
        let interval = seconds(config.unknown_key_interval).max(1);
        let earned = now.saturating_sub(state.allowance_since) / interval;
        if earned > 0 {
            let burst = config.unknown_key_burst.max(1);
            let earned_count = u32::try_from(earned).unwrap_or(u32::MAX);
            state.allowance = state.allowance.saturating_add(earned_count).min(burst);
            state.allowance_since = state.allowance_since.saturating_add(earned * interval);
        }
        if state.allowance == 0 {
            return FetchPermit::Refused;
        }
        state.allowance -= 1;
        state.in_flight = true;
        FetchPermit::Start
    }

    /// Takes what the provider answered. The keys are merged: a key that the provider no longer lists stays for the
    /// retention time (its replicas do not change at the same instant), everything else as it now is.
    fn succeed(&self, listed: Vec<(String, TrustedKey)>, now: i64, config: &KeySetConfig) {
        let before = self.keys.load_full();
        let oldest = now.saturating_sub(seconds(config.keep_keys));
        let mut by_id: HashMap<String, KeptKey> = before
            .by_id
            .iter()
            .filter(|(_, kept)| kept.last_seen > oldest)
            .map(|(id, kept)| (id.clone(), kept.clone()))
            .collect();
        let mut listed_ids = std::collections::HashSet::new();
        for (id, key) in listed {
            // The first key of an id counts.
            if !listed_ids.insert(id.clone()) {
                continue;
            }
            let key = match before.by_id.get(&id) {
                Some(known) if known.key.jwk == key.jwk => Arc::clone(&known.key),
                _ => Arc::new(key),
            };
            by_id.insert(
                id,
                KeptKey {
                    key,
                    last_seen: now,
                },
            );
        }
        let lost_trust = before.by_id.iter().any(|(id, old)| {
            by_id
                .get(id)
                .is_none_or(|new| !Arc::ptr_eq(&new.key, &old.key))
        });
        self.keys.store(Arc::new(Keys {
            by_id,
            fetched_at: Some(now),
        }));
        if lost_trust {
            self.removals.fetch_add(1, Ordering::AcqRel);
        }
        {
            let mut state = self.state();
            state.in_flight = false;
            state.failures = 0;
            state.last_error = None;
            state.due_at = now.saturating_add(seconds(config.refresh_every));
        }
        self.finished.send_modify(|count| *count += 1);
    }

    /// Keeps the last good set. Without any, the background asks again soon, then less and less often.
    fn fail(&self, error: String, now: i64, config: &KeySetConfig) {
        {
            let mut state = self.state();
            state.in_flight = false;
            let interval = seconds(config.unknown_key_interval).max(1);
            let wait = if self.keys.load().is_empty() {
                (5_i64 << state.failures.min(10)).min(interval)
            } else {
                interval
            };
            state.failures = state.failures.saturating_add(1);
            state.last_error = Some(error);
            state.due_at = now.saturating_add(wait);
        }
        self.finished.send_modify(|count| *count += 1);
    }

    fn state(&self) -> MutexGuard<'_, FetchState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The usable keys of a JSON Web Key Set (RFC 7517 section 5: what is not understood is ignored).
pub(crate) fn parse_key_set(document: &[u8]) -> Result<Vec<(String, TrustedKey)>, KeySetError> {
    #[derive(Deserialize)]
    struct Document {
        keys: Vec<Value>,
    }
    if document.len() > LARGEST_KEY_SET {
        return Err(KeySetError::TooLarge);
    }
    let document: Document =
        serde_json::from_slice(document).map_err(|_| KeySetError::NotAKeySet)?;
    let keys: Vec<_> = document
        .keys
        .into_iter()
        .filter_map(|member| serde_json::from_value::<Jwk>(member).ok())
        .filter_map(trusted)
        .take(MOST_KEYS)
        .collect();
    if keys.is_empty() {
        return Err(KeySetError::NoUsableKey);
    }
    Ok(keys)
}

fn trusted(jwk: Jwk) -> Option<(String, TrustedKey)> {
    let id = jwk.kid.clone().filter(|id| !id.is_empty())?;
    let key = VerificationKey::from_jwk(&jwk).ok()?;
    Some((id, TrustedKey { jwk, key }))
}

/// Where `profile` says its keys are.
fn location(profile: &TokenProfile) -> Option<&domain::certificate::Certificates> {
    profile.certificates.as_ref()
}

pub(crate) fn seconds(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    proptest! {
        #[test]
        fn no_document_makes_the_parser_panic(document in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse_key_set(&document);
        }

        #[test]
        fn no_key_makes_the_parser_panic(
            kty in "RSA|EC|OKP|oct|",
            crv in "P-256|P-384|P-521|Ed25519|X25519|",
            (n, e, x, y) in ("[A-Za-z0-9_-]{0,400}", "[A-Za-z0-9_-]{0,8}", "[A-Za-z0-9_-]{0,66}", "[A-Za-z0-9_-]{0,66}"),
        ) {
            let key = json!({"kty": kty, "crv": crv, "n": n, "e": e, "x": x, "y": y, "kid": "k"});
            let _ = parse_key_set(json!({"keys": [key]}).to_string().as_bytes());
        }
    }

    #[test]
    fn a_key_signs_for_its_own_tenant_only() {
        const OURS: &str = "7d3c0f51-9f7d-4a2e-8f5c-6a0a5e9b1c11";
        const OTHER: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";
        let key = |issuer: Option<&str>| {
            let jwk = json!({
                "kty": "OKP", "crv": "Ed25519", "kid": "k", "issuer": issuer,
                "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
            });
            let jwk: Jwk = serde_json::from_value(jwk).expect("a key");
            trusted(jwk).expect("a usable key").1
        };
        let v2 = |tenant: &str| format!("https://login.example/{tenant}/v2.0");
        let v1 = format!("https://sts.example/{OURS}/");
        let template = key(Some(&v2("{tenantid}")));
        assert!(template.may_sign_for(&v2(OURS), Some(OURS)));
        assert!(template.may_sign_for(&v1, Some(OURS)));
        assert!(!template.may_sign_for(&v2(OURS), Some(OTHER)));
        assert!(!template.may_sign_for(&v2(OURS), None));
        assert!(!template.may_sign_for(&v2(OURS), Some("v2.0")));
        let fixed = key(Some(&v2(OTHER)));
        assert!(fixed.may_sign_for(&v2(OTHER), None));
        assert!(!fixed.may_sign_for(&v2(OURS), Some(OURS)));
        assert!(!fixed.may_sign_for(&v2(OURS), Some("v2.0")));
        assert!(key(None).may_sign_for("anything", None));
    }
}
