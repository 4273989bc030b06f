//! Figures and log: what operators see, and what they must never see.

use gateway::{AccessLogMode, AccessLogPolicy, GatewayConfig};
use http::Request;
use serde_json::json;

use crate::support::http::full;
use crate::support::prometheus;
use crate::support::raw::exchange;
use crate::support::signer::FIRST;
use crate::support::world::{World, test_config, token, until};

#[tokio::test]
async fn requests_are_counted_by_api_status_and_reason() {
    let world = World::start().await;
    world.passes(&token()).await;
    world.passes(&token()).await;
    world.refusal("x.y.z").await;
    world.get("/none", &token()).await;
    until("all are over", || {
        world.gateway.status().requests_in_progress == 0
    })
    .await;
    let text = world.gateway.metrics();
    for line in [
        r#"claviger_gateway_requests_total{api="exampleapi",version="1.0.0",status="200",reason=""} 2"#,
        r#"claviger_gateway_requests_total{api="",version="",status="404",reason="api_unknown"} 1"#,
        r#"claviger_gateway_requests_total{api="exampleapi",version="1.0.0",status="401",reason="token_not_base64url"} 1"#,
        "claviger_gateway_own_seconds_count 4",
        "claviger_gateway_upstream_seconds_count 2",
        "claviger_gateway_upstream_seconds_bucket{le=\"+Inf\"} 2",
        "claviger_gateway_token_cache_hits_total 1",
        "claviger_gateway_token_cache_entries 1",
        "claviger_gateway_snapshot_subscriptions 1",
        r#"claviger_gateway_keys{key_manager="AzureAD"} 1"#,
        r#"claviger_gateway_key_set_age_seconds{key_manager="AzureAD"} 0"#,
        r#"claviger_gateway_key_set_failing{key_manager="AzureAD"} 0"#,
    ] {
        assert!(text.lines().any(|known| known == line), "{line}\n{text}");
    }
}

#[tokio::test]
async fn every_scraper_can_read_the_figures() {
    let world = World::start().await;
    world.change_api(|api| api.name = "we \"quote\" \\ and\nbreak".to_owned());
    world.change_key_manager(|key_manager| key_manager.name = "Entra \"1\"".to_owned());
    world.passes(&token()).await;
    world.refusal("x.y.z").await;
    until("all are over", || {
        world.gateway.status().requests_in_progress == 0
    })
    .await;
    let text = world.gateway.metrics();
    let figures = prometheus::parse(&text);
    let name = r#"api="we \"quote\" \\ and\nbreak",version="1.0.0""#;
    for (series, value) in [
        (
            format!("claviger_gateway_requests_total{{{name},status=\"200\",reason=\"\"}}"),
            1.0,
        ),
        (
            format!("claviger_gateway_api_own_seconds_count{{{name}}}"),
            2.0,
        ),
        (
            format!("claviger_gateway_api_upstream_seconds_count{{{name}}}"),
            1.0,
        ),
        ("claviger_gateway_access_log_dropped_total".to_owned(), 0.0),
        ("claviger_gateway_spans_dropped_total".to_owned(), 0.0),
        (
            r#"claviger_gateway_keys{key_manager="Entra \"1\""}"#.to_owned(),
            1.0,
        ),
    ] {
        assert_eq!(figures.get(&series), Some(&value), "{series}\n{text}");
    }
    let histogram = figures["claviger_gateway_upstream_seconds_sum"];
    let of_api = figures[&format!("claviger_gateway_api_upstream_seconds_sum{{{name}}}")];
    assert!((histogram - of_api).abs() < 1e-9, "{histogram} {of_api}");
}

#[tokio::test]
async fn the_reference_names_every_figure() {
    const REFERENCE: &str = include_str!("../../../../docs/reference/operations.md");
    let world = World::start().await;
    let text = world.gateway.metrics();
    let named: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .collect();
    assert!(named.len() > 20, "{named:?}");
    for name in named {
        assert!(REFERENCE.contains(&format!("`{name}`")), "{name}");
    }
}

#[tokio::test]
async fn open_connections_and_counted_limits_are_figures() {
    let world = World::start().await;
    let figure = |name: &str| prometheus::parse(&world.gateway.metrics())[name];
    let stream = tokio::net::TcpStream::connect(world.gateway.local_addr())
        .await
        .expect("a connection");
    until("the connection is counted", || {
        figure("claviger_gateway_connections") >= 1.0
    })
    .await;
    drop(stream);
    until("and no longer", || {
        figure("claviger_gateway_connections") < 1.0
    })
    .await;
    world.passes(&token()).await;
    assert!(
        figure("claviger_gateway_limit_counters") >= 1.0,
        "Gold is a limit"
    );
}

