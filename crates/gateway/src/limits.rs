//! Request limits: one bucket for an API, a resource, a subscription, an application.
//!
//! Generic cell rate algorithm: a full allowance at first, then regained evenly over the policy's time. A bucket is
//! one number; buckets that are full again are forgotten. Which policy holds is `decide`'s business.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use domain::api::Verb;
use domain::id::{ApiId, ApplicationId, SubscriptionId};
use domain::throttling_policy::RequestLimit;

use crate::refusal::Reason;

const SHARDS: usize = 64;
/// Buckets of a shard before it is looked through for full ones.
const SWEEP_AT: usize = 1_024;

/// What is counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Counted {
    Api(ApiId),
    Resource(ApiId, Verb, Box<str>),
    Subscription(SubscriptionId),
    Application(ApplicationId),
}

/// A limit that concerns a request.
#[derive(Clone, Debug)]
pub(crate) struct Limit {
    pub(crate) counted: Counted,
    pub(crate) policy: RequestLimit,
}

/// Nanoseconds since 1970.
pub(crate) type Instant = u64;

/// A request over a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OverLimit {
    pub(crate) reason: Reason,
    /// When the next request may pass.
    pub(crate) next_access: Instant,
}

/// All buckets. Bounded by what the snapshot holds: nothing of a request names one.
#[derive(Debug)]
pub(crate) struct LimitTable {
    shards: Vec<RwLock<Shard>>,
    hasher: RandomState,
}

#[derive(Debug)]
struct Shard {
    buckets: HashMap<Counted, Bucket>,
    sweep_at: usize,
}

/// When the bucket is full again; at or before now means full.
#[derive(Debug)]
struct Bucket(AtomicU64);

impl LimitTable {
    pub(crate) fn new() -> Self {
        let shard = || {
            RwLock::new(Shard {
                buckets: HashMap::new(),
                sweep_at: SWEEP_AT,
            })
        };
        Self {
            shards: std::iter::repeat_with(shard).take(SHARDS).collect(),
            hasher: RandomState::new(),
        }
    }

    /// Limits that are being counted.
    pub(crate) fn len(&self) -> usize {
        let shards = self.shards.iter();
        shards
            .map(|shard| {
                let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
                shard.buckets.len()
            })
            .sum()
    }

    /// Counts a request against all of `limits`, or against none when one of them is used up.
    pub(crate) fn take(&self, limits: &[Limit], now: Instant) -> Result<(), OverLimit> {
        for limit in limits {
            let full_at = self.with_bucket(&limit.counted, now, |bucket| {
                bucket.0.load(Ordering::Relaxed)
            });
            limit.after_one_more(full_at, now)?;
        }
        // Between look and count another thread may have taken the last one: then it is this one's turn to wait.
        for limit in limits {
            self.with_bucket(&limit.counted, now, |bucket| {
                let mut full_at = bucket.0.load(Ordering::Relaxed);
                loop {
                    let next = limit.after_one_more(full_at, now)?;
                    match bucket.0.compare_exchange_weak(
                        full_at,
                        next,
                        Ordering::Relaxed,
                        Ordering::Relaxed,
                    ) {
                        Ok(_) => return Ok(()),
                        Err(changed) => full_at = changed,
                    }
                }
            })?;
        }
        Ok(())
    }

    fn with_bucket<R>(
        &self,
        counted: &Counted,
        now: Instant,
        action: impl FnOnce(&Bucket) -> R,
    ) -> R {
        let index =
            usize::try_from(self.hasher.hash_one(counted) >> 32).unwrap_or_default() % SHARDS;
        let shard = &self.shards[index];
        {
            let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(bucket) = shard.buckets.get(counted) {
                return action(bucket);
            }
        }
        let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
        if shard.buckets.len() >= shard.sweep_at {
            shard.buckets.retain(|_, bucket| *bucket.0.get_mut() > now);
            shard.sweep_at = (shard.buckets.len() * 2).max(SWEEP_AT);
        }
        let bucket = shard.buckets.entry(counted.clone());
        action(bucket.or_insert_with(|| Bucket(AtomicU64::new(0))))
    }
}

