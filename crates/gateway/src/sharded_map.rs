//! A map whose copies share what did not change: 1,000,000 entries are copied by counting some thirty references.
//!
//! Entries lie in shards, shards in groups. A change copies one group's list of shards and one shard. Readers hold an
//! immutable copy and never wait.

use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use foldhash::quality::RandomState;
use hashbrown::HashTable;

/// An immutable-by-sharing hash map: `clone` costs one reference count a group. A key is hashed once, for its shard
/// and its place there.
///
/// The hash is seeded anew with every start, but no defence against somebody who chooses many keys and measures:
/// keys are identifiers of ours, or come from publishers and verified tokens.
#[derive(Clone, Debug)]
pub(crate) struct ShardedMap<K, V> {
    /// A power of two of them, each with a power of two of shards.
    groups: Vec<Arc<Group<K, V>>>,
    /// Of the hash: which shard of its group.
    shard_bits: u32,
    hasher: RandomState,
    len: usize,
}

type Shard<K, V> = HashTable<(K, V)>;
type Group<K, V> = Vec<Arc<Shard<K, V>>>;

impl<K: Hash + Eq + Clone, V: Clone> ShardedMap<K, V> {
    /// `shards` is rounded up to a power of two.
    pub(crate) fn with_shards(shards: usize) -> Self {
        let bits = shards.next_power_of_two().ilog2();
        // As many groups as shards in a group, or half as many: what a change copies is least then.
        let group_bits = bits / 2;
        let shard_bits = bits - group_bits;
        let group: Arc<Group<K, V>> = Arc::new(vec![Arc::default(); 1 << shard_bits]);
        Self {
            groups: vec![group; 1 << group_bits],
            shard_bits,
            hasher: RandomState::default(),
            len: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        let shards = self.groups.iter().flat_map(|group| group.iter());
        let entries = shards.flat_map(|shard| shard.iter());
        entries.map(|(key, value)| (key, value))
    }

    pub(crate) fn get<Q>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let hash = self.hasher.hash_one(key);
        let entry = self
            .shard(hash)
            .find(hash, |(held, _)| held.borrow() == key)?;
        Some(&entry.1)
    }

    /// Copies the shard, where the key is in it.
    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let hash = self.hasher.hash_one(key);
        let is_key = |(held, _): &(K, V)| held == key;
        self.shard(hash).find(hash, is_key)?;
        let entry = self.shard_mut(hash).find_mut(hash, is_key)?;
        Some(&mut entry.1)
    }

    /// Returns what was there before.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        let hash = self.hasher.hash_one(&key);
        if let Some((_, held)) = self
            .shard_mut(hash)
            .find_mut(hash, |(held, _)| *held == key)
        {
            return Some(std::mem::replace(held, value));
        }
        let hasher = self.hasher.clone();
        self.shard_mut(hash)
            .insert_unique(hash, (key, value), |(key, _)| hasher.hash_one(key));
        self.len += 1;
        None
    }

    pub(crate) fn remove<Q>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let hash = self.hasher.hash_one(key);
        let is_key = |(held, _): &(K, V)| held.borrow() == key;
        // A look first: what is not there is no reason to copy.
        self.shard(hash).find(hash, is_key)?;
        let ((_, value), _) = self.shard_mut(hash).find_entry(hash, is_key).ok()?.remove();
        self.len -= 1;
        Some(value)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// Changes the values that want it; only their shards are copied.
    pub(crate) fn change_where(&mut self, wants: impl Fn(&V) -> bool, change: impl Fn(&mut V)) {
        for group in &mut self.groups {
            let concerns = |shard: &Arc<Shard<K, V>>| shard.iter().any(|(_, value)| wants(value));
            if !group.iter().any(concerns) {
                continue;
            }
            for shard in Arc::make_mut(group).iter_mut().filter(|one| concerns(one)) {
                let values = Arc::make_mut(shard).iter_mut().map(|(_, value)| value);
                values.filter(|value| wants(value)).for_each(&change);
            }
        }
    }

    fn shard(&self, hash: u64) -> &Shard<K, V> {
        let (group, shard) = self.place_of(hash);
        &self.groups[group][shard]
    }

    fn shard_mut(&mut self, hash: u64) -> &mut Shard<K, V> {
        let (group, shard) = self.place_of(hash);
        Arc::make_mut(&mut Arc::make_mut(&mut self.groups[group])[shard])
    }

    /// Group and shard in it, by other bits of the hash than those that find the place in the shard.
    fn place_of(&self, hash: u64) -> (usize, usize) {
        let bits = usize::try_from(hash >> 32).unwrap_or_default();
        let shard = bits & ((1 << self.shard_bits) - 1);
        let group = (bits >> self.shard_bits) & (self.groups.len() - 1);
        (group, shard)
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
        let mut map = ShardedMap::with_shards(32);
        for number in 0..1_000 {
            map.insert(number, number);
        }
        let before = map.clone();
        map.insert(5, 50);
        let groups: Vec<_> = before.groups.iter().zip(&map.groups).collect();
        let changed: Vec<_> = groups
            .into_iter()
            .filter(|(old, new)| !Arc::ptr_eq(old, new))
            .collect();
        let [(old, new)] = changed[..] else {
            panic!("{} groups changed", changed.len());
        };
        let shared = old.iter().zip(new.iter());
        let shared = shared.filter(|(old, new)| Arc::ptr_eq(old, new)).count();
        assert_eq!((map.groups.len(), shared), (4, 7));
    }

    #[test]
    fn what_is_changed_everywhere_is_changed_in_the_copy_only() {
        let mut map = ShardedMap::with_shards(16);
        for number in 0..100 {
            map.insert(number, number);
        }
        let before = map.clone();
        map.change_where(|value| value % 2 == 1, |value| *value += 1);
        assert_eq!(map.values().filter(|value| *value % 2 == 1).count(), 0);
        assert_eq!(before.values().filter(|value| *value % 2 == 1).count(), 50);
    }
}
