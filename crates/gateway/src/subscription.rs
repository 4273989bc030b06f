//! An application's subscriptions: it has few, and asks for one of them with every request.

use std::sync::Arc;

use domain::id::{ApiId, SubscriptionId};
use domain::subscription::SubscriptionStatus;

use crate::rate_limit::Usage;
use crate::throttling_policy::PolicyReference;

#[derive(Clone, Debug)]
pub(crate) struct Subscription {
    pub(crate) id: SubscriptionId,
    pub(crate) status: SubscriptionStatus,
    /// Business plan.
    pub(crate) policy: PolicyReference,
    /// `None` under an unlimited plan: there are many subscriptions.
    pub(crate) usage: Option<Arc<Usage>>,
}

/// At most one for an API.
#[derive(Clone, Debug, Default)]
pub(crate) struct SubscriptionList {
    /// Sorted. Apart from what they lead to, so that a search reads little of a memory that no cache holds.
    apis: Vec<ApiId>,
    /// In the same order.
    subscriptions: Vec<Subscription>,
}

impl SubscriptionList {
    pub(crate) fn to(&self, api: ApiId) -> Option<&Subscription> {
        let place = self.apis.binary_search(&api).ok()?;
        self.subscriptions.get(place)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Subscription> {
        self.subscriptions.iter()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.apis.is_empty()
    }

    /// Returns the one that was to the same API.
    pub(crate) fn put(&mut self, api: ApiId, subscription: Subscription) -> Option<Subscription> {
        match self.apis.binary_search(&api) {
            Ok(place) => Some(std::mem::replace(
                &mut self.subscriptions[place],
                subscription,
            )),
            Err(place) => {
                // Not the doubling of a list that grows for long: a million of these would be half empty.
                self.apis.reserve_exact(1);
                self.apis.insert(place, api);
                self.subscriptions.reserve_exact(1);
                self.subscriptions.insert(place, subscription);
                None
            }
        }
    }

    pub(crate) fn remove(&mut self, id: SubscriptionId) {
        let place = self.subscriptions.iter().position(|one| one.id == id);
        if let Some(place) = place {
            self.apis.remove(place);
            self.subscriptions.remove(place);
        }
    }

    /// Whether one under `policy` does not count yet.
    pub(crate) fn is_uncounted(&self, policy: PolicyReference) -> bool {
        let mut subscriptions = self.subscriptions.iter();
        subscriptions.any(|one| one.policy == policy && one.usage.is_none())
    }

    /// Has those under `policy` count from now on.
    pub(crate) fn begin_to_count(&mut self, policy: PolicyReference) {
        for one in &mut self.subscriptions {
            if one.policy == policy && one.usage.is_none() {
                one.usage = Some(Arc::default());
            }
        }
    }
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

    fn subscription(number: u32) -> Subscription {
        let mut policies = ThrottlingPolicies::built_in();
        Subscription {
            id: id(number),
            status: SubscriptionStatus::Unblocked,
            policy: policies.reference(PolicyLevel::Subscription, "Gold"),
            usage: None,
        }
    }

    fn is_found(list: &SubscriptionList, api: u32, number: u32) -> bool {
        let found = list.to(id(api));
        found.is_some_and(|found| found.id == id(number))
    }

    #[test]
    fn a_subscription_is_found_by_its_api_until_it_is_removed() {
        let mut list = SubscriptionList::default();
        for (number, api) in [(10, 3), (11, 1), (12, 2)] {
            assert!(list.put(id(api), subscription(number)).is_none());
        }
        let before = list.clone();
        for (number, api) in [(10, 3), (11, 1), (12, 2)] {
            assert!(is_found(&list, api, number), "{number}");
        }
        assert!(list.to(id(4)).is_none());

        list.remove(id(11));
        list.remove(id(11));
        assert!(list.to(id(1)).is_none());
        assert!(is_found(&list, 2, 12) && is_found(&list, 3, 10));
        assert!(is_found(&before, 1, 11));
        list.remove(id(10));
        list.remove(id(12));
        assert!(list.is_empty() && !before.is_empty());
    }

    #[test]
    fn a_second_one_to_an_api_takes_the_place_of_the_first() {
        let mut list = SubscriptionList::default();
        list.put(id(1), subscription(10));
        let replaced = list.put(id(1), subscription(11));
        assert_eq!(replaced.expect("the first").id, id(10));
        assert!(is_found(&list, 1, 11));
        // The one that was replaced is removed later, which does not concern its successor.
        list.remove(id(10));
        assert!(is_found(&list, 1, 11));
        assert_eq!(list.iter().count(), 1);
    }
}
