//! Who may call: applications, their subscriptions, and the consumer keys that lead to them.
//!
//! A part of the snapshot: copies share what did not change. A consumer key leads straight to its application and all
//! that is asked of it: each map on the way would cost a request several looks into a memory that no cache holds.
//! Changes may come in any order, subscriptions and mappings before their application too.

use std::collections::HashSet;
use std::sync::Arc;

use domain::id::{ApiId, ApplicationId, KeyManagerId, KeyMappingId, SubscriptionId};
use domain::snapshot::{ApplicationEntry, KeyMappingEntry};
use foldhash::fast::RandomState;

use crate::application::{Application, Mapping};
use crate::sharded_map::ShardedMap;
use crate::subscription::{Subscription, SubscriptionList};
use crate::throttling_policy::{Allowance, PolicyReference};

/// At 1,000,000 entries a change copies 1,000.
const SHARDS: usize = 1_024;

/// A key manager's own: consumer keys of two may be the same.
type ConsumerKey = (KeyManagerId, Arc<str>);

#[derive(Clone, Debug)]
pub(crate) struct Consumers {
    mappings: ShardedMap<ConsumerKey, Mapping>,
    applications: ShardedMap<ApplicationId, Arc<Application>>,
    /// Subscriptions of applications that are not there.
    early: ShardedMap<ApplicationId, SubscriptionList>,
    subscribers: ShardedMap<SubscriptionId, ApplicationId>,
    mapped: ShardedMap<KeyMappingId, (ApplicationId, ConsumerKey)>,
    /// As often as mappings have it; some of them may have been replaced by another application's.
    consumer_keys: ShardedMap<ApplicationId, Vec<ConsumerKey>>,
    /// Mappings lead to an earlier form of these.
    changed: HashSet<ApplicationId, RandomState>,
}

impl Consumers {
    pub(crate) fn none() -> Self {
        Self {
            mappings: ShardedMap::with_shards(SHARDS),
            applications: ShardedMap::with_shards(SHARDS),
            early: ShardedMap::with_shards(SHARDS),
            subscribers: ShardedMap::with_shards(SHARDS),
            mapped: ShardedMap::with_shards(SHARDS),
            consumer_keys: ShardedMap::with_shards(SHARDS),
            changed: HashSet::default(),
        }
    }

    pub(crate) fn mapping(
        &self,
        key_manager: KeyManagerId,
        consumer_key: &Arc<str>,
    ) -> Option<&Mapping> {
        self.mappings.get(&(key_manager, Arc::clone(consumer_key)))
    }

    pub(crate) fn application(&self, id: ApplicationId) -> Option<&Arc<Application>> {
        self.applications.get(&id)
    }

    pub(crate) fn subscription(
        &self,
        application: ApplicationId,
        api: ApiId,
    ) -> Option<&Subscription> {
        let list = match self.applications.get(&application) {
            Some(application) => &application.subscriptions,
            None => self.early.get(&application)?,
        };
        list.to(api)
    }

    pub(crate) fn applications(&self) -> impl Iterator<Item = &Arc<Application>> {
        self.applications.values()
    }

    /// Those of applications that are not there excepted.
    pub(crate) fn subscriptions(&self) -> impl Iterator<Item = &Subscription> {
        self.applications().flat_map(|one| one.subscriptions.iter())
    }

    /// Applications, consumer keys and subscriptions.
    pub(crate) fn sizes(&self) -> (usize, usize, usize) {
        (
            self.applications.len(),
            self.mappings.len(),
            self.subscribers.len(),
        )
    }

    pub(crate) fn put_application(&mut self, entry: Arc<ApplicationEntry>, allowance: Allowance) {
        let id = entry.id;
        let subscriptions = match self.applications.get(&id) {
            Some(known) => known.subscriptions.clone(),
            None => self.early.remove(&id).unwrap_or_default(),
        };
        let application = Application::new(entry, allowance, subscriptions);
        self.applications.insert(id, Arc::new(application));
        self.changed.insert(id);
    }

