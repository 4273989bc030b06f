//! Which key signs, and which are listed for those who verify: a rotation without a moment in which a token's key is
//! unknown.
//!
//! A new key is listed at once and signs when nobody can remember a key set without it; the old one stays listed for as
//! long as its tokens live. Time is given by the caller.

use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use serde_json::{Value, json};

use super::BackendJwtError;
use super::signing_key::SigningKey;
use crate::config::BackendJwtConfig;
use crate::key_set::seconds;

/// Seconds that the key set may be remembered (`Cache-Control`), and a new key waits before it signs.
pub(super) const KEY_SET_MAX_AGE: i64 = 300;

/// Seconds that a key is listed beyond its last token's time: clocks differ.
const SLACK: i64 = 60;

/// Keys that are listed at a time.
const MOST_KEYS: usize = 16;

pub(crate) struct SigningKeys {
    listed: ArcSwap<Vec<Listed>>,
}

/// Times in seconds since 1970.
#[derive(Clone)]
struct Listed {
    key: Arc<SigningKey>,
    /// `None`: never.
    signs_from: Option<i64>,
    /// `None`: until there is another.
    until: Option<i64>,
}

impl SigningKeys {
    pub(crate) fn new(config: &BackendJwtConfig) -> Result<Self, BackendJwtError> {
        let (key, previous) = read(config)?;
        let mut listed = vec![Listed {
            key: Arc::new(key),
            signs_from: Some(i64::MIN),
            until: None,
        }];
        listed.extend(previous.map(Listed::only));
        listed.dedup_by(|one, other| one.has_the_key_of(other));
        Ok(Self {
            listed: ArcSwap::from_pointee(listed),
        })
    }

    pub(crate) fn signing(&self, now: i64) -> Option<Arc<SigningKey>> {
        signing(&self.listed.load(), now).map(|one| Arc::clone(&one.key))
    }

    /// The JWK set (RFC 7517 section 5).
    pub(crate) fn key_set(&self, now: i64) -> Bytes {
        let listed = self.listed.load();
        let keys: Vec<Value> = listed
            .iter()
            .filter(|one| one.is_listed(now))
            .map(|one| one.key.jwk())
            .collect();
        json!({ "keys": keys }).to_string().into()
    }

    /// Takes the keys of `config` in place of those before. One change after the other: the caller sees to that. An
    /// error leaves everything as it was.
    pub(crate) fn replace(
        &self,
        config: &BackendJwtConfig,
        now: i64,
    ) -> Result<(), BackendJwtError> {
        let (key, previous) = read(config)?;
        let before = self.listed.load();
        let signs_now = signing(&before, now);
        // The same key again stays what it is, also if it waits.
        let known = before.iter().find(|one| {
            let is_current = signs_now.is_some_and(|current| current.has_the_key_of(one));
            let waits = one.signs_from.is_some_and(|from| from > now);
            one.key.key_id() == key.key_id() && (is_current || waits)
        });
        let new = known.map_or_else(
            || Listed {
                key: Arc::new(key),
                signs_from: Some(now.saturating_add(KEY_SET_MAX_AGE)),
                until: None,
            },
            |known| Listed {
                until: None,
                ..known.clone()
            },
        );
        let last_token = new.signs_from.unwrap_or(now).max(now);
        let forgotten = last_token
            .saturating_add(seconds(config.lifetime))
            .saturating_add(SLACK);
        let mut after = vec![new];
        for one in before.iter() {
            let has_signed = one.signs_from.is_none_or(|from| from <= now);
            if has_signed && one.is_listed(now) && !one.has_the_key_of(&after[0]) {
                after.push(Listed {
                    until: one.until.or(Some(forgotten)),
                    ..one.clone()
                });
            }
        }
        if let Some(previous) = previous.map(Listed::only) {
            match after.iter_mut().find(|one| one.has_the_key_of(&previous)) {
                Some(one) => one.until = None,
                None => after.push(previous),
            }
        }
        if after.len() > MOST_KEYS {
            return Err(BackendJwtError::TooManyKeys);
        }
        self.listed.store(Arc::new(after));
        Ok(())
    }
}

impl Listed {
    /// Listed and no more.
    fn only(key: SigningKey) -> Self {
        Self {
            key: Arc::new(key),
            signs_from: None,
            until: None,
        }
    }

    fn is_listed(&self, now: i64) -> bool {
        self.until.is_none_or(|until| now < until)
    }

    fn has_the_key_of(&self, other: &Self) -> bool {
        self.key.key_id() == other.key.key_id()
    }
}

fn signing(listed: &[Listed], now: i64) -> Option<&Listed> {
    listed
        .iter()
        .filter(|one| one.signs_from.is_some_and(|from| from <= now))
        .max_by_key(|one| one.signs_from)
}

fn read(config: &BackendJwtConfig) -> Result<(SigningKey, Option<SigningKey>), BackendJwtError> {
    let key = SigningKey::read(&config.key, config.algorithm).ok_or(BackendJwtError::Key)?;
    let previous = config.previous_key.as_ref();
    let previous =
        previous.map(|pem| SigningKey::read_any(pem).ok_or(BackendJwtError::PreviousKey));
    Ok((key, previous.transpose()?))
}
