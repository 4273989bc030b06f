//! Revocations, indexed: is a verified token believed no longer?
//!
//! Asked with every request, cached identities included; a snapshot without any holds none of this. What has
//! expired goes when a snapshot is made.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use domain::id::{KeyManagerId, RevocationId};
use domain::revocation::{RevokedSubject, revocable_part};
use domain::snapshot::RevocationEntry;

use crate::identity::{ConsumerKey, Identity};
use crate::refusal::Reason;
use crate::sharded_map::ShardedMap;

/// Shards of each map: at 100,000 revocations a change copies some 100 of them.
const SHARDS: usize = 256;

/// Expired ones are looked for at most this often, in seconds: it takes a look at all.
const SWEEP: i64 = 60;

/// SHA-256 of a token's [`revocable_part`].
pub(crate) type RevocableDigest = [u8; 32];

/// Two revocations of one subject (the later one replaces the other) may pass each other: each takes only its own
/// entry away.
#[derive(Clone, Debug)]
pub(crate) struct Revocations {
    tokens: ShardedMap<RevocableDigest, RevocationId>,
    token_ids: ShardedMap<(KeyManagerId, Arc<str>), RevocationId>,
    consumer_keys: ShardedMap<(KeyManagerId, Arc<str>), IssuedBefore>,
    by_id: ShardedMap<RevocationId, Revoked>,
    /// Seconds since 1970; nothing expires sooner, or it was looked for shortly.
    next_sweep: i64,
}

#[derive(Clone, Copy, Debug)]
struct IssuedBefore {
    /// Seconds since 1970.
    before: i64,
    id: RevocationId,
}

#[derive(Clone, Debug)]
struct Revoked {
    place: Place,
    /// Seconds since 1970.
    expires_at: Option<i64>,
}

#[derive(Clone, Debug)]
enum Place {
    Token(RevocableDigest),
    TokenId(KeyManagerId, Arc<str>),
    ConsumerKey(KeyManagerId, Arc<str>),
}

pub(crate) fn digest_of(token: &str) -> RevocableDigest {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, revocable_part(token).as_bytes()).as_ref());
    bytes
}

