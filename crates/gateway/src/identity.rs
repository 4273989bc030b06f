//! Who a verified token speaks for: the little of it that decisions need.

use std::sync::{Arc, OnceLock};

use domain::id::KeyManagerId;
use domain::token_profile::AudienceRule;

use crate::backend_jwt::PassedClaims;
use crate::certificate_binding::Confirmation;
use crate::claims::{Claims, TimeClaim};
use crate::key_manager::KeyManager;
use crate::refusal::Reason;
use crate::revocation::{RevocableDigest, digest_of};

/// What is known of a token: by its signature, or because its key manager said so. Whether it is still in time, and
/// what it may do, is asked with every request.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) key_manager: KeyManagerId,
    /// Of the key manager, when the token was verified.
    pub(crate) generation: u64,
    /// Of its key set, when the token was verified.
    pub(crate) removals: u64,
    pub(crate) origin: Origin,
    pub(crate) standing: Standing,
    /// Seconds since 1970, as in the token.
    pub(crate) expires_at: i64,
    pub(crate) not_before: Option<i64>,
    pub(crate) issued_at: Option<i64>,
    pub(crate) consumer_key: ConsumerKey,
    /// `aud`.
    audiences: Box<[Box<str>]>,
    /// They suit the key manager's profile, which is a part of its generation.
    pub(crate) suits_profile: bool,
    pub(crate) scopes: Box<[Box<str>]>,
    pub(crate) confirmation: Confirmation,
    /// The names of the token's user, for blocking conditions.
    pub(crate) users: Box<[Box<str>]>,
    /// `jti` (RFC 7519 section 4.1.7), or Entra ID's `uti`.
    pub(crate) token_id: Option<Arc<str>>,
    /// Made when it is asked for: most gateways have no single token revoked.
    revocable_digest: OnceLock<RevocableDigest>,
    /// Only where backend JWTs are made.
    pub(crate) passed_claims: Option<Arc<PassedClaims>>,
}

/// What the key manager was found by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The token's `iss`.
    Issuer(Arc<str>),
    /// The look of a token that is no JWT.
    Opaque,
}

/// How the token was verified, and for how long that holds (seconds since 1970).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// By its signature: as long as its key is trusted.
    Signed,
    /// The key manager said that it is active; after this it is asked again.
    Active { until: i64 },
    /// The key manager said that it is not active; after this it is asked again.
    Inactive { until: i64 },
}

/// Claims that name the user of a token, or its client where it has none.
const USER_CLAIMS: [&str; 4] = ["sub", "oid", "upn", "preferred_username"];

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ConsumerKey {
    Known(Arc<str>),
    Missing,
    /// The profile's claims name different clients, or one of them is no text.
    Ambiguous,
}

impl Identity {
    /// `removals` must have been read before the key was looked up.
    pub(crate) fn of_signed(
        claims: &Claims,
        issuer: &Arc<str>,
        key_manager: &KeyManager,
        removals: u64,
    ) -> Result<Self, Reason> {
        let expires_at = optional_time(claims, "exp")?.ok_or(Reason::ExpiryMissing)?;
        let profile = key_manager.profile();
        let identity = Self {
            removals,
            consumer_key: consumer_key(claims, profile.consumer_key_claims.iter()),
            scopes: scopes(claims, profile.scopes_claims.iter()),
            ..Self::of_inactive(Origin::Issuer(Arc::clone(issuer)), key_manager, i64::MAX)
        };
        identity.with(claims, &profile.audience, Standing::Signed, expires_at)
    }

    /// Of an active token's introspection response: its own names for client and scopes (RFC 7662 section 2.2)
    /// count beside those of the profile, and `exp` is optional.
    pub(crate) fn of_active(
        claims: &Claims,
        origin: Origin,
        key_manager: &KeyManager,
        until: i64,
    ) -> Result<Self, Reason> {
        let (client_id, scope) = ("client_id".to_owned(), "scope".to_owned());
        let profile = key_manager.profile();
        if claims.get("iss").is_some()
            && !claims
                .text("iss")
                .is_some_and(|issuer| profile.issuers.iter().any(|known| known == issuer))
        {
            return Err(Reason::IssuerUnknown);
        }
        let expires_at = optional_time(claims, "exp")?.unwrap_or(i64::MAX);
        let clients = profile.consumer_key_claims.iter().chain([&client_id]);
        let identity = Self {
            consumer_key: consumer_key(claims, clients),
            scopes: scopes(claims, profile.scopes_claims.iter().chain([&scope])),
            ..Self::of_inactive(origin, key_manager, until)
        };
        let standing = Standing::Active { until };
        identity.with(claims, &profile.audience, standing, expires_at)
    }

    /// Of a token that its key manager does not stand by.
    pub(crate) fn of_inactive(origin: Origin, key_manager: &KeyManager, until: i64) -> Self {
        Self {
            key_manager: key_manager.id(),
            generation: key_manager.generation,
            removals: key_manager.keys.removals(),
            origin,
            standing: Standing::Inactive { until },
            expires_at: i64::MAX,
            not_before: None,
            issued_at: None,
            consumer_key: ConsumerKey::Missing,
            audiences: Box::default(),
            suits_profile: false,
            scopes: Box::default(),
            confirmation: Confirmation::None,
            users: Box::default(),
            token_id: None,
            revocable_digest: OnceLock::new(),
            passed_claims: None,
        }
    }

