//! Versioned storage of one kind of object: by id, in order of creation, and by indexed fields.
//!
//! A record keeps its older versions until every place sees the newest one (see `replica`); with no
//! replication delay it holds exactly one. Index entries cover all kept versions, and a look-up
//! checks the version that the view really sees.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};
use uuid::Uuid;

use super::Kind;
use crate::replica::{Schedule, View, Write};

/// A kind of object that a [`Table`] holds.
pub(crate) trait Entity: Clone + Serialize + DeserializeOwned {
    /// What it is.
    const KIND: Kind;

    /// Its object id.
    fn id(&self) -> Uuid;

    /// The tenant it lives in.
    fn tenant_id(&self) -> Uuid;

    /// Calls `add` with each value under which it can be found.
    fn keys(&self, add: &mut dyn FnMut(Field, &str));
}

/// An indexed field. Values are compared without regard to ASCII case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Field {
    AppId,
    UniqueName,
    Uri,
    Tag,
    DisplayName,
    PrincipalId,
    ResourceId,
    UserPrincipalName,
    Domain,
    Owner,
    CreatedBy,
}

/// All objects of one kind, of all tenants.
pub(crate) struct Table<T> {
    records: HashMap<Uuid, Record<T>>,
    order: BTreeMap<(Uuid, u64), Uuid>,
    /// Field, value and place in the order of creation: equal values stand side by side.
    index: BTreeMap<(Field, Box<str>, u64), Uuid>,
    unsettled: BTreeSet<(Timestamp, Uuid)>,
    counts: HashMap<Uuid, usize>,
    next_number: u64,
}

struct Record<T> {
    tenant_id: Uuid,
    /// Place in the order of creation.
    number: u64,
    /// Oldest first, never empty; `None` means deleted.
    versions: Vec<Version<T>>,
}

struct Version<T> {
    value: Option<Arc<T>>,
    /// `None`: visible everywhere.
    schedule: Option<Box<Schedule>>,
}

impl<T> Version<T> {
    fn is_visible(&self, view: View) -> bool {
        self.schedule
            .as_ref()
            .is_none_or(|schedule| schedule.visible_at(view.place) <= view.now)
    }

    fn settled_at(&self) -> Timestamp {
        self.schedule
            .as_ref()
            .map_or(Timestamp::MIN, |schedule| schedule.settled_at())
    }
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            records: HashMap::new(),
            order: BTreeMap::new(),
            index: BTreeMap::new(),
            unsettled: BTreeSet::new(),
            counts: HashMap::new(),
            next_number: 0,
        }
    }
}

impl<T: Entity> Table<T> {
    /// The object as `view` sees it.
    pub(crate) fn get(&self, id: Uuid, view: View) -> Option<Arc<T>> {
        let record = self.records.get(&id)?;
        record
            .versions
            .iter()
            .rev()
            .find(|version| version.is_visible(view))?
            .value
            .clone()
    }

    /// The newest version of the object, whoever can see it.
    pub(crate) fn newest(&self, id: Uuid) -> Option<&Arc<T>> {
        self.records.get(&id)?.versions.last()?.value.as_ref()
    }

    /// Objects whose `field` has `value`, as `view` sees them, in order of creation.
    pub(crate) fn find(&self, field: Field, value: &str, view: View) -> Vec<Arc<T>> {
        let key = normalized(value);
        self.indexed(field, &key)
            .filter_map(|id| self.get(id, view))
            .filter(|object| has_key(object.as_ref(), field, &key))
            .collect()
    }

    /// The newest versions of the objects whose `field` has `value`.
    pub(crate) fn find_newest(&self, field: Field, value: &str) -> Vec<Arc<T>> {
        let key = normalized(value);
        self.indexed(field, &key)
            .filter_map(|id| self.newest(id))
            .filter(|object| has_key(object.as_ref(), field, &key))
            .cloned()
            .collect()
    }

    /// Objects of `tenant` that have a `field` value beginning with `prefix`, with their numbers in
    /// the order of creation, from number `from` on.
    pub(crate) fn find_prefix(
        &self,
        tenant: Uuid,
        field: Field,
        prefix: &str,
        from: u64,
        view: View,
    ) -> Vec<(u64, Arc<T>)> {
        let prefix = normalized(prefix);
        let mut found = BTreeMap::new();
        for ((at, value, number), &id) in self.index.range((field, prefix.clone(), 0)..) {
            if *at != field || !value.starts_with(&*prefix) {
                break;
            }
            if *number < from {
                continue;
            }
            let Some(object) = self.get(id, view) else {
                continue;
            };
            if object.tenant_id() == tenant && has_key(object.as_ref(), field, value) {
                found.insert(*number, object);
            }
        }
        found.into_iter().collect()
    }

