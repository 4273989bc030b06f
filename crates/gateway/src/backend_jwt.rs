//! Backend JWTs: the gateway's signed word to upstreams about who calls (WSO2's `X-JWT-Assertion`).
//!
//! Owns what is said and when it is signed anew; keys and the JWK set are [`signing_keys`]'s. Signing costs a hundred
//! times what a decision does: one is made once for a verified token and an API, and kept.

mod passed_claims;
mod signing_key;
mod signing_keys;

use std::sync::{Arc, Weak};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use domain::SecretString;
use domain::id::{ApiId, SubscriptionId};
use domain::key_mapping::KeyType;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue, Method, Response};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use serde_json::{Value, json};

use crate::api::Api;
use crate::application::Application;
use crate::claims::Claims;
use crate::config::{BackendJwtConfig, BackendJwtEncoding};
use crate::decision::{Admission, Caller};
use crate::key_manager::KeyManager;
use crate::key_set::seconds;
use crate::refusal::Reason;

pub(crate) use passed_claims::PassedClaims;
use signing_key::SigningKey;
use signing_keys::{KEY_SET_MAX_AGE, SigningKeys};

/// Where upstreams find the keys.
const KEY_SET_PATH: &str = "/jwks";

/// What an entry costs beside its text: key, pointers, the cache's own books.
const ENTRY_OVERHEAD: usize = 256;

/// Makes backend JWTs and remembers them.
pub(crate) struct BackendJwts {
    config: BackendJwtConfig,
    header: HeaderName,
    keys: SigningKeys,
    /// By the serial number of a verified token's claims, and the API.
    made: Cache<(u64, ApiId), Arc<Assertion>, ByWeight>,
}

/// A signed JWT, and all that it was made of.
struct Assertion {
    value: HeaderValue,
    /// Seconds since 1970.
    renew_at: i64,
    signed_with: Weak<SigningKey>,
    api: Weak<Api>,
    application: Option<Weak<Application>>,
    key_type: KeyType,
    subscription_id: Option<SubscriptionId>,
    subscription_policy: Option<Arc<str>>,
}

#[derive(Clone, Debug)]
struct ByWeight;

impl Weighter<(u64, ApiId), Arc<Assertion>> for ByWeight {
    fn weight(&self, _: &(u64, ApiId), made: &Arc<Assertion>) -> u64 {
        u64::try_from(made.value.len() + ENTRY_OVERHEAD).unwrap_or(u64::MAX)
    }
}

/// Why backend JWTs cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BackendJwtError {
    #[error("the signing key is no PEM private key (PKCS #8) of the configured algorithm")]
    Key,
    #[error("the previous key is no PEM private key (PKCS #8) of a known algorithm")]
    PreviousKey,
    #[error(
        "too many signing keys in too short a time: tokens of the ones before are still in use"
    )]
    TooManyKeys,
    #[error("the header's name is not allowed in HTTP")]
    Header,
}

/// Whether a request asks for what [`BackendJwts::key_set`] answers.
pub(crate) fn asks_for_key_set(method: &Method, path: &str) -> bool {
    path == KEY_SET_PATH && matches!(*method, Method::GET | Method::HEAD)
}

impl BackendJwts {
    pub(crate) fn new(config: &BackendJwtConfig) -> Result<Self, BackendJwtError> {
        let keys = SigningKeys::new(config)?;
        let header = HeaderName::from_bytes(config.header.as_bytes())
            .map_err(|_| BackendJwtError::Header)?;
        let expected = usize::try_from(config.cache_bytes / 2_048).unwrap_or(usize::MAX);
        Ok(Self {
            header,
            keys,
            made: Cache::with_weighter(expected.clamp(16, 1 << 18), config.cache_bytes, ByWeight),
            config: config.clone(),
        })
    }

