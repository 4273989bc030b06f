//! The only writer of the directory: stamps each write with when it becomes visible, and records it.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{DeletedItem, Directory, Entity as _, Kind, Object, Stored};
use crate::{
    random::Random,
    replica::{ReplicationDelays, Write},
};

/// A group of writes under one lock.
pub(crate) struct Transaction<'a> {
    directory: &'a mut Directory,
    delays: &'a ReplicationDelays,
    random: &'a Random,
    now: Timestamp,
    changes: Vec<Change>,
    effects: Vec<Effect>,
}

/// One write as the journal keeps it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Change {
    Put(Object),
    Remove { kind: Kind, id: Uuid },
}

/// What a request did to an object, for the audit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Effect {
    #[serde(rename = "effect")]
    pub(crate) action: EffectKind,
    pub(crate) kind: Kind,
    pub(crate) id: Uuid,
}

/// Created, updated or deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum EffectKind {
    Created,
    Updated,
    Deleted,
}

impl<'a> Transaction<'a> {
    pub(crate) fn new(
        directory: &'a mut Directory,
        delays: &'a ReplicationDelays,
        random: &'a Random,
        now: Timestamp,
    ) -> Self {
        Self {
            directory,
            delays,
            random,
            now,
            changes: Vec::new(),
            effects: Vec::new(),
        }
    }

    /// The directory as it stands, with the writes made so far.
    pub(crate) fn directory(&self) -> &Directory {
        self.directory
    }

    /// The instant of the writes.
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// The newest version of an object.
    pub(crate) fn newest<T: Stored>(&self, id: Uuid) -> Option<Arc<T>> {
        T::table(self.directory).newest(id).cloned()
    }

    /// Creates or replaces an object.
    pub(crate) fn put<T: Stored>(&mut self, value: T) -> Arc<T> {
        let (id, value) = (value.id(), Arc::new(value));
        let table = T::table_mut(self.directory);
        table.settle(self.now);
        let write = table.kind_of_write(id);
        table.put(
            Arc::clone(&value),
            self.delays.schedule(T::KIND, write, self.now, self.random),
        );
        self.changes
            .push(Change::Put(T::object(Arc::clone(&value))));
        let action = if write == Write::Create {
            EffectKind::Created
        } else {
            EffectKind::Updated
        };
        self.effects.push(Effect {
            action,
            kind: T::KIND,
            id,
        });
        value
    }

    /// Deletes an object; `None` when there is none.
    pub(crate) fn remove<T: Stored>(&mut self, id: Uuid) -> Option<Arc<T>> {
        let table = T::table_mut(self.directory);
        table.settle(self.now);
        let schedule = self
            .delays
            .schedule(T::KIND, Write::Delete, self.now, self.random);
        let removed = table.remove(id, schedule)?;
        self.changes.push(Change::Remove { kind: T::KIND, id });
        self.effects.push(Effect {
            action: EffectKind::Deleted,
            kind: T::KIND,
            id,
        });
        Some(removed)
    }

    /// Forgets deleted objects whose thirty days are over. They are kept in the order of their
    /// deletion, so that only the oldest of each tenant need a look.
    pub(crate) fn expire_deleted_items(&mut self) {
        let tenants: Vec<_> = self.directory.tenants().map(|tenant| tenant.id).collect();
        for tenant in tenants {
            let expired: Vec<_> = self
                .directory
                .table::<DeletedItem>()
                .list_newest(tenant)
                .take_while(|item| item.is_expired(self.now))
                .map(|item| item.id())
                .collect();
            for id in expired {
                self.directory.unload(Kind::DeletedItem, id);
                self.changes.push(Change::Remove {
                    kind: Kind::DeletedItem,
                    id,
                });
            }
        }
    }

    /// Takes in an object from outside, visible everywhere at once.
    pub(crate) fn load(&mut self, object: Object) {
        self.changes.push(Change::Put(object.clone()));
        self.directory.load(object);
    }

    /// What was written, for the journal and the audit.
    pub(crate) fn finish(self) -> (Vec<Change>, Vec<Effect>) {
        (self.changes, self.effects)
    }
}