impl Revocations {
    pub(crate) fn empty() -> Self {
        Self {
            tokens: ShardedMap::with_shards(SHARDS),
            token_ids: ShardedMap::with_shards(SHARDS),
            consumer_keys: ShardedMap::with_shards(SHARDS),
            by_id: ShardedMap::with_shards(SHARDS),
            next_sweep: i64::MAX,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// `token` is the one that `identity` was made of.
    pub(crate) fn check(&self, identity: &Identity, token: &str) -> Result<(), Reason> {
        let of_key_manager = |name: &Arc<str>| (identity.key_manager, Arc::clone(name));
        if self.tokens.len() > 0 && self.tokens.get(identity.revocable_digest(token)).is_some() {
            return Err(Reason::TokenRevoked);
        }
        if let Some(token_id) = &identity.token_id
            && self.token_ids.get(&of_key_manager(token_id)).is_some()
        {
            return Err(Reason::TokenRevoked);
        }
        if let ConsumerKey::Known(key) = &identity.consumer_key
            && let Some(revoked) = self.consumer_keys.get(&of_key_manager(key))
            && identity.issued_at.is_none_or(|at| at < revoked.before)
        {
            return Err(Reason::ConsumerKeyRevoked);
        }
        Ok(())
    }

    pub(crate) fn put(&mut self, entry: RevocationEntry) {
        self.remove(entry.id);
        let id = entry.id;
        let place = match entry.subject {
            RevokedSubject::Token { digest } => {
                let Some(digest) = from_hexadecimal(&digest) else {
                    tracing::error!(revocation.id = %id, "a revocation's digest cannot be read");
                    return;
                };
                self.tokens.insert(digest, id);
                Place::Token(digest)
            }
            RevokedSubject::TokenId {
                key_manager_id,
                token_id,
            } => {
                let token_id: Arc<str> = token_id.into();
                let key = (key_manager_id, Arc::clone(&token_id));
                self.token_ids.insert(key, id);
                Place::TokenId(key_manager_id, token_id)
            }
            RevokedSubject::ConsumerKey {
                key_manager_id,
                consumer_key,
                issued_before,
            } => {
                let consumer_key: Arc<str> = consumer_key.into();
                let key = (key_manager_id, Arc::clone(&consumer_key));
                // `iat` has whole seconds: a token of the second in which it was revoked is not believed.
                let before = issued_before.as_second().saturating_add(1);
                self.consumer_keys.insert(key, IssuedBefore { before, id });
                Place::ConsumerKey(key_manager_id, consumer_key)
            }
        };
        let expires_at = entry.expires_at.map(jiff::Timestamp::as_second);
        if let Some(at) = expires_at {
            self.next_sweep = self.next_sweep.min(at);
        }
        self.by_id.insert(id, Revoked { place, expires_at });
    }

    pub(crate) fn remove(&mut self, id: RevocationId) {
        let Some(revoked) = self.by_id.remove(&id) else {
            return;
        };
        match revoked.place {
            Place::Token(digest) => {
                if self.tokens.get(&digest) == Some(&id) {
                    self.tokens.remove(&digest);
                }
            }
            Place::TokenId(key_manager, token_id) => {
                let key = (key_manager, token_id);
                if self.token_ids.get(&key) == Some(&id) {
                    self.token_ids.remove(&key);
                }
            }
            Place::ConsumerKey(key_manager, consumer_key) => {
                let key = (key_manager, consumer_key);
                if self.consumer_keys.get(&key).is_some_and(|one| one.id == id) {
                    self.consumer_keys.remove(&key);
                }
            }
        }
    }

    /// Whether [`Self::remove_expired`] would find something.
    pub(crate) fn may_have_expired(&self, now: i64) -> bool {
        self.next_sweep <= now
    }

    /// `now` in seconds since 1970.
    pub(crate) fn remove_expired(&mut self, now: i64) {
        let ends: Vec<_> = self
            .by_id
            .iter()
            .filter_map(|(id, revoked)| Some((*id, revoked.expires_at?)))
            .collect();
        let mut next = i64::MAX;
        for (id, expires_at) in ends {
            if expires_at <= now {
                self.remove(id);
            } else {
                next = next.min(expires_at);
            }
        }
        self.next_sweep = next.max(now.saturating_add(SWEEP));
    }
}

fn from_hexadecimal(text: &str) -> Option<RevocableDigest> {
    let mut bytes = [0; 32];
    if text.len() != 2 * bytes.len() || !text.is_ascii() {
        return None;
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use domain::id::KeyManagerId;
    use jiff::Timestamp;

    use super::*;

    fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(number: u32) -> T {
        format!("00000000-0000-7000-8000-{number:012}")
            .parse()
            .expect("an identifier")
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    fn token_id(number: u32, expires_at: Option<i64>) -> RevocationEntry {
        RevocationEntry {
            id: id(number),
            subject: RevokedSubject::TokenId {
                key_manager_id: id::<KeyManagerId>(1),
                token_id: number.to_string(),
            },
            expires_at: expires_at.map(at),
        }
    }

    fn client(number: u32, issued_before: i64) -> RevocationEntry {
        RevocationEntry {
            id: id(number),
            subject: RevokedSubject::ConsumerKey {
                key_manager_id: id(1),
                consumer_key: "client".to_owned(),
                issued_before: at(issued_before),
            },
            expires_at: None,
        }
    }

    #[test]
    fn what_has_expired_goes_and_the_rest_stays() {
        let mut revocations = Revocations::empty();
        for entry in [
            token_id(1, Some(100)),
            token_id(2, Some(200)),
            token_id(3, None),
        ] {
            revocations.put(entry);
        }
        assert!(!revocations.may_have_expired(99));
        assert!(revocations.may_have_expired(100));
        revocations.remove_expired(100);
        assert_eq!((revocations.len(), revocations.token_ids.len()), (2, 2));
        assert!(!revocations.may_have_expired(199));
        assert!(revocations.may_have_expired(200));
        revocations.remove_expired(1_000_000);
        assert_eq!((revocations.len(), revocations.token_ids.len()), (1, 1));
        assert!(!revocations.may_have_expired(i64::MAX - 1));
    }

    #[test]
    fn a_replaced_revocation_takes_only_its_own_entry_away() {
        let mut revocations = Revocations::empty();
        revocations.put(client(1, 100));
        revocations.put(client(2, 200));
        revocations.remove(id(1));
        let key = (id(1), Arc::from("client"));
        let kept = revocations.consumer_keys.get(&key).expect("the later one");
        assert_eq!(kept.before, 201);
        revocations.remove(id(2));
        assert!(revocations.consumer_keys.get(&key).is_none());
        assert_eq!(revocations.len(), 0);
    }

    #[test]
    fn a_digest_that_is_none_revokes_nothing() {
        for digest in ["", "aa", &"g".repeat(64), &"ä".repeat(32), &"0".repeat(65)] {
            assert_eq!(from_hexadecimal(digest), None, "{digest}");
        }
        let digest = digest_of("a.b.c");
        let bytes: Vec<_> = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let hex = bytes.concat();
        assert_eq!(from_hexadecimal(&hex), Some(digest));
        assert_eq!(digest, digest_of("a.b.d"));
        assert_ne!(digest, digest_of("a.c.c"));
    }
}
