//! Passive health: what answers badly rests, for a time that doubles with each trial that fails.
//!
//! Where there is no other endpoint a resting one is asked all the same: refusing for it would help nobody.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use crate::config::EndpointHealth;

/// Shared by all workers. A healthy origin costs one relaxed load.
#[derive(Debug)]
pub(crate) struct Health {
    is_troubled: AtomicBool,
    trouble: Mutex<Trouble>,
    policy: EndpointHealth,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// No connection: it rests at once.
    Unreachable,
    /// No answer in time, a broken one, or a status of 500 and more: it rests after several in a row.
    BadAnswer,
}

#[derive(Debug, Default)]
struct Trouble {
    failures_in_a_row: u32,
    failures: u64,
    rest: Option<Rest>,
}

/// Times in milliseconds since 1970.
#[derive(Clone, Copy, Debug)]
struct Rest {
    until: i64,
    length: i64,
    /// After the rest one request may try; the next one from then on.
    next_trial: i64,
}

impl Health {
    pub(super) fn new(policy: EndpointHealth) -> Self {
        Self {
            is_troubled: AtomicBool::new(false),
            trouble: Mutex::default(),
            policy,
        }
    }

    pub(crate) fn succeeded(&self) {
        if !self.is_troubled.load(Ordering::Relaxed) {
            return;
        }
        let mut trouble = self.trouble();
        trouble.failures_in_a_row = 0;
        trouble.rest = None;
        self.is_troubled.store(false, Ordering::Relaxed);
    }

    pub(crate) fn failed(&self, failure: Failure, now: Timestamp) {
        let now = now.as_millisecond();
        let mut trouble = self.trouble();
        self.is_troubled.store(true, Ordering::Relaxed);
        trouble.failures += 1;
        trouble.failures_in_a_row = trouble.failures_in_a_row.saturating_add(1);
        let length = match trouble.rest {
            // Sent before the rest began: no news.
            Some(rest) if now < rest.until => return,
            Some(rest) => rest
                .length
                .saturating_mul(2)
                .min(milliseconds(self.policy.longest_rest)),
            None if failure == Failure::Unreachable
                || trouble.failures_in_a_row >= self.policy.bad_answers =>
            {
                milliseconds(self.policy.rest)
            }
            None => return,
        };
        let until = now.saturating_add(length);
        trouble.rest = Some(Rest {
            until,
            length,
            next_trial: until,
        });
    }

    /// Whether a request may go there. After a rest one request at a time does, as a trial.
    pub(crate) fn admits(&self, now: impl FnOnce() -> Timestamp) -> bool {
        if !self.is_troubled.load(Ordering::Relaxed) {
            return true;
        }
        let mut trouble = self.trouble();
        let Some(rest) = &mut trouble.rest else {
            return true;
        };
        let now = now().as_millisecond();
        if now < rest.next_trial {
            return false;
        }
        rest.next_trial = now.saturating_add(milliseconds(self.policy.rest));
        true
    }

    /// When its rest ends, in milliseconds since 1970; 0 for one that does not rest.
    pub(crate) fn rests_until(&self) -> i64 {
        self.trouble().rest.map_or(0, |rest| rest.until)
    }

    /// Failures since the start, and whether it rests.
    pub(crate) fn figures(&self) -> (u64, bool) {
        let trouble = self.trouble();
        (trouble.failures, trouble.rest.is_some())
    }

    fn trouble(&self) -> MutexGuard<'_, Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn milliseconds(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn health() -> Health {
        Health::new(EndpointHealth {
            bad_answers: 3,
            rest: Duration::from_secs(5),
            longest_rest: Duration::from_secs(15),
        })
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn bad_answers_in_a_row_make_it_rest_and_a_good_one_between_them_does_not() {
        let health = health();
        for answer in [false, false, true, false, false] {
            if answer {
                health.succeeded();
            } else {
                health.failed(Failure::BadAnswer, at(0));
            }
        }
        assert!(health.admits(|| at(0)));
        health.failed(Failure::BadAnswer, at(0));
        assert!(!health.admits(|| at(4)));
        assert_eq!(health.figures(), (5, true));
    }

    #[test]
    fn each_failed_trial_doubles_the_rest_up_to_the_longest() {
        let health = health();
        health.failed(Failure::Unreachable, at(0));
        for (still_resting, trial) in [(4, 5), (14, 15), (29, 30), (44, 45)] {
            assert!(!health.admits(|| at(still_resting)), "{still_resting}");
            assert!(health.admits(|| at(trial)), "{trial}");
            assert!(!health.admits(|| at(trial)), "one trial at a time");
            health.failed(Failure::Unreachable, at(trial));
        }
        assert_eq!(health.rests_until(), at(60).as_millisecond());
        health.succeeded();
        assert!(health.admits(|| at(45)));
    }

    #[test]
    fn failures_of_requests_from_before_the_rest_do_not_lengthen_it() {
        let health = health();
        for _ in 0..50 {
            health.failed(Failure::Unreachable, at(0));
        }
        assert_eq!(health.rests_until(), at(5).as_millisecond());
    }
}
