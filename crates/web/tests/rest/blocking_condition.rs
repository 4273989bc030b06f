//! Deny policies.

use axum::body::Body;
use http::Method;
use serde_json::{Value, json};

use crate::support::{ADMIN, Answer, Person, TestApp};

fn path() -> String {
    format!("{ADMIN}/throttling/deny-policies")
}

async fn patches(person: &Person, location: &str, body: &Value) -> Answer {
    let body = Body::from(body.to_string());
    person
        .sends(Method::PATCH, location, "application/json", body)
        .await
}

#[tokio::test]
async fn a_deny_policy_is_made_found_turned_off_and_deleted() {
    let app = TestApp::start().await;
    let admin = app.signs_in("ada", "apim:bl_manage apim:bl_view").await;
    let body = json!({
        "conditionType": "IP", "conditionValue": {"fixedIp": "192.168.1.1", "invert": false},
        "conditionStatus": true
    });
    let made = admin.post(&path(), &body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let location = made.header("location").to_owned();
    let id = made.string("conditionId");
    assert_eq!(location, format!("{ADMIN}/throttling/deny-policy/{id}"));
    let mut expected = body.clone();
    expected["conditionId"] = json!(id);
    assert_eq!(made.json, expected);
    assert_eq!(admin.get(&location).await.json, expected);
    assert_eq!(
        admin.get(&path()).await.json,
        json!({"count": 1, "list": [expected]})
    );
    let again = admin.post(&path(), &body).await;
    assert_eq!((again.status, again.code()), (409, 409), "{}", again.text);

    let off = patches(&admin, &location, &json!({"conditionStatus": false})).await;
    assert_eq!(off.status, 200, "{}", off.text);
    assert_eq!(off.json["conditionStatus"], false);
    assert_eq!(admin.get(&location).await.json["conditionStatus"], false);
    for wrong in [
        json!({}),
        json!({"conditionStatus": "on"}),
        json!({"enabled": true}),
    ] {
        assert_eq!(
            patches(&admin, &location, &wrong).await.status,
            400,
            "{wrong}"
        );
    }

    assert_eq!(admin.delete(&location).await.status, 200);
    assert_eq!(admin.delete(&location).await.status, 404);
    assert_eq!(admin.get(&location).await.status, 404);
    let gone = patches(&admin, &location, &json!({"conditionStatus": true})).await;
    assert_eq!(gone.status, 404);
}

#[tokio::test]
async fn every_type_is_taken_and_shown_as_wso2_writes_it() {
    let app = TestApp::start().await;
    app.published_api("Pizza").await;
    app.developer("ann")
        .await
        .creates_application("the-weather")
        .await;
    let admin = app.admin().await;
    for (kind, value, shown) in [
        ("API", json!("pizza/1.0.0"), json!("/pizza/1.0.0")),
        (
            "APPLICATION",
            json!("ann:the-weather"),
            json!("ann:the-weather"),
        ),
        ("USER", json!("mallory"), json!("mallory")),
        (
            "SUBSCRIPTION",
            json!("/pizza/1.0.0:1.0.0:ann-the-weather:SANDBOX"),
            json!("/pizza:1.0.0:ann-the-weather-SANDBOX"),
        ),
        (
            "IP",
            json!({"fixedIp": "2001:db8::1", "invert": true}),
            json!({"fixedIp": "2001:db8::1", "invert": true}),
        ),
        (
            "IPRANGE",
            json!({"startingIp": "10.0.0.1", "endingIp": "10.0.0.9"}),
            json!({"startingIp": "10.0.0.1", "endingIp": "10.0.0.9", "invert": false}),
        ),
        (
            "IPRANGE",
            json!({"cidr": "2001:db8::/126", "invert": false}),
            json!({"startingIp": "2001:db8::", "endingIp": "2001:db8::3", "invert": false}),
        ),
    ] {
        let body = json!({"conditionType": kind, "conditionValue": value});
        let made = admin.post(&path(), &body).await;
        assert_eq!(made.status, 201, "{kind} {}", made.text);
        assert_eq!(made.json["conditionValue"], shown, "{kind}");
        assert_eq!(made.json["conditionStatus"], true);
    }
    for (query, count) in [
        ("conditionType:IPRANGE", 2),
        ("conditionType:API%20%26%20conditionValue:/pizza/1.0.0", 1),
        ("conditionValue:mallory", 1),
        ("conditionType:USER%26conditionValue:ann", 0),
        ("", 7),
    ] {
        let listed = admin.get(&format!("{}?query={query}", path())).await;
        assert_eq!(listed.json["count"], count, "{query}: {}", listed.text);
    }
    let wrong = admin.get(&format!("{}?query=colour:red", path())).await;
    assert_eq!(wrong.status, 400);
}

#[tokio::test]
async fn nonsense_blocks_nothing() {
    let app = TestApp::start().await;
    app.published_api("Pizza").await;
    app.developer("ann")
        .await
        .creates_application("weather")
        .await;
    let admin = app.admin().await;
    for (kind, value) in [
        ("COUNTRY", json!("de")),
        ("IP", json!("192.168.1.1")),
        ("IP", json!({"fixedIp": "192.168.1.256"})),
        ("IP", json!({"fixedIp": "192.168.1.1", "colour": "red"})),
        ("IP", json!({})),
        ("IP", Value::Null),
        (
            "IPRANGE",
            json!({"startingIp": "10.0.0.9", "endingIp": "10.0.0.1"}),
        ),
        (
            "IPRANGE",
            json!({"startingIp": "10.0.0.1", "endingIp": "2001:db8::1"}),
        ),
        ("IPRANGE", json!({"startingIp": "10.0.0.1"})),
        ("IPRANGE", json!({"cidr": "10.0.0.0/33"})),
        (
            "IPRANGE",
            json!({"cidr": "10.0.0.0/8", "startingIp": "10.0.0.1"}),
        ),
        ("API", json!("/pizza/2.0.0")),
        ("API", json!("/pizza")),
        ("API", json!(7)),
        ("API", json!(["/pizza/1.0.0"])),
        ("APPLICATION", json!("bob:weather")),
        ("APPLICATION", json!("ann:Weather")),
        ("APPLICATION", json!("weather")),
        ("SUBSCRIPTION", json!("/pizza:1.0.0:ann-nothing")),
        ("SUBSCRIPTION", json!("/pizza:9.0.0:ann-weather")),
        ("SUBSCRIPTION", json!("ann-weather")),
        ("USER", json!("")),
        ("USER", json!("x".repeat(501))),
        ("USER", json!("a\u{0}b")),
    ] {
        let body = json!({"conditionType": kind, "conditionValue": value});
        let answer = admin.post(&path(), &body).await;
        assert_eq!(answer.status, 400, "{body}: {}", answer.text);
        assert!(
            answer.json["error"][0]["code"].is_string(),
            "{}",
            answer.text
        );
    }
    assert_eq!(admin.get(&path()).await.json["count"], 0);
    for id in ["nothing", "01890000-0000-7000-8000-000000000000"] {
        let answer = admin
            .get(&format!("{ADMIN}/throttling/deny-policy/{id}"))
            .await;
        assert_eq!(answer.status, 404);
    }
}

#[tokio::test]
async fn a_developer_blocks_nobody() {
    let app = TestApp::start().await;
    let ann = app.developer("ann").await;
    let body = json!({"conditionType": "USER", "conditionValue": "bob"});
    assert_eq!(ann.post(&path(), &body).await.status, 403);
    assert_eq!(ann.get(&path()).await.status, 403);
    let viewer = app.signs_in("ada", "apim:bl_view").await;
    assert_eq!(viewer.get(&path()).await.status, 200);
    assert_eq!(viewer.post(&path(), &body).await.status, 403);
}
