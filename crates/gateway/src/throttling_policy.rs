//! The throttling policies of a snapshot: names on one side, limits on the other.
//!
//! What is limited holds a [`PolicyReference`] instead of a name, so that a request looks nothing up by text and a
//! changed policy holds at once for all that name it. A name that nobody knows allows nothing.

use std::collections::HashMap;
use std::sync::Arc;

use domain::id::ThrottlingPolicyId;
use domain::snapshot::ThrottlingPolicyEntry;
use domain::throttling_policy::{BUILT_IN, PolicyLevel, built_in};

use crate::rate_limit::{Limit, Usage};

/// Where a policy stands in the snapshot, and in all that come from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PolicyReference(u32);

/// What a policy allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PolicyLimits {
    /// `None` is unlimited.
    pub(crate) quota: Option<Limit>,
    pub(crate) burst: Option<Limit>,
}

/// A policy, and what is used of it by whom it was given to.
#[derive(Clone, Debug)]
pub(crate) struct Allowance {
    pub(crate) policy: PolicyReference,
    pub(crate) usage: Arc<Usage>,
}

#[derive(Clone, Debug)]
pub(crate) struct ThrottlingPolicies {
    names: [HashMap<Arc<str>, PolicyReference>; PolicyLevel::ALL.len()],
    /// By reference. Names that nothing names any more keep their place until the next whole snapshot.
    policies: Vec<Policy>,
    by_id: HashMap<ThrottlingPolicyId, PolicyReference>,
}

#[derive(Clone, Debug)]
struct Policy {
    name: Arc<str>,
    /// `None` for a name that is not known.
    limits: Option<PolicyLimits>,
}

impl ThrottlingPolicies {
    /// What every installation starts with; a snapshot says what became of them.
    pub(crate) fn built_in() -> Self {
        let mut policies = Self {
            names: std::array::from_fn(|_| HashMap::new()),
            policies: Vec::new(),
            by_id: HashMap::new(),
        };
        for (level, name, requests) in BUILT_IN {
            let settings = built_in(name, requests);
            let reference = policies.reference(level, name);
            policies.slot(reference).limits = Some(PolicyLimits {
                quota: settings.quota.map(Limit::from),
                burst: settings.burst.map(Limit::from),
            });
        }
        policies
    }

    /// Whether something named it before; not whether there is such a policy.
    pub(crate) fn known(&self, level: PolicyLevel, name: &str) -> Option<PolicyReference> {
        self.names[level as usize].get(name).copied()
    }

    /// Also for names that are not known (yet).
    pub(crate) fn reference(&mut self, level: PolicyLevel, name: &str) -> PolicyReference {
        if let Some(known) = self.known(level, name) {
            return known;
        }
        let next = u32::try_from(self.policies.len()).expect("fewer than 2^32 names of policies");
        let name: Arc<str> = name.into();
        self.names[level as usize].insert(Arc::clone(&name), PolicyReference(next));
        self.policies.push(Policy { name, limits: None });
        PolicyReference(next)
    }

    /// Returns the policy that now has limits and had none before, if so: its users may not be counting yet.
    pub(crate) fn put(&mut self, entry: &ThrottlingPolicyEntry) -> Option<PolicyReference> {
        let reference = self.reference(entry.level, &entry.name);
        if let Some(before) = self.by_id.insert(entry.id, reference)
            && before != reference
        {
            self.slot(before).limits = None;
        }
        let limits = PolicyLimits {
            quota: entry.quota.map(Limit::from),
            burst: entry.burst.map(Limit::from),
        };
        let before = self.slot(reference).limits.replace(limits);
        let did_count = before.is_some_and(PolicyLimits::counts);
        (limits.counts() && !did_count).then_some(reference)
    }

    pub(crate) fn remove(&mut self, id: ThrottlingPolicyId) {
        if let Some(reference) = self.by_id.remove(&id) {
            self.slot(reference).limits = None;
        }
    }

    /// `None` for a name that is not known: it allows nothing.
    pub(crate) fn limits(&self, reference: PolicyReference) -> Option<PolicyLimits> {
        self.policies.get(reference.index())?.limits
    }

    pub(crate) fn counts(&self, reference: PolicyReference) -> bool {
        self.limits(reference).is_some_and(PolicyLimits::counts)
    }

    pub(crate) fn name(&self, reference: PolicyReference) -> Option<&Arc<str>> {
        Some(&self.policies.get(reference.index())?.name)
    }

    fn slot(&mut self, reference: PolicyReference) -> &mut Policy {
        &mut self.policies[reference.index()]
    }
}

impl PolicyLimits {
    /// Whether there is anything to count.
    fn counts(self) -> bool {
        self.quota.is_some() || self.burst.is_some()
    }
}

impl PolicyReference {
    const fn index(self) -> usize {
        self.0 as usize
    }
}