#[tokio::test]
async fn a_request_is_one_log_line_without_token_and_query() {
    let world = World::start().await;
    let secret = token();
    let request = Request::get("/exampleapi/1.0.0/logged%22path?password=hunter2")
        .header("host", "gateway.example")
        .header("authorization", format!("Bearer {secret}"))
        .header("x-request-id", "quote\"and\\slash")
        .header(
            "traceparent",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        )
        .body(full(""))
        .expect("a request");
    assert_eq!(world.send(request).await.status, 200);
    until("the line is written", || {
        !world.log.with("logged%22path").is_empty()
    })
    .await;
    let found = world.log.with("logged%22path");
    assert_eq!(found.len(), 1, "{found:?}");
    let line = &found[0];
    for (field, value) in [
        ("target", json!("gateway.access")),
        ("http.method", json!("GET")),
        ("http.path", json!("/exampleapi/1.0.0/logged%22path")),
        ("http.status", json!(200)),
        ("client.address", json!("127.0.0.1")),
        ("request.id", json!("quote\"and\\slash")),
        ("trace_id", json!("4bf92f3577b34da6a3ce929d0e0e4736")),
        ("api.name", json!("exampleapi")),
        ("key_manager.name", json!("AzureAD")),
        ("subscription.policy", json!("Gold")),
        (
            "application.id",
            json!("00000000-0000-7000-8000-000000000002"),
        ),
        ("response.complete", json!(true)),
    ] {
        assert_eq!(line[field], value, "{field}: {line}");
    }
    assert!(line["time.own_us"].is_u64() && line["time.upstream_us"].is_u64());
    assert!(line.get("reason").is_none(), "{line}");
    let everything = world.log.text();
    assert!(!everything.contains("hunter2"));
    for part in secret.split('.') {
        assert!(
            !everything.contains(part),
            "the log holds a part of the token"
        );
    }
}

#[tokio::test]
async fn what_is_no_request_has_a_log_line_and_a_figure_too() {
    let world = World::start().await;
    let address = world.gateway.local_addr();
    let answer = exchange(address, "\x16\x03\x01 hello\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains(r#""code":"400""#), "{answer}");
    let answer = exchange(address, format!("GET /{} ", "a".repeat(100_000))).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    assert!(answer.contains(r#""code":"431""#), "{answer}");
    world.gateway.stop().await;
    let lines = world.log.with("gateway.access");
    let said: Vec<_> = lines
        .iter()
        .map(|line| (&line["reason"], &line["http.status"]))
        .collect();
    let expected = [
        (&json!("request_unreadable"), &json!(400)),
        (&json!("request_head_too_large"), &json!(431)),
    ];
    assert_eq!(said, expected);
    for line in &lines {
        assert_eq!(line["client.address"], "127.0.0.1");
        assert!(line["request.id"].is_string(), "{line}");
        assert!(line.get("http.path").is_none(), "{line}");
    }
    let figures = world.gateway.metrics();
    for ending in [
        r#"status="400",reason="request_unreadable"} 1"#,
        r#"status="431",reason="request_head_too_large"} 1"#,
    ] {
        assert!(figures.contains(ending), "{figures}");
    }
}

#[tokio::test]
async fn where_only_failures_are_logged_a_refusal_is_and_a_good_request_is_not() {
    let config = GatewayConfig {
        access_log: AccessLogPolicy {
            mode: AccessLogMode::Errors,
            ..AccessLogPolicy::default()
        },
        ..test_config()
    };
    let world = World::start_with(config, &[FIRST.jwk()]).await;
    world.passes(&token()).await;
    world.refusal("x.y.z").await;
    world.gateway.stop().await;
    let lines = world.log.with("");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0]["reason"], "token_not_base64url");
    assert_eq!(lines[0]["http.status"], 401);
}

#[tokio::test]
async fn the_last_requests_are_in_the_log_when_the_gateway_has_stopped() {
    let world = World::start().await;
    for _ in 0..20 {
        world.passes(&token()).await;
    }
    world.gateway.stop().await;
    assert_eq!(world.log.with("gateway.access").len(), 20);
}
