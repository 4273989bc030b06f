//! How long lag is waited for: the documented polling as the floor, with an end.
//!
//! The first attempt is made at once; the delay before the next is the initial delay, doubled after each attempt up
//! to the maximum (WSO2's page), plus up to a tenth of it so that many operations do not march in step. What is worth
//! waiting for is decided in `classify`.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use domain::Random;
use domain::provider_failure::ProviderFailure;
use tokio::time::Instant;

use super::classify::{Patience, Refusal, Stage};

#[derive(Clone, Copy, Debug)]
pub(super) struct PollingSettings {
    pub(super) initial_delay: Duration,
    pub(super) maximum_delay: Duration,
    /// For one operation with all its steps.
    pub(super) budget: Duration,
}

/// The waiting of one operation.
pub(super) struct Polling {
    settings: PollingSettings,
    deadline: Instant,
    random: Arc<dyn Random>,
}

/// Delays that grow from attempt to attempt.
pub(super) struct Delays {
    next: Duration,
    maximum: Duration,
}

impl Polling {
    pub(super) fn begin(settings: PollingSettings, random: Arc<dyn Random>) -> Self {
        Self {
            settings,
            deadline: Instant::now() + settings.budget,
            random,
        }
    }

    /// Repeats `attempt` for as long as its refusals are worth waiting for.
    pub(super) async fn run<T, A, F>(&self, stage: Stage, attempt: A) -> Result<T, ProviderFailure>
    where
        A: FnMut() -> F,
        F: Future<Output = Result<T, Refusal>>,
    {
        self.until(attempt, |refusal| refusal.patience(stage))
            .await
            .map_err(|refusal| refusal.into_failure(stage))
    }

    /// Like [`Self::run`] with a patience of the caller's own, and the refusal as it came.
    pub(super) async fn until<T, A, F>(
        &self,
        mut attempt: A,
        mut patience: impl FnMut(&Refusal) -> Patience,
    ) -> Result<T, Refusal>
    where
        A: FnMut() -> F,
        F: Future<Output = Result<T, Refusal>>,
    {
        let mut delays = self.delays();
        let short_end = self.short_end();
        loop {
            let refusal = match attempt().await {
                Ok(value) => return Ok(value),
                Err(refusal) => refusal,
            };
            let end = match patience(&refusal) {
                Patience::None => return Err(refusal),
                Patience::Short => short_end,
                Patience::Full => self.deadline,
            };
            if !self.pause(&mut delays, &refusal, end).await {
                return Err(refusal);
            }
        }
    }

    pub(super) fn delays(&self) -> Delays {
        Delays {
            next: self.settings.initial_delay,
            maximum: self.settings.maximum_delay,
        }
    }

    /// When a short patience that begins now ends.
    pub(super) fn short_end(&self) -> Instant {
        self.deadline
            .min(Instant::now() + self.settings.maximum_delay)
    }

    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Waits before the next attempt; false when the end does not allow another. A provider that asks for a longer
    /// wait than is left gets it: the failure carries its wish to whoever tries again later.
    pub(super) async fn pause(&self, delays: &mut Delays, refusal: &Refusal, end: Instant) -> bool {
        let left = end.saturating_duration_since(Instant::now());
        let asked = refusal
            .failure
            .retry_after
            .and_then(|wish| Duration::try_from(wish).ok())
            .unwrap_or_default();
        if left.is_zero() || asked > left {
            return false;
        }
        let delay = delays.next + self.jitter(delays.next);
        delays.next = (delays.next * 2).min(delays.maximum);
        let wait = delay.max(asked).min(left);
        tracing::info!(
            operation = refusal.failure.operation,
            code = refusal.failure.code,
            request_id = refusal.failure.request_id,
            wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
            "waiting for Entra ID"
        );
        tokio::time::sleep(wait).await;
        true
    }

    fn jitter(&self, delay: Duration) -> Duration {
        let mut byte = [0];
        self.random.fill(&mut byte);
        delay / 10 * u32::from(byte[0]) / 255
    }
}
