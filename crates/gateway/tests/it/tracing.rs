//! Distributed traces: what the caller says is honoured, what the upstream is told is true, and a request that
//! nobody samples makes no span.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use domain::Random;
use gateway::{RequestSpan, SpanSink, Tracing};
use http::Request;

use crate::support::http::full;
use crate::support::world::{World, test_config, token, until};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

#[derive(Default)]
struct Collected {
    spans: Mutex<Vec<RequestSpan>>,
}

impl SpanSink for Collected {
    fn take(&self, span: RequestSpan) {
        self.spans.lock().expect("a lock").push(span);
    }

    fn dropped(&self) -> u64 {
        0
    }
}

/// Different bytes every time, and never zero.
#[derive(Default)]
struct Counting(AtomicU64);

impl Random for Counting {
    fn fill(&self, buffer: &mut [u8]) {
        for bytes in buffer.chunks_mut(8) {
            let next = self.0.fetch_add(1, Ordering::SeqCst) + 1;
            let mixed = next.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
            bytes.copy_from_slice(&mixed[..bytes.len()]);
        }
    }
}

struct Traced {
    world: World,
    collected: Arc<Collected>,
}

impl Traced {
    async fn start(sample_ratio: f64) -> Self {
        let collected = Arc::<Collected>::default();
        let tracing = Tracing {
            sink: Arc::clone(&collected) as Arc<dyn SpanSink>,
            random: Arc::<Counting>::default(),
            sample_ratio,
        };
        let world = World::start_traced(test_config(), tracing).await;
        Self { world, collected }
    }

