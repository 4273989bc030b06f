//! A request's part in a distributed trace: the caller's position is read, the upstream is told the next one.
//!
//! Where nobody traces, the headers pass untouched. A request that is not sampled costs a look at its header; a
//! span is made for the others only, when they end.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Version};
use jiff::Timestamp;
use tokio::time::Instant;

use crate::engine::Engine;
use crate::span::{SpanId, TraceId, Tracing};
use crate::trace_context::{TRACEPARENT, TRACESTATE, TraceParent};
use crate::upstream::Upstream;

/// What is known of a request's trace.
#[derive(Debug, Default)]
pub(crate) struct RequestTrace {
    pub(super) trace_id: Option<TraceId>,
    to_upstream: ToUpstream,
    pub(super) sampled: Option<Box<Sampled>>,
}

/// What becomes of the trace headers on their way up.
#[derive(Debug, Default)]
enum ToUpstream {
    #[default]
    Untouched,
    /// This parent, and the caller's state.
    Parent(TraceParent),
    /// This parent; there was no caller that could have a state.
    Root(TraceParent),
}

/// What a span will be made of.
#[derive(Debug)]
pub(super) struct Sampled {
    pub(super) span_id: SpanId,
    pub(super) parent: Option<SpanId>,
    pub(super) trace_state: Option<String>,
    pub(super) started_at: Timestamp,
    pub(super) version: Version,
    pub(super) upstream_span_id: SpanId,
    pub(super) upstream: Option<UpstreamPart>,
}

#[derive(Debug)]
pub(super) struct UpstreamPart {
    pub(super) upstream: Arc<Upstream>,
    pub(super) begun: Instant,
    pub(super) status: Option<u16>,
}

impl RequestTrace {
    pub(super) fn begin(
        engine: &Engine,
        ids: &TraceIds,
        headers: &HeaderMap,
        version: Version,
    ) -> Self {
        if engine.tracing().is_none() && engine.access_log.is_none() {
            return Self::default();
        }
        let parent = TraceParent::of(headers);
        let Some(tracing) = engine.tracing() else {
            return Self {
                trace_id: parent.map(|parent| parent.trace_id),
                ..Self::default()
            };
        };
        match parent {
            Some(parent) if !parent.is_sampled => Self {
                trace_id: Some(parent.trace_id),
                ..Self::default()
            },
            Some(parent) => {
                let state = || trace_state(headers);
                let sampled = Sampled::begin(engine, tracing, ids, version, Some(parent), state);
                Self::sampled(parent.trace_id, sampled, ToUpstream::Parent)
            }
            None => {
                let trace_id = ids.trace_id(tracing);
                if is_within(trace_id, tracing.sample_ratio) {
                    let sampled = Sampled::begin(engine, tracing, ids, version, None, || None);
                    return Self::sampled(trace_id, sampled, ToUpstream::Root);
                }
                // Told to the upstream, so that all who log the request log it under one name.
                let root = TraceParent {
                    trace_id,
                    span_id: ids.span_id(tracing),
                    is_sampled: false,
                };
                Self {
                    trace_id: Some(trace_id),
                    to_upstream: ToUpstream::Root(root),
                    sampled: None,
                }
            }
        }
    }

    fn sampled(
        trace_id: TraceId,
        sampled: Sampled,
        to_upstream: impl FnOnce(TraceParent) -> ToUpstream,
    ) -> Self {
        Self {
            trace_id: Some(trace_id),
            to_upstream: to_upstream(TraceParent {
                trace_id,
                span_id: sampled.upstream_span_id,
                is_sampled: true,
            }),
            sampled: Some(Box::new(sampled)),
        }
    }

    /// Tells the upstream where it stands.
    pub(super) fn write(&self, headers: &mut HeaderMap) {
        match &self.to_upstream {
            ToUpstream::Untouched => {}
            ToUpstream::Parent(parent) => {
                headers.insert(TRACEPARENT, parent.header());
            }
            ToUpstream::Root(parent) => {
                headers.insert(TRACEPARENT, parent.header());
                headers.remove(TRACESTATE);
            }
        }
    }