    pub(crate) fn remove_application(&mut self, id: ApplicationId) {
        let Some(application) = self.applications.remove(&id) else {
            return;
        };
        if !application.subscriptions.is_empty() {
            self.early.insert(id, application.subscriptions.clone());
        }
        self.changed.insert(id);
    }

    /// Takes the place of the one with its identifier, and of the application's other one to the API.
    pub(crate) fn put_subscription(
        &mut self,
        application: ApplicationId,
        api: ApiId,
        subscription: Subscription,
    ) {
        self.remove_subscription(subscription.id);
        let id = subscription.id;
        let replaced = if let Some(held) = self.applications.get_mut(&application) {
            self.changed.insert(application);
            Arc::make_mut(held).subscriptions.put(api, subscription)
        } else if let Some(list) = self.early.get_mut(&application) {
            list.put(api, subscription)
        } else {
            let mut list = SubscriptionList::default();
            list.put(api, subscription);
            self.early.insert(application, list);
            None
        };
        if let Some(replaced) = replaced {
            self.subscribers.remove(&replaced.id);
        }
        self.subscribers.insert(id, application);
    }

    pub(crate) fn remove_subscription(&mut self, id: SubscriptionId) {
        let Some(application) = self.subscribers.remove(&id) else {
            return;
        };
        if let Some(held) = self.applications.get_mut(&application) {
            Arc::make_mut(held).subscriptions.remove(id);
            self.changed.insert(application);
        } else if let Some(list) = self.early.get_mut(&application) {
            list.remove(id);
            if list.is_empty() {
                self.early.remove(&application);
            }
        }
    }

    /// Has the subscriptions under `policy` count from now on.
    pub(crate) fn begin_to_count(&mut self, policy: PolicyReference) {
        let beginning: Vec<_> = self
            .applications
            .iter()
            .filter(|(_, one)| one.subscriptions.is_uncounted(policy))
            .map(|(id, _)| *id)
            .collect();
        for id in beginning {
            if let Some(held) = self.applications.get_mut(&id) {
                Arc::make_mut(held).subscriptions.begin_to_count(policy);
                self.changed.insert(id);
            }
        }
        self.early.change_where(
            |list| list.is_uncounted(policy),
            |list| list.begin_to_count(policy),
        );
    }

    pub(crate) fn put_mapping(&mut self, entry: KeyMappingEntry) {
        self.remove_mapping(entry.id);
        let key: ConsumerKey = (entry.key_manager_id, entry.consumer_key.into());
        let application_id = entry.application_id;
        self.mapped.insert(entry.id, (application_id, key.clone()));
        match self.consumer_keys.get_mut(&application_id) {
            Some(keys) => keys.push(key.clone()),
            None => {
                self.consumer_keys.insert(application_id, vec![key.clone()]);
            }
        }
        let mapping = Mapping {
            id: entry.id,
            application_id,
            key_type: entry.key_type,
            application: self.applications.get(&application_id).cloned(),
        };
        self.mappings.insert(key, mapping);
    }

    pub(crate) fn remove_mapping(&mut self, id: KeyMappingId) {
        let Some((application_id, key)) = self.mapped.remove(&id) else {
            return;
        };
        if let Some(keys) = self.consumer_keys.get_mut(&application_id) {
            if let Some(place) = keys.iter().position(|one| *one == key) {
                keys.swap_remove(place);
            }
            if keys.is_empty() {
                self.consumer_keys.remove(&application_id);
            }
        }
        // Another one may have taken the consumer key over.
        let holder = self.mappings.get(&key);
        if holder.is_some_and(|mapping| mapping.id == id) {
            self.mappings.remove(&key);
        }
    }

    /// To be called after the changes: consumer keys lead to what has become of their applications.
    pub(crate) fn lead_mappings(&mut self) {
        for id in std::mem::take(&mut self.changed) {
            let application = self.applications.get(&id);
            for key in self.consumer_keys.get(&id).into_iter().flatten() {
                if let Some(mapping) = self.mappings.get_mut(key)
                    && mapping.application_id == id
                {
                    mapping.application = application.cloned();
                }
            }
        }
    }
}
