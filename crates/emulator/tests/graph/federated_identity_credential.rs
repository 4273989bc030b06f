//! Federated identity credentials.

use serde_json::json;

use crate::laboratory::Laboratory;

#[tokio::test]
async fn a_federated_credential_lives_under_its_application() {
    let laboratory = Laboratory::start().await;
    let id = laboratory.application("x").await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let target = format!("/applications/{id}/federatedIdentityCredentials");
    let body = json!({ "name": "ci-main", "issuer": "https://issuer.example", "subject": "repo:x",
        "audiences": ["api://AzureADTokenExchange"] });
    let created = laboratory.post(&target, body.clone()).await.expect(201);
    laboratory
        .get(&format!("{target}/{}", created.text("/id")))
        .await
        .expect(200);
    laboratory
        .get(&format!("{target}/ci-main"))
        .await
        .expect(200);
    laboratory
        .patch(&format!("{target}/ci-main"), json!({ "subject": "repo:y" }))
        .await
        .expect(204);
    let listed = laboratory.get(&target).await.expect(200).body;
    assert_eq!(listed["value"][0]["subject"], "repo:y");
    laboratory.post(&target, body.clone()).await.refuses(
        409,
        "Request_MultipleObjectsWithSameKeyValue",
        "ci-main",
    );
    let upsert = json!({ "issuer": "https://issuer.example", "subject": "z", "audiences": ["a"] });
    laboratory
        .upsert(&format!("{target}(name='second')"), upsert)
        .await
        .expect(201);
    laboratory
        .delete(&format!("{target}/ci-main"))
        .await
        .expect(204);
    laboratory
        .delete(&format!("{target}/ci-main"))
        .await
        .expect(404);
}

#[tokio::test]
async fn a_federated_credential_must_be_complete() {
    let laboratory = Laboratory::start().await;
    let id = laboratory.application("x").await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let target = format!("/applications/{id}/federatedIdentityCredentials");
    let with = |name: &str, issuer: &str, audiences: serde_json::Value| json!({ "name": name, "issuer": issuer, "subject": format!("s-{name}-{issuer}"), "audiences": audiences });
    for (body, message) in [
        (
            with("good", "https://i.example", json!([])),
            "must have exactly one audience",
        ),
        (
            with("good", "https://i.example", json!(["a", "b"])),
            "must have exactly one audience",
        ),
        (with("good", "", json!(["a"])), "has empty properties"),
        (
            with("a", "https://i.example", json!(["a"])),
            "name is invalid",
        ),
        (
            with("not url friendly", "https://i.example", json!(["a"])),
            "name is invalid",
        ),
        (with("good", "http://i.example", json!(["a"])), "HTTPS"),
    ] {
        laboratory
            .post(&target, body)
            .await
            .refuses(400, "Request_BadRequest", message);
    }
    for number in 0..20 {
        laboratory
            .post(
                &target,
                with(&format!("name-{number}"), "https://i.example", json!(["a"])),
            )
            .await
            .expect(201);
    }
    laboratory
        .post(&target, with("one-more", "https://i.example", json!(["a"])))
        .await
        .refuses(400, "Request_BadRequest", "20");
}