    /// Objects of `tenant` as `view` sees them, in order of creation from number `from` on.
    pub(crate) fn list(
        &self,
        tenant: Uuid,
        from: u64,
        view: View,
    ) -> impl Iterator<Item = (u64, Arc<T>)> + '_ {
        self.order
            .range((tenant, from)..=(tenant, u64::MAX))
            .filter_map(move |(&(_, number), &id)| Some((number, self.get(id, view)?)))
    }

    /// How many objects of `tenant` the newest state has. Kept as a number: a quota asks at each write.
    pub(crate) fn count(&self, tenant: Uuid) -> usize {
        self.counts.get(&tenant).copied().unwrap_or(0)
    }

    /// The newest versions of the objects of `tenant`, in order of creation.
    pub(crate) fn list_newest(&self, tenant: Uuid) -> impl Iterator<Item = &Arc<T>> + '_ {
        self.order
            .range((tenant, 0)..=(tenant, u64::MAX))
            .filter_map(|(_, &id)| self.newest(id))
    }

    /// The newest versions of all objects of all tenants.
    pub(crate) fn all_newest(&self) -> impl Iterator<Item = &Arc<T>> + '_ {
        self.order.values().filter_map(|&id| self.newest(id))
    }

    /// The object's place in the order of creation.
    pub(crate) fn number(&self, id: Uuid) -> Option<u64> {
        Some(self.records.get(&id)?.number)
    }

    /// Whether a write would create or update.
    pub(crate) fn kind_of_write(&self, id: Uuid) -> Write {
        if self.newest(id).is_some() {
            Write::Update
        } else {
            Write::Create
        }
    }

    /// Stores `value` as the newest version, visible by `schedule`.
    pub(crate) fn put(&mut self, value: Arc<T>, schedule: Option<Box<Schedule>>) {
        let (id, tenant_id) = (value.id(), value.tenant_id());
        if self.newest(id).is_none() {
            *self.counts.entry(tenant_id).or_default() += 1;
        }
        let number = self.number(id).unwrap_or_else(|| {
            let number = self.next_number;
            self.next_number += 1;
            self.order.insert((tenant_id, number), id);
            self.records.insert(
                id,
                Record {
                    tenant_id,
                    number,
                    versions: Vec::new(),
                },
            );
            number
        });
        self.add_keys(&value, number);
        self.push(
            id,
            Version {
                value: Some(value),
                schedule,
            },
        );
    }

    /// Deletes the object; readers lose it by `schedule`. Returns what it was.
    pub(crate) fn remove(&mut self, id: Uuid, schedule: Option<Box<Schedule>>) -> Option<Arc<T>> {
        let removed = self.newest(id).cloned()?;
        if let Some(count) = self.counts.get_mut(&removed.tenant_id()) {
            *count = count.saturating_sub(1);
        }
        self.push(
            id,
            Version {
                value: None,
                schedule,
            },
        );
        Some(removed)
    }

    /// Forgets versions that nobody sees any more at `now`.
    pub(crate) fn settle(&mut self, now: Timestamp) {
        while let Some(&(at, id)) = self.unsettled.first() {
            if at > now {
                return;
            }
            self.unsettled.pop_first();
            self.settle_record(id, now);
        }
    }

    fn push(&mut self, id: Uuid, version: Version<T>) {
        let Some(record) = self.records.get_mut(&id) else {
            return;
        };
        let settled_at = version.settled_at();
        if version.schedule.is_none() {
            // Visible everywhere at once: nothing older is seen again.
            let older = std::mem::replace(&mut record.versions, vec![version]);
            self.drop_keys(id, &older);
            self.drop_if_gone(id);
        } else {
            record.versions.push(version);
            self.unsettled.insert((settled_at, id));
        }
    }

    fn settle_record(&mut self, id: Uuid, now: Timestamp) {
        let Some(record) = self.records.get_mut(&id) else {
            return;
        };
        let Some(floor) = record
            .versions
            .iter()
            .rposition(|version| version.settled_at() <= now)
        else {
            return;
        };
        let kept = record.versions.split_off(floor);
        let older = std::mem::replace(&mut record.versions, kept);
        if let Some(first) = record.versions.first_mut() {
            first.schedule = None;
        }
        self.drop_keys(id, &older);
        self.drop_if_gone(id);
    }

    fn drop_if_gone(&mut self, id: Uuid) {
        let Some(record) = self.records.get(&id) else {
            return;
        };
        if record
            .versions
            .iter()
            .any(|version| version.value.is_some())
        {
            return;
        }
        if let Some(record) = self.records.remove(&id) {
            self.order.remove(&(record.tenant_id, record.number));
        }
    }

    fn indexed(&self, field: Field, key: &str) -> impl Iterator<Item = Uuid> + '_ {
        let (first, last) = ((field, key.into(), 0), (field, key.into(), u64::MAX));
        self.index.range(first..=last).map(|(_, &id)| id)
    }

    fn add_keys(&mut self, value: &T, number: u64) {
        value.keys(&mut |field, text| {
            self.index
                .insert((field, normalized(text), number), value.id());
        });
    }

    fn drop_keys(&mut self, id: Uuid, older: &[Version<T>]) {
        let Some(record) = self.records.get(&id) else {
            return;
        };
        let mut kept = HashSet::new();
        for value in record
            .versions
            .iter()
            .filter_map(|version| version.value.as_ref())
        {
            value.keys(&mut |field, text| {
                kept.insert((field, normalized(text), record.number));
            });
        }
        for value in older.iter().filter_map(|version| version.value.as_ref()) {
            value.keys(&mut |field, text| {
                let key = (field, normalized(text), record.number);
                if !kept.contains(&key) {
                    self.index.remove(&key);
                }
            });
        }
    }
}

fn normalized(value: &str) -> Box<str> {
    value.to_ascii_lowercase().into_boxed_str()
}

fn has_key<T: Entity>(object: &T, field: Field, key: &str) -> bool {
    let mut found = false;
    object.keys(&mut |at, value| found |= at == field && value.eq_ignore_ascii_case(key));
    found
}

#[cfg(test)]
mod tests;
