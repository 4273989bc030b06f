use gateway::{SpanId, TraceId};
use reqwest::{Method, Version};

use super::*;

/// A refused request of an unknown path, without a parent.
pub(in crate::telemetry) fn example() -> RequestSpan {
    RequestSpan {
        trace_id: TraceId([1; 16]),
        span_id: SpanId([2; 8]),
        parent: None,
        trace_state: None,
        started_at: "2026-01-02T03:04:05.000000006Z"
            .parse()
            .expect("an instant"),
        duration: Duration::from_nanos(500),
        method: Method::GET,
        path: "/none".to_owned(),
        route: None,
        is_tls: true,
        version: Version::HTTP_2,
        client: ([203, 0, 113, 9], 0).into(),
        request_id: "r-1".to_owned(),
        status: Some(404),
        reason: Some("api_unknown"),
        is_complete: true,
        api: None,
        application_id: None,
        key_manager: None,
        upstream: None,
    }
}

fn answered(status: Option<u16>, upstream_status: Option<u16>) -> RequestSpan {
    RequestSpan {
        status,
        reason: None,
        route: Some("/orders/1.0.0/items".to_owned()),
        upstream: Some(UpstreamSpan {
            span_id: SpanId([3; 8]),
            started_after: Duration::from_nanos(100),
            duration: Duration::from_nanos(300),
            host: "orders.internal".to_owned(),
            port: 8_443,
            status: upstream_status,
        }),
        ..example()
    }
}

fn translated(span: &RequestSpan) -> Vec<Span> {
    let mut spans = Vec::new();
    add(&mut spans, span);
    assert_eq!(spans.len(), count(span));
    spans
}

fn value(span: &Span, key: &str) -> Option<String> {
    let found: Vec<_> = span.attributes.iter().filter(|at| at.key == key).collect();
    assert!(found.len() <= 1, "{key} stands twice");
    match found.first()?.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        other => panic!("{key}: {other:?}"),
    }
}

fn is_error(span: &Span) -> bool {
    span.status
        .as_ref()
        .is_some_and(|status| status.code == i32::from(StatusCode::Error))
}

#[test]
fn a_refusal_is_one_span_that_names_its_reason_and_is_no_failure_of_the_server() {
    let [span] = translated(&example()).try_into().expect("one span");
    assert_eq!(
        (span.name.as_str(), span.kind),
        ("GET", SpanKind::Server.into())
    );
    assert!(span.parent_span_id.is_empty());
    assert_eq!(span.flags, 0x101);
    assert_eq!(span.start_time_unix_nano, 1_767_323_045_000_000_006);
    assert_eq!(span.end_time_unix_nano, 1_767_323_045_000_000_506);
    assert!(!is_error(&span));
    for (key, expected) in [
        ("http.request.method", Some("GET")),
        ("http.response.status_code", Some("404")),
        ("error.type", Some("api_unknown")),
        ("url.path", Some("/none")),
        ("url.scheme", Some("https")),
        ("network.protocol.version", Some("2")),
        ("client.address", Some("203.0.113.9")),
        ("client.port", None),
        ("http.route", None),
        ("http.request.method_original", None),
    ] {
        assert_eq!(value(&span, key).as_deref(), expected, "{key}");
    }
}

#[test]
fn the_upstream_stands_below_the_request_within_its_time() {
    let [request, upstream] = translated(&answered(Some(200), Some(200)))
        .try_into()
        .expect("two spans");
    assert_eq!(request.name, "GET /orders/1.0.0/items");
    assert_eq!(upstream.kind, i32::from(SpanKind::Client));
    assert_eq!(upstream.trace_id, request.trace_id);
    assert_eq!(upstream.parent_span_id, request.span_id);
    assert_eq!(
        upstream.start_time_unix_nano - request.start_time_unix_nano,
        100
    );
    assert_eq!(
        request.end_time_unix_nano - upstream.end_time_unix_nano,
        100
    );
    assert_eq!(
        value(&upstream, "server.address").as_deref(),
        Some("orders.internal")
    );
    assert_eq!(value(&upstream, "server.port").as_deref(), Some("8443"));
    assert!(!is_error(&request) && !is_error(&upstream));
    assert_eq!(value(&request, "error.type"), None);
}

#[test]
fn each_end_says_whose_failure_it_is() {
    let broken_off = RequestSpan {
        is_complete: false,
        ..answered(Some(200), Some(200))
    };
    for (span, request_error, upstream_error, request_failed, upstream_failed) in [
        (
            answered(Some(404), Some(404)),
            None,
            Some("404"),
            false,
            true,
        ),
        (
            answered(Some(503), Some(503)),
            Some("503"),
            Some("503"),
            true,
            true,
        ),
        (
            answered(None, None),
            Some("client_gone"),
            Some("_OTHER"),
            true,
            true,
        ),
        (broken_off, Some("answer_broken_off"), None, true, false),
    ] {
        let [request, upstream] = translated(&span).try_into().expect("two spans");
        assert_eq!(value(&request, "error.type").as_deref(), request_error);
        assert_eq!(value(&upstream, "error.type").as_deref(), upstream_error);
        assert_eq!(
            (is_error(&request), is_error(&upstream)),
            (request_failed, upstream_failed)
        );
    }
}

#[test]
fn an_invented_method_names_no_span() {
    let span = RequestSpan {
        method: Method::from_bytes(b"SNOOP").expect("a method"),
        version: Version::HTTP_10,
        ..answered(Some(405), Some(405))
    };
    let [request, upstream] = translated(&span).try_into().expect("two spans");
    assert_eq!(
        (request.name.as_str(), upstream.name.as_str()),
        ("HTTP /orders/1.0.0/items", "HTTP")
    );
    for span in [&request, &upstream] {
        assert_eq!(
            value(span, "http.request.method").as_deref(),
            Some("_OTHER")
        );
        assert_eq!(
            value(span, "http.request.method_original").as_deref(),
            Some("SNOOP")
        );
    }
    assert_eq!(
        value(&request, "network.protocol.version").as_deref(),
        Some("1.0")
    );
}
