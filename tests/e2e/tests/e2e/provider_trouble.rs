//! Entra refuses, throttles, or is away: what the developer sees, and what is left behind.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::claviger::{Claviger, Portal};
use crate::polling::eventually;
use crate::scene::Scene;

const UNDONE: Duration = Duration::from_mins(1);
const REQUEST_ID: &str = "8ad5cf0e-35b6-4a2f-9d6c-0b8e6d1c2f4a";
const POLICY_CODE: &str = "CredentialTypeNotAllowedAsPerAppPolicy";
const POLICY_MESSAGE: &str = "Credential type not allowed as per assigned policy 'f8c1'.";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_permanent_refusal_is_shown_in_entras_words_and_leaves_nothing_behind() {
    let scene = Scene::set().await;
    let (entra, claviger) = (&scene.entra, &scene.claviger);
    let application = scene.subscribed("against the policy").await;
    entra
        .add_fault(json!({
            "method": "POST",
            "path": "/v1.0/applications/*/addPassword",
            "action": { "type": "respond", "status": 400, "body": { "error": {
                "code": POLICY_CODE,
                "message": POLICY_MESSAGE,
                "innerError": { "date": "2026-01-01T00:00:00", "request-id": REQUEST_ID, "client-request-id": REQUEST_ID }
            } } }
        }))
        .await;

    let refused = claviger
        .generate_keys(&application)
        .await
        .expect("an answer");
    assert!((400..=500).contains(&refused.status), "{}", refused.text);
    let told = &refused.json["error"][0];
    assert_eq!(told["code"], POLICY_CODE, "{}", refused.text);
    assert_eq!(told["message"], POLICY_MESSAGE);
    assert_eq!(told["description"], REQUEST_ID);

    let keys = claviger
        .until_keys_are("FAILED", &application, UNDONE)
        .await;
    let failure = keys["failure"].as_str().expect("a reason");
    for part in [POLICY_CODE, POLICY_MESSAGE, REQUEST_ID] {
        assert!(failure.contains(part), "{part} is missing: {failure}");
    }
    let client_ids: Vec<_> = keys["consumerKey"]
        .as_str()
        .map(str::to_owned)
        .into_iter()
        .collect();
    eventually("nothing is left in Entra", UNDONE, async || {
        entra.remains(&client_ids).await.is_empty().then_some(())
    })
    .await;

    entra.clear_faults().await;
    let (mapping, client) = claviger.generated_keys(&application).await;
    let token = entra.token(&client).await;
    claviger.until_answered(200, &token).await;
    scene.read_everything(&application, &mapping).await;
    let keys = claviger.keys(&application).await.expect("keys");
    assert!(keys["failure"].is_null(), "{keys}");
    scene.has_exactly_one_client(&keys).await;
    assert_eq!(entra.made_by_claviger().await.len(), 1);
    scene.kept_its_secrets(&[&client], &[&token]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn throttling_is_obeyed_and_the_keys_come_all_the_same() {
    let scene = Scene::set().await;
    let (entra, claviger) = (&scene.entra, &scene.claviger);
    let application = scene.subscribed("in a busy tenant").await;
    let paths = [
        (
            "PATCH",
            "/v1.0/applications(uniqueName=*",
            "/v1.0/applications(uniqueName",
            2,
        ),
        (
            "POST",
            "/v1.0/servicePrincipals",
            "/v1.0/servicePrincipals",
            3,
        ),
        (
            "POST",
            "/v1.0/applications/*/addPassword",
            "/addPassword",
            1,
        ),
    ];
    for (method, path, _, seconds) in paths {
        entra
            .add_fault(json!({
                "method": method, "path": path, "count": 1,
                "action": { "type": "respond", "status": 429, "retryAfter": seconds.to_string(), "body": { "error": {
                    "code": "TooManyRequests", "message": "Too many requests."
                } } }
            }))
            .await;
    }
    let (_, client) = claviger.generated_keys(&application).await;
    for (method, _, target, seconds) in paths {
        let attempts = entra
            .recorded(&format!("method={method}&target={target}"))
            .await;
        let throttled = attempts
            .iter()
            .position(|attempt| attempt["status"] == 429)
            .expect("it was throttled");
        let next = attempts.get(throttled + 1).expect("it was tried again");
        let waited = microseconds(&next["time"]) - microseconds(&attempts[throttled]["time"]);
        assert!(
            waited >= seconds * 1_000_000,
            "{target}: came back after {waited} µs"
        );
    }
    let token = entra.token(&client).await;
    claviger.until_answered(200, &token).await;
    let keys = claviger.keys(&application).await.expect("keys");
    scene.has_exactly_one_client(&keys).await;
    scene.kept_its_secrets(&[&client], &[&token]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_go_on_while_entra_is_down_even_after_a_restart() {
    let patience = [("CLAVIGER_CONTROL_REQUEST_PATIENCE_SECONDS", "1".to_owned())];
    let mut scene = Scene::set_with(&patience).await;
    let application = scene.subscribed("always on").await;
    let first = scene
        .claviger
        .generate_keys(&application)
        .await
        .expect("an answer");
    assert_eq!(first.status, 200, "{}", first.text);
    let keys = scene
        .claviger
        .until_keys_are("COMPLETED", &application, UNDONE)
        .await;
    let mapping = keys["keyMappingId"].as_str().expect("an id").to_owned();
    let used = scene.claviger.generate_token(&application, &mapping).await;
    let unused = scene.claviger.generate_token(&application, &mapping).await;
    scene.claviger.until_answered(200, &used).await;

    scene.entra.go_down();
    scene.claviger.until_answered(200, &used).await;
    let reply = scene.claviger.call_api("/forecast/Galle", &unused).await;
    assert_eq!(
        reply.status, 200,
        "a token that was not seen before: {}",
        reply.text
    );

    let later = scene.subscribed("made during the outage").await;
    let asked = scene
        .claviger
        .generate_keys(&later)
        .await
        .expect("an answer")
        .expect(200);
    assert_eq!(asked.json["keyState"], "CREATED", "{}", asked.text);

    scene.claviger.kill();
    scene.claviger.run();
    scene.claviger.until_answered(200, &used).await;
    scene.claviger.until_answered(200, &unused).await;
    let forged = format!("{}AAAA", &used[..used.len() - 4]);
    let reply = scene.claviger.call_api("/forecast/Galle", &forged).await;
    assert_eq!(reply.status, 401, "{}", reply.text);
    assert_eq!(reply.json["code"], "900901");
    let listed = scene.claviger.get(Portal::Developer, "/applications").await;
    assert_eq!(
        listed.status, 200,
        "the portal needs no Entra: {}",
        listed.text
    );

    scene.entra.come_back();
    scene
        .claviger
        .until_keys_are("COMPLETED", &later, Duration::from_mins(2))
        .await;
    scene.kept_its_secrets(&[], &[&used, &unused]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_deleted_while_its_keys_are_made_leaves_nothing_behind() {
    let scene = Scene::set().await;
    let (entra, claviger) = (&scene.entra, &scene.claviger);
    for (name, method, path) in [
        ("deleted early", "PATCH", "/v1.0/applications(uniqueName=*"),
        ("deleted late", "POST", "/v1.0/applications/*/addPassword"),
    ] {
        let application = scene.subscribed(name).await;
        let fault = entra
            .add_fault(json!({
                "method": method, "path": path, "count": 1,
                "action": { "type": "delay", "milliseconds": 3_000 }
            }))
            .await;
        let generating = tokio::spawn(claviger.generate_keys(&application));
        entra.until_fault_acts(&fault).await;
        let path = format!("/applications/{application}");
        let deleted = claviger
            .call(Portal::Developer, Method::DELETE, &path, Value::Null)
            .await;
        assert!(
            matches!(deleted.status, 200 | 202),
            "{} {}",
            deleted.status,
            deleted.text
        );
        let generated = generating.await.expect("a task").expect("an answer");
        // Whoever pressed the button is not told that it went well.
        assert!(
            generated.json["consumerSecret"].is_null(),
            "{name}: {}",
            generated.text
        );
        assert_ne!(
            generated.json["keyState"], "COMPLETED",
            "{name}: {}",
            generated.text
        );
        until_gone(claviger, &application).await;
        let remains = entra.remains(&[]).await;
        assert!(remains.is_empty(), "{name}: {remains:?}");
        entra.clear_faults().await;
    }
    scene.kept_its_secrets(&[], &[]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_deleted_during_an_outage_goes_when_entra_is_back() {
    let patience = [("CLAVIGER_CONTROL_REQUEST_PATIENCE_SECONDS", "1".to_owned())];
    let mut scene = Scene::set_with(&patience).await;
    let application = scene.subscribed("on its way out").await;
    scene
        .claviger
        .generate_keys(&application)
        .await
        .expect("an answer")
        .expect(200);
    let keys = scene
        .claviger
        .until_keys_are("COMPLETED", &application, UNDONE)
        .await;
    let client_id = keys["consumerKey"].as_str().expect("an id").to_owned();
    let mapping = keys["keyMappingId"].as_str().expect("an id");
    let token = scene.claviger.generate_token(&application, mapping).await;
    scene.claviger.until_answered(200, &token).await;

    scene.entra.go_down();
    let path = format!("/applications/{application}");
    let deleted = scene
        .claviger
        .call(Portal::Developer, Method::DELETE, &path, Value::Null)
        .await;
    assert_eq!(deleted.status, 202, "{}", deleted.text);
    // The gateway does not wait for Entra: the application is over.
    let refused = scene.claviger.until_answered(403, &token).await;
    assert_eq!(refused.json["code"], "900908", "{}", refused.text);
    scene.claviger.kill();
    scene.claviger.run();
    scene.claviger.until_answered(403, &token).await;

    scene.entra.come_back();
    until_gone(&scene.claviger, &application).await;
    let remains = scene.entra.remains(&[client_id]).await;
    assert!(remains.is_empty(), "{remains:?}");
}

async fn until_gone(claviger: &Claviger, application: &str) {
    eventually(
        "the application is gone",
        Duration::from_mins(2),
        async || {
            let path = format!("/applications/{application}");
            let reply = claviger.get(Portal::Developer, &path).await;
            (reply.status == 404).then_some(())
        },
    )
    .await;
}

/// Of an RFC 3339 instant, since midnight: tests do not run for a day.
fn microseconds(instant: &Value) -> i64 {
    let text = instant.as_str().expect("an instant");
    let (_, time) = text.trim_end_matches('Z').split_once('T').expect("a time");
    let mut parts = time
        .split(':')
        .map(|part| part.parse::<f64>().expect("a number"));
    let mut next = || parts.next().expect("three parts");
    let seconds = (next() * 60.0 + next()) * 60.0 + next();
    #[expect(clippy::cast_possible_truncation, reason = "at most a day")]
    let microseconds = (seconds * 1e6) as i64;
    microseconds
}
