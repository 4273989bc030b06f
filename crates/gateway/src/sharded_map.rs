//! A map whose copies share what did not change: 1,000,000 entries are copied by counting references.
//!
//! A change copies one shard of it. Readers hold an immutable copy and never wait.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::Arc;

/// An immutable-by-sharing hash map: `clone` costs one reference count a shard.
#[derive(Clone, Debug)]
pub(crate) struct ShardedMap<K, V> {
    /// A power of two of them.
    shards: Vec<Arc<HashMap<K, V>>>,
    hasher: RandomState,
    len: usize,
}

impl<K: Hash + Eq + Clone, V: Clone> ShardedMap<K, V> {
    /// `shards` is rounded up to a power of two.
    pub(crate) fn with_shards(shards: usize) -> Self {
        Self {
            shards: vec![Arc::default(); shards.next_power_of_two()],
            hasher: RandomState::new(),
            len: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.shards.iter().flat_map(|shard| shard.iter())
    }

    pub(crate) fn get<Q>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.shards[self.shard_of(key)].get(key)
    }

    /// Returns what was there before.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        let shard = self.shard_of(&key);
        let before = Arc::make_mut(&mut self.shards[shard]).insert(key, value);
        if before.is_none() {
            self.len += 1;
        }
        before
    }

    pub(crate) fn remove<Q>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let shard = self.shard_of(key);
        if !self.shards[shard].contains_key(key) {
            return None;
        }
        self.len -= 1;
        Arc::make_mut(&mut self.shards[shard]).remove(key)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.shards.iter().flat_map(|shard| shard.values())
    }

    /// Changes the values that want it; only their shards are copied.
    pub(crate) fn change_where(&mut self, wants: impl Fn(&V) -> bool, change: impl Fn(&mut V)) {
        for shard in &mut self.shards {
            if shard.values().any(&wants) {
                let values = Arc::make_mut(shard).values_mut();
                values.filter(|value| wants(value)).for_each(&change);
            }
        }
    }

    fn shard_of<Q: Hash + ?Sized>(&self, key: &Q) -> usize {
        let mask = self.shards.len() - 1;
        usize::try_from(self.hasher.hash_one(key) >> 32).unwrap_or_default() & mask
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
