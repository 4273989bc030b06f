//! Figures and log: what operators see, and what they must never see.

use std::io::Write;
use std::sync::{Arc, Mutex};

use crate::support::world::{World, token, until};

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
        "claviger_gateway_token_cache_hits 1",
        "claviger_gateway_token_cache_entries 1",
        "claviger_gateway_snapshot_subscriptions 1",
        r#"claviger_gateway_keys{key_manager="AzureAD"} 1"#,
        r#"claviger_gateway_key_set_age_seconds{key_manager="AzureAD"} 0"#,
        r#"claviger_gateway_key_set_failing{key_manager="AzureAD"} 0"#,
    ] {
        assert!(text.lines().any(|known| known == line), "{line}\n{text}");
    }
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("a lock").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The one test of this file that looks at the log: the subscriber is the whole process'.
#[tokio::test]
async fn a_request_is_one_log_line_without_token_and_query() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).expect("nobody else sets it");
    let world = World::start().await;
    let mine = "/exampleapi/1.0.0/logged-path";
    let secret = token();
    assert_eq!(
        world
            .get(&format!("{mine}?password=hunter2"), &secret)
            .await
            .status,
        200
    );
    let found = || -> Vec<serde_json::Value> {
        let bytes = lines.0.lock().expect("a lock").clone();
        let text = String::from_utf8(bytes).expect("text");
        text.lines()
            .filter(|line| line.contains(mine))
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    };
    until("the line is written", || !found().is_empty()).await;
    let found = found();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["target"], "gateway.access");
    let fields = &found[0]["fields"];
    assert_eq!(fields["http.status"], 200);
    assert_eq!(fields["api.name"], "exampleapi");
    assert_eq!(fields["key_manager.name"], "AzureAD");
    assert_eq!(fields["subscription.policy"], "Gold");
    assert_eq!(
        fields["application.id"],
        "00000000-0000-7000-8000-000000000002"
    );
    assert!(fields["time.own_us"].is_u64() && fields["time.upstream_us"].is_u64());
    let everything = String::from_utf8(lines.0.lock().expect("a lock").clone()).expect("text");
    assert!(!everything.contains("hunter2"));
    for part in secret.split('.') {
        assert!(
            !everything.contains(part),
            "the log holds a part of the token"
        );
    }
}
