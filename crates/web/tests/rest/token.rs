//! Tokens for trying an API, and why a token is refused.

use serde_json::json;

use crate::support::{DEVPORTAL, TestApp};

#[tokio::test]
async fn a_token_is_generated_with_the_applications_own_credentials() {
    let app = TestApp::start().await;
    app.key_manager("Login").await;
    let ann = app.developer("ann").await;
    let application = ann.creates_application("weather").await;
    let keys = ann.generates_keys(&application, "Login").await;
    let path = format!(
        "{DEVPORTAL}/applications/{application}/oauth-keys/{}/generate-token",
        keys.string("keyMappingId")
    );
    let body = json!({"additionalProperties": {}, "consumerSecret": keys.json["consumerSecret"], "revokeToken": null, "scopes": [], "validityPeriod": 3600});
    let token = ann.post(&path, &body).await;
    assert_eq!(token.status, 200, "{}", token.text);
    assert_eq!(token.string("accessToken").split('.').count(), 3);
    assert!(token.json["validityTime"].as_u64().unwrap() > 0);

    let exchange = ann
        .post(&path, &json!({"grantType": "TOKEN_EXCHANGE"}))
        .await;
    assert_eq!(exchange.status, 400);
    let unknown = ann.post(&path, &json!({"grantType": "MAGIC"})).await;
    assert_eq!(unknown.status, 400);
}

#[tokio::test]
async fn a_mapped_clients_token_needs_its_secret() {
    let app = TestApp::start().await;
    app.key_manager("Login").await;
    app.server.register_by_hand("by-hand", "hand-made-secret");
    let ann = app.developer("ann").await;
    let application = ann.creates_application("weather").await;
    let mapped = ann
        .post(
            &format!("{DEVPORTAL}/applications/{application}/map-keys"),
            &json!({"consumerKey": "by-hand", "keyType": "PRODUCTION", "keyManager": "Login"}),
        )
        .await;
    let path = format!(
        "{DEVPORTAL}/applications/{application}/oauth-keys/{}/generate-token",
        mapped.string("keyMappingId")
    );
    let without = ann.post(&path, &json!({})).await;
    assert_eq!(without.status, 400, "{}", without.text);
    let with = ann
        .post(&path, &json!({"consumerSecret": "hand-made-secret"}))
        .await;
    assert_eq!(with.status, 200, "{}", with.text);
}

#[tokio::test]
async fn a_refused_token_is_explained() {
    let app = TestApp::start().await;
    let api = app.published_api("Pizza").await;
    let ann = app.developer("ann").await;
    let path = format!("{DEVPORTAL}/tokens/explain");
    let refused = ann
        .post(&path, &json!({"token": "a-bad-token", "apiId": api}))
        .await;
    assert_eq!(refused.status, 200, "{}", refused.text);
    assert_eq!(refused.json["accepted"], false);
    assert_eq!(refused.json["code"], "900901");
    assert_eq!(refused.json["reason"], "issuer_unknown");
    assert_eq!(refused.json["checks"][0]["outcome"], "failed");
    assert!(!refused.text.contains("a-bad-token"));

    let named = ann
        .post(&path, &json!({"token": "a-good-token", "context": "/pizza", "version": "1.0.0", "verb": "get", "path": "/menu"}))
        .await;
    assert_eq!(named.json["accepted"], true, "{}", named.text);
}

#[tokio::test]
async fn an_explanation_needs_a_token_and_an_api() {
    let app = TestApp::start().await;
    let api = app.published_api("Pizza").await;
    let ann = app.developer("ann").await;
    let path = format!("{DEVPORTAL}/tokens/explain");
    for (body, status) in [
        (json!({"token": "", "apiId": api}), 400),
        (json!({"token": "x"}), 400),
        (
            json!({"token": "x", "apiId": api, "context": "/pizza"}),
            400,
        ),
        (json!({"token": "x", "apiId": api, "verb": "FLY"}), 400),
        (json!({"token": "x".repeat(70_000), "apiId": api}), 400),
        (
            json!({"token": "x", "apiId": "01890000-0000-7000-8000-000000000000"}),
            404,
        ),
    ] {
        let answer = ann.post(&path, &body).await;
        assert_eq!(answer.status, status, "{}", answer.text);
    }
}
