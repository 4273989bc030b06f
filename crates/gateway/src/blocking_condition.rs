//! Blocking conditions, indexed: which of them concerns a request?
//!
//! Compiled anew when one changes; a snapshot without any holds none of this. Names are looked up by hash, addresses
//! in sorted ranges, so that 10,000 conditions cost a request what one costs.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use domain::blocking_condition::BlockedSubject;
use domain::id::BlockingConditionId;
use domain::key_mapping::KeyType;
use domain::snapshot::BlockingConditionEntry;

use crate::api::Api;
use crate::application::Application;
use crate::refusal::Reason;

#[derive(Clone, Debug, Default)]
pub(crate) struct BlockingConditions {
    entries: HashMap<BlockingConditionId, BlockedSubject>,
    /// Base paths.
    apis: HashSet<String>,
    /// By owner: names.
    applications: HashMap<String, HashSet<String>>,
    users: HashSet<String>,
    /// By base path: `owner-name`, with or without a key type behind.
    subscriptions: HashMap<String, HashSet<String>>,
    addresses: Addresses,
}

/// Addresses of both families on one line: IPv4 is where IPv6 maps it to.
#[derive(Clone, Debug, Default)]
struct Addresses {
    /// Sorted, apart from each other.
    blocked: Vec<Range>,
    /// What no inverted condition blocks; `None` without inverted conditions.
    spared: Option<Range>,
}

/// Both ends included. Empty when the first lies behind the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Range {
    first: u128,
    last: u128,
}

impl BlockingConditions {
    /// `None` when nothing is blocked any more.
    pub(crate) fn after(
        before: Option<&Arc<Self>>,
        changes: impl IntoIterator<Item = (BlockingConditionId, Option<BlockingConditionEntry>)>,
    ) -> Option<Arc<Self>> {
        let mut entries = before.map_or_else(HashMap::new, |before| before.entries.clone());
        for (id, entry) in changes {
            match entry {
                Some(entry) => entries.insert(id, entry.subject),
                None => entries.remove(&id),
            };
        }
        (!entries.is_empty()).then(|| Arc::new(Self::compile(entries)))
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// What needs no credential to be known: the API and where the request comes from. `client` is `None` where
    /// nobody calls.
    pub(crate) fn check_request(&self, api: &Api, client: Option<IpAddr>) -> Result<(), Reason> {
        if self.apis.contains(api.base_path()) {
            return Err(Reason::ApiCondition);
        }
        if client.is_some_and(|client| self.addresses.contain(client)) {
            return Err(Reason::AddressCondition);
        }
        Ok(())
    }

    /// `users` are the names under which the token knows its user.
    pub(crate) fn check_caller(
        &self,
        api: &Api,
        application: Option<(&Application, KeyType)>,
        users: &[Box<str>],
    ) -> Result<(), Reason> {
        if !self.users.is_empty() {
            let owner = application.map(|(application, _)| application.owner.as_str());
            let mut names = users.iter().map(AsRef::as_ref).chain(owner);
            if names.any(|name| self.users.contains(name)) {
                return Err(Reason::UserCondition);
            }
        }
        let Some((application, key_type)) = application else {
            return Ok(());
        };
        let of_owner = self.applications.get(&application.owner);
        if of_owner.is_some_and(|names| names.contains(&application.name)) {
            return Err(Reason::ApplicationCondition);
        }
        if let Some(subscribers) = self.subscriptions.get(api.base_path()) {
            let mut text = format!("{}-{}", application.owner, application.name);
            let all_keys = subscribers.contains(&text);
            text.push('-');
            text.push_str(key_type.as_str());
            if all_keys || subscribers.contains(&text) {
                return Err(Reason::SubscriptionCondition);
            }
        }
        Ok(())
    }

    fn compile(entries: HashMap<BlockingConditionId, BlockedSubject>) -> Self {
        let mut compiled = Self::default();
        for subject in entries.values() {
            match subject {
                BlockedSubject::Api(base_path) => {
                    compiled.apis.insert(base_path.clone());
                }
                BlockedSubject::Application { owner, name } => {
                    let names = compiled.applications.entry(owner.clone()).or_default();
                    names.insert(name.clone());
                }
                BlockedSubject::User(name) => {
                    compiled.users.insert(name.clone());
                }
                BlockedSubject::Subscription {
                    context,
                    version,
                    application,
                } => {
                    let base_path = format!("{context}/{version}");
                    let subscribers = compiled.subscriptions.entry(base_path).or_default();
                    subscribers.insert(application.clone());
                }
                BlockedSubject::Ip { address, inverted } => {
                    compiled.addresses.add(*address, *address, *inverted);
                }
                BlockedSubject::IpRange {
                    first,
                    last,
                    inverted,
                } => compiled.addresses.add(*first, *last, *inverted),
            }
        }
        compiled.addresses.merge();
        compiled.entries = entries;
        compiled
    }
}

impl Addresses {
    fn add(&mut self, first: IpAddr, last: IpAddr, inverted: bool) {
        let range = Range {
            first: number(first),
            last: number(last),
        };
        if inverted {
            // Each inverted condition blocks all but its own: what is spared by every one of them remains.
            let spared = self.spared.get_or_insert(range);
            spared.first = spared.first.max(range.first);
            spared.last = spared.last.min(range.last);
        } else {
            self.blocked.push(range);
        }
    }

