//! Two nodes over one PostgreSQL.

use reqwest::Method;
use serde_json::Value;

use crate::claviger::{Claviger, Portal};
use crate::postgres;
use crate::scene::{Scene, settings_for};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_at_one_node_counts_at_the_others_gateway_and_jobs_run_once() {
    let Some(database) = postgres::new_database("cluster") else {
        return;
    };
    let shared = [
        ("CLAVIGER_DATABASE_URL", database),
        ("CLAVIGER_SEALING_KEY", "c1a51e7e".repeat(8)),
    ];
    let scene = Scene::set_with(&shared).await;
    let one = &scene.claviger;
    let mut settings = settings_for(&scene.entra);
    settings.extend_from_slice(&shared);
    let mut two = Claviger::start(&scene.entra.http, &settings);
    assert!(
        two.first_passwords().is_empty(),
        "the users are there already"
    );
    two.knows(one);

    // Generated at either node, side by side: each job is one node's.
    let mut applications = Vec::new();
    let mut requests = Vec::new();
    for number in 0..6 {
        let application = scene.subscribed(&format!("application {number}")).await;
        let node = if number % 2 == 0 { one } else { &two };
        requests.push(tokio::spawn(node.generate_keys(&application)));
        applications.push(application);
    }
    let mut tokens = Vec::new();
    for (request, application) in requests.into_iter().zip(&applications) {
        let reply = request
            .await
            .expect("a task")
            .expect("an answer")
            .expect(200);
        assert_eq!(reply.json["keyState"], "COMPLETED", "{}", reply.text);
        let keys = one.keys(application).await.expect("keys");
        scene.has_exactly_one_client(&keys).await;
        let mapping = reply.text_at("/keyMappingId");
        // Sealed by one node, opened by the other.
        tokens.push(two.generate_token(application, &mapping).await);
    }
    assert_eq!(
        scene.entra.made_by_claviger().await.len(),
        applications.len()
    );
    let jobs = one.get(Portal::Admin, "/jobs?limit=100").await.expect(200);
    let creations: Vec<_> = jobs
        .list_at("/list")
        .iter()
        .filter(|job| job["kind"] == "create_client")
        .collect();
    assert_eq!(creations.len(), applications.len());
    for job in creations {
        assert_eq!(
            (&job["state"], &job["attempts"]),
            (&"succeeded".into(), &1.into()),
            "{job}"
        );
    }
    for token in &tokens {
        one.until_answered(200, token).await;
        two.until_answered(200, token).await;
    }

    // Forth and back: what one node withdraws, the other's gateway refuses.
    let path = format!("/subscriptions?applicationId={}", applications[0]);
    let listed = two.get(Portal::Developer, &path).await.expect(200);
    let subscription = listed.text_at("/list/0/subscriptionId");
    for (block, status) in [("block-subscription", 403), ("unblock-subscription", 200)] {
        let state = if status == 403 {
            "&blockState=BLOCKED"
        } else {
            ""
        };
        let path = format!("/subscriptions/{block}?subscriptionId={subscription}{state}");
        one.call(Portal::Publisher, Method::POST, &path, Value::Null)
            .await
            .expect(200);
        two.until_answered(status, &tokens[0]).await;
        one.until_answered(status, &tokens[0]).await;
    }
    let path = format!("/subscriptions/{subscription}");
    let deleted = two
        .call(Portal::Developer, Method::DELETE, &path, Value::Null)
        .await;
    assert!(deleted.status < 300, "{} {}", deleted.status, deleted.text);
    one.until_answered(403, &tokens[0]).await;

    // One node dies: the other does not notice.
    two.kill();
    let application = scene.subscribed("after the loss").await;
    let (_, client) = one.generated_keys(&application).await;
    let token = scene.entra.token(&client).await;
    one.until_answered(200, &token).await;
    let mut all: Vec<_> = tokens.iter().map(String::as_str).collect();
    all.push(&token);
    scene.kept_its_secrets(&[&client], &all);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_surviving_node_finishes_what_a_killed_one_began() {
    let Some(database) = postgres::new_database("takeover") else {
        return;
    };
    let shared = [
        ("CLAVIGER_DATABASE_URL", database),
        ("CLAVIGER_SEALING_KEY", "7a7e0ff5".repeat(8)),
    ];
    let mut scene = Scene::set_with(&shared).await;
    let application = scene.subscribed("orphaned").await;
    let fault = scene
        .entra
        .add_fault(serde_json::json!({
            "method": "POST", "path": "/v1.0/applications/*/addPassword", "count": 1,
            "action": { "type": "delay", "milliseconds": 120_000 }
        }))
        .await;
    let request = tokio::spawn(scene.claviger.generate_keys(&application));
    scene.entra.until_fault_acts(&fault).await;
    let mut settings = settings_for(&scene.entra);
    settings.extend_from_slice(&shared);
    let mut survivor = Claviger::start(&scene.entra.http, &settings);
    survivor.knows(&scene.claviger);
    scene.claviger.kill();
    assert!(request.await.expect("a task").is_err());
    let limit = std::time::Duration::from_secs(100);
    let keys = survivor
        .until_keys_are("COMPLETED", &application, limit)
        .await;
    scene.has_exactly_one_client(&keys).await;
    let mapping = keys["keyMappingId"].as_str().expect("an id");
    let token = survivor.generate_token(&application, mapping).await;
    survivor.until_answered(200, &token).await;
}
