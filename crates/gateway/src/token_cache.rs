//! Verified tokens, so that a signature is checked once: identities only, never decisions.
//!
//! Bounded in bytes. An entry is found by a fingerprint of the token that nobody can make two tokens share; it is void
//! after `exp`, after a change of its key manager, and after a key of its set lost trust.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::identity::Identity;

/// See [`TokenCache::fingerprint`].
pub(crate) type TokenFingerprint = [u8; 16];

/// What an entry costs beside its identity: key, pointers, the cache's own books.
const ENTRY_OVERHEAD: usize = 160;

#[derive(Debug)]
pub(crate) struct TokenCache {
    key: LessSafeKey,
    entries: Cache<TokenFingerprint, Arc<Identity>, ByWeight>,
    hits: AtomicU64,
    misses: AtomicU64,
}

#[derive(Clone, Debug)]
struct ByWeight;

impl Weighter<TokenFingerprint, Arc<Identity>> for ByWeight {
    fn weight(&self, _: &TokenFingerprint, identity: &Arc<Identity>) -> u64 {
        u64::try_from(identity.weight() + ENTRY_OVERHEAD).unwrap_or(u64::MAX)
    }
}

impl TokenCache {
    /// `None` when the bound leaves room for nothing.
    pub(crate) fn with_bytes(bytes: u64) -> Option<Self> {
        if bytes == 0 {
            return None;
        }
        let expected = usize::try_from(bytes / 512)
            .unwrap_or(usize::MAX)
            .clamp(16, 1 << 20);
        let mut key = [0; 32];
        rand::fill(&mut key).ok()?;
        let key = UnboundKey::new(&AES_256_GCM, &key).ok()?;
        Some(Self {
            key: LessSafeKey::new(key),
            entries: Cache::with_weighter(expected, bytes, ByWeight),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        })
    }

    /// A MAC of the whole token (GMAC, NIST SP 800-38D) under a key that this process made and nobody sees. For two
    /// tokens to share one is as improbable as a forged MAC, and it takes a fifth of SHA-256's time.
    ///
    /// The nonce is always the same, which would betray the key to whoever saw two of the MACs: they stay in the cache,
    /// and are neither logged nor answered with.
    ///
    /// `Err`: the token is longer than any that is accepted.
    pub(crate) fn fingerprint(&self, token: &str) -> Result<TokenFingerprint, Unspecified> {
        let nonce = Nonce::assume_unique_for_key([0; 12]);
        let covered = Aad::from(token.as_bytes());
        let mac = self
            .key
            .seal_in_place_separate_tag(nonce, covered, &mut [])?;
        mac.as_ref().try_into().map_err(|_| Unspecified)
    }

    pub(crate) fn get(&self, token: &TokenFingerprint) -> Option<Arc<Identity>> {
        let found = self.entries.get(token);
        let counter = if found.is_some() {
            &self.hits
        } else {
            &self.misses
        };
        counter.fetch_add(1, Ordering::Relaxed);
        found
    }

    pub(crate) fn insert(&self, token: TokenFingerprint, identity: Arc<Identity>) {
        self.entries.insert(token, identity);
    }

    pub(crate) fn remove(&self, token: &TokenFingerprint) {
        self.entries.remove(token);
    }

    /// Hits and misses since the start.
    pub(crate) fn lookups(&self) -> (u64, u64) {
        (
            self.hits.load(Ordering::Relaxed),
            self.misses.load(Ordering::Relaxed),
        )
    }

    /// Entries, and their bytes by our own reckoning.
    pub(crate) fn figures(&self) -> (usize, u64) {
        (self.entries.len(), self.entries.weight())
    }
}