    /// The request goes to this upstream, as of now.
    pub(super) fn sent_to(&mut self, upstream: &Arc<Upstream>, begun: Instant) {
        if let Some(sampled) = &mut self.sampled {
            sampled.upstream = Some(UpstreamPart {
                upstream: Arc::clone(upstream),
                begun,
                status: None,
            });
        }
    }

    /// The upstream's response head is here.
    pub(super) fn upstream_answered(&mut self, status: u16) {
        if let Some(sampled) = &mut self.sampled
            && let Some(part) = &mut sampled.upstream
        {
            part.status = Some(status);
        }
    }
}

impl Sampled {
    fn begin(
        engine: &Engine,
        tracing: &Tracing,
        ids: &TraceIds,
        version: Version,
        parent: Option<TraceParent>,
        state: impl FnOnce() -> Option<String>,
    ) -> Self {
        Self {
            span_id: ids.span_id(tracing),
            parent: parent.map(|parent| parent.span_id),
            trace_state: state(),
            started_at: engine.clock.now(),
            version,
            upstream_span_id: ids.span_id(tracing),
            upstream: None,
        }
    }
}

/// Longest state that is recorded; longer ones still pass through (the recommendation asks for 512 at least).
const LONGEST_STATE: usize = 1_024;

fn trace_state(headers: &HeaderMap) -> Option<String> {
    let lines: Vec<_> = headers
        .get_all(TRACESTATE)
        .iter()
        .filter_map(|line: &HeaderValue| line.to_str().ok())
        .collect();
    let state = lines.join(",");
    (!state.is_empty() && state.len() <= LONGEST_STATE).then_some(state)
}

/// The same trace is decided alike wherever the same ratio holds: by its rightmost 56 bits, which are random
/// (W3C Trace Context, level 2).
fn is_within(trace_id: TraceId, ratio: f64) -> bool {
    let random = u128::from_be_bytes(trace_id.0) & ((1 << 56) - 1);
    #[expect(
        clippy::cast_precision_loss,
        reason = "a share of all traces, not a count"
    )]
    let position = random as f64 / (1_u128 << 56) as f64;
    position < ratio
}

/// Random identifiers, drawn in bulk. A worker's own.
pub(crate) struct TraceIds {
    drawn: RefCell<[u8; Self::BULK]>,
    used: Cell<usize>,
}

impl TraceIds {
    const BULK: usize = 512;

    pub(super) fn new() -> Self {
        Self {
            drawn: RefCell::new([0; Self::BULK]),
            used: Cell::new(Self::BULK),
        }
    }

    fn trace_id(&self, tracing: &Tracing) -> TraceId {
        TraceId(self.draw(tracing))
    }

    fn span_id(&self, tracing: &Tracing) -> SpanId {
        SpanId(self.draw(tracing))
    }

    fn draw<const N: usize>(&self, tracing: &Tracing) -> [u8; N] {
        let mut drawn = self.drawn.borrow_mut();
        let mut id = [0; N];
        // All zeros are forbidden; a second draw is as likely to be needed as a collision.
        while id == [0; N] {
            if self.used.get() + N > Self::BULK {
                tracing.random.fill(&mut *drawn);
                self.used.set(0);
            }
            let from = self.used.replace(self.used.get() + N);
            id.copy_from_slice(&drawn[from..from + N]);
        }
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_samples_its_share_of_the_traces() {
        let at = |first: u8| TraceId([7, 7, 7, 7, 7, 7, 7, 7, 255, first, 0, 0, 0, 0, 0, 0]);
        assert!(is_within(at(255), 1.0));
        assert!(!is_within(at(0), 0.0));
        let sampled = (0..=255)
            .filter(|first| is_within(at(*first), 0.25))
            .count();
        assert_eq!(sampled, 64);
    }
}
