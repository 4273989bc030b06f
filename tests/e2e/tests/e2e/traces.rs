//! Spans leave the node as a collector reads them, and no request waits for one.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tempfile::TempDir;

use crate::collector::{Collector, attribute};
use crate::gateway_alone::{addresses, gateway, snapshot};
use crate::operation::{claviger, get, get_with};
use crate::polling::eventually;
use crate::program::Running;
use crate::upstream::Upstream;

const PATIENCE: Duration = Duration::from_secs(20);
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";
const FORECAST: &str = "/weather/1.0.0/forecast/oslo";

fn traced(data: &Path, upstream: &Upstream, collector: &str, ratio: &str) -> Command {
    let file = data.join("snapshot.json");
    let snapshot = snapshot(1, &upstream.url, false).to_string();
    std::fs::write(file, snapshot).expect("the snapshot is written");
    let mut command = gateway(data, &["--snapshot", "snapshot.json"]);
    command
        .env("CLAVIGER_TELEMETRY_OTLP_ENDPOINT", collector)
        .env("CLAVIGER_TELEMETRY_SAMPLE_RATIO", ratio)
        .env("CLAVIGER_TELEMETRY_SERVICE_NAME", "edge");
    command
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes all");
        text
    })
}

/// The caller's own trace, sampled by it or not.
fn parent(flags: &str) -> String {
    format!("traceparent: 00-{TRACE}-{CALLER}-{flags}\r\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_of_a_callers_trace_arrives_with_the_upstream_below_it() {
    let (upstream, collector, folder) =
        (Upstream::start().await, Collector::start().await, folder());
    let running = Running::start(&mut traced(folder.path(), &upstream, &collector.url, "0"));
    let (address, _) = addresses(&running);
    let path = format!("{FORECAST}?secret=geheim");
    let answer = get_with(&address, &path, &parent("01"));
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    let arrived = || async { (collector.spans().len() == 2).then_some(()) };
    eventually("both spans arrive", PATIENCE, arrived).await;
    let [request, below] = collector.spans().try_into().expect("two spans");
    assert_eq!(hexadecimal(&request.trace_id), TRACE);
    assert_eq!(hexadecimal(&request.parent_span_id), CALLER);
    assert_eq!(below.trace_id, request.trace_id);
    assert_eq!(below.parent_span_id, request.span_id);
    assert_eq!(request.name, "GET /weather/1.0.0/forecast/{city}");
    assert!(request.start_time_unix_nano <= below.start_time_unix_nano);
    assert!(below.end_time_unix_nano <= request.end_time_unix_nano);
    assert!(request.status.is_none() && below.status.is_none());
    for (span, key, expected) in [
        (&request, "http.response.status_code", "200"),
        (&request, "http.route", "/weather/1.0.0/forecast/{city}"),
        (&request, "url.path", FORECAST),
        (&request, "claviger.api.name", "weather"),
        (&below, "http.response.status_code", "200"),
        (&below, "server.address", "127.0.0.1"),
    ] {
        assert_eq!(
            attribute(&span.attributes, key).as_deref(),
            Some(expected),
            "{key}"
        );
    }
    assert_eq!(collector.resource("service.name").as_deref(), Some("edge"));
    let instance = collector
        .resource("service.instance.id")
        .expect("an instance");
    assert_eq!(instance.len(), 32);
    assert!(!format!("{:?}", collector.spans()).contains("geheim"));
    assert!(running.terminate().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_sampled_is_not_sent_and_what_waits_is_sent_at_the_end() {
    let (upstream, collector, folder) =
        (Upstream::start().await, Collector::start().await, folder());
    let running = Running::start(&mut traced(folder.path(), &upstream, &collector.url, "0"));
    let (address, _) = addresses(&running);
    for flags in ["00", "01"] {
        let answer = get_with(&address, FORECAST, &parent(flags));
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    assert!(get(&address, FORECAST).starts_with("HTTP/1.1 200"));
    assert!(running.terminate().success());
    let spans = collector.spans();
    assert_eq!(spans.len(), 2, "{spans:?}");
    assert_eq!(hexadecimal(&spans[0].parent_span_id), CALLER);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_has_too_much_to_do_is_asked_again() {
    let (upstream, collector, folder) =
        (Upstream::start().await, Collector::start().await, folder());
    collector.refusing.store(2, Ordering::SeqCst);
    let running = Running::start(&mut traced(folder.path(), &upstream, &collector.url, "1"));
    let (address, monitoring) = addresses(&running);
    assert!(get(&address, FORECAST).starts_with("HTTP/1.1 200"));
    let arrived = || async { (collector.spans().len() == 2).then_some(()) };
    eventually("both spans arrive", PATIENCE, arrived).await;
    assert_eq!(collector.refusing.load(Ordering::SeqCst), 0);
    let figures = get(&monitoring, "/metrics");
    assert!(
        figures.contains("claviger_gateway_spans_dropped_total 0"),
        "{figures}"
    );
    assert!(running.terminate().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_gone_costs_spans_and_no_request() {
    let (upstream, folder) = (Upstream::start().await, folder());
    // Port 1 on loopback: nobody listens there.
    let running = Running::start(&mut traced(
        folder.path(),
        &upstream,
        "http://127.0.0.1:1",
        "1",
    ));
    let (address, monitoring) = addresses(&running);
    assert!(get(&address, FORECAST).starts_with("HTTP/1.1 200"));
    let counted = || async {
        assert!(get(&address, FORECAST).starts_with("HTTP/1.1 200"));
        let figures = get(&monitoring, "/metrics");
        let dropped = figures
            .lines()
            .find_map(|line| line.strip_prefix("claviger_gateway_spans_dropped_total "))
            .expect("the figure");
        (dropped.parse::<u64>().expect("a number") >= 2).then_some(())
    };
    eventually("lost spans are counted", PATIENCE, counted).await;
    let log = running.transcript().text();
    assert_eq!(log.matches("spans are lost").count(), 1, "{log}");
    assert!(running.terminate().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_node_traces_refusals_too() {
    let (collector, folder) = (Collector::start().await, folder());
    let running = Running::start(
        claviger(folder.path(), &["serve"])
            .env("CLAVIGER_TELEMETRY_OTLP_ENDPOINT", &collector.url)
            .env("CLAVIGER_TELEMETRY_SAMPLE_RATIO", "1"),
    );
    let (_, address) = addresses(&running);
    assert!(get(&address, "/nowhere").starts_with("HTTP/1.1 404"));
    assert!(running.terminate().success());
    let [span] = collector.spans().try_into().expect("one span");
    assert_eq!(span.name, "GET");
    assert!(span.parent_span_id.is_empty());
    let error = attribute(&span.attributes, "error.type");
    assert_eq!(error.as_deref(), Some("api_unknown"));
    assert_eq!(
        collector.resource("service.name").as_deref(),
        Some("claviger")
    );
}
