//! Revocations, an administrator's and a developer's.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::support::{ADMIN, DEVPORTAL, TestApp};

fn path() -> String {
    format!("{ADMIN}/revocations")
}

fn jwt(claims: &Value) -> String {
    format!(
        "e30.{}.c2lnbmF0dXJl",
        URL_SAFE_NO_PAD.encode(claims.to_string())
    )
}

#[tokio::test]
async fn a_token_is_revoked_by_a_digest_and_its_text_is_nowhere() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let token = jwt(&json!({"exp": 4_102_444_800_i64}));
    let made = admin.post(&path(), &json!({"token": token})).await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert_eq!(made.json["type"], "TOKEN");
    assert_eq!(made.string("tokenDigest").len(), 64);
    // With the difference of clocks that gateways may forgive.
    assert_eq!(made.json["expiresAt"], "2100-01-01T00:10:00Z");
    assert_eq!(made.json["createdBy"], "ada");

    let again = admin
        .post(&path(), &json!({"token": format!("Bearer {token}")}))
        .await;
    assert_eq!(again.json, made.json, "{}", again.text);
    let listed = admin.get(&path()).await;
    assert_eq!(listed.json["pagination"]["total"], 1);
    assert_eq!(listed.json["list"][0], made.json);
    let audit = admin.get(&format!("{ADMIN}/audit-entries")).await;
    assert!(audit.text.contains("revocation.create"), "{}", audit.text);
    let claims = token.split('.').nth(1).unwrap();
    for answer in [&made, &listed, &audit] {
        assert!(!answer.text.contains(claims), "{}", answer.text);
    }

    let location = made.header("location").to_owned();
    assert_eq!(admin.delete(&location).await.status, 200);
    assert_eq!(admin.delete(&location).await.status, 404);
    assert_eq!(admin.get(&path()).await.json["count"], 0);
}

#[tokio::test]
async fn a_client_is_revoked_until_now_or_until_an_earlier_instant() {
    let app = TestApp::start().await;
    app.key_manager("Login").await;
    let admin = app.admin().await;
    let revoke = |instant: &str| json!({"keyManager": "Login", "consumerKey": "client-1", "issuedBefore": instant});
    let first = admin.post(&path(), &revoke("2020-06-01T00:00:00Z")).await;
    assert_eq!(first.status, 201, "{}", first.text);
    assert_eq!(first.json["type"], "CONSUMER_KEY");
    assert_eq!(first.json["keyManager"], "Login");
    assert!(first.json.get("expiresAt").is_none());
    // An earlier instant frees nothing that was revoked; a later one takes its place.
    let earlier = admin.post(&path(), &revoke("2020-05-01T00:00:00Z")).await;
    assert_eq!(earlier.json["id"], first.json["id"], "{}", earlier.text);
    let body = json!({"keyManager": "Login", "consumerKey": "client-1"});
    let now = admin.post(&path(), &body).await;
    assert_ne!(now.json["id"], first.json["id"]);
    assert_ne!(now.json["issuedBefore"], first.json["issuedBefore"]);
    assert_eq!(admin.get(&path()).await.json["count"], 1);
}

#[tokio::test]
async fn nonsense_revokes_nothing() {
    let app = TestApp::start().await;
    app.key_manager("Login").await;
    let admin = app.admin().await;
    for body in [
        json!({}),
        json!({"token": ""}),
        json!({"token": "   "}),
        json!({"token": 7}),
        json!({"token": "x".repeat(64 * 1024 + 1)}),
        json!({"token": jwt(&json!({"exp": 1_000_000_000}))}),
        json!({"token": "opaque", "tokenId": "one"}),
        json!({"token": "opaque", "keyManager": "Login"}),
        json!({"keyManager": "Login"}),
        json!({"tokenId": "one"}),
        json!({"consumerKey": "client-1"}),
        json!({"keyManager": "Nobody", "tokenId": "one"}),
        json!({"keyManager": "Login", "tokenId": ""}),
        json!({"keyManager": "Login", "tokenId": "x".repeat(513)}),
        json!({"keyManager": "Login", "tokenId": "a\nb"}),
        json!({"keyManager": "Login", "tokenId": "one", "consumerKey": "client-1"}),
        json!({"keyManager": "Login", "tokenId": "one", "expiresAt": "tomorrow"}),
        json!({"keyManager": "Login", "tokenId": "one", "expiresAt": "2001-01-01T00:00:00Z"}),
        json!({"keyManager": "Login", "consumerKey": "client-1", "issuedBefore": "2999-01-01T00:00:00Z"}),
        json!({"keyManager": "Login", "consumerKey": "client-1", "expiresAt": "2999-01-01T00:00:00Z"}),
        json!({"keyManager": "Login", "consumerKey": ""}),
    ] {
        let answer = admin.post(&path(), &body).await;
        assert_eq!(
            answer.status,
            400,
            "{:.200}: {}",
            body.to_string(),
            answer.text
        );
    }
    assert_eq!(admin.get(&path()).await.json["count"], 0);
    assert_eq!(
        admin.delete(&format!("{}/nothing", path())).await.status,
        404
    );
}

#[tokio::test]
async fn a_developer_revokes_the_tokens_of_their_own_keys_and_of_no_others() {
    let app = TestApp::start().await;
    app.key_manager("Login").await;
    let ann = app.developer("ann").await;
    let application = ann.creates_application("weather").await;
    let keys = ann.generates_keys(&application, "Login").await;
    assert_eq!(keys.status, 200, "{}", keys.text);
    let (id, consumer_key) = (keys.string("keyMappingId"), keys.string("consumerKey"));
    let place = |application: &str, id: &str| {
        format!("{DEVPORTAL}/applications/{application}/oauth-keys/{id}/revoke-tokens")
    };
    let revoked = ann.post(&place(&application, &id), &Value::Null).await;
    assert_eq!(revoked.status, 200, "{}", revoked.text);
    assert_eq!(revoked.json["consumerKey"], json!(consumer_key));
    assert_eq!(revoked.json["createdBy"], "ann");

    let bob = app.developer("bob").await;
    let his = bob.creates_application("his").await;
    for place in [
        place(&application, &id),
        place(&his, &id),
        place(&his, "nothing"),
    ] {
        let answer = bob.post(&place, &Value::Null).await;
        assert_eq!(answer.status, 404, "{}", answer.text);
    }
    assert_eq!(ann.get(&path()).await.status, 403);
    let admin = app.admin().await;
    let listed = admin.get(&path()).await;
    assert_eq!(listed.json["count"], 1);
    assert_eq!(listed.json["list"][0], revoked.json);
}
