//! Request limits: who is over one is told until when.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::api::{MaxTps, RequestRate, Verb};
use domain::snapshot::{
    ApplicationEntry, SnapshotChange, SnapshotRevision, SnapshotUpdate, SubscriptionEntry,
    ThrottlingPolicyEntry,
};
use domain::subscription::SubscriptionStatus;
use domain::throttling_policy::{
    BurstLimit, DataUnit, PolicyLevel, Quota, QuotaAmount, TimeUnit, TimeWindow,
};
use http::Request;
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

/// A policy of this name; there is one of each level.
fn policy(
    level: PolicyLevel,
    name: &str,
    quota: impl Into<Option<Quota>>,
) -> ThrottlingPolicyEntry {
    ThrottlingPolicyEntry {
        id: id(100 + level as u32),
        level,
        name: name.to_owned(),
        quota: quota.into(),
        burst: None,
    }
}

fn put(entry: ThrottlingPolicyEntry) -> SnapshotChange {
    SnapshotChange::PutThrottlingPolicy(Arc::new(entry))
}

fn per_minute(requests: u64) -> Quota {
    per_minute_of(QuotaAmount::Requests(requests))
}

fn kilobytes_per_minute(amount: u64) -> Quota {
    let unit = DataUnit::Kilobyte;
    per_minute_of(QuotaAmount::Bandwidth { amount, unit })
}

fn per_minute_of(amount: QuotaAmount) -> Quota {
    let window = TimeWindow {
        count: 1,
        unit: TimeUnit::Minute,
    };
    Quota { amount, window }
}

fn subscribed_under(plan: &str) -> SnapshotChange {
    SnapshotChange::PutSubscription(SubscriptionEntry {
        throttling_policy: plan.to_owned(),
        ..subscription(SubscriptionStatus::Unblocked)
    })
}

/// How many calls pass before one is refused, and the refusal's status and code.
async fn passed_before_refusal(world: &World) -> (usize, (u16, String)) {
    for passed in 0..1_000 {
        let answer = world.call(&token()).await;
        if answer.status != 200 {
            return (passed, (answer.status.as_u16(), answer.code()));
        }
    }
    panic!("1000 calls passed");
}

fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[tokio::test]
async fn burst_limits_have_codes_of_their_own() {
    let world = World::start().await;
    let burst = |level, name, requests| ThrottlingPolicyEntry {
        burst: Some(BurstLimit {
            requests,
            unit: TimeUnit::Second,
        }),
        ..policy(level, name, per_minute(1_000))
    };
    world.change(vec![
        put(burst(PolicyLevel::Subscription, "Bursty", 3)),
        put(burst(PolicyLevel::Application, "Bursty", 5)),
        subscribed_under("Bursty"),
    ]);
    assert_eq!(
        passed_before_refusal(&world).await,
        (3, refused(429, "900807"))
    );
    world.change(vec![subscribed_under("Gold"), application_under("Bursty")]);
    assert_eq!(
        passed_before_refusal(&world).await,
        (5, refused(429, "900809"))
    );
    let answer = world.call(&token()).await;
    assert_eq!(
        answer.json()["description"],
        "You have exceeded your application burst limit quota"
    );
    assert_eq!(
        answer.json()["nextAccessTime"],
        "2026-Sep-21 14:13:21+0000 UTC"
    );
    world.clock.advance(1);
    world.passes(&token()).await;
}

#[tokio::test]
async fn limits_are_asked_in_order_api_subscription_application_endpoints() {
    let world = World::start().await;
    world.change(vec![
        put(policy(PolicyLevel::Api, "Two", per_minute(2))),
        put(policy(PolicyLevel::Subscription, "Two", per_minute(2))),
        put(policy(PolicyLevel::Application, "Two", per_minute(2))),
        subscribed_under("Two"),
        application_under("Two"),
    ]);
    let limited = |api: &mut domain::snapshot::ApiEntry| {
        api.max_tps.production = Some(RequestRate {
            requests: 2,
            unit: TimeUnit::Minute,
        });
        for operation in &mut api.operations {
            operation.throttling_policy = Some("Two".to_owned());
        }
    };
    world.change_api(|api| {
        limited(api);
        api.api_throttling_policy = Some("Two".to_owned());
    });
    assert_eq!(
        passed_before_refusal(&world).await,
        (2, refused(429, "900800"))
    );
    // The resource's own was not asked as long as the API had one.
    world.change_api(limited);
    assert_eq!(world.refusal(&token()).await, refused(429, "900804"));
    world.change(vec![subscribed_under("Unlimited")]);
    assert_eq!(world.refusal(&token()).await, refused(429, "900803"));
    world.change(vec![application_under("Unlimited")]);
    assert_eq!(world.refusal(&token()).await, refused(503, "900801"));
    world.change_api(|api| {
        limited(api);
        api.max_tps = MaxTps::default();
    });
    assert_eq!(
        passed_before_refusal(&world).await,
        (2, refused(429, "900802"))
    );
}

#[tokio::test]
async fn what_the_endpoints_bear_is_shared_by_all_and_kept_apart_by_key_type() {
    let world = World::start().await;
    world.change_api(|api| {
        api.max_tps.production = Some(RequestRate {
            requests: 4,
            unit: TimeUnit::Hour,
        });
        api.max_tps.sandbox = Some(RequestRate {
            requests: 0,
            unit: TimeUnit::Second,
        });
    });
    for _ in 0..3 {
        world.passes(&token()).await;
    }
    // An open resource has no caller, but the same endpoint.
    let open = Request::get("/exampleapi/1.0.0/open")
        .header("host", "gateway.example")
        .body(crate::support::http::full(""))
        .expect("a request");
    assert_eq!(world.send(open).await.status, 200);
    let answer = world.call(&token()).await;
    assert_eq!(
        (answer.status.as_u16(), answer.json()),
        (
            503,
            json!({
                "code": "900801",
                "message": "API Limit Reached",
                "description": "API not accepting requests",
                "nextAccessTime": "2026-Sep-21 14:28:20+0000 UTC",
            })
        )
    );
    assert_eq!(
        answer.header("retry-after"),
        "Mon, 21 Sep 2026 14:28:20 GMT"
    );
}

