//! Nodes over one PostgreSQL: two of them, one that dies, and a database that is out of reach.

use reqwest::Method;
use serde_json::Value;

use crate::claviger::{Claviger, Portal, SOON};
use crate::polling::eventually;
use crate::postgres;
use crate::scene::{Scene, settings_for};
use crate::severable::Severable;

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
    let path = format!(
        "/subscriptions/block-subscription?subscriptionId={subscription}&blockState=BLOCKED"
    );
    one.call(Portal::Publisher, Method::POST, &path, Value::Null)
        .await
        .expect(200);
    for node in [&two, one] {
        let refused = node.until_answered(401, &tokens[0]).await;
        assert_eq!(refused.json["code"], "900907", "{}", refused.text);
    }
    let path = format!("/subscriptions/unblock-subscription?subscriptionId={subscription}");
    two.call(Portal::Publisher, Method::POST, &path, Value::Null)
        .await
        .expect(200);
    for node in [one, &two] {
        node.until_answered(200, &tokens[0]).await;
    }
    let path = format!("/subscriptions/{subscription}");
    let deleted = two
        .call(Portal::Developer, Method::DELETE, &path, Value::Null)
        .await;
    assert!(deleted.status < 300, "{} {}", deleted.status, deleted.text);
    one.until_answered(403, &tokens[0]).await;

    // Pressed at both nodes at once: one client, and one of the two is told so.
    let twice = scene.subscribed("pressed twice").await;
    let (left, right) = tokio::join!(one.generate_keys(&twice), two.generate_keys(&twice));
    let mut statuses = [
        left.expect("an answer").status,
        right.expect("an answer").status,
    ];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
    let keys = two.until_keys_are("COMPLETED", &twice, SOON).await;
    scene.has_exactly_one_client(&keys).await;

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_go_on_while_the_database_is_out_of_reach() {
    let Some(database) = postgres::new_database("severed") else {
        return;
    };
    let (host, port) = postgres::address(&database);
    let line = Severable::start(&format!("{host}:{port}")).await;
    let through_line = database.replace(&format!("{host}:{port}"), &line.address);
    let scene = Scene::set_with(&[("CLAVIGER_DATABASE_URL", through_line)]).await;
    let claviger = &scene.claviger;
    let application = scene.subscribed("independent").await;
    let (_, client) = claviger.generated_keys(&application).await;
    let used = scene.entra.token(&client).await;
    let unused = scene.entra.token(&client).await;
    claviger.until_answered(200, &used).await;

    line.sever();
    for token in [&used, &unused] {
        let reply = claviger.call_api("/forecast/Jaffna", token).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
    }
    let refused = claviger.get(Portal::Developer, "/applications").await;
    assert!(refused.status >= 500, "{}", refused.text);
    for telling in ["postgres", &database, "sqlx", &line.address] {
        assert!(!refused.text.contains(telling), "{}", refused.text);
    }
    let reply = claviger.call_api("/forecast/Jaffna", &used).await;
    assert_eq!(reply.status, 200, "{}", reply.text);

    line.mend();
    eventually("the portal answers again", SOON, async || {
        let listed = claviger.get(Portal::Developer, "/applications").await;
        (listed.status == 200).then_some(())
    })
    .await;
    let later = scene.subscribed("after the outage").await;
    let (_, other) = claviger.generated_keys(&later).await;
    let token = scene.entra.token(&other).await;
    claviger.until_answered(200, &token).await;
    scene.kept_its_secrets(&[&client, &other], &[&used, &unused, &token]);
}
