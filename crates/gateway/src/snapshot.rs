//! The indexed, immutable form of [`domain::snapshot`]: what every request is decided by.
//!
//! A change makes a new snapshot that shares everything else with the old one. Carrying it to the readers is
//! `engine.rs`'s business.

use std::collections::HashMap;
use std::sync::Arc;

use domain::id::{ApiId, KeyManagerId};
use domain::snapshot::{
    ApiEntry, ApplicationEntry, KeyManagerEntry, SnapshotChange, SnapshotRevision, SnapshotUpdate,
    SubscriptionEntry, ThrottlingPolicyEntry,
};
use domain::throttling_policy::PolicyLevel;
use foldhash::quality::RandomState;

use crate::api::Api;
use crate::application::Mapping;
use crate::blocking_condition::BlockingConditions;
use crate::consumers::Consumers;
use crate::key_manager::KeyManager;
use crate::key_set::KeySets;
use crate::origin::Origins;
use crate::revocation::Revocations;
use crate::sharded_map::ShardedMap;
use crate::subscription::Subscription;
use crate::throttling_policy::{Allowance, PolicyReference, ThrottlingPolicies};

/// Of either map of APIs.
const API_SHARDS: usize = 64;

#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub(crate) revision: SnapshotRevision,
    key_managers: HashMap<KeyManagerId, Arc<KeyManager>, RandomState>,
    /// In the order of their identifiers, which is the order of their creation.
    by_issuer: HashMap<Arc<str>, Vec<Arc<KeyManager>>, RandomState>,
    /// Those that may have tokens without issuer, in the same order.
    of_opaque_tokens: Vec<Arc<KeyManager>>,
    apis: ShardedMap<ApiId, Arc<Api>>,
    by_base_path: ShardedMap<Arc<str>, Arc<Api>>,
    /// Segments of the longest base path: how far the search for an API must look. Never shrinks.
    deepest_base_path: usize,
    consumers: Consumers,
    policies: Arc<ThrottlingPolicies>,
    /// `None` where nothing is blocked, which then costs a request nothing.
    blocking_conditions: Option<Arc<BlockingConditions>>,
    /// `None` where nothing is revoked.
    revocations: Option<Arc<Revocations>>,
}

/// A difference that does not continue the revision that the gateway holds; send the whole snapshot instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the update builds on revision {base:?}, but the gateway holds {held:?}")]
pub struct OutOfOrder {
    /// What the gateway holds.
    pub held: SnapshotRevision,
    /// What the update builds on.
    pub base: SnapshotRevision,
}

impl Snapshot {
    pub(crate) fn empty() -> Self {
        Self {
            revision: SnapshotRevision::default(),
            key_managers: HashMap::default(),
            by_issuer: HashMap::default(),
            of_opaque_tokens: Vec::new(),
            apis: ShardedMap::with_shards(API_SHARDS),
            by_base_path: ShardedMap::with_shards(API_SHARDS),
            deepest_base_path: 0,
            consumers: Consumers::none(),
            policies: Arc::new(ThrottlingPolicies::built_in()),
            blocking_conditions: None,
            revocations: None,
        }
    }

    /// The snapshot after `update`. `generation` must be higher with every call: it separates what was verified
    /// under one form of a key manager from the next. `now` is in seconds since 1970.
    pub(crate) fn after(
        &self,
        update: SnapshotUpdate,
        key_sets: &KeySets,
        origins: &Origins,
        generation: u64,
        now: i64,
    ) -> Result<Self, OutOfOrder> {
        let mut next = match update.base {
            None => Self::empty(),
            Some(base) if base == self.revision => self.clone(),
            Some(base) => {
                return Err(OutOfOrder {
                    held: self.revision,
                    base,
                });
            }
        };
        next.revision = update.revision;
        let mut key_managers_changed = update.base.is_none();
        let mut conditions_changed = Vec::new();
        for change in update.changes {
            match change {
                SnapshotChange::PutKeyManager(entry) => {
                    next.put_key_manager(self, entry, key_sets, generation);
                    key_managers_changed = true;
                }
                SnapshotChange::RemoveKeyManager(id) => {
                    next.key_managers.remove(&id);
                    key_managers_changed = true;
                }
                SnapshotChange::PutApi(entry) => next.put_api(self, entry, origins),
                SnapshotChange::RemoveApi(id) => next.remove_api(id),
                SnapshotChange::PutApplication(entry) => {
                    next.put_application(self, entry);
                }
                SnapshotChange::RemoveApplication(id) => next.consumers.remove_application(id),
                SnapshotChange::PutKeyMapping(entry) => next.consumers.put_mapping(entry),
                SnapshotChange::RemoveKeyMapping(id) => next.consumers.remove_mapping(id),
                SnapshotChange::PutSubscription(entry) => next.put_subscription(self, &entry),
                SnapshotChange::RemoveSubscription(id) => next.consumers.remove_subscription(id),
                SnapshotChange::PutBlockingCondition(entry) => {
                    conditions_changed.push((entry.id, Some(entry)));
                }
                SnapshotChange::RemoveBlockingCondition(id) => conditions_changed.push((id, None)),
                SnapshotChange::PutRevocation(entry) => {
                    let revocations = &mut next.revocations;
                    let revocations =
                        revocations.get_or_insert_with(|| Arc::new(Revocations::empty()));
                    Arc::make_mut(revocations).put(entry);
                }
                SnapshotChange::RemoveRevocation(id) => {
                    if let Some(revocations) = &mut next.revocations {
                        Arc::make_mut(revocations).remove(id);
                    }
                }
                SnapshotChange::PutThrottlingPolicy(entry) => next.put_policy(&entry),
                SnapshotChange::RemoveThrottlingPolicy(id) => {
                    Arc::make_mut(&mut next.policies).remove(id);
                }
            }
        }
        next.consumers.lead_mappings();
        if key_managers_changed {
            next.index_issuers();
        }
        if !conditions_changed.is_empty() {
            let before = next.blocking_conditions.as_ref();
            next.blocking_conditions = BlockingConditions::after(before, conditions_changed);
        }
        next.sweep_revocations(now);
        Ok(next)
    }