    /// What every verified token says of itself.
    fn with(
        self,
        claims: &Claims,
        rule: &AudienceRule,
        standing: Standing,
        expires_at: i64,
    ) -> Result<Self, Reason> {
        let audiences: Box<[Box<str>]> = claims
            .texts("aud")
            .into_iter()
            .map(|text| text.into_owned().into_boxed_str())
            .collect();
        Ok(Self {
            standing,
            expires_at,
            suits_profile: suits(&audiences, rule, &self.consumer_key),
            not_before: optional_time(claims, "nbf")?,
            issued_at: optional_time(claims, "iat")?,
            audiences,
            confirmation: Confirmation::of(claims),
            users: users(claims),
            token_id: ["jti", "uti"]
                .iter()
                .find_map(|name| claims.texts(name).into_iter().next())
                .map(Into::into),
            ..self
        })
    }

    /// Whether `aud` names this audience.
    pub(crate) fn is_for(&self, audience: &str) -> bool {
        has(&self.audiences, audience)
    }

    /// `token` is the one that this identity was made of.
    pub(crate) fn revocable_digest(&self, token: &str) -> &RevocableDigest {
        self.revocable_digest.get_or_init(|| digest_of(token))
    }

    /// Roughly what it takes in memory, in bytes.
    pub(crate) fn weight(&self) -> usize {
        let texts = self.audiences.iter().chain(&self.scopes);
        let texts = texts.chain(&self.users);
        let consumer_key = match &self.consumer_key {
            ConsumerKey::Known(key) => key.len(),
            ConsumerKey::Missing | ConsumerKey::Ambiguous => 0,
        };
        let passed_claims = self
            .passed_claims
            .as_ref()
            .map_or(0, |claims| claims.weight());
        size_of::<Self>()
            + passed_claims
            + consumer_key
            + self.token_id.as_ref().map_or(0, |token_id| token_id.len())
            + texts
                .map(|text| text.len() + size_of::<Box<str>>())
                .sum::<usize>()
    }
}

fn has(audiences: &[Box<str>], wanted: &str) -> bool {
    audiences.iter().any(|one| one.as_ref() == wanted)
}

fn suits(audiences: &[Box<str>], rule: &AudienceRule, consumer_key: &ConsumerKey) -> bool {
    match (rule, consumer_key) {
        (AudienceRule::Any, _) => true,
        (AudienceRule::OneOf(accepted), _) => accepted.iter().any(|one| has(audiences, one)),
        (AudienceRule::OwnClient, ConsumerKey::Known(key)) => audiences.iter().any(|one| {
            let name = one.strip_prefix("api://").unwrap_or(one);
            name.strip_suffix('/').unwrap_or(name) == key.as_ref()
        }),
        (AudienceRule::OwnClient, ConsumerKey::Missing | ConsumerKey::Ambiguous) => false,
    }
}

fn optional_time(claims: &Claims, name: &str) -> Result<Option<i64>, Reason> {
    match claims.time(name) {
        TimeClaim::At(at) => Ok(Some(at)),
        TimeClaim::Absent => Ok(None),
        TimeClaim::Malformed => Err(Reason::TimeMalformed),
    }
}

/// The first claim of the list that is there; where several are, they must agree (Microsoft's *Access token claims reference*: `azp` and
/// `appid` are the same client).
pub(crate) fn consumer_key<'n>(
    claims: &Claims,
    names: impl Iterator<Item = &'n String>,
) -> ConsumerKey {
    let mut found: Option<&str> = None;
    for name in names {
        let Some(value) = claims.get(name) else {
            continue;
        };
        // WSO2 takes the first of a list; a list of several clients is no client to us.
        let text = match value.as_array().map(Vec::as_slice) {
            Some([only]) => only.as_str(),
            Some(_) => None,
            None => value.as_str(),
        };
        let Some(text) = text.filter(|text| !text.is_empty()) else {
            return ConsumerKey::Ambiguous;
        };
        if found.is_some_and(|before| before != text) {
            return ConsumerKey::Ambiguous;
        }
        found = Some(text);
    }
    found.map_or(ConsumerKey::Missing, |text| ConsumerKey::Known(text.into()))
}

fn users(claims: &Claims) -> Box<[Box<str>]> {
    let mut users: Vec<Box<str>> = USER_CLAIMS
        .iter()
        .filter_map(|name| claims.text(name))
        .map(Into::into)
        .collect();
    users.sort_unstable();
    users.dedup();
    users.into()
}

/// The union of the scopes claims: strings are split at spaces, lists taken as they are.
fn scopes<'n>(claims: &Claims, names: impl Iterator<Item = &'n String>) -> Box<[Box<str>]> {
    let mut scopes: Vec<Box<str>> = Vec::new();
    for name in names {
        if let Some(text) = claims.text(name) {
            scopes.extend(
                text.split(' ')
                    .filter(|scope| !scope.is_empty())
                    .map(Into::into),
            );
        } else {
            scopes.extend(
                claims
                    .texts(name)
                    .into_iter()
                    .map(|text| text.into_owned().into()),
            );
        }
    }
    scopes.sort_unstable();
    scopes.dedup();
    scopes.into()
}