    /// Calls with these headers; gives what the upstream was told.
    async fn call(&self, headers: &[(&str, &str)]) -> (Option<String>, Option<String>) {
        let secret = token();
        let mut request = Request::get("/exampleapi/1.0.0/items?secret=1")
            .header("host", "gateway.example")
            .header("authorization", format!("Bearer {secret}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(full("")).expect("a request");
        assert_eq!(self.world.send(request).await.status, 200);
        until("the request is over", || {
            self.world.gateway.status().requests_in_progress == 0
        })
        .await;
        let received = self.world.received.lock().expect("a lock");
        let told = &received.last().expect("a request").headers;
        let header = |name: &str| Some(told.get(name)?.to_str().expect("text").to_owned());
        (header("traceparent"), header("tracestate"))
    }

    fn spans(&self) -> Vec<RequestSpan> {
        self.collected.spans.lock().expect("a lock").clone()
    }
}

#[tokio::test]
async fn a_sampled_parent_is_continued_and_the_upstream_stands_below_the_gateway() {
    let traced = Traced::start(0.0).await;
    let parent = format!("00-{TRACE}-{CALLER}-01");
    let (told, state) = traced
        .call(&[("traceparent", &parent), ("tracestate", "vendor=1,other=2")])
        .await;
    let [span] = traced.spans().try_into().expect("one span");
    assert_eq!(span.trace_id.to_string(), TRACE);
    assert_eq!(span.parent.expect("a parent").to_string(), CALLER);
    assert_eq!(span.trace_state.as_deref(), Some("vendor=1,other=2"));
    assert_eq!(span.route.as_deref(), Some("/exampleapi/1.0.0/*"));
    assert_eq!(span.path, "/exampleapi/1.0.0/items");
    assert_eq!((span.status, span.reason), (Some(200), None));
    assert_eq!(span.api.expect("an API").name, "exampleapi");
    let upstream = span.upstream.expect("an upstream");
    assert_eq!(upstream.status, Some(200));
    assert!(upstream.started_after + upstream.duration <= span.duration);
    assert_ne!(upstream.span_id, span.span_id);
    assert_eq!(
        told.expect("a parent"),
        format!("00-{TRACE}-{}-01", upstream.span_id)
    );
    assert_eq!(state.as_deref(), Some("vendor=1,other=2"));
}

#[tokio::test]
async fn a_parent_that_is_not_sampled_passes_untouched_and_makes_no_span() {
    let traced = Traced::start(1.0).await;
    let parent = format!("00-{TRACE}-{CALLER}-00");
    let (told, state) = traced
        .call(&[("traceparent", &parent), ("tracestate", "vendor=1")])
        .await;
    assert_eq!(told, Some(parent));
    assert_eq!(state.as_deref(), Some("vendor=1"));
    assert!(traced.spans().is_empty());
}

#[tokio::test]
async fn a_request_without_parent_begins_a_trace_that_the_log_names() {
    for ratio in [0.0, 1.0] {
        let traced = Traced::start(ratio).await;
        let (told, _) = traced.call(&[]).await;
        let told = told.expect("a parent");
        let flags = if ratio > 0.0 { "-01" } else { "-00" };
        assert!(told.ends_with(flags), "{told}");
        assert_eq!(traced.spans().len(), usize::from(ratio > 0.0));
        let trace_id = &told[3..35];
        until("the line is written", || {
            traced.world.log.with(trace_id).len() == 1
        })
        .await;
        assert_eq!(traced.world.log.with("")[0]["trace_id"], trace_id);
    }
}

#[tokio::test]
async fn a_parent_that_is_nonsense_is_replaced_and_its_state_forgotten() {
    let traced = Traced::start(1.0).await;
    for parent in [
        "nonsense",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
    ] {
        let (told, state) = traced
            .call(&[("traceparent", parent), ("tracestate", "vendor=1")])
            .await;
        let told = told.expect("a parent");
        assert!(told.ends_with("-01") && told != parent, "{told}");
        assert_eq!(state, None);
    }
    let parents: Vec<_> = traced.spans().iter().map(|span| span.parent).collect();
    assert_eq!(parents, [None, None]);
}

#[tokio::test]
async fn where_nobody_traces_every_header_passes_as_it_came() {
    let world = World::start().await;
    let request = Request::get("/exampleapi/1.0.0/items")
        .header("host", "gateway.example")
        .header("authorization", format!("Bearer {}", token()))
        .header("traceparent", "whatever")
        .header("tracestate", "this is")
        .body(full(""))
        .expect("a request");
    assert_eq!(world.send(request).await.status, 200);
    let received = world.received.lock().expect("a lock");
    let told = &received.last().expect("a request").headers;
    assert_eq!(told["traceparent"], "whatever");
    assert_eq!(told["tracestate"], "this is");
}

#[tokio::test]
async fn a_refusal_is_a_span_with_its_reason_and_without_an_upstream() {
    let traced = Traced::start(1.0).await;
    traced.world.refusal("x.y.z").await;
    traced.world.get("/none", &token()).await;
    until("both are over", || traced.spans().len() == 2).await;
    let spans = traced.spans();
    assert_eq!(spans[0].reason, Some("token_not_base64url"));
    assert_eq!(spans[0].status, Some(401));
    assert_eq!(spans[0].route.as_deref(), Some("/exampleapi/1.0.0/*"));
    assert!(spans[0].upstream.is_none());
    assert_eq!(
        (spans[1].reason, &spans[1].route),
        (Some("api_unknown"), &None)
    );
}

#[tokio::test]
async fn an_upstream_that_is_gone_is_a_part_without_a_status_or_no_part_at_all() {
    let traced = Traced::start(1.0).await;
    traced.world.change_api(|api| {
        // Port 1 on loopback: nobody listens there.
        api.endpoints.production = vec!["http://127.0.0.1:1".parse().expect("a URL")];
    });
    assert_eq!(traced.world.call(&token()).await.status.as_u16() / 100, 5);
    until("it is over", || traced.spans().len() == 1).await;
    let span = traced.spans().remove(0);
    assert_eq!(span.reason, Some("upstream_unreachable"));
    assert!(span.upstream.is_none_or(|part| part.status.is_none()));
}
