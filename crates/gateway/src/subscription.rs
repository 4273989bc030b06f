//! Subscriptions by application: an application has few, and asks for one of them with every request.
//!
//! A part of the snapshot: copies share what did not change, and a change copies the list of one application.

use std::sync::Arc;

use domain::id::{ApiId, ApplicationId, SubscriptionId};
use domain::subscription::SubscriptionStatus;

use crate::limits::Usage;
use crate::sharded_map::ShardedMap;
use crate::throttling_policy::PolicyReference;

#[derive(Clone, Debug)]
pub(crate) struct Subscription {
    pub(crate) id: SubscriptionId,
    pub(crate) api_id: ApiId,
    pub(crate) status: SubscriptionStatus,
    /// Business plan.
    pub(crate) policy: PolicyReference,
    /// `None` under an unlimited plan: there are many subscriptions.
    pub(crate) usage: Option<Arc<Usage>>,
}

/// At most one for an application and an API.
#[derive(Clone, Debug)]
pub(crate) struct Subscriptions {
    /// Each list in the order of the APIs' identifiers, and never empty.
    by_application: ShardedMap<ApplicationId, Arc<Vec<Subscription>>>,
    owners: ShardedMap<SubscriptionId, ApplicationId>,
}

impl Subscriptions {
    pub(crate) fn with_shards(shards: usize) -> Self {
        Self {
            by_application: ShardedMap::with_shards(shards),
            owners: ShardedMap::with_shards(shards),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.owners.len()
    }

    pub(crate) fn get(&self, application: ApplicationId, api: ApiId) -> Option<&Subscription> {
        let of_application = self.by_application.get(&application)?;
        of_application.get(place_of(of_application, api).ok()?)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Subscription> {
        self.by_application.values().flat_map(|list| list.iter())
    }

    /// Takes the place of the one with its identifier, and of the application's other one to the API.
    pub(crate) fn put(&mut self, application: ApplicationId, subscription: Subscription) {
        self.remove(subscription.id);
        let id = subscription.id;
        if let Some(list) = self.by_application.get_mut(&application) {
            if let Some(replaced) = insert(Arc::make_mut(list), subscription) {
                self.owners.remove(&replaced.id);
            }
        } else {
            let list = Arc::new(vec![subscription]);
            self.by_application.insert(application, list);
        }
        self.owners.insert(id, application);
    }

    pub(crate) fn remove(&mut self, id: SubscriptionId) {
        let Some(application) = self.owners.remove(&id) else {
            return;
        };
        let Some(list) = self.by_application.get_mut(&application) else {
            return;
        };
        if list.iter().any(|one| one.id != id) {
            Arc::make_mut(list).retain(|one| one.id != id);
        } else {
            self.by_application.remove(&application);
        }
    }

    /// Has those under `policy` count from now on.
    pub(crate) fn begin_to_count(&mut self, policy: PolicyReference) {
        let begins = |one: &Subscription| one.policy == policy && one.usage.is_none();
        self.by_application.change_where(
            |list| list.iter().any(begins),
            |list| {
                for subscription in Arc::make_mut(list) {
                    if begins(subscription) {
                        subscription.usage = Some(Arc::default());
                    }
                }
            },
        );
    }
}

/// Returns the one to the same API.
fn insert(list: &mut Vec<Subscription>, subscription: Subscription) -> Option<Subscription> {
    match place_of(list, subscription.api_id) {
        Ok(place) => Some(std::mem::replace(&mut list[place], subscription)),
        Err(place) => {
            // Not the doubling of a list that grows for long: a million of these would be half empty.
            list.reserve_exact(1);
            list.insert(place, subscription);
            None
        }
    }
}

fn place_of(list: &[Subscription], api: ApiId) -> Result<usize, usize> {
    list.binary_search_by_key(&api, |one| one.api_id)
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use domain::throttling_policy::PolicyLevel;

    use super::*;
    use crate::throttling_policy::ThrottlingPolicies;

    fn id<T: FromStr<Err: std::fmt::Debug>>(number: u32) -> T {
        let text = format!("00000000-0000-7000-8000-{number:012}");
        text.parse().expect("an identifier")
    }

    fn subscription(number: u32, api: u32) -> Subscription {
        let mut policies = ThrottlingPolicies::built_in();
        Subscription {
            id: id(number),
            api_id: id(api),
            status: SubscriptionStatus::Unblocked,
            policy: policies.reference(PolicyLevel::Subscription, "Gold"),
            usage: None,
        }
    }

    fn is_found(all: &Subscriptions, application: u32, api: u32, number: u32) -> bool {
        let found = all.get(id(application), id(api));
        found.is_some_and(|found| found.id == id(number))
    }

    #[test]
    fn a_subscription_is_found_by_application_and_api_until_it_is_removed() {
        let mut all = Subscriptions::with_shards(4);
        for (number, api) in [(10, 3), (11, 1), (12, 2)] {
            all.put(id(1), subscription(number, api));
        }
        let before = all.clone();
        for (number, api) in [(10, 3), (11, 1), (12, 2)] {
            assert!(is_found(&all, 1, api, number), "{number}");
        }
        assert!(all.get(id(1), id(4)).is_none());
        assert!(all.get(id(2), id(1)).is_none());

        all.remove(id(11));
        all.remove(id(11));
        assert!(all.get(id(1), id(1)).is_none());
        assert!(is_found(&all, 1, 2, 12));
        assert!(is_found(&before, 1, 1, 11));
        assert_eq!((all.len(), before.len()), (2, 3));
        all.remove(id(10));
        all.remove(id(12));
        assert_eq!((all.len(), all.by_application.len()), (0, 0));
    }

    #[test]
    fn one_takes_the_place_of_its_own_identifier_and_of_its_pair() {
        let mut all = Subscriptions::with_shards(4);
        all.put(id(1), subscription(10, 1));
        all.put(id(2), subscription(10, 1));
        assert!(all.get(id(1), id(1)).is_none());
        assert!(is_found(&all, 2, 1, 10));

        all.put(id(2), subscription(11, 1));
        assert!(is_found(&all, 2, 1, 11));
        assert_eq!(all.len(), 1);
        // The one that was replaced is removed later, which does not concern its successor.
        all.remove(id(10));
        assert!(is_found(&all, 2, 1, 11));
    }
}
