//! One line a request, target `gateway.access`: what was asked, what came of it, how long it took. Never a token,
//! never a query.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::{HeaderValue, Method, StatusCode};
use jiff::Timestamp;
use tokio::time::Instant;

use super::connection::Peer;
use crate::decide::Caller;
use crate::engine::Engine;
use crate::metrics::Ending;
use crate::refusal::Reason;
use crate::snapshot::Api;

/// What is known of a request so far; written when it ends, however it ends.
pub(crate) struct AccessRecord {
    engine: Arc<Engine>,
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) client: Peer,
    pub(super) request_id: HeaderValue,
    pub(super) status: StatusCode,
    pub(super) reason: Option<Reason>,
    pub(super) api: Option<Arc<Api>>,
    pub(super) caller: Option<Caller>,
    begun: Instant,
    /// From request sent to response head, and until when.
    pub(super) upstream_time: Option<Duration>,
    head_after: Option<Duration>,
    bytes: u64,
    is_complete: bool,
}

impl AccessRecord {
    pub(super) fn begin(
        engine: &Arc<Engine>,
        method: Method,
        path: String,
        client: Peer,
        request_id: HeaderValue,
    ) -> Self {
        engine.requests_in_progress.fetch_add(1, Ordering::Relaxed);
        Self {
            engine: Arc::clone(engine),
            method,
            path,
            client,
            request_id,
            status: StatusCode::OK,
            reason: None,
            api: None,
            caller: None,
            begun: Instant::now(),
            upstream_time: None,
            head_after: None,
            bytes: 0,
            is_complete: false,
        }
    }

    /// The response head goes out.
    pub(super) fn answered(&mut self, status: StatusCode) {
        self.status = status;
        self.head_after = Some(self.begun.elapsed());
    }

    pub(super) fn sent(&mut self, bytes: usize) {
        self.bytes += u64::try_from(bytes).unwrap_or(u64::MAX);
    }

    /// The whole answer was handed over.
    pub(super) fn complete(&mut self) {
        self.is_complete = true;
    }
}

impl Drop for AccessRecord {
    fn drop(&mut self) {
        self.engine
            .requests_in_progress
            .fetch_sub(1, Ordering::Relaxed);
        let total = self.begun.elapsed();
        let upstream = self.upstream_time.unwrap_or_default();
        // Without a head the client went away before there was an answer.
        let own = self.head_after.unwrap_or(total).saturating_sub(upstream);
        let ending = Ending {
            api: self.api.as_ref().map(|api| api.entry.id),
            status: self.head_after.map(|_| self.status.as_u16()),
            reason: self.reason,
        };
        self.engine.metrics.count(ending, own, self.upstream_time);
        let status = self.head_after.map(|_| self.status.as_u16());
        let caller = self.caller.as_ref();
        let application = caller
            .and_then(|caller| caller.application.as_ref())
            .map(|one| tracing::field::display(one.id));
        tracing::info!(
            target: "gateway.access",
            { http.method = self.method.as_str(),
            http.path = self.path,
            http.status = status,
            client.address = %self.client.address.ip(),
            request.id = self.request_id.to_str().unwrap_or_default(),
            api.name = self.api.as_ref().map(|api| api.entry.name.as_str()),
            api.version = self.api.as_ref().map(|api| api.entry.version.as_str()),
            application.id = application,
            key_manager.name = caller.map(|caller| caller.key_manager.name()),
            subscription.policy = caller.and_then(|caller| caller.subscription_policy.as_deref()),
            reason = self.reason.map(Reason::as_str),
            response.bytes = self.bytes,
            response.complete = self.is_complete,
            time.own_us = microseconds(own),
            time.upstream_us = self.upstream_time.map(microseconds),
            time.total_us = microseconds(total) },
            "request"
        );
    }
}

/// Request identifiers: unique by start time, worker and count; not secret, so not random.
pub(crate) struct RequestIds {
    prefix: String,
    next: Cell<u64>,
}

impl RequestIds {
    pub(super) fn new(started_at: Timestamp, worker: usize) -> Self {
        Self {
            prefix: format!("{:x}-{worker:x}", started_at.as_microsecond()),
            next: Cell::new(0),
        }
    }

    /// The client's own, if it is a sane one; otherwise a new one.
    pub(super) fn of(&self, sent: Option<&HeaderValue>) -> HeaderValue {
        if let Some(sent) = sent
            && (1..=128).contains(&sent.len())
            && sent.as_bytes().iter().all(u8::is_ascii_graphic)
        {
            return sent.clone();
        }
        let number = self.next.replace(self.next.get() + 1);
        HeaderValue::from_str(&format!("{}-{number:x}", self.prefix))
            .expect("hexadecimal digits and dashes are a header value")
    }
}

fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
