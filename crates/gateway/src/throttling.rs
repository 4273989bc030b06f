//! Throttling: which limits concern a request, in WSO2's order, and whether one of them is used up.
//!
//! The API as a whole or else the resource, then subscription quota and burst, then application quota and burst,
//! last what the endpoints can bear. What is used is counted in [`crate::rate_limit`].

use std::sync::Arc;

use domain::key_mapping::KeyType;

use crate::api::Api;
use crate::check::{Check, CheckObserver};
use crate::decision::{Basis, Caller, NotAdmitted, refuse};
use crate::rate_limit::{self, Demand, Instant, Limit, Meter, OverLimit, Usage};
use crate::refusal::{Reason, Refusal};
use crate::resource::Resource;
use crate::throttling_policy::{Allowance, PolicyReference, ThrottlingPolicies};

/// Whether a request that passes is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counting {
    Count,
    /// Somebody only asks what would become of it.
    LookOnly,
}

/// API or resource 1, subscription 2, application 2, endpoints 1.
const MOST_DEMANDS: usize = 6;

/// The limits that concern a request, on the stack.
struct Demands<'s> {
    policies: &'s ThrottlingPolicies,
    places: [Option<Demand<'s>>; MOST_DEMANDS],
    count: usize,
    meters: Vec<Meter>,
}

/// The codes of a level's quota and burst.
struct Reasons {
    quota: Reason,
    burst: Reason,
}

/// Asked last: a request that is refused for anything else is not counted. Returns the quotas of bytes that its
/// bodies count against; there are none for most.
pub(crate) fn throttle<O: CheckObserver>(
    resource: &Resource,
    api: &Api,
    caller: Option<&Caller>,
    key_type: KeyType,
    basis: &Basis<'_>,
    observer: &mut O,
) -> Result<Vec<Meter>, NotAdmitted> {
    let mut demands = Demands {
        policies: basis.snapshot.policies(),
        places: [None; MOST_DEMANDS],
        count: 0,
        meters: Vec::new(),
    };
    if demands.gather(resource, api, caller, key_type).is_none() {
        return Err(refuse(
            Check::Throttling,
            Reason::ThrottlingPolicyUnknown,
            api,
            observer,
        ));
    }
    match demands.pass(basis.counting, basis.instant) {
        Ok(()) => {
            observer.passed(Check::Throttling);
            Ok(demands.meters)
        }
        Err(over) => {
            observer.failed(Check::Throttling, over.reason);
            let seconds = over.next_access.div_ceil(1_000_000_000);
            let refusal = Refusal::new(over.reason).of(&api.entry);
            let refusal = refusal.until(i64::try_from(seconds).unwrap_or(i64::MAX));
            Err(NotAdmitted::Refused(Box::new(refusal)))
        }
    }
}

impl<'s> Demands<'s> {
    /// `None` when a policy is named that is not known.
    fn gather(
        &mut self,
        resource: &'s Resource,
        api: &'s Api,
        caller: Option<&'s Caller>,
        key_type: KeyType,
    ) -> Option<()> {
        if let Some(allowance) = &api.allowance {
            self.allowance(allowance, Reason::ApiLimit)?;
        } else if let Some(allowance) = &resource.allowance {
            self.allowance(allowance, Reason::ResourceLimit)?;
        }
        if let Some(subscription) = caller.and_then(|caller| caller.subscription.as_ref()) {
            let reasons = Reasons {
                quota: Reason::SubscriptionLimit,
                burst: Reason::SubscriptionBurst,
            };
            self.policy(subscription.policy, subscription.usage.as_ref(), &reasons)?;
        }
        if let Some(application) = caller.and_then(|caller| caller.application.as_ref()) {
            let reasons = Reasons {
                quota: Reason::ApplicationLimit,
                burst: Reason::ApplicationBurst,
            };
            let Allowance { policy, usage } = &application.allowance;
            self.policy(*policy, Some(usage), &reasons)?;
        }
        if let Some((limit, used)) = api.hard_limit(key_type) {
            self.push(*limit, used, Reason::BackendLimit);
        }
        Some(())
    }

    /// An API's or a resource's: there is no burst limit at this level.
    fn allowance(&mut self, allowance: &'s Allowance, quota: Reason) -> Option<()> {
        let reasons = Reasons {
            quota,
            burst: quota,
        };
        self.policy(allowance.policy, Some(&allowance.usage), &reasons)
    }

    fn policy(
        &mut self,
        policy: PolicyReference,
        usage: Option<&'s Arc<Usage>>,
        reasons: &Reasons,
    ) -> Option<()> {
        let limits = self.policies.limits(policy)?;
        if let Some(limit) = limits.quota {
            let usage = usage?;
            self.push(limit, &usage.quota, reasons.quota);
            if let Limit::Bytes(limit) = limit {
                self.meters.push(Meter {
                    limit,
                    usage: Arc::clone(usage),
                });
            }
        }
        if let Some(limit) = limits.burst {
            self.push(limit, &usage?.burst, reasons.burst);
        }
        Some(())
    }

    fn push(&mut self, limit: Limit, used: &'s rate_limit::Used, reason: Reason) {
        if let Some(place) = self.places.get_mut(self.count) {
            *place = Some(Demand {
                limit,
                used,
                reason,
            });
            self.count += 1;
        }
    }

    fn pass(&self, counting: Counting, now: Instant) -> Result<(), OverLimit> {
        let demands = self.places[..self.count].iter().flatten();
        match counting {
            Counting::Count => rate_limit::take(demands, now),
            Counting::LookOnly => rate_limit::look(demands, now),
        }
    }
}
