//! Which endpoint a request goes to: in turn, past those that rest and those that cannot be reached.

use std::sync::Arc;

use tokio::time::Instant;

use super::Worker;
use super::pool::{ConnectError, Lease, Need};
use crate::decision::Admission;
use crate::origin::Failure;
use crate::refusal::Reason;
use crate::upstream::Upstream;

/// How often one request may go out: only what was never read goes out again.
const MOST_ATTEMPTS: u8 = 3;

/// Endpoints that one request may try; more are reached by the turns of other requests.
const MOST_ENDPOINTS: usize = 128;

pub(super) struct Candidates<'c> {
    worker: &'c Worker,
    upstreams: &'c [Arc<Upstream>],
    first: usize,
    need: Need,
    ends: Instant,
    /// A bit for each, counted from `first`.
    tried: u128,
    is_last_resort_spent: bool,
    attempts: u8,
}

impl<'c> Candidates<'c> {
    pub(super) fn new(
        worker: &'c Worker,
        admission: &'c Admission,
        ends: Instant,
        need: Need,
    ) -> Self {
        let upstreams = admission.api.upstreams(admission.key_type);
        Self {
            worker,
            first: admission.api.next_turn(upstreams.len()),
            upstreams,
            need,
            ends,
            tried: 0,
            is_last_resort_spent: false,
            attempts: 1,
        }
    }

    /// To the first one that can be reached: nothing was sent yet, so the next one may be tried.
    pub(super) async fn connection(&mut self) -> Result<(&'c Arc<Upstream>, Lease), Reason> {
        let mut reason = Reason::UpstreamUnreachable;
        let now = Instant::now();
        while let Some(upstream) = self.next() {
            if let Some(lease) = self.worker.pool.reuse(&upstream.origin, self.need, now) {
                return Ok((upstream, lease));
            }
            match self.connect(upstream).await {
                Ok(lease) => return Ok((upstream, lease)),
                Err(failed) => reason = failed,
            }
            if self.ends <= Instant::now() {
                return Err(Reason::UpstreamTimeout);
            }
        }
        Err(reason)
    }

    /// For a request that nobody read. The connection may merely have been closed in the meantime, or be full: the
    /// same endpoint gets a new one.
    pub(super) async fn again(
        &mut self,
        upstream: &'c Arc<Upstream>,
        lease: &Lease,
    ) -> Result<(&'c Arc<Upstream>, Lease), Reason> {
        lease.retire();
        if self.attempts == MOST_ATTEMPTS {
            return Err(Reason::UpstreamBroken);
        }
        self.attempts += 1;
        if (lease.is_reused || lease.is_http2())
            && let Ok(lease) = self.connect(upstream).await
        {
            return Ok((upstream, lease));
        }
        let health = &upstream.origin.health;
        health.failed(Failure::BadAnswer, self.worker.engine.clock.now());
        self.connection().await.map_err(|reason| match reason {
            // It was reached, but no good came of it.
            Reason::UpstreamUnreachable => Reason::UpstreamBroken,
            other => other,
        })
    }

    async fn connect(&self, upstream: &Upstream) -> Result<Lease, Reason> {
        let connected = self.worker.pool.connect(&upstream.origin, self.need).await;
        connected.map_err(|error| {
            let now = self.worker.engine.clock.now();
            upstream.origin.health.failed(Failure::Unreachable, now);
            unreachable(upstream, &error)
        })
    }

    fn next(&mut self) -> Option<&'c Arc<Upstream>> {
        let count = self.upstreams.len().min(MOST_ENDPOINTS);
        for offset in 0..count {
            let upstream = self.at(offset);
            let admits = || {
                let health = &upstream.origin.health;
                health.admits(|| self.worker.engine.clock.now())
            };
            if !self.was_tried(offset) && (count == 1 || admits()) {
                self.tried |= 1 << offset;
                return Some(upstream);
            }
        }
        if self.is_last_resort_spent {
            return None;
        }
        // All of them rest: the one whose rest ends first.
        self.is_last_resort_spent = true;
        let offset = (0..count)
            .filter(|offset| !self.was_tried(*offset))
            .min_by_key(|offset| self.at(*offset).origin.health.rests_until())?;
        self.tried |= 1 << offset;
        Some(self.at(offset))
    }

    fn was_tried(&self, offset: usize) -> bool {
        self.tried & (1 << offset) != 0
    }

    fn at(&self, offset: usize) -> &'c Arc<Upstream> {
        &self.upstreams[(self.first + offset) % self.upstreams.len()]
    }
}

fn unreachable(upstream: &Upstream, error: &ConnectError) -> Reason {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    tracing::warn!(upstream = %upstream.origin.name, %error, cause, "an upstream cannot be reached");
    match error {
        ConnectError::Timeout => Reason::UpstreamTimeout,
        ConnectError::Io(_) | ConnectError::ServerName | ConnectError::Http(_) => {
            Reason::UpstreamUnreachable
        }
    }
}
