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
use serde::Serialize;
use tokio::time::Instant;

use super::connection::Peer;
use super::request_trace::{RequestTrace, Sampled};
use crate::access_log::Outcome;
use crate::decide::Caller;
use crate::engine::Engine;
use crate::metrics::Ending;
use crate::refusal::Reason;
use crate::snapshot::Api;
use crate::span::{RequestSpan, TraceId, UpstreamSpan};

/// What is known of a request so far; written when it ends, however it ends.
pub(crate) struct AccessRecord {
    engine: Arc<Engine>,
    pub(super) method: Method,
    pub(super) path: String,
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

impl AccessRecord {
    pub(super) fn begin(
        engine: &Arc<Engine>,
        method: Method,
        path: String,
        peer: Peer,
        client: IpAddr,
        request_id: HeaderValue,
    ) -> Self {
        engine.requests_in_progress.fetch_add(1, Ordering::Relaxed);
        Self {
            engine: Arc::clone(engine),
            method,
            path,
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
        let outcome = self.outcome(ending.status);
        if let Some(log) = &self.engine.access_log {
            log.record(outcome, || self.line(ending.status, own, total));
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

    fn line(&self, status: Option<u16>, own: Duration, total: Duration) -> Line<'_> {
        let api = self.api.as_ref().map(|api| &api.entry);
        let caller = self.caller.as_ref();
        Line {
            timestamp: self.engine.clock.now(),
            target: "gateway.access",
            method: self.method.as_str(),
            path: &self.path,
            status,
            client_address: self.client,
            request_id: self.request_id.to_str().unwrap_or_default(),
            trace_id: self.trace.trace_id.map(Shown),
            api_name: api.map(|api| api.name.as_str()),
            api_version: api.map(|api| api.version.as_str()),
            application_id: self.application_id(),
            key_manager_name: caller.map(|caller| caller.key_manager.name()),
            subscription_policy: caller.and_then(|caller| caller.subscription_policy.as_deref()),
            reason: self.reason.map(Reason::as_str),
            response_bytes: self.bytes,
            response_complete: self.is_complete,
            own_us: microseconds(own),
            upstream_us: self.upstream_time.map(microseconds),
            total_us: microseconds(total),
        }
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
        let (Some(tracing), Some(trace_id)) = (self.engine.tracing(), self.trace.trace_id) else {
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
            route: self.engine.route_of(&self.method, &self.path),
            method: self.method.clone(),
            path: std::mem::take(&mut self.path),
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

/// The form of a line. What does not apply is left out.
#[derive(Serialize)]
struct Line<'r> {
    timestamp: Timestamp,
    target: &'static str,
    #[serde(rename = "http.method")]
    method: &'r str,
    #[serde(rename = "http.path")]
    path: &'r str,
    #[serde(rename = "http.status", skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(rename = "client.address")]
    client_address: IpAddr,
    #[serde(rename = "request.id")]
    request_id: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<Shown<TraceId>>,
    #[serde(rename = "api.name", skip_serializing_if = "Option::is_none")]
    api_name: Option<&'r str>,
    #[serde(rename = "api.version", skip_serializing_if = "Option::is_none")]
    api_version: Option<&'r str>,
    #[serde(rename = "application.id", skip_serializing_if = "Option::is_none")]
    application_id: Option<ApplicationId>,
    #[serde(rename = "key_manager.name", skip_serializing_if = "Option::is_none")]
    key_manager_name: Option<&'r str>,
    #[serde(
        rename = "subscription.policy",
        skip_serializing_if = "Option::is_none"
    )]
    subscription_policy: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(rename = "response.bytes")]
    response_bytes: u64,
    #[serde(rename = "response.complete")]
    response_complete: bool,
    #[serde(rename = "time.own_us")]
    own_us: u64,
    #[serde(rename = "time.upstream_us", skip_serializing_if = "Option::is_none")]
    upstream_us: Option<u64>,
    #[serde(rename = "time.total_us")]
    total_us: u64,
}

/// Serializes as it displays, without a text in between.
struct Shown<T>(T);

impl<T: std::fmt::Display> Serialize for Shown<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
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
        let id = format!("{}-{number:x}", self.prefix);
        HeaderValue::from_maybe_shared(Bytes::from(id))
            .expect("hexadecimal digits and dashes are a header value")
    }
}

fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
