//! The control API: clock, faults, audit, export, tenants, keys.

use reqwest::Method;
use serde_json::{Value, json};

use crate::laboratory::{Caller, Laboratory};

#[tokio::test]
async fn a_fault_answers_instead_of_graph_and_says_when_to_retry() {
    let laboratory = Laboratory::start().await;
    let rule = json!({ "method": "POST", "path": "/v1.0/applications", "count": 1,
        "action": { "type": "respond", "status": 503, "retryAfter": "2.128", "body": "<html>busy</html>" } });
    laboratory
        .control(Method::POST, "/faults", Some(rule))
        .await
        .expect(201);
    let reply = laboratory
        .post("/applications", json!({ "displayName": "x" }))
        .await
        .expect(503);
    assert_eq!(reply.headers["retry-after"], "2.128");
    assert_eq!(reply.body, "<html>busy</html>");
    laboratory
        .post("/applications", json!({ "displayName": "x" }))
        .await
        .expect(201);
    let rules = laboratory
        .control(Method::GET, "/faults", None)
        .await
        .expect(200);
    assert_eq!(rules.body[0]["hits"], 1);
    laboratory
        .control(Method::DELETE, "/faults", None)
        .await
        .expect(204);
}

#[tokio::test]
async fn a_connection_cut_after_the_effect_leaves_the_effect() {
    let laboratory = Laboratory::start().await;
    let url = format!("{}/v1.0/applications", laboratory.running.base_url());
    let post = |name: &str| {
        let body = json!({ "displayName": name });
        laboratory
            .http
            .post(&url)
            .bearer_auth(&laboratory.administrator.token)
            .json(&body)
            .send()
    };
    for (action, name, remains) in [
        ("cutAfterEffect", "after", 1),
        ("cutBeforeEffect", "before", 0),
    ] {
        let rule =
            json!({ "method": "POST", "path": "/v1.0/applications", "action": { "type": action } });
        laboratory
            .control(Method::POST, "/faults", Some(rule))
            .await
            .expect(201);
        assert!(post(name).await.is_err(), "{action}");
        laboratory
            .control(Method::DELETE, "/faults", None)
            .await
            .expect(204);
        let found = laboratory
            .get(&format!("/applications?$filter=displayName eq '{name}'"))
            .await
            .expect(200);
        assert_eq!(
            found.body["value"].as_array().unwrap().len(),
            remains,
            "{action}"
        );
    }
    let audit = laboratory
        .control(
            Method::GET,
            "/audit?method=POST&target=/applications&effects=true",
            None,
        )
        .await;
    assert_eq!(audit.body.as_array().unwrap().len(), 1);
    assert!(audit.body[0]["fault"].is_string());
}

#[tokio::test]
async fn faults_apply_to_the_token_service_by_caller() {
    let laboratory = Laboratory::start().await;
    let caller = laboratory.caller(&[]).await;
    let rule = json!({ "path": "*/token", "callerAppId": caller.app_id,
        "action": { "type": "respond", "status": 500, "body": { "error": "x" } } });
    laboratory
        .control(Method::POST, "/faults", Some(rule))
        .await
        .expect(201);
    laboratory
        .token(
            &caller.app_id,
            "any",
            "https://graph.microsoft.com/.default",
        )
        .await
        .expect(500);
    let (id, secret) = {
        let administrator = laboratory.running.administrator();
        (
            administrator.client_id.to_string(),
            administrator.expose_secret().to_owned(),
        )
    };
    laboratory
        .token(&id, &secret, "https://graph.microsoft.com/.default")
        .await
        .expect(200);
}

#[tokio::test]
async fn the_audit_tells_who_made_what_without_secrets() {
    let laboratory = Laboratory::start().await;
    let id = laboratory.application("audited").await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let secret = laboratory
        .post(&format!("/applications/{id}/addPassword"), json!({}))
        .await
        .text("/secretText");
    let found = laboratory
        .control(Method::GET, &format!("/audit?objectId={id}"), None)
        .await
        .expect(200);
    let entries = found.body.as_array().unwrap();
    assert_eq!(entries.len(), 2);
    assert_eq!(
        entries[0]["effects"][0],
        json!({ "effect": "created", "kind": "application", "id": id })
    );
    assert_eq!(entries[1]["effects"][0]["effect"], "updated");
    assert_eq!(entries[0]["callerAppId"], laboratory.administrator.app_id);
    assert_eq!(entries[0]["status"], 201);
    assert!(!found.body.to_string().contains(&secret));
}