    pub(crate) fn key_managers(&self) -> impl Iterator<Item = &Arc<KeyManager>> {
        self.key_managers.values()
    }

    pub(crate) fn key_manager(&self, id: KeyManagerId) -> Option<&Arc<KeyManager>> {
        self.key_managers.get(&id)
    }

    /// An issuer and the key managers that accept it, compared exactly. There is one at least.
    pub(crate) fn issuer(&self, issuer: &str) -> Option<(&Arc<str>, &[Arc<KeyManager>])> {
        let (issuer, key_managers) = self.by_issuer.get_key_value(issuer)?;
        Some((issuer, key_managers))
    }

    /// Key managers that some tokens without issuer belong to.
    pub(crate) fn key_managers_of_opaque_tokens(&self) -> &[Arc<KeyManager>] {
        &self.of_opaque_tokens
    }

    pub(crate) fn api(&self, id: ApiId) -> Option<&Arc<Api>> {
        self.apis.get(&id)
    }

    /// By context and version (`/orders/1.0.0`), or by context alone for a default version.
    pub(crate) fn api_at(&self, base_path: &str) -> Option<&Arc<Api>> {
        self.by_base_path.get(base_path)
    }

    pub(crate) fn api_with(&self, context: &str, version: &str) -> Option<&Arc<Api>> {
        self.by_base_path
            .get(format!("{context}/{version}").as_str())
            .filter(|api| api.entry.context == context && api.entry.version == version)
    }

    pub(crate) fn deepest_base_path(&self) -> usize {
        self.deepest_base_path
    }

    pub(crate) fn mapping(
        &self,
        key_manager: KeyManagerId,
        consumer_key: &Arc<str>,
    ) -> Option<&Mapping> {
        self.consumers.mapping(key_manager, consumer_key)
    }

    pub(crate) fn blocking_conditions(&self) -> Option<&BlockingConditions> {
        self.blocking_conditions.as_deref()
    }

    pub(crate) fn revocations(&self) -> Option<&Revocations> {
        self.revocations.as_deref()
    }

    pub(crate) fn policies(&self) -> &ThrottlingPolicies {
        &self.policies
    }

    /// APIs, applications, consumer keys and subscriptions.
    pub(crate) fn sizes(&self) -> (usize, usize, usize, usize) {
        let (applications, consumer_keys, subscriptions) = self.consumers.sizes();
        (self.apis.len(), applications, consumer_keys, subscriptions)
    }

    /// APIs, resources, subscriptions and applications whose policies count something. Looks at all of them.
    pub(crate) fn limit_counters(&self) -> usize {
        let counts = |allowance: &&Allowance| self.policies.counts(allowance.policy);
        let of_apis = self.apis.values().flat_map(|api| {
            let resources = api.resources.resources().iter();
            let of_resources = resources.filter_map(|resource| resource.allowance.as_ref());
            of_resources.chain(api.allowance.as_ref())
        });
        let applications = self.consumers.applications();
        let of_applications = applications.map(|one| &one.allowance);
        let subscriptions = self.consumers.subscriptions();
        let subscriptions = subscriptions.filter(|one| self.policies.counts(one.policy));
        of_apis.chain(of_applications).filter(counts).count() + subscriptions.count()
    }