    /// Sorts the blocked ranges and joins those that touch.
    fn merge(&mut self) {
        self.blocked.sort_unstable();
        self.blocked.dedup_by(|next, kept| {
            let touches = next.first <= kept.last.saturating_add(1);
            if touches {
                kept.last = kept.last.max(next.last);
            }
            touches
        });
    }

    fn contain(&self, address: IpAddr) -> bool {
        if self.blocked.is_empty() && self.spared.is_none() {
            return false;
        }
        let address = number(address);
        let behind = self.blocked.partition_point(|range| range.last < address);
        self.blocked
            .get(behind)
            .is_some_and(|range| range.contains(address))
            || self.spared.is_some_and(|spared| !spared.contains(address))
    }
}

impl Range {
    fn contains(self, address: u128) -> bool {
        (self.first..=self.last).contains(&address)
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn addresses(ranges: &[(&str, &str, bool)]) -> Addresses {
        let mut addresses = Addresses::default();
        for (first, last, inverted) in ranges {
            addresses.add(address(first), address(last), *inverted);
        }
        addresses.merge();
        addresses
    }

    #[test]
    fn a_range_holds_its_ends_and_nothing_beside_them() {
        let blocked = addresses(&[
            ("10.0.0.10", "10.0.0.20", false),
            ("2001:db8::10", "2001:db8::20", false),
        ]);
        for (text, expected) in [
            ("10.0.0.9", false),
            ("10.0.0.10", true),
            ("10.0.0.20", true),
            ("10.0.0.21", false),
            ("::ffff:10.0.0.15", true),
            ("2001:db8::f", false),
            ("2001:db8::10", true),
            ("2001:db8::20", true),
            ("2001:db8::21", false),
            ("::", false),
            ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", false),
        ] {
            assert_eq!(blocked.contain(address(text)), expected, "{text}");
        }
    }

    #[test]
    fn an_inverted_condition_blocks_every_other_address() {
        let one = addresses(&[("10.0.0.1", "10.0.0.1", true)]);
        assert!(!one.contain(address("10.0.0.1")));
        assert!(one.contain(address("10.0.0.2")));
        assert!(one.contain(address("2001:db8::1")));

        let overlapping = addresses(&[
            ("10.0.0.0", "10.0.0.9", true),
            ("10.0.0.5", "10.0.0.20", true),
            ("10.0.0.7", "10.0.0.7", false),
        ]);
        for (text, expected) in [("10.0.0.4", true), ("10.0.0.5", false), ("10.0.0.7", true)] {
            assert_eq!(overlapping.contain(address(text)), expected, "{text}");
        }

        // Two that spare nothing together leave nobody in.
        let nobody = addresses(&[
            ("10.0.0.1", "10.0.0.1", true),
            ("10.0.0.2", "10.0.0.2", true),
        ]);
        assert!(nobody.contain(address("10.0.0.1")));
        assert!(nobody.contain(address("10.0.0.2")));
    }

    #[test]
    fn the_whole_line_can_be_blocked() {
        let all = addresses(&[
            ("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", false),
            ("10.0.0.1", "10.0.0.1", false),
        ]);
        assert_eq!(all.blocked.len(), 1);
        assert!(all.contain(address("::")));
        assert!(all.contain(address("10.0.0.2")));
    }

    proptest! {
        #[test]
        fn sorted_ranges_agree_with_asking_each_of_them(
            ranges in prop::collection::vec((0u8..40, 0u8..8, any::<bool>()), 0..12),
            last in 0u8..60,
        ) {
            let at = |last: u8| IpAddr::from([192, 0, 2, last]);
            let mut addresses = Addresses::default();
            let mut expected = false;
            for (first, length, inverted) in ranges {
                // Few inverted ones: two of them easily block everything.
                let inverted = inverted && first < 4;
                addresses.add(at(first), at(first + length), inverted);
                expected |= (first..=first + length).contains(&last) != inverted;
            }
            addresses.merge();
            prop_assert_eq!(addresses.contain(at(last)), expected);
            prop_assert!(addresses.blocked.windows(2).all(|pair| pair[0].last < pair[1].first));
        }
    }
}
