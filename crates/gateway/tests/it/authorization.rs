//! What a believed token may do.

use domain::api::{KeyManagerSelection, Verb};
use domain::key_mapping::KeyType;
use domain::snapshot::{SnapshotChange, SnapshotRevision, SnapshotUpdate};
use domain::subscription::SubscriptionStatus;
use http::Request;
use serde_json::json;

use crate::support::http::full;
use crate::support::signer::FIRST;
use crate::support::world::{
    World, claims, id, mapping, operation, signed, subscription, token, with,
};

#[tokio::test]
async fn subscriptions_decide_by_state_and_key_type() {
    use KeyType::{Production, Sandbox};
    use SubscriptionStatus as S;
    let world = World::start().await;
    world.change_api(|api| api.endpoints.sandbox = api.endpoints.production.clone());
    let cases = [
        (S::Unblocked, Production, None),
        (S::Unblocked, Sandbox, None),
        (
            S::Blocked,
            Production,
            Some((401, "900907", "subscription_blocked")),
        ),
        (
            S::Blocked,
            Sandbox,
            Some((401, "900907", "subscription_blocked")),
        ),
        (
            S::ProdOnlyBlocked,
            Production,
            Some((401, "900907", "subscription_blocked")),
        ),
        (S::ProdOnlyBlocked, Sandbox, None),
        (
            S::OnHold,
            Production,
            Some((401, "900909", "subscription_inactive")),
        ),
        (
            S::Rejected,
            Sandbox,
            Some((401, "900909", "subscription_inactive")),
        ),
    ];
    for (status, key_type, expected) in cases {
        world.change(vec![
            SnapshotChange::PutKeyMapping(mapping(key_type)),
            SnapshotChange::PutSubscription(subscription(status)),
        ]);
        let Some((http_status, code, reason)) = expected else {
            world.passes(&token()).await;
            continue;
        };
        assert_eq!(world.reason(&token()).await, reason);
        assert_eq!(
            world.refusal(&token()).await,
            (http_status, code.to_owned()),
            "{status:?}"
        );
    }
    world.change(vec![SnapshotChange::RemoveSubscription(id(4))]);
    assert_eq!(world.reason(&token()).await, "not_subscribed");
    let answer = world.call(&token()).await;
    assert_eq!(answer.status, 403);
    assert_eq!(answer.json()["message"], "Resource forbidden ");
}

#[tokio::test]
async fn a_key_without_an_endpoint_of_its_type_is_refused() {
    let world = World::start().await;
    world.change(vec![SnapshotChange::PutKeyMapping(mapping(
        KeyType::Sandbox,
    ))]);
    assert_eq!(world.reason(&token()).await, "key_type_without_endpoint");
    assert_eq!(world.refusal(&token()).await, (403, "900901".to_owned()));
}

#[tokio::test]
async fn a_removed_mapping_or_application_closes_the_door_at_once() {
    let world = World::start().await;
    world.passes(&token()).await;
    world.change(vec![SnapshotChange::RemoveKeyMapping(id(3))]);
    assert_eq!(world.refusal(&token()).await, (403, "900908".to_owned()));
    world.change(vec![SnapshotChange::PutKeyMapping(mapping(
        KeyType::Production,
    ))]);
    world.passes(&token()).await;
    world.change(vec![SnapshotChange::RemoveApplication(id(2))]);
    assert_eq!(world.refusal(&token()).await, (403, "900908".to_owned()));
}

#[tokio::test]
async fn any_one_of_the_resource_scopes_is_enough() {
    let world = World::start().await;
    let path = "/exampleapi/1.0.0/scoped";
    for (claim, value) in [
        ("roles", json!(["Orders.Read"])),
        ("scp", json!("profile Orders.All")),
        ("roles", json!("Orders.Read")),
    ] {
        let token = signed(&FIRST, &with(claims(), claim, value));
        assert_eq!(world.get(path, &token).await.status, 200);
    }
    for (claim, value) in [
        ("roles", json!(["Orders"])),
        ("scp", json!("Orders.Read.All")),
        ("scope", json!("Orders.Read")),
    ] {
        let answer = world
            .get(path, &signed(&FIRST, &with(claims(), claim, value)))
            .await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (403, "900910")
        );
        assert_eq!(
            answer.header("www-authenticate"),
            r#"Bearer realm="Claviger", error="insufficient_scope", scope="Orders.Read Orders.All""#
        );
    }
}

#[tokio::test]
async fn a_request_without_credential_is_told_what_is_missing() {
    let world = World::start().await;
    let request = Request::get("/exampleapi/1.0.0/items")
        .body(full(""))
        .expect("a request");
    let answer = world.send(request).await;
    assert_eq!(answer.status, 401);
    assert_eq!(
        answer.header("www-authenticate"),
        r#"Bearer realm="Claviger""#
    );
    assert_eq!(
        answer.json(),
        json!({
            "code": "900902",
            "message": "Missing Credentials",
            "description": "Access failure for API: /exampleapi/1.0.0, version: 1.0.0 status: (900902) - Missing Credentials. Make sure your API invocation call has a header: 'Authorization : Bearer ACCESS_TOKEN'.",
        })
    );
}

