use super::*;
use crate::telemetry::otlp::tests::example;

fn settings(otlp_endpoint: &str) -> Telemetry {
    Telemetry {
        otlp_endpoint: otlp_endpoint.to_owned(),
        ..Telemetry::default()
    }
}

#[test]
fn the_path_of_traces_is_added_to_a_base_address() {
    for (endpoint, expected) in [
        ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
        (
            "https://otel.internal/collect/",
            "https://otel.internal/collect/v1/traces",
        ),
    ] {
        let url = traces_url(&settings(endpoint))
            .expect("usable")
            .expect("on");
        assert_eq!(url.as_str(), expected);
    }
    assert_eq!(traces_url(&settings("")), Ok(None));
}

#[test]
fn an_address_that_cannot_be_used_is_refused_by_its_setting_and_not_repeated() {
    for endpoint in [
        "collector:4318",
        "/v1/traces",
        "grpc://collector.internal:4317",
        "http://",
        "http://ann:geheim@collector.internal",
        "http://geheim@collector.internal",
        "http://collector.internal?token=geheim",
        "http://collector.internal#geheim",
        "http://collector.internal:4318/v1/traces",
        "http://collector.internal:4318/v1/traces/",
    ] {
        let error = traces_url(&settings(endpoint)).expect_err("refused");
        assert!(error.starts_with("telemetry.otlp_endpoint must"), "{error}");
        assert!(!error.contains("geheim"), "{error}");
    }
}

#[test]
fn what_finds_no_room_is_lost_and_counted() {
    let (queue, mut waiting) = SpanQueue::new(2);
    for _ in 0..5 {
        queue.take(example());
    }
    assert_eq!(queue.dropped(), 3);
    waiting.try_recv().expect("a span waits");
    queue.take(example());
    assert_eq!(queue.dropped(), 3);
    drop(waiting);
    queue.take(example());
    assert_eq!(queue.dropped(), 4);
}

#[test]
fn what_a_client_makes_long_is_cut_before_it_waits() {
    let (queue, mut waiting) = SpanQueue::new(1);
    queue.take(RequestSpan {
        path: format!("/{}", "\u{e9}".repeat(LONGEST_TEXT)),
        trace_state: Some("a".repeat(LONGEST_TEXT + 1)),
        method: Method::from_bytes(&[b'A'; 2 * LONGEST_TEXT]).expect("a method"),
        ..example()
    });
    let span = waiting.try_recv().expect("a span waits");
    assert_eq!(span.path.len(), LONGEST_TEXT - 1, "no character is torn");
    assert_eq!(span.trace_state, None);
    assert_eq!(span.method.as_str().len(), LONGEST_TEXT);
}

#[test]
fn only_what_the_protocol_calls_retryable_is_offered_again() {
    for status in [429, 502, 503, 504] {
        assert!(may_succeed_later(&FetchError::Status(status)), "{status}");
    }
    for status in [301, 400, 401, 404, 413, 500] {
        assert!(!may_succeed_later(&FetchError::Status(status)), "{status}");
    }
    assert!(may_succeed_later(&FetchError::TooSlow));
}
