//! Request limits: who is over one is told until when.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::snapshot::{ApplicationEntry, SnapshotChange, SubscriptionEntry};
use domain::subscription::SubscriptionStatus;
use serde_json::json;

use crate::support::signer::FIRST;
use crate::support::world::{World, claims, id, signed, subscription, token, without};

fn application_under(policy: &str) -> SnapshotChange {
    SnapshotChange::PutApplication(Arc::new(ApplicationEntry {
        id: id(2),
        name: "weather".to_owned(),
        owner: "ann".to_owned(),
        throttling_policy: policy.to_owned(),
        attributes: BTreeMap::new(),
    }))
}

#[tokio::test]
async fn an_application_over_its_policy_is_told_when_to_come_back() {
    let world = World::start().await;
    world.change(vec![application_under("10PerMin")]);
    // What is refused for something else is not counted, and neither is an explanation.
    for _ in 0..20 {
        world
            .refusal(&signed(&FIRST, &without(claims(), "exp")))
            .await;
        assert_eq!(world.reason(&token()).await, "accepted");
    }
    for _ in 0..10 {
        world.passes(&token()).await;
    }
    let answer = world.call(&token()).await;
    assert_eq!(answer.status, 429);
    assert_eq!(
        answer.header("retry-after"),
        "Mon, 21 Sep 2026 14:13:26 GMT"
    );
    assert_eq!(
        answer.json(),
        json!({
            "code": "900803",
            "message": "Message throttled out",
            "description": "You have exceeded your quota .You can access API after 2026-Sep-21 14:13:26+0000 UTC",
            "nextAccessTime": "2026-Sep-21 14:13:26+0000 UTC",
        })
    );
    world.clock.advance(5);
    assert_eq!(world.call(&token()).await.status, 429);
    world.clock.advance(1);
    world.passes(&token()).await;
    assert_eq!(world.call(&token()).await.status, 429);
    world.change(vec![application_under("Unlimited")]);
    world.passes(&token()).await;
}

#[tokio::test]
async fn a_subscription_is_limited_by_its_business_plan() {
    let world = World::start().await;
    world.change(vec![SnapshotChange::PutSubscription(SubscriptionEntry {
        throttling_policy: "Unauthenticated".to_owned(),
        ..subscription(SubscriptionStatus::Unblocked)
    })]);
    let mut passed = 0;
    let answer = loop {
        let answer = world.call(&token()).await;
        if answer.status != 200 {
            break answer;
        }
        passed += 1;
    };
    assert_eq!(passed, 500);
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (429, "900804")
    );
}