#[tokio::test]
async fn an_open_resource_needs_no_credential_and_passes_none_on() {
    let world = World::start().await;
    let request = Request::get("/exampleapi/1.0.0/open")
        .header("authorization", "Bearer whatever")
        .body(full(""))
        .expect("a request");
    assert_eq!(world.send(request).await.status, 200);
    let received = world.received.lock().expect("a lock");
    assert!(!received[0].headers.contains_key("authorization"));
}

#[tokio::test]
async fn an_api_without_plans_takes_any_valid_token() {
    let world = World::start().await;
    world.change_api(|api| api.subscription_required = false);
    world.change(vec![
        SnapshotChange::RemoveSubscription(id(4)),
        SnapshotChange::RemoveKeyMapping(id(3)),
    ]);
    world.passes(&token()).await;
    assert_eq!(world.refusal("a.b.c").await.0, 401);
}

#[tokio::test]
async fn the_credential_stands_in_the_header_that_the_api_names() {
    let world = World::start().await;
    world.change_api(|api| api.authorization_header = "x-api-token".to_owned());
    let answer = world.call(&token()).await;
    assert_eq!(answer.code(), "900902");
    assert!(
        answer
            .text()
            .contains("'X-Api-Token : Bearer ACCESS_TOKEN'")
    );
    let request = Request::get("/exampleapi/1.0.0/items?x=1")
        .header("x-api-token", format!("Bearer {}", token()))
        .header("authorization", "Basic for-the-upstream")
        .body(full(""))
        .expect("a request");
    assert_eq!(world.send(request).await.status, 200);
    {
        let received = world.received.lock().expect("a lock");
        assert!(!received[0].headers.contains_key("x-api-token"));
        assert!(received[0].headers.contains_key("authorization"));
    }
    assert_eq!(world.reason(&token()).await, "accepted");
}

#[tokio::test]
async fn unknown_paths_and_verbs_are_answered_as_such() {
    let world = World::start().await;
    world.change_api(|api| {
        api.operations = vec![
            operation(Verb::Get, "/orders/{id}", &[]),
            operation(Verb::Put, "/orders/{id}", &[]),
        ];
    });
    let answer = world.get("/nowhere/1.0.0/x", &token()).await;
    assert_eq!(answer.status, 404);
    assert_eq!(
        answer.json(),
        json!({"code": "404", "type": "Status report", "message": "Not Found", "description": "The requested resource is not available."})
    );
    assert_eq!(
        world.get("/exampleapi/1.0.0/orders", &token()).await.status,
        404
    );
    assert_eq!(
        world
            .get("/exampleapi/2.0.0/orders/1", &token())
            .await
            .status,
        404
    );
    let request = Request::delete("/exampleapi/1.0.0/orders/7")
        .body(full(""))
        .expect("a request");
    let answer = world.send(request).await;
    assert_eq!(answer.status, 405);
    assert_eq!(answer.header("allow"), "GET, PUT");
    assert_eq!(
        world
            .get("/exampleapi/1.0.0/orders/%2e%2e", &token())
            .await
            .status,
        400
    );
    assert_eq!(
        world
            .get("/exampleapi/1.0.0/orders/1", &token())
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn a_default_version_answers_without_a_version_in_the_path() {
    let world = World::start().await;
    assert_eq!(world.get("/exampleapi/items", &token()).await.status, 404);
    world.change_api(|api| api.is_default_version = true);
    assert_eq!(
        world.get("/exampleapi/items", &token()).await.text(),
        "GET /backend/items 0"
    );
    assert_eq!(
        world.get("/exampleapi/1.0.0/items", &token()).await.text(),
        "GET /backend/items 0"
    );
    world.change_api(|_| {});
    assert_eq!(world.get("/exampleapi/items", &token()).await.status, 404);
}

#[tokio::test]
async fn a_blocked_api_says_so_and_an_unlisted_key_manager_is_a_bad_credential() {
    let world = World::start().await;
    world.change_api(|api| api.blocked = true);
    let answer = world.call(&token()).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (503, "700700")
    );
    world.change_api(|api| api.key_managers = KeyManagerSelection::Only(vec!["Other".to_owned()]));
    assert_eq!(world.refusal(&token()).await, (401, "900901".to_owned()));
    world.change_api(|api| api.key_managers = KeyManagerSelection::Only(Vec::new()));
    assert_eq!(world.refusal(&token()).await, (401, "900901".to_owned()));
}

#[tokio::test]
async fn a_difference_out_of_order_is_refused_and_a_whole_replaces_everything() {
    let world = World::start().await;
    let stale = SnapshotUpdate {
        base: Some(SnapshotRevision(7)),
        revision: SnapshotRevision(8),
        changes: vec![SnapshotChange::RemoveApi(id(1))],
    };
    let refused = world.gateway.apply(stale).expect_err("out of order");
    assert_eq!(
        (refused.held, refused.base),
        (SnapshotRevision(0), SnapshotRevision(7))
    );
    world.passes(&token()).await;

    let empty = SnapshotUpdate {
        base: None,
        revision: SnapshotRevision(9),
        changes: Vec::new(),
    };
    world.gateway.apply(empty).expect("a whole");
    assert_eq!(world.call(&token()).await.status, 404);
    let status = world.gateway.status();
    assert_eq!(
        (status.apis, status.subscriptions, status.revision),
        (0, 0, SnapshotRevision(9))
    );
}
