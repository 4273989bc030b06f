//! Verified tokens, so that a signature is checked once: identities only, never decisions.
//!
//! Bounded in bytes. An entry is found by the token's SHA-256, so that two tokens never share one; it is void after
//! `exp`, after a change of its key manager, and after a key of its set lost trust.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::digest::{SHA256, digest};
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::identity::Identity;

pub(crate) type TokenDigest = [u8; 32];

/// What an entry costs beside its identity: key, pointers, the cache's own books.
const ENTRY_OVERHEAD: usize = 160;

#[derive(Debug)]
pub(crate) struct TokenCache {
    entries: Cache<TokenDigest, Arc<Identity>, ByWeight>,
    hits: AtomicU64,
    misses: AtomicU64,
}

#[derive(Clone, Debug)]
struct ByWeight;

impl Weighter<TokenDigest, Arc<Identity>> for ByWeight {
    fn weight(&self, _: &TokenDigest, identity: &Arc<Identity>) -> u64 {
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
        Some(Self {
            entries: Cache::with_weighter(expected, bytes, ByWeight),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        })
    }

    pub(crate) fn digest_of(token: &str) -> TokenDigest {
        let mut key = [0; 32];
        key.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        key
    }

    pub(crate) fn get(&self, token: &TokenDigest) -> Option<Arc<Identity>> {
        let found = self.entries.get(token);
        let counter = if found.is_some() {
            &self.hits
        } else {
            &self.misses
        };
        counter.fetch_add(1, Ordering::Relaxed);
        found
    }

    pub(crate) fn insert(&self, token: TokenDigest, identity: Arc<Identity>) {
        self.entries.insert(token, identity);
    }

    pub(crate) fn remove(&self, token: &TokenDigest) {
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
