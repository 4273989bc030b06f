//! One line a request, target `gateway.access`: what was asked, what came of it, how long it took. Never a token,
//! never a query. Who samples the request is told the same as a span.

use std::cell::Cell;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use domain::id::ApplicationId;
use http::{HeaderValue, Method, StatusCode};
use jiff::Timestamp;
use tokio::time::Instant;

use super::connection::Peer;
use super::http1::head::has_no_body;
use super::request_trace::{RequestTrace, Sampled};
use crate::access_log::{JsonLine, Outcome};
use crate::api::Api;
use crate::decision::Caller;
use crate::engine::Engine;
use crate::metrics::Ending;
use crate::refusal::Reason;
use crate::span::{RequestSpan, UpstreamSpan};

/// What is known of a request so far; written when it ends, however it ends.
pub(crate) struct AccessRecord {
    engine: Arc<Engine>,
    /// `None`: it could not be read.
    asked: Option<Asked>,
    pub(super) peer: Peer,
    /// The peer, or whom trusted proxies name.
    client: IpAddr,
    pub(super) request_id: HeaderValue,
    pub(super) status: StatusCode,
    pub(super) reason: Option<Reason>,
    pub(super) api: Option<Arc<Api>>,
    pub(super) caller: Option<Caller>,
    pub(super) trace: RequestTrace,
    pub(super) begun: Instant,
    /// From request sent to response head, and until when.
    pub(super) upstream_time: Option<Duration>,
    head_after: Option<Duration>,
    bytes: u64,
    is_complete: bool,
}

/// What a request is about.
struct Asked {
    method: Method,
    path: String,
}

impl AccessRecord {
    pub(super) fn begin(
        engine: &Arc<Engine>,
        method: Method,
        path: String,
        peer: Peer,
        client: IpAddr,
        request_id: HeaderValue,
    ) -> Self {
        let asked = Some(Asked { method, path });
        Self::begin_as(engine, asked, peer, client, request_id)
    }

    /// Of a request that could not be read.
    pub(super) fn begin_unread(engine: &Arc<Engine>, peer: Peer, request_id: HeaderValue) -> Self {
        let client = peer.address.ip().to_canonical();
        Self::begin_as(engine, None, peer, client, request_id)
    }

    fn begin_as(
        engine: &Arc<Engine>,
        asked: Option<Asked>,
        peer: Peer,
        client: IpAddr,
        request_id: HeaderValue,
    ) -> Self {
        engine.requests_in_progress.fetch_add(1, Ordering::Relaxed);
        Self {
            engine: Arc::clone(engine),
            asked,
            peer,
            client,
            request_id,
            status: StatusCode::OK,
            reason: None,
            api: None,
            caller: None,
            trace: RequestTrace::default(),
            begun: Instant::now(),
            upstream_time: None,
            head_after: None,
            bytes: 0,
            is_complete: false,
        }
    }

    pub(super) fn is_head(&self) -> bool {
        let asked = self.asked.as_ref();
        asked.is_some_and(|asked| asked.method == Method::HEAD)
    }

    /// Whether an answer of this status to the request has no content, whatever its head says.
    pub(super) fn has_no_content(&self, status: StatusCode) -> bool {
        let asked = self.asked.as_ref();
        has_no_body(status, asked.map_or(&Method::GET, |asked| &asked.method))
    }

    /// The response head goes out.
    pub(super) fn answered(&mut self, status: StatusCode) {
        self.status = status;
        self.head_after = Some(self.begun.elapsed());
        // Nobody will ask for a body that is none.
        self.is_complete |=
            status != StatusCode::SWITCHING_PROTOCOLS && self.has_no_content(status);
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
        let outcome = self.outcome(ending.status);
        if let Some(log) = &self.engine.access_log {
            log.record(outcome, |line| self.write(line, ending.status, own, total));
        }
        if let Some(sampled) = self.trace.sampled.take() {
            self.trace_to_sink(*sampled, ending.status, total);
        }
    }
}

impl AccessRecord {
    fn outcome(&self, status: Option<u16>) -> Outcome {
        let is_answered = status.is_some_and(|status| status < 500);
        if is_answered && self.reason.is_none() && self.is_complete {
            Outcome::Well
        } else {
            Outcome::Badly
        }
    }

