//! A map whose copies share what did not change: 1,000,000 entries are copied by counting references.
//!
//! A change copies one shard of it. Readers hold an immutable copy and never wait.

use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use foldhash::quality::RandomState;
use hashbrown::HashTable;

/// An immutable-by-sharing hash map: `clone` costs one reference count a shard. A key is hashed once, for its shard
/// and its place there.
///
/// The hash is seeded anew with every start, but no defence against somebody who chooses many keys and measures:
/// keys are identifiers of ours, or come from publishers and verified tokens.
#[derive(Clone, Debug)]
pub(crate) struct ShardedMap<K, V> {
    /// A power of two of them.
    shards: Vec<Arc<HashTable<(K, V)>>>,
    hasher: RandomState,
    len: usize,
}

impl<K: Hash + Eq + Clone, V: Clone> ShardedMap<K, V> {
    /// `shards` is rounded up to a power of two.
    pub(crate) fn with_shards(shards: usize) -> Self {
        Self {
            shards: vec![Arc::default(); shards.next_power_of_two()],
            hasher: RandomState::default(),
            len: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        let entries = self.shards.iter().flat_map(|shard| shard.iter());
        entries.map(|(key, value)| (key, value))
    }

    pub(crate) fn get<Q>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let hash = self.hasher.hash_one(key);
        let shard = &self.shards[self.shard_of(hash)];
        let entry = shard.find(hash, |(held, _)| held.borrow() == key)?;
        Some(&entry.1)
    }

    /// Returns what was there before.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        let hash = self.hasher.hash_one(&key);
        let at = self.shard_of(hash);
        let shard = Arc::make_mut(&mut self.shards[at]);
        if let Some((_, held)) = shard.find_mut(hash, |(held, _)| *held == key) {
            return Some(std::mem::replace(held, value));
        }
        let hasher = &self.hasher;
        shard.insert_unique(hash, (key, value), |(key, _)| hasher.hash_one(key));
        self.len += 1;
        None
    }

    pub(crate) fn remove<Q>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let hash = self.hasher.hash_one(key);
        let at = self.shard_of(hash);
        let is_key = |(held, _): &(K, V)| held.borrow() == key;
        // A look first: what is not there is no reason to copy.
        self.shards[at].find(hash, is_key)?;
        let shard = Arc::make_mut(&mut self.shards[at]);
        let ((_, value), _) = shard.find_entry(hash, is_key).ok()?.remove();
        self.len -= 1;
        Some(value)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// Changes the values that want it; only their shards are copied.
    pub(crate) fn change_where(&mut self, wants: impl Fn(&V) -> bool, change: impl Fn(&mut V)) {
        for shard in &mut self.shards {
            if shard.iter().any(|(_, value)| wants(value)) {
                let values = Arc::make_mut(shard).iter_mut().map(|(_, value)| value);
                values.filter(|value| wants(value)).for_each(&change);
            }
        }
    }

    /// By other bits of the hash than those that find the place in the shard.
    fn shard_of(&self, hash: u64) -> usize {
        let mask = self.shards.len() - 1;
        usize::try_from(hash >> 32).unwrap_or_default() & mask
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_does_not_see_later_changes() {
        let mut map = ShardedMap::with_shards(8);
        for number in 0..1_000 {
            map.insert(number, number);
        }
        let before = map.clone();
        assert_eq!(map.remove(&7), Some(7));
        assert_eq!(map.remove(&7), None);
        map.insert(8, 80);

        assert_eq!(
            (before.get(&7), before.get(&8), before.len()),
            (Some(&7), Some(&8), 1_000)
        );
        assert_eq!(
            (map.get(&7), map.get(&8), map.len()),
            (None, Some(&80), 999)
        );
    }

    #[test]
    fn a_change_copies_one_shard_only() {
        let mut map = ShardedMap::with_shards(16);
        for number in 0..1_000 {
            map.insert(number, number);
        }
        let before = map.clone();
        map.insert(5, 50);
        let shared = before
            .shards
            .iter()
            .zip(&map.shards)
            .filter(|(old, new)| Arc::ptr_eq(old, new))
            .count();
        assert_eq!(shared, 15);
    }
}
