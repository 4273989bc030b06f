//! What a trace is told about one request: the gateway's own span, and the upstream's part as its child.
//!
//! Plain data without a protocol: `server` exports it. Only requests that are sampled make one.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use domain::Random;
use domain::id::ApplicationId;
use domain::snapshot::ApiEntry;
use http::{Method, Version};
use jiff::Timestamp;

pub use crate::trace_context::{SpanId, TraceId};

/// How requests are traced.
#[derive(Clone)]
pub struct Tracing {
    pub sink: Arc<dyn SpanSink>,
    pub random: Arc<dyn Random>,
    /// Share of the requests without a parent that is sampled, 0 to 1. A parent's own decision is honoured.
    pub sample_ratio: f64,
}

/// Takes spans of ended requests.
pub trait SpanSink: Send + Sync {
    /// Must not block: what there is no room for is dropped and counted by [`Self::dropped`].
    fn take(&self, span: RequestSpan);

    /// Spans that were lost, since the start.
    fn dropped(&self) -> u64;
}

/// A request that has ended.
#[derive(Clone, Debug)]
pub struct RequestSpan {
    pub trace_id: TraceId,
    pub span_id: SpanId,
    /// The caller's span.
    pub parent: Option<SpanId>,
    /// As the caller sent it.
    pub trace_state: Option<String>,
    pub started_at: Timestamp,
    pub duration: Duration,
    pub method: Method,
    /// Without query.
    pub path: String,
    /// Base path and resource template; `None` where no resource was found.
    pub route: Option<String>,
    pub is_tls: bool,
    pub version: Version,
    pub client: SocketAddr,
    pub request_id: String,
    /// `None`: the client went away before there was an answer.
    pub status: Option<u16>,
    /// Why the gateway refused.
    pub reason: Option<&'static str>,
    /// Whether the whole answer was handed over.
    pub is_complete: bool,
    pub api: Option<Arc<ApiEntry>>,
    pub application_id: Option<ApplicationId>,
    pub key_manager: Option<String>,
    pub upstream: Option<UpstreamSpan>,
}

/// From the request being sent to the upstream's response head.
#[derive(Clone, Debug)]
pub struct UpstreamSpan {
    pub span_id: SpanId,
    /// Since the request's start.
    pub started_after: Duration,
    pub duration: Duration,
    pub host: String,
    pub port: u16,
    /// `None`: there was no answer.
    pub status: Option<u16>,
}

impl std::fmt::Debug for Tracing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tracing")
            .field("sample_ratio", &self.sample_ratio)
            .finish_non_exhaustive()
    }
}