    fn put_key_manager(
        &mut self,
        before: &Self,
        entry: Arc<KeyManagerEntry>,
        key_sets: &KeySets,
        generation: u64,
    ) {
        // A whole snapshot repeats what did not change: verified tokens of those key managers stay valid.
        let compiled = match before.key_managers.get(&entry.id) {
            Some(known) if known.entry == entry => Arc::clone(known),
            _ => {
                let keys = key_sets.source_of(&entry.profile);
                Arc::new(KeyManager::compile(Arc::clone(&entry), generation, keys))
            }
        };
        self.key_managers.insert(entry.id, compiled);
    }

    fn index_issuers(&mut self) {
        let mut all: Vec<_> = self.key_managers.values().cloned().collect();
        all.sort_by_key(|key_manager| key_manager.id());
        self.by_issuer.clear();
        self.of_opaque_tokens = all
            .iter()
            .filter(|one| one.handles_some_opaque())
            .cloned()
            .collect();
        for key_manager in all {
            for issuer in &key_manager.profile().issuers {
                let entry = self.by_issuer.entry(issuer.as_str().into()).or_default();
                if !entry.iter().any(|known| Arc::ptr_eq(known, &key_manager)) {
                    entry.push(Arc::clone(&key_manager));
                }
            }
        }
    }

    fn sweep_revocations(&mut self, now: i64) {
        let Some(revocations) = &mut self.revocations else {
            return;
        };
        if revocations.may_have_expired(now) {
            Arc::make_mut(revocations).remove_expired(now);
        }
        if revocations.len() == 0 {
            self.revocations = None;
        }
    }

    fn put_api(&mut self, before: &Self, entry: Arc<ApiEntry>, origins: &Origins) {
        let known = before.apis.get(&entry.id).cloned();
        self.remove_api(entry.id);
        let mut policy = |name: &str| self.policy(PolicyLevel::Api, name);
        let api = Arc::new(Api::compile(entry, known.as_deref(), origins, &mut policy));
        self.deepest_base_path = self
            .deepest_base_path
            .max(api.base_path().matches('/').count());
        if api.entry.is_default_version {
            self.by_base_path
                .insert(api.entry.context.as_str().into(), Arc::clone(&api));
        }
        self.by_base_path
            .insert(api.shared_base_path(), Arc::clone(&api));
        self.apis.insert(api.entry.id, api);
    }

    fn remove_api(&mut self, id: ApiId) {
        let Some(api) = self.apis.remove(&id) else {
            return;
        };
        // The path may belong to another API by now (a new default version).
        for path in [api.base_path(), api.entry.context.as_str()] {
            if self
                .by_base_path
                .get(path)
                .is_some_and(|at| Arc::ptr_eq(at, &api))
            {
                self.by_base_path.remove(path);
            }
        }
    }

    /// What was used of an application's policy stays used.
    fn put_application(&mut self, before: &Self, entry: Arc<ApplicationEntry>) {
        let known = before.consumers.application(entry.id);
        let policy = self.policy(PolicyLevel::Application, &entry.throttling_policy);
        let usage = known.map_or_else(Arc::default, |one| Arc::clone(&one.allowance.usage));
        let allowance = Allowance { policy, usage };
        self.consumers.put_application(entry, allowance);
    }

    /// What was used of a plan stays used.
    fn put_subscription(&mut self, before: &Self, entry: &SubscriptionEntry) {
        let (application, api) = (entry.application_id, entry.api_id);
        let known = before.consumers.subscription(application, api);
        let known = known.filter(|known| known.id == entry.id);
        let policy = self.policy(PolicyLevel::Subscription, &entry.throttling_policy);
        let usage = known.and_then(|known| known.usage.clone());
        let subscription = Subscription {
            id: entry.id,
            status: entry.status,
            policy,
            usage: usage.or_else(|| self.policies.counts(policy).then(Arc::default)),
        };
        self.consumers
            .put_subscription(application, api, subscription);
    }

    /// The policies are copied for a new name only.
    fn policy(&mut self, level: PolicyLevel, name: &str) -> PolicyReference {
        match self.policies.known(level, name) {
            Some(known) => known,
            None => Arc::make_mut(&mut self.policies).reference(level, name),
        }
    }

    /// A plan that begins to count looks through all subscriptions, once.
    fn put_policy(&mut self, entry: &ThrottlingPolicyEntry) {
        let begins_to_count = Arc::make_mut(&mut self.policies).put(entry);
        if let Some(policy) = begins_to_count
            && entry.level == PolicyLevel::Subscription
        {
            self.consumers.begin_to_count(policy);
        }
    }
}