impl Limit {
    /// When the bucket would be full again after one more request.
    fn after_one_more(&self, full_at: Instant, now: Instant) -> Result<Instant, OverLimit> {
        let over = |next_access| OverLimit {
            reason: self.counted.reason(),
            next_access,
        };
        let window = u64::from(self.policy.seconds).saturating_mul(1_000_000_000);
        // A policy that allows nothing.
        let Some(one) = window.checked_div(self.policy.requests) else {
            return Err(over(now.saturating_add(window)));
        };
        let next = full_at.max(now).saturating_add(one.max(1));
        // The division loses less than one request's share of the window.
        let latest = now.saturating_add(one.max(1).saturating_mul(self.policy.requests));
        if next > latest {
            return Err(over(now.saturating_add(next - latest)));
        }
        Ok(next)
    }
}

impl Counted {
    const fn reason(&self) -> Reason {
        match self {
            Self::Api(_) => Reason::ApiLimit,
            Self::Resource(..) => Reason::ResourceLimit,
            Self::Subscription(_) => Reason::SubscriptionLimit,
            Self::Application(_) => Reason::ApplicationLimit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const NOW: u64 = 1_790_000_000 * SECOND;

    fn limit(number: u128, requests: u64, seconds: u32) -> Limit {
        let id = format!("{number:08}-0000-7000-8000-000000000000");
        Limit {
            counted: Counted::Application(id.parse().expect("an identifier")),
            policy: RequestLimit { requests, seconds },
        }
    }

    #[test]
    fn a_full_allowance_passes_at_once_and_is_regained_evenly() {
        let table = LimitTable::new();
        let limits = [limit(1, 20, 60)];
        for _ in 0..20 {
            table.take(&limits, NOW).expect("within the limit");
        }
        let over = table.take(&limits, NOW).expect_err("used up");
        assert_eq!(
            over,
            OverLimit {
                reason: Reason::ApplicationLimit,
                next_access: NOW + 3 * SECOND
            }
        );
        table
            .take(&limits, NOW + 3 * SECOND - 1)
            .expect_err("not yet");
        table.take(&limits, NOW + 3 * SECOND).expect("one regained");
        table.take(&limits, NOW + 3 * SECOND).expect_err("one only");
        for _ in 0..20 {
            table
                .take(&limits, NOW + 200 * SECOND)
                .expect("all regained, no more");
        }
        table
            .take(&limits, NOW + 200 * SECOND)
            .expect_err("used up");
    }

    #[test]
    fn what_one_limit_refuses_is_not_counted_by_the_others() {
        let table = LimitTable::new();
        let (wide, narrow) = (limit(1, 10, 60), limit(2, 1, 60));
        let both = [wide.clone(), narrow];
        table.take(&both, NOW).expect("within both");
        for _ in 0..5 {
            table.take(&both, NOW).expect_err("over the narrow one");
        }
        for _ in 0..9 {
            table
                .take(std::slice::from_ref(&wide), NOW)
                .expect("nine are left");
        }
        table.take(&[wide], NOW).expect_err("used up");
    }

    #[test]
    fn nothing_allowed_is_nothing_and_idle_buckets_are_forgotten() {
        let table = LimitTable::new();
        table
            .take(&[limit(1, 0, 60)], NOW)
            .expect_err("nothing allowed");
        for number in 0..200_000 {
            table
                .take(
                    &[limit(number, 1, 1)],
                    NOW + SECOND * u64::try_from(number).expect("small"),
                )
                .expect("first");
        }
        let kept: usize = table
            .shards
            .iter()
            .map(|shard| shard.read().expect("a lock").buckets.len())
            .sum();
        assert!(kept <= SHARDS * (SWEEP_AT + 1), "{kept}");
    }

    #[test]
    fn threads_together_get_exactly_the_allowance() {
        let table = LimitTable::new();
        let limits = [limit(1, 1_000, 60)];
        let passed: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        (0..1_000)
                            .filter(|_| table.take(&limits, NOW).is_ok())
                            .count()
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().expect("no panic"))
                .sum()
        });
        assert_eq!(passed, 1_000);
    }
}
