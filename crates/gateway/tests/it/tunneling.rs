//! What passes over a WebSocket counts as it passes.

use std::sync::Arc;

use domain::snapshot::{SnapshotChange, SubscriptionEntry, ThrottlingPolicyEntry};
use domain::subscription::SubscriptionStatus;
use domain::throttling_policy::{DataUnit, PolicyLevel, Quota, QuotaAmount, TimeUnit, TimeWindow};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::websocket::{echoing, websocket};
use crate::support::world::{World, id, subscription, token, until};

const MESSAGE: usize = 300;

async fn sends_and_hears(stream: &mut TcpStream) {
    stream.write_all(&[b'x'; MESSAGE]).await.expect("sent");
    let mut echo = [0; MESSAGE];
    stream.read_exact(&mut echo).await.expect("an echo");
}

/// Subscribed to a plan of one kilobyte a minute, at an upstream that echoes.
async fn narrow_world() -> World {
    let upstream = echoing().await;
    let world = World::start().await;
    world.change_api(|api| api.endpoints.production = vec![upstream.url()]);
    let quota = Quota {
        amount: QuotaAmount::Bandwidth {
            amount: 1,
            unit: DataUnit::Kilobyte,
        },
        window: TimeWindow {
            count: 1,
            unit: TimeUnit::Minute,
        },
    };
    let policy = ThrottlingPolicyEntry {
        id: id(100),
        level: PolicyLevel::Subscription,
        name: "Narrow".to_owned(),
        quota: Some(quota),
        burst: None,
    };
    world.change(vec![
        SnapshotChange::PutThrottlingPolicy(Arc::new(policy)),
        SnapshotChange::PutSubscription(SubscriptionEntry {
            throttling_policy: "Narrow".to_owned(),
            ..subscription(SubscriptionStatus::Unblocked)
        }),
    ]);
    world
}

#[tokio::test]
async fn bytes_of_an_open_websocket_use_up_the_quota_in_both_directions() {
    let world = narrow_world().await;
    let mut stream = websocket(&world).await;
    // 600 bytes: 300 up and 300 down.
    sends_and_hears(&mut stream).await;
    drop(websocket(&world).await);
    // 1200 of 1024. Of one direction alone they would be 600.
    sends_and_hears(&mut stream).await;
    let refused = (429, "900804".to_owned());
    assert_eq!(world.refusal(&token()).await, refused);
    // Who is connected stays so.
    sends_and_hears(&mut stream).await;
    // One policy's time later something is regained, and an open WebSocket uses it up again.
    world.clock.advance(61);
    drop(websocket(&world).await);
    for _ in 0..2 {
        sends_and_hears(&mut stream).await;
    }
    assert_eq!(world.refusal(&token()).await, refused);
}

#[tokio::test]
async fn the_log_tells_what_a_websocket_carried_to_the_client() {
    let upstream = echoing().await;
    let world = World::start().await;
    world.change_api(|api| api.endpoints.production = vec![upstream.url()]);
    let mut stream = websocket(&world).await;
    for _ in 0..3 {
        sends_and_hears(&mut stream).await;
    }
    // It is one request, and lasts as long as the tunnel.
    assert_eq!(world.gateway.status().requests_in_progress, 1);
    assert_eq!(world.log.text(), "");
    drop(stream);
    until("it is in the log", || !world.log.text().is_empty()).await;
    let lines = world.log.with("");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0]["http.status"], 101, "{lines:?}");
    assert_eq!(lines[0]["response.bytes"], 3 * MESSAGE, "{lines:?}");
    assert_eq!(world.gateway.status().requests_in_progress, 0);
    let figures = world.gateway.metrics();
    assert!(
        figures.contains(r#"status="101",reason=""} 1"#),
        "{figures}"
    );
}