#[tokio::test]
async fn bodies_in_both_directions_use_up_a_quota_of_bytes() {
    let world = World::start().await;
    world.change(vec![
        put(policy(
            PolicyLevel::Subscription,
            "Narrow",
            kilobytes_per_minute(2),
        )),
        subscribed_under("Narrow"),
    ]);
    let upload = |length: usize| {
        Request::post("/exampleapi/1.0.0/items")
            .header("host", "gateway.example")
            .header("authorization", format!("Bearer {}", token()))
            .body(crate::support::http::full("x".repeat(length)))
            .expect("a request")
    };
    assert_eq!(world.send(upload(1_000)).await.status, 200);
    // Upload and answers so far are below 2 KB, this one's are beyond: it passes whole.
    assert_eq!(world.send(upload(5_000)).await.status, 200);
    let answer = world.send(upload(0)).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        refused(429, "900804")
    );
    assert_eq!(world.reason(&token()).await, "subscription_limit");
    // However much it was: one policy's time later something is regained.
    world.clock.advance(61);
    world.passes(&token()).await;
    // Another plan has no quota of bytes.
    world.change(vec![subscribed_under("Gold")]);
    for _ in 0..5 {
        assert_eq!(world.send(upload(1_000)).await.status, 200);
    }
}

#[tokio::test]
async fn answers_alone_use_up_a_quota_of_bytes() {
    let world = World::start().await;
    world.change(vec![
        put(policy(
            PolicyLevel::Application,
            "Narrow",
            kilobytes_per_minute(1),
        )),
        application_under("Narrow"),
    ]);
    // "GET /backend/items?x=1 0": 24 bytes an answer.
    let (passed, refusal) = passed_before_refusal(&world).await;
    assert_eq!(refusal, refused(429, "900803"));
    assert_eq!(passed, 1_024 / 24 + 1);
}

#[tokio::test]
async fn a_policy_that_is_not_known_allows_nothing() {
    let world = World::start().await;
    for change in [subscribed_under("NoSuch"), application_under("NoSuch")] {
        world.change(vec![change]);
        assert_eq!(world.refusal(&token()).await, refused(500, "900900"));
        assert_eq!(world.reason(&token()).await, "throttling_policy_unknown");
        world.change(vec![
            subscribed_under("Gold"),
            application_under("Unlimited"),
        ]);
        world.passes(&token()).await;
    }
    for api_level in [true, false] {
        world.change_api(|api| {
            if api_level {
                api.api_throttling_policy = Some("NoSuch".to_owned());
            } else {
                let mut operations = api.operations.iter_mut();
                let operation = operations.find(|one| one.verb == Verb::Get).expect("a GET");
                operation.throttling_policy = Some("NoSuch".to_owned());
            }
        });
        assert_eq!(world.refusal(&token()).await, refused(500, "900900"));
    }
    // It is known from now on, to all that name it; and then no more.
    let entry = policy(PolicyLevel::Api, "NoSuch", None);
    world.change(vec![put(entry.clone())]);
    world.passes(&token()).await;
    world.change(vec![SnapshotChange::RemoveThrottlingPolicy(entry.id)]);
    assert_eq!(world.refusal(&token()).await, refused(500, "900900"));
}

#[tokio::test]
async fn a_changed_policy_holds_at_once_for_all_that_have_it() {
    let world = World::start().await;
    let entry = |quota: Option<Quota>| put(policy(PolicyLevel::Subscription, "Elastic", quota));
    world.change(vec![entry(None), subscribed_under("Elastic")]);
    for _ in 0..5 {
        world.passes(&token()).await;
    }
    world.change(vec![entry(Some(per_minute(3)))]);
    assert_eq!(
        passed_before_refusal(&world).await,
        (3, refused(429, "900804"))
    );
    world.change(vec![entry(Some(per_minute(300)))]);
    world.clock.advance(1);
    world.passes(&token()).await;
    world.change(vec![entry(None)]);
    for _ in 0..5 {
        world.passes(&token()).await;
    }
}

#[tokio::test]
async fn what_was_used_stays_used_whatever_changes_meanwhile() {
    let world = World::start().await;
    let limited = |api: &mut domain::snapshot::ApiEntry| {
        for operation in &mut api.operations {
            operation.throttling_policy = Some("Two".to_owned());
        }
    };
    let changes = vec![
        put(policy(PolicyLevel::Api, "Two", per_minute(2))),
        put(policy(PolicyLevel::Application, "Two", per_minute(2))),
        application_under("Two"),
    ];
    world.change(changes.clone());
    world.change_api(limited);
    world.passes(&token()).await;
    world.passes(&token()).await;
    // Saved again as they are, and then sent anew as a whole.
    world.change(vec![application_under("Two")]);
    world.change_api(limited);
    assert_eq!(world.refusal(&token()).await, refused(429, "900802"));
    let mut whole = world.whole();
    whole.extend(changes);
    world
        .gateway
        .apply(SnapshotUpdate {
            base: None,
            revision: SnapshotRevision(1_000),
            changes: whole,
        })
        .expect("a whole snapshot");
    assert_eq!(world.refusal(&token()).await, refused(429, "900803"));
}
