//! What is visible when, under delays and a controlled clock.

use emulator::{Delay, ReplicationDelays, TokenServiceDelays};
use jiff::SignedDuration;
use serde_json::json;

use crate::laboratory::{Laboratory, configuration};

async fn delayed(replication: ReplicationDelays) -> Laboratory {
    let laboratory = Laboratory::with(configuration()).await;
    laboratory.running.clock().freeze();
    let body = serde_json::to_value(&replication).unwrap();
    laboratory
        .control(reqwest::Method::PUT, "/replication", Some(body))
        .await
        .expect(204);
    laboratory
}

fn wait(laboratory: &Laboratory, seconds: i64) {
    laboratory
        .running
        .clock()
        .advance(SignedDuration::from_secs(seconds));
}

#[tokio::test]
async fn a_new_application_must_be_polled_for() {
    let laboratory = delayed(ReplicationDelays {
        create: Delay::fixed(4000),
        ..ReplicationDelays::default()
    })
    .await;
    let created = laboratory.application("late").await;
    let (id, app_id) = (
        created["id"].as_str().unwrap(),
        created["appId"].as_str().unwrap(),
    );
    let target = format!("/applications/{id}");
    laboratory.get(&target).await.refuses(
        404,
        "Request_ResourceNotFound",
        "does not exist or one of its queried",
    );
    laboratory
        .patch(&target, json!({ "notes": "n" }))
        .await
        .expect(404);
    laboratory
        .post(&format!("{target}/addPassword"), json!({}))
        .await
        .expect(404);
    let refused = laboratory
        .post("/servicePrincipals", json!({ "appId": app_id }))
        .await
        .refuses(
            400,
            "Request_BadRequest",
            "does not reference a valid application object.",
        );
    assert_eq!(
        refused.body["error"]["details"][0]["code"],
        "NoBackingApplicationObject"
    );
    wait(&laboratory, 4);
    laboratory.get(&target).await.expect(200);
    laboratory
        .post("/servicePrincipals", json!({ "appId": app_id }))
        .await
        .expect(201);
}

#[tokio::test]
async fn the_same_lag_has_another_text_for_an_owning_application() {
    let laboratory = Laboratory::start().await;
    let caller = laboratory.caller(&["Application.ReadWrite.OwnedBy"]).await;
    laboratory.running.clock().freeze();
    let delays = json!({ "create": 4000 });
    laboratory
        .control(reqwest::Method::PUT, "/replication", Some(delays))
        .await
        .expect(204);
    let post = |target: &'static str, body| {
        laboratory.call_with(&caller, reqwest::Method::POST, target, &[], Some(body))
    };
    let app_id = post("/applications", json!({ "displayName": "x" }))
        .await
        .expect(201)
        .text("/appId");
    post("/servicePrincipals", json!({ "appId": app_id })).await.refuses(
        403,
        "Authorization_RequestDenied",
        "When using this permission, the backing application of the service principal being created must in the local tenant",
    );
}

#[tokio::test]
async fn updates_and_deletions_are_seen_late_too() {
    let laboratory = delayed(ReplicationDelays {
        update: Delay::fixed(2000),
        delete: Delay::fixed(3000),
        list: Delay::fixed(5000),
        ..ReplicationDelays::default()
    })
    .await;
    let created = laboratory.application("v1").await;
    let target = format!("/applications/{}", created["id"].as_str().unwrap());
    let listed = "/applications?$filter=displayName eq 'v1'";
    assert_eq!(laboratory.get(listed).await.body["value"], json!([]));
    laboratory
        .patch(&target, json!({ "displayName": "v2" }))
        .await
        .expect(204);
    assert_eq!(laboratory.get(&target).await.text("/displayName"), "v1");
    wait(&laboratory, 2);
    assert_eq!(laboratory.get(&target).await.text("/displayName"), "v2");
    laboratory.delete(&target).await.expect(204);
    laboratory.get(&target).await.expect(200);
    laboratory.delete(&target).await.expect(404);
    wait(&laboratory, 3);
    laboratory.get(&target).await.expect(404);
    wait(&laboratory, 60);
    laboratory.application("sweeps").await;
    laboratory.get(&target).await.expect(404);
}

#[tokio::test]
async fn reads_flap_between_replicas_and_the_seed_repeats_them() {
    let flapping = async || {
        let laboratory = delayed(ReplicationDelays {
            replicas: 4,
            create: Delay::between(0, 10_000),
            ..ReplicationDelays::default()
        })
        .await;
        let created = laboratory.application("flaps").await;
        wait(&laboratory, 5);
        let target = format!("/applications/{}", created["id"].as_str().unwrap());
        let mut seen = Vec::new();
        for _ in 0..24 {
            seen.push(laboratory.get(&target).await.status.as_u16());
        }
        wait(&laboratory, 6);
        for _ in 0..8 {
            laboratory.get(&target).await.expect(200);
        }
        seen
    };
    let first = flapping().await;
    assert_eq!(first, flapping().await);
    assert!(first.contains(&200) && first.contains(&404), "{first:?}");
}

#[tokio::test]
async fn the_token_service_learns_of_each_part_at_its_own_time() {
    let laboratory = delayed(ReplicationDelays {
        token_service: TokenServiceDelays {
            application: Delay::fixed(2000),
            credential: Delay::fixed(4000),
            service_principal: Delay::fixed(6000),
            uri: Delay::fixed(8000),
            role: Delay::NONE,
        },
        ..ReplicationDelays::default()
    })
    .await;
    let body = json!({ "displayName": "x", "passwordCredentials": [{}] });
    let created = laboratory.post("/applications", body).await.expect(201);
    let app_id = created.text("/appId");
    let uri = format!("api://{app_id}");
    laboratory
        .patch(
            &format!("/applications/{}", created.text("/id")),
            json!({ "identifierUris": [uri] }),
        )
        .await
        .expect(204);
    laboratory
        .post("/servicePrincipals", json!({ "appId": app_id }))
        .await
        .expect(201);
    let secret = created.text("/passwordCredentials/0/secretText");
    let mut codes = Vec::new();
    for _ in 0..5 {
        let reply = laboratory
            .token(&app_id, &secret, &format!("{uri}/.default"))
            .await;
        codes.push(reply.body["error_codes"][0].as_i64().unwrap_or(200));
        wait(&laboratory, 2);
    }
    // A secret that has not arrived looks wrong or expired, as at Entra.
    let secret_lag = codes.remove(1);
    assert!([7_000_215, 7_000_222].contains(&secret_lag), "{secret_lag}");
    assert_eq!(codes, [700_016, 7_000_229, 500_011, 200]);
}

#[tokio::test]
async fn search_is_slower_than_filters() {
    let laboratory = delayed(ReplicationDelays {
        search: Delay::fixed(30_000),
        ..ReplicationDelays::default()
    })
    .await;
    laboratory.application("findable").await;
    let filter = "/applications?$filter=displayName eq 'findable'";
    let search = "/applications?$search=\"displayName:findable\"";
    let found = |body: &serde_json::Value| body["value"].as_array().map_or(0, Vec::len);
    assert_eq!(found(&laboratory.get(filter).await.body), 1);
    assert_eq!(found(&laboratory.advanced(search).await.body), 0);
    wait(&laboratory, 30);
    assert_eq!(found(&laboratory.advanced(search).await.body), 1);
}