    /// What does not apply is left out.
    fn write(&self, line: &mut JsonLine<'_>, status: Option<u16>, own: Duration, total: Duration) {
        line.instant("timestamp", self.engine.clock.now());
        line.text("target", "gateway.access");
        if let Some(asked) = &self.asked {
            line.text("http.method", asked.method.as_str());
            line.text("http.path", &asked.path);
        }
        if let Some(status) = status {
            line.number("http.status", status);
        }
        if self.client == self.peer.address.ip().to_canonical() {
            line.text("client.address", self.peer.ip.to_str().unwrap_or_default());
        } else {
            line.shown("client.address", self.client);
        }
        line.text("request.id", self.request_id.to_str().unwrap_or_default());
        if let Some(trace_id) = self.trace.trace_id {
            line.shown("trace_id", trace_id);
        }
        if let Some(api) = &self.api {
            line.prepared(&api.log_fields);
        }
        if let Some(application_id) = self.application_id() {
            line.text("application.id", application_id.as_text(&mut [0; 36]));
        }
        if let Some(caller) = &self.caller {
            line.prepared(&caller.key_manager.log_fields);
            if let Some(policy) = &caller.subscription_policy {
                line.text("subscription.policy", policy);
            }
        }
        if let Some(reason) = self.reason {
            line.text("reason", reason.as_str());
        }
        line.number("response.bytes", self.bytes);
        line.flag("response.complete", self.is_complete);
        line.number("time.own_us", microseconds(own));
        if let Some(upstream) = self.upstream_time {
            line.number("time.upstream_us", microseconds(upstream));
        }
        line.number("time.total_us", microseconds(total));
    }

    /// Which port a client has behind a proxy nobody knows.
    fn client_and_port(&self) -> SocketAddr {
        let peer = self.peer.address;
        let is_peer = self.client == peer.ip().to_canonical();
        SocketAddr::new(self.client, if is_peer { peer.port() } else { 0 })
    }

    fn application_id(&self) -> Option<ApplicationId> {
        let application = self.caller.as_ref()?.application.as_ref()?;
        Some(application.id)
    }

    fn trace_to_sink(&mut self, sampled: Sampled, status: Option<u16>, duration: Duration) {
        let (Some(tracing), Some(trace_id), Some(Asked { method, path })) = (
            self.engine.tracing(),
            self.trace.trace_id,
            self.asked.take(),
        ) else {
            return;
        };
        let upstream = sampled.upstream.map(|part| UpstreamSpan {
            span_id: sampled.upstream_span_id,
            started_after: part.begun.saturating_duration_since(self.begun),
            duration: self.upstream_time.unwrap_or_else(|| part.begun.elapsed()),
            host: part.upstream.origin.host.clone(),
            port: part.upstream.origin.port,
            status: part.status,
        });
        tracing.sink.take(RequestSpan {
            trace_id,
            span_id: sampled.span_id,
            parent: sampled.parent,
            trace_state: sampled.trace_state,
            started_at: sampled.started_at,
            duration,
            route: self.engine.route_of(&method, &path),
            method,
            path,
            is_tls: self.peer.is_tls,
            version: sampled.version,
            client: self.client_and_port(),
            request_id: self.request_id.to_str().unwrap_or_default().to_owned(),
            status,
            reason: self.reason.map(Reason::as_str),
            is_complete: self.is_complete,
            api: self.api.as_ref().map(|api| Arc::clone(&api.entry)),
            application_id: self.application_id(),
            key_manager: self
                .caller
                .as_ref()
                .map(|caller| caller.key_manager.name().to_owned()),
            upstream,
        });
    }
}

/// Hexadecimal: enough for one worker's requests of thousands of years.
const NUMBER_DIGITS: usize = 12;

/// Request identifiers: unique by start time, worker and count; not secret, so not random.
pub(crate) struct RequestIds {
    prefix: String,
    next: Cell<u64>,
}

impl RequestIds {
    pub(super) fn new(started_at: Timestamp, worker: usize) -> Self {
        Self {
            prefix: format!("{:x}-{worker:x}-", started_at.as_microsecond()),
            next: Cell::new(0),
        }
    }

    /// The client's own, if it is a sane one; otherwise a new one.
    pub(super) fn of(&self, sent: Option<&HeaderValue>) -> HeaderValue {
        if let Some(sent) = sent
            && (1..=128).contains(&sent.len())
            && sent.as_bytes().iter().all(u8::is_ascii_graphic)
        {
            // A copy: the client's is a part of its head's memory, which a long request would keep.
            return HeaderValue::from_bytes(sent.as_bytes()).unwrap_or_else(|_| sent.clone());
        }
        let number = self.next.replace(self.next.get() + 1);
        // By hand and of one length: shared bytes are made of it without a second allocation.
        let mut id = Vec::with_capacity(self.prefix.len() + NUMBER_DIGITS);
        id.extend_from_slice(self.prefix.as_bytes());
        id.extend((0..NUMBER_DIGITS).rev().map(|digit| {
            let digit = (number >> (4 * digit)) & 0xf;
            b"0123456789abcdef"[usize::try_from(digit).unwrap_or_default()]
        }));
        HeaderValue::from_maybe_shared(Bytes::from(id))
            .expect("hexadecimal digits and dashes are a header value")
    }
}

fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