    /// The JWK set (RFC 7517 section 5) that upstreams verify with. `now` in seconds since 1970.
    pub(crate) fn key_set(&self, now: i64) -> Response<Bytes> {
        let mut answer = Response::new(self.keys.key_set(now));
        let max_age = HeaderValue::try_from(format!("max-age={KEY_SET_MAX_AGE}"));
        let max_age = max_age.expect("a number is a header value");
        let lines = answer.headers_mut();
        lines.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/jwk-set+json"),
        );
        lines.insert(CACHE_CONTROL, max_age);
        answer
    }

    /// Carries it, whatever a client says in it.
    pub(crate) fn header(&self) -> &HeaderName {
        &self.header
    }

    /// Takes other keys; the rest of the settings stays. An error leaves the old ones in use.
    pub(crate) fn replace_keys(
        &self,
        key: SecretString,
        previous_key: Option<SecretString>,
        now: i64,
    ) -> Result<(), BackendJwtError> {
        let config = BackendJwtConfig {
            key,
            previous_key,
            ..self.config.clone()
        };
        self.keys.replace(&config, now)
    }

    /// What of a verified token's claims is passed on.
    pub(crate) fn passed(&self, claims: &Claims, key_manager: &KeyManager) -> PassedClaims {
        PassedClaims::of(claims, key_manager, &self.config.dialect)
    }

    /// Puts the JWT about the caller in place of whatever stands under its name. `now` in seconds since 1970.
    pub(crate) fn write(
        &self,
        admission: &Admission,
        now: i64,
        headers: &mut HeaderMap,
    ) -> Result<(), Reason> {
        headers.remove(&self.header);
        let Some(caller) = &admission.caller else {
            return Ok(());
        };
        let Some(passed) = &caller.passed_claims else {
            // Verified without memory of its claims: that is no caller of a gateway which makes backend JWTs.
            return Err(Reason::BackendJwtUnavailable);
        };
        let key = self.keys.signing(now);
        let key = key.ok_or(Reason::BackendJwtUnavailable)?;
        let place = (passed.serial, admission.api.entry.id);
        let known = self.made.get(&place);
        let known = known.filter(|known| known.suits(&key, admission, caller, now));
        let made = if let Some(made) = known {
            made
        } else {
            let made = self.make(&key, admission, caller, passed, now);
            let made = Arc::new(made.ok_or(Reason::BackendJwtUnavailable)?);
            self.made.insert(place, Arc::clone(&made));
            made
        };
        headers.insert(self.header.clone(), made.value.clone());
        Ok(())
    }

    fn make(
        &self,
        key: &Arc<SigningKey>,
        admission: &Admission,
        caller: &Caller,
        passed: &PassedClaims,
        now: i64,
    ) -> Option<Assertion> {
        let lifetime = seconds(self.config.lifetime).max(1);
        let expires_at = now.saturating_add(lifetime);
        let header = json!({"typ": "JWT", "alg": key.algorithm(), "kid": key.key_id()});
        let own = self.own_claims(admission, caller, passed, now, expires_at);
        let mut payload = own.to_string();
        if !passed.json.is_empty() {
            payload.pop();
            payload.push(',');
            payload.push_str(&passed.json);
            payload.push('}');
        }
        let signed = format!(
            "{}.{}",
            self.encode(header.to_string().as_bytes()),
            self.encode(payload.as_bytes())
        );
        let signature = key.sign(signed.as_bytes())?;
        let value = format!("{signed}.{}", self.encode(&signature));
        let application = caller.application.as_ref();
        Some(Assertion {
            value: HeaderValue::try_from(value).ok()?,
            renew_at: expires_at - (lifetime / 5).min(60),
            signed_with: Arc::downgrade(key),
            api: Arc::downgrade(&admission.api),
            application: application.map(Arc::downgrade),
            key_type: caller.key_type,
            subscription_id: caller.subscription.as_ref().map(|one| one.id),
            subscription_policy: caller.subscription_policy.clone(),
        })
    }

    /// WSO2's claims (APIM documentation, "Passing End User Attributes to the Backend").
    fn own_claims(
        &self,
        admission: &Admission,
        caller: &Caller,
        passed: &PassedClaims,
        now: i64,
        expires_at: i64,
    ) -> Value {
        let api = &admission.api.entry;
        let application = caller.application.as_deref();
        let end_user = passed.subject.as_deref();
        let mut claims = json!({
            "iss": self.config.issuer,
            "sub": end_user,
            "iat": now,
            "nbf": now,
            "exp": expires_at,
        });
        let said = [
            ("subscriber", json!(application.map(|one| &one.owner))),
            (
                "applicationid",
                json!(application.map(|one| one.id.to_string())),
            ),
            ("applicationname", json!(application.map(|one| &one.name))),
            (
                "applicationtier",
                json!(application.map(|one| &one.throttling_policy)),
            ),
            (
                "applicationUUId",
                json!(application.map(|one| one.id.to_string())),
            ),
            (
                "applicationAttributes",
                json!(application.map(|one| &one.attributes)),
            ),
            ("apiname", json!(api.name)),
            ("apicontext", json!(admission.api.base_path())),
            ("version", json!(api.version)),
            ("tier", json!(caller.subscription_policy.as_deref())),
            ("keytype", json!(caller.key_type.as_str())),
            (
                "usertype",
                json!(if passed.is_user {
                    "Application_User"
                } else {
                    "Application"
                }),
            ),
            ("enduser", json!(end_user)),
            // One installation is one tenant: WSO2's number of the first.
            ("enduserTenantId", json!("-1234")),
        ];
        debug_assert!(
            said.iter()
                .all(|(name, _)| passed_claims::OWN_NAMES.contains(name))
        );
        for (name, value) in said {
            claims[format!("{}/{name}", self.config.dialect)] = value;
        }
        if let Some(members) = claims.as_object_mut() {
            members.retain(|_, value| !value.is_null());
        }
        claims
    }

    fn encode(&self, bytes: &[u8]) -> String {
        match self.config.encoding {
            BackendJwtEncoding::Base64Url => URL_SAFE_NO_PAD.encode(bytes),
            BackendJwtEncoding::Base64 => STANDARD.encode(bytes),
        }
    }
}

impl Assertion {
    /// Whether it would come out the same now.
    fn suits(
        &self,
        key: &Arc<SigningKey>,
        admission: &Admission,
        caller: &Caller,
        now: i64,
    ) -> bool {
        let is_same_application = match (&self.application, &caller.application) {
            (None, None) => true,
            (Some(known), Some(now)) => std::ptr::eq(known.as_ptr(), Arc::as_ptr(now)),
            (None, Some(_)) | (Some(_), None) => false,
        };
        now < self.renew_at
            && std::ptr::eq(self.signed_with.as_ptr(), Arc::as_ptr(key))
            && std::ptr::eq(self.api.as_ptr(), Arc::as_ptr(&admission.api))
            && is_same_application
            && self.key_type == caller.key_type
            && self.subscription_id == caller.subscription.as_ref().map(|one| one.id)
            && self.subscription_policy == caller.subscription_policy
    }
}

impl std::fmt::Debug for BackendJwts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BackendJwts").finish_non_exhaustive()
    }
}
