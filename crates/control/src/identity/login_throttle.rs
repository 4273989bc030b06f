//! Slows down guessing: failed logins are counted per user name and per address, and after a few each further
//! attempt has to wait, twice as long each time.
//!
//! The table lives in this process only and is bounded; whoever fills it with invented names is still counted by
//! address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

/// Failures that cost nothing: people mistype.
const FREE_FOR_USER: u32 = 3;
/// Many people may share an address.
const FREE_FOR_ADDRESS: u32 = 20;
const LONGEST_DELAY: Duration = Duration::from_mins(1);
/// After so long without a failure all is forgotten.
const MEMORY: Duration = Duration::from_mins(15);
const MOST_ENTRIES: usize = 20_000;
/// No user name is longer; what is longer is counted by address only.
const LONGEST_NAME: usize = 60;

#[derive(Default)]
pub(super) struct LoginThrottle(Mutex<HashMap<Subject, Failures>>);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Subject {
    User(String),
    Address(IpAddr),
}

#[derive(Clone, Copy)]
struct Failures {
    count: u32,
    last: Timestamp,
}

impl LoginThrottle {
    /// How long this login has to wait yet; `None` when it may be tried now.
    pub(super) fn wait(
        &self,
        username: &str,
        address: Option<IpAddr>,
        now: Timestamp,
    ) -> Option<Duration> {
        let table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        subjects(username, address)
            .filter_map(|subject| table.get(&subject)?.wait(&subject, now))
            .max()
    }

    pub(super) fn failed(&self, username: &str, address: Option<IpAddr>, now: Timestamp) {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for subject in subjects(username, address) {
            if !table.contains_key(&subject) {
                make_room(&mut table, now);
            }
            let entry = table.entry(subject).or_insert(Failures {
                count: 0,
                last: now,
            });
            if entry.is_forgotten(now) {
                entry.count = 0;
            }
            entry.count = entry.count.saturating_add(1);
            entry.last = now;
        }
    }

    /// The right password clears the user name. The address stays counted: one good account must not buy
    /// unlimited guesses at others.
    pub(super) fn succeeded(&self, username: &str) {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        table.remove(&Subject::User(username.to_owned()));
    }
}

impl Failures {
    fn wait(&self, subject: &Subject, now: Timestamp) -> Option<Duration> {
        let free = match subject {
            Subject::User(_) => FREE_FOR_USER,
            Subject::Address(_) => FREE_FOR_ADDRESS,
        };
        if self.count < free || self.is_forgotten(now) {
            return None;
        }
        let doublings = (self.count - free).min(16);
        let delay = Duration::from_secs(1 << doublings).min(LONGEST_DELAY);
        let until = self.last + delay;
        let left = now.duration_until(until);
        Duration::try_from(left).ok().filter(|left| !left.is_zero())
    }

    fn is_forgotten(&self, now: Timestamp) -> bool {
        now > self.last + MEMORY
    }
}

fn subjects(username: &str, address: Option<IpAddr>) -> impl Iterator<Item = Subject> {
    let user = (username.len() <= LONGEST_NAME).then(|| Subject::User(username.to_owned()));
    let address = address.map(network).map(Subject::Address);
    user.into_iter().chain(address)
}

/// An IPv6 subscriber has a whole /64 to choose addresses from.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let prefix = u128::from(v6) & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from(prefix))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

fn make_room(table: &mut HashMap<Subject, Failures>, now: Timestamp) {
    if table.len() < MOST_ENTRIES {
        return;
    }
    table.retain(|_, failures| !failures.is_forgotten(now));
    if table.len() < MOST_ENTRIES {
        return;
    }
    let oldest = table
        .iter()
        .min_by_key(|(_, failures)| failures.last)
        .map(|(subject, _)| subject.clone());
    if let Some(oldest) = oldest {
        table.remove(&oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn three_failures_are_free_and_each_further_one_doubles_the_wait() {
        let throttle = LoginThrottle::default();
        for _ in 0..2 {
            throttle.failed("ann", None, at(0));
        }
        assert_eq!(throttle.wait("ann", None, at(0)), None);
        let mut now = 0;
        for expected in [1, 2, 4, 8, 16, 32, 60, 60] {
            throttle.failed("ann", None, at(now));
            assert_eq!(
                throttle.wait("ann", None, at(now)),
                Some(Duration::from_secs(expected))
            );
            now += i64::try_from(expected).unwrap();
            assert_eq!(throttle.wait("ann", None, at(now)), None);
        }
        assert_eq!(throttle.wait("bob", None, at(now)), None);
    }

    #[test]
    fn the_right_password_clears_the_user_but_not_the_address() {
        let throttle = LoginThrottle::default();
        let address: IpAddr = "2001:db8::1".parse().unwrap();
        let neighbour: IpAddr = "2001:db8::2".parse().unwrap();
        for number in 0..20 {
            throttle.failed(&format!("user{number}"), Some(address), at(0));
        }
        throttle.failed("ann", Some(address), at(0));
        throttle.succeeded("ann");
        assert_eq!(throttle.wait("ann", None, at(0)), None);
        assert!(throttle.wait("ann", Some(neighbour), at(0)).is_some());
    }

    #[test]
    fn failures_are_forgotten_after_a_quarter_of_an_hour() {
        let throttle = LoginThrottle::default();
        for _ in 0..10 {
            throttle.failed("ann", None, at(0));
        }
        throttle.failed("ann", None, at(16 * 60));
        assert_eq!(throttle.wait("ann", None, at(16 * 60)), None);
    }

    #[test]
    fn the_table_stays_bounded_under_invented_names() {
        let throttle = LoginThrottle::default();
        for number in 0..MOST_ENTRIES + 50 {
            let second = i64::try_from(number / 100).unwrap();
            throttle.failed(&number.to_string(), None, at(second));
        }
        assert!(throttle.0.lock().unwrap().len() <= MOST_ENTRIES);
    }
}