#[tokio::test]
async fn the_clock_is_set_and_advanced() {
    let laboratory = Laboratory::start().await;
    laboratory
        .control(Method::POST, "/clock/freeze", Some(json!({})))
        .await
        .expect(200);
    let set = json!({ "now": "2030-01-01T00:00:00Z" });
    laboratory
        .control(Method::PUT, "/clock", Some(set))
        .await
        .expect(200);
    let advanced = laboratory
        .control(
            Method::POST,
            "/clock/advance",
            Some(json!({ "seconds": 60 })),
        )
        .await
        .expect(200);
    assert_eq!(
        advanced.body,
        json!({ "now": "2030-01-01T00:01:00Z", "frozen": true })
    );
    laboratory
        .control(
            Method::POST,
            "/clock/advance",
            Some(json!({ "seconds": -1 })),
        )
        .await
        .expect(400);
    laboratory
        .control(
            Method::POST,
            "/clock/advance",
            Some(json!({ "minutes": 1 })),
        )
        .await
        .expect(422);
}

#[tokio::test]
async fn a_directory_moves_by_export_and_import() {
    let laboratory = Laboratory::start().await;
    let id = laboratory.application("moves").await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let export = laboratory
        .control(Method::GET, "/export", None)
        .await
        .expect(200)
        .body;
    let other = Laboratory::with(emulator::EmulatorConfig {
        seed: Some(43),
        ..crate::laboratory::configuration()
    })
    .await;
    other
        .control(Method::POST, "/import", Some(export.clone()))
        .await
        .expect(200);
    let objects = other
        .control(Method::GET, "/objects?kind=application", None)
        .await
        .expect(200);
    assert!(
        objects
            .body
            .as_array()
            .unwrap()
            .iter()
            .any(|one| one["object"]["id"] == id)
    );
    other
        .control(
            Method::POST,
            "/import",
            Some(json!([{ "kind": "nonsense" }])),
        )
        .await
        .expect(422);
}

