//! Who a verified token speaks for: the little of it that decisions need.

use std::sync::Arc;

use domain::id::KeyManagerId;
use domain::token_profile::TokenProfile;

use crate::claims::{Claims, TimeClaim};
use crate::key_manager::KeyManager;
use crate::refusal::Reason;

/// A token whose signature, issuer and key manager were verified. Whether it is still in time, and what it may do,
/// is asked with every request.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) key_manager: KeyManagerId,
    /// Of the key manager, when the token was verified.
    pub(crate) generation: u64,
    /// Of its key set, when the token was verified.
    pub(crate) removals: u64,
    pub(crate) issuer: Box<str>,
    /// Seconds since 1970, as in the token.
    pub(crate) expires_at: i64,
    pub(crate) not_before: Option<i64>,
    pub(crate) issued_at: Option<i64>,
    pub(crate) consumer_key: ConsumerKey,
    pub(crate) audiences: Box<[Box<str>]>,
    pub(crate) scopes: Box<[Box<str>]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ConsumerKey {
    Known(Arc<str>),
    Missing,
    /// The profile's claims name different clients, or one of them is no text.
    Ambiguous,
}

impl Identity {
    /// `removals` must have been read before the key was looked up.
    pub(crate) fn of_verified(
        claims: &Claims,
        issuer: &str,
        key_manager: &KeyManager,
        removals: u64,
    ) -> Result<Self, Reason> {
        let profile = key_manager.profile();
        let expires_at = match claims.time("exp") {
            TimeClaim::At(at) => at,
            TimeClaim::Absent => return Err(Reason::ExpiryMissing),
            TimeClaim::Malformed => return Err(Reason::TimeMalformed),
        };
        let boxed = |name| {
            let texts = claims.texts(name);
            texts
                .into_iter()
                .map(|text| text.into_owned().into_boxed_str())
                .collect()
        };
        Ok(Self {
            key_manager: key_manager.id(),
            generation: key_manager.generation,
            removals,
            issuer: issuer.into(),
            expires_at,
            not_before: optional_time(claims, "nbf")?,
            issued_at: optional_time(claims, "iat")?,
            consumer_key: consumer_key(claims, profile),
            audiences: boxed("aud"),
            scopes: scopes(claims, profile),
        })
    }

    /// Roughly what it takes in memory, in bytes.
    pub(crate) fn weight(&self) -> usize {
        let texts = self.audiences.iter().chain(&self.scopes);
        let consumer_key = match &self.consumer_key {
            ConsumerKey::Known(key) => key.len(),
            ConsumerKey::Missing | ConsumerKey::Ambiguous => 0,
        };
        size_of::<Self>()
            + self.issuer.len()
            + consumer_key
            + texts
                .map(|text| text.len() + size_of::<Box<str>>())
                .sum::<usize>()
    }
}

fn optional_time(claims: &Claims, name: &str) -> Result<Option<i64>, Reason> {
    match claims.time(name) {
        TimeClaim::At(at) => Ok(Some(at)),
        TimeClaim::Absent => Ok(None),
        TimeClaim::Malformed => Err(Reason::TimeMalformed),
    }
}

/// The first claim of the profile's list that is there; where several are, they must agree (entra.md: `azp` and
/// `appid` are the same client).
fn consumer_key(claims: &Claims, profile: &TokenProfile) -> ConsumerKey {
    let mut found: Option<&str> = None;
    for name in &profile.consumer_key_claims {
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

/// The union of the profile's scopes claims: strings are split at spaces, lists taken as they are.
fn scopes(claims: &Claims, profile: &TokenProfile) -> Box<[Box<str>]> {
    let mut scopes: Vec<Box<str>> = Vec::new();
    for name in &profile.scopes_claims {
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
