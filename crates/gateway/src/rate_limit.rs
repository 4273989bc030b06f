//! Limits and what is used of them: requests per time, bytes per time.
//!
//! Generic cell rate algorithm: a full allowance at first, then regained evenly over the limit's time. What is used
//! is one number, owned by what is limited (a subscription, an application, ...) and shared by every snapshot that
//! holds it. Which limits hold is `throttling`'s business.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use domain::api::RequestRate;
use domain::throttling_policy::{BurstLimit, Quota, QuotaAmount};

use crate::refusal::Reason;

/// Nanoseconds since 1970.
pub(crate) type Instant = u64;

const SECOND: u64 = 1_000_000_000;

/// A limit, ready to be counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    Requests(RequestLimit),
    Bytes(ByteLimit),
}

/// So many requests per time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestLimit {
    /// Nanoseconds until one request is regained; at least 1.
    one: u64,
    /// Nanoseconds until all of them are: less than a request's share below the policy's time.
    all: u64,
}

/// So many bytes per time. Bytes are known only once they have passed: the request that uses up the rest passes
/// whole, the next one is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ByteLimit {
    bytes: u64,
    /// Nanoseconds until all of them are regained.
    window: u64,
}

/// What is used of a limit: when all of it is regained. At or before now means unused.
#[derive(Debug, Default)]
pub(crate) struct Used(AtomicU64);

/// What is used of a policy.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    pub(crate) quota: Used,
    pub(crate) burst: Used,
}

/// A limit that concerns a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Demand<'s> {
    pub(crate) limit: Limit,
    pub(crate) used: &'s Used,
    pub(crate) reason: Reason,
}

/// A request over a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OverLimit {
    pub(crate) reason: Reason,
    /// When the next request may pass.
    pub(crate) next_access: Instant,
}

/// Looks whether one more request may pass, and counts nothing.
pub(crate) fn look<'s>(
    demands: impl Iterator<Item = &'s Demand<'s>>,
    now: Instant,
) -> Result<(), OverLimit> {
    for demand in demands {
        let full_at = demand.used.0.load(Ordering::Relaxed);
        demand.after_one_more(full_at, now)?;
    }
    Ok(())
}

/// Counts a request against every demand, or against none when one of them is used up.
pub(crate) fn take<'s>(
    demands: impl Iterator<Item = &'s Demand<'s>> + Clone,
    now: Instant,
) -> Result<(), OverLimit> {
    look(demands.clone(), now)?;
    // Between look and count another thread may have taken the last one: then it is this one's turn to wait.
    for demand in demands {
        if matches!(demand.limit, Limit::Requests(_)) {
            demand
                .used
                .advance(|full_at| demand.after_one_more(full_at, now))?;
        }
    }
    Ok(())
}

impl Demand<'_> {
    /// When the limit would be unused again after one more request.
    fn after_one_more(&self, full_at: Instant, now: Instant) -> Result<Instant, OverLimit> {
        let outcome = match self.limit {
            Limit::Requests(limit) => limit.after_one_more(full_at, now),
            Limit::Bytes(limit) => limit.after_a_look(full_at, now),
        };
        outcome.map_err(|next_access| OverLimit {
            reason: self.reason,
            next_access,
        })
    }
}

impl RequestLimit {
    fn new(requests: u64, seconds: u64) -> Self {
        let window = seconds.saturating_mul(SECOND);
        // A limit that allows nothing makes everybody wait for its whole time.
        let one = window.checked_div(requests).unwrap_or(window).max(1);
        Self {
            one,
            all: one.saturating_mul(requests),
        }
    }

    fn after_one_more(self, full_at: Instant, now: Instant) -> Result<Instant, Instant> {
        let latest = now.saturating_add(self.all);
        // Beyond it lies only what was used under a wider policy, before this one.
        let next = full_at.min(latest).max(now).saturating_add(self.one);
        if next > latest {
            return Err(now.saturating_add(next - latest));
        }
        Ok(next)
    }
}

impl ByteLimit {
    fn after_a_look(self, full_at: Instant, now: Instant) -> Result<Instant, Instant> {
        let full_at = full_at.min(self.latest(now));
        let used_up_from = now.saturating_add(self.window);
        if full_at >= used_up_from && self.window > 0 {
            return Err(now.saturating_add(full_at - used_up_from).saturating_add(1));
        }
        Ok(full_at)
    }

    fn after(self, full_at: Instant, bytes: u64, now: Instant) -> Instant {
        let regained_in =
            u128::from(bytes) * u128::from(self.window) / u128::from(self.bytes.max(1));
        let regained_in = u64::try_from(regained_in).unwrap_or(u64::MAX);
        full_at
            .max(now)
            .saturating_add(regained_in)
            .min(self.latest(now))
    }

    /// However much passed at once, nobody waits longer than the policy's time.
    fn latest(self, now: Instant) -> Instant {
        now.saturating_add(self.window.saturating_mul(2))
    }
}

impl Used {
    /// Bytes that have passed.
    pub(crate) fn add_bytes(&self, limit: ByteLimit, bytes: u64, now: Instant) {
        let Ok(()) = self
            .advance(|full_at| Ok::<_, std::convert::Infallible>(limit.after(full_at, bytes, now)));
    }

    fn advance<E>(&self, next: impl Fn(Instant) -> Result<Instant, E>) -> Result<(), E> {
        let mut full_at = self.0.load(Ordering::Relaxed);
        loop {
            let advanced = next(full_at)?;
            match self.0.compare_exchange_weak(
                full_at,
                advanced,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Ok(()),
                Err(changed) => full_at = changed,
            }
        }
    }
}

impl From<Quota> for Limit {
    fn from(quota: Quota) -> Self {
        let seconds = quota.window.seconds();
        match quota.amount {
            QuotaAmount::Requests(requests) => Self::Requests(RequestLimit::new(requests, seconds)),
            QuotaAmount::Bandwidth { amount, unit } => Self::Bytes(ByteLimit {
                bytes: amount.saturating_mul(unit.bytes()),
                window: seconds.saturating_mul(SECOND),
            }),
        }
    }
}

impl From<BurstLimit> for Limit {
    fn from(burst: BurstLimit) -> Self {
        Self::Requests(RequestLimit::new(burst.requests, burst.unit.seconds()))
    }
}

impl From<RequestRate> for Limit {
    fn from(rate: RequestRate) -> Self {
        Self::Requests(RequestLimit::new(rate.requests, rate.unit.seconds()))
    }
}

/// A quota of bytes that a request's bodies are counted against while they pass.
#[derive(Clone, Debug)]
pub(crate) struct Meter {
    pub(crate) limit: ByteLimit,
    pub(crate) usage: Arc<Usage>,
}

impl Meter {
    pub(crate) fn count(&self, bytes: u64, now: Instant) {
        self.usage.quota.add_bytes(self.limit, bytes, now);
    }
}

#[cfg(test)]
mod tests;