#[tokio::test]
async fn a_second_tenant_is_apart_from_the_first() {
    let laboratory = Laboratory::start().await;
    let seed = json!({ "displayName": "Other", "domains": ["other.onmicrosoft.com"], "users": [] });
    let added = laboratory
        .control(Method::POST, "/tenants", Some(seed.clone()))
        .await
        .expect(201);
    laboratory
        .control(Method::POST, "/tenants", Some(seed))
        .await
        .expect(409);
    let url = format!(
        "{}/other.onmicrosoft.com/oauth2/v2.0/token",
        laboratory.running.base_url()
    );
    let form = [
        ("grant_type", "client_credentials".to_owned()),
        ("client_id", added.text("/administratorClientId")),
        ("client_secret", added.text("/administratorClientSecret")),
        ("scope", "https://graph.microsoft.com/.default".to_owned()),
    ];
    let token: serde_json::Value = laboratory
        .http
        .post(url)
        .form(&form)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let mut other = laboratory.administrator.clone();
    token["access_token"]
        .as_str()
        .unwrap()
        .clone_into(&mut other.token);
    let id = laboratory.application("ours").await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let target = format!("/applications/{id}");
    laboratory
        .call_with(&other, Method::GET, &target, &[], None)
        .await
        .expect(404);
    laboratory
        .call_with(&other, Method::DELETE, &target, &[], None)
        .await
        .expect(404);
    let listed = laboratory
        .call_with(&other, Method::GET, "/applications", &[], None)
        .await
        .expect(200);
    assert_eq!(listed.body["value"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn signing_keys_are_added_switched_and_retired() {
    let laboratory = Laboratory::start().await;
    let before = laboratory
        .control(Method::GET, "/keys", None)
        .await
        .expect(200)
        .body;
    let added = laboratory
        .control(Method::POST, "/keys", None)
        .await
        .expect(201)
        .text("/kid");
    let switched = laboratory
        .control(Method::POST, "/keys/switch", Some(json!({ "kid": added })))
        .await
        .expect(200);
    assert_eq!(switched.text("/signing"), added);
    let old = before["signing"].as_str().unwrap();
    let retired = laboratory
        .control(Method::POST, "/keys/retire", Some(json!({ "kid": old })))
        .await
        .expect(200);
    assert!(
        !retired.body["published"]
            .as_array()
            .unwrap()
            .contains(&json!(old))
    );
    laboratory
        .control(
            Method::POST,
            "/keys/switch",
            Some(json!({ "kid": "nobody" })),
        )
        .await
        .expect(409);
}

#[tokio::test]
async fn an_emergency_replaces_every_key_and_ends_every_token() {
    let laboratory = Laboratory::start().await;
    let document = format!(
        "{}/{}/discovery/v2.0/keys",
        laboratory.running.base_url(),
        laboratory.running.tenant_id()
    );
    let published = async || {
        let answer = laboratory.http.get(&document).send().await.unwrap();
        let keys: Value = answer.json().await.unwrap();
        let keys = keys["keys"].as_array().unwrap().clone();
        keys.iter()
            .map(|key| key["kid"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let before = published().await;
    laboratory.get("/applications").await.expect(200);
    let replaced = laboratory
        .control(Method::POST, "/keys/replace-all", None)
        .await
        .expect(200);
    let after = published().await;
    assert!(after.len() >= 2 && after.contains(&replaced.text("/signing")));
    assert!(after.iter().all(|kid| !before.contains(kid)), "{after:?}");
    laboratory
        .get("/applications")
        .await
        .refuses(401, "InvalidAuthenticationToken", "");
    let secret = laboratory.running.administrator().expose_secret();
    let fresh = Caller {
        token: laboratory
            .graph_token(&laboratory.administrator.app_id, secret)
            .await,
        ..laboratory.administrator.clone()
    };
    laboratory
        .call_with(&fresh, Method::GET, "/applications", &[], None)
        .await
        .expect(200);
}

#[tokio::test]
async fn conditional_access_blocks_an_application_until_it_is_lifted() {
    let laboratory = Laboratory::start().await;
    let client = laboratory
        .post(
            "/applications",
            json!({ "displayName": "x", "passwordCredentials": [{}] }),
        )
        .await
        .expect(201);
    let (id, secret) = (
        client.text("/appId"),
        client.text("/passwordCredentials/0/secretText"),
    );
    laboratory
        .post("/servicePrincipals", json!({ "appId": id }))
        .await
        .expect(201);
    let tenant = laboratory.running.tenant_id();
    for (blocked, status) in [(json!([id]), 400), (json!([]), 200)] {
        laboratory
            .control(
                Method::PUT,
                &format!("/tenants/{tenant}/policies"),
                Some(json!({ "workloadConditionalAccess": { "blockedClients": blocked } })),
            )
            .await
            .expect(204);
        let answer = laboratory
            .token(&id, &secret, &format!("{id}/.default"))
            .await;
        let answer = answer.expect(status);
        assert_eq!(status == 400, answer.body["error_codes"] == json!([53003]));
    }
}

#[tokio::test]
async fn a_start_up_file_sets_trouble_from_the_beginning() {
    let text = json!({
        "seed": 5, "throttling": false,
        "replication": { "replicas": 2, "create": [100, 200], "tokenService": { "uri": 50 } },
        "faults": [{ "path": "/v1.0/users", "action": { "type": "respond", "status": 504 } }],
        "tenants": [{ "displayName": "Contoso", "domains": ["contoso.onmicrosoft.com"],
            "administratorClientId": "11111111-1111-4111-8111-111111111111" }],
    });
    let config: emulator::EmulatorConfig = serde_json::from_value(text).unwrap();
    let laboratory = Laboratory::with(config).await;
    assert_eq!(
        laboratory.administrator.app_id,
        "11111111-1111-4111-8111-111111111111"
    );
    laboratory.get("/users").await.expect(504);
    let delays = laboratory
        .control(Method::GET, "/replication", None)
        .await
        .expect(200);
    assert_eq!(delays.body["create"], json!([100, 200]));
    assert_eq!(delays.body["tokenService"]["uri"], 50);
    let refused = json!({ "replicas": 9 });
    laboratory
        .control(Method::PUT, "/replication", Some(refused))
        .await
        .expect(400);
}
