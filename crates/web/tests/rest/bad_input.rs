//! Input that breaks the contract, whatever the noun.

use axum::body::Body;
use http::Method;
use serde_json::{Value, json};

use crate::support::{ADMIN, DEVPORTAL, PUBLISHER, TestApp, key_manager, multipart};

#[tokio::test]
async fn json_that_breaks_the_contract_is_refused_in_wso2s_words() {
    let app = TestApp::start().await;
    let ann = app.developer("ann").await;
    let path = format!("{DEVPORTAL}/applications");
    for (body, description) in [
        ("", "Request payload cannot be empty."),
        ("  \n", "Request payload cannot be empty."),
        ("{\"name\": \"x\"", "Malformed request body."),
        ("{} {}", "Required property 'name' is missing."),
        ("not json", "Malformed request body."),
        (
            "{\"name\": \"x\"}",
            "Required property 'throttlingPolicy' is missing.",
        ),
        (
            "{\"name\": \"x\", \"throttlingPolicy\": \"Unlimited\", \"colour\": 1}",
            "Unrecognized property 'colour'",
        ),
        (
            "{\"name\": 7, \"throttlingPolicy\": \"Unlimited\"}",
            "One or more request body parameters contain disallowed values.",
        ),
        (
            "[]",
            "One or more request body parameters contain disallowed values.",
        ),
        (
            "\"text\"",
            "One or more request body parameters contain disallowed values.",
        ),
    ] {
        let answer = ann.posts_text(&path, body).await;
        assert_eq!(answer.status, 400, "{body}: {}", answer.text);
        assert_eq!(answer.json["description"], description, "{body}");
        assert_eq!(answer.json["code"], 400, "{body}");
    }
}

#[tokio::test]
async fn a_wrong_type_is_named_with_its_path() {
    let app = TestApp::start().await;
    let mut body = key_manager("Login");
    body["permissions"]["permissionType"] = json!("SOMETIMES");
    let answer = app
        .admin()
        .await
        .post(&format!("{ADMIN}/key-managers"), &body)
        .await;
    assert_eq!(answer.status, 400);
    assert_eq!(
        answer.json["error"][0]["code"],
        "permissions.permissionType"
    );
}

#[tokio::test]
async fn two_json_values_in_a_row_are_malformed() {
    let app = TestApp::start().await;
    let body = "{\"name\": \"x\", \"throttlingPolicy\": \"Unlimited\"} {}";
    let answer = app
        .developer("ann")
        .await
        .posts_text(&format!("{DEVPORTAL}/applications"), body)
        .await;
    assert_eq!(
        answer.json["description"], "Malformed request body.",
        "{}",
        answer.text
    );
}

#[tokio::test]
async fn deeply_nested_json_is_malformed_and_does_no_harm() {
    let app = TestApp::start().await;
    let mut body = key_manager("Login").to_string();
    body.truncate(body.len() - 1);
    body.push_str(",\"x\":");
    body.push_str(&"[".repeat(100_000));
    let answer = app
        .admin()
        .await
        .posts_text(&format!("{ADMIN}/key-managers"), &body)
        .await;
    assert_eq!(answer.status, 400, "{}", answer.text);
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_with_413() {
    let app = TestApp::start().await;
    let large = "x".repeat(1024 * 1024 + 1);
    let ann = app.developer("ann").await;
    let answer = ann
        .post(
            &format!("{DEVPORTAL}/applications"),
            &json!({"name": "x", "throttlingPolicy": "Unlimited", "description": large}),
        )
        .await;
    assert_eq!(
        (answer.status, answer.code()),
        (413, 413),
        "{}",
        answer.text
    );

    // Definitions may be larger, up to their own limit.
    let publisher = app.publisher().await;
    let validate = format!("{PUBLISHER}/apis/validate-openapi");
    let accepted = publisher
        .post_multipart(&validate, &[("file", &large)])
        .await;
    assert_eq!(accepted.status, 200, "{}", accepted.text);
    let huge = "x".repeat(12 * 1024 * 1024 + 1);
    let refused = publisher
        .post_multipart(&validate, &[("file", &huge)])
        .await;
    assert_eq!(
        (refused.status, refused.code()),
        (413, 413),
        "{}",
        refused.text
    );
}

#[tokio::test]
async fn a_malformed_form_is_refused() {
    let app = TestApp::start().await;
    let publisher = app.publisher().await;
    let path = format!("{PUBLISHER}/apis/validate-openapi");
    let cut = multipart(&[("file", "openapi: 3.0.3")]).replace("--a-boundary--\r\n", "");
    let answer = publisher.posts_multipart_text(&path, cut).await;
    assert_eq!(answer.status, 400, "{}", answer.text);
    let nameless = multipart(&[("", "openapi: 3.0.3")]);
    let answer = publisher.posts_multipart_text(&path, nameless).await;
    assert_eq!(answer.status, 400, "{}", answer.text);
    let twice = multipart(&[("file", "a"), ("file", "b")]);
    let answer = publisher.posts_multipart_text(&path, twice).await;
    assert_eq!(answer.status, 400, "{}", answer.text);
    let many: Vec<String> = (0..40).map(|number| format!("f{number}")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|name| (name.as_str(), "x")).collect();
    let answer = publisher.post_multipart(&path, &many).await;
    assert_eq!(answer.status, 400, "{}", answer.text);
    let json = publisher.post(&path, &json!({"file": "x"})).await;
    assert_eq!(json.status, 415, "{}", json.text);
    let binary = Body::from(
        [
            b"--a-boundary\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n".as_slice(),
            &[0xff, 0xfe],
            b"\r\n--a-boundary--\r\n",
        ]
        .concat(),
    );
    let answer = publisher
        .sends(
            Method::POST,
            &path,
            "multipart/form-data; boundary=a-boundary",
            binary,
        )
        .await;
    assert_eq!(answer.status, 400, "{}", answer.text);
}

#[tokio::test]
async fn an_identifier_that_is_none_names_nothing() {
    let app = TestApp::start().await;
    let ann = app.developer("ann").await;
    for id in ["1", "%2e%2e", "01890000", "'; DROP TABLE applications; --"] {
        let id = id.replace(' ', "%20");
        let answer = ann.get(&format!("{DEVPORTAL}/applications/{id}")).await;
        assert_eq!((answer.status, answer.code()), (404, 900_307), "{id}");
    }
}

#[tokio::test]
async fn a_query_that_breaks_the_contract_is_refused() {
    let app = TestApp::start().await;
    let ann = app.developer("ann").await;
    for query in ["limit=many", "limit=-1", "offset=4294967296"] {
        let answer = ann.get(&format!("{DEVPORTAL}/applications?{query}")).await;
        assert_eq!((answer.status, answer.code()), (400, 400), "{query}");
    }
    let missing = app
        .publisher()
        .await
        .post(
            &format!("{PUBLISHER}/apis/change-lifecycle?action=Publish"),
            &Value::Null,
        )
        .await;
    assert_eq!(missing.status, 400);
}

#[tokio::test]
async fn generate_keys_refuses_what_it_does_not_know() {
    let app = TestApp::start().await;
    app.key_manager("Login").await;
    let ann = app.developer("ann").await;
    let application = ann.creates_application("weather").await;
    let path = format!("{DEVPORTAL}/applications/{application}/generate-keys");
    let good = json!({"keyType": "PRODUCTION", "keyManager": "Login", "grantTypesToBeSupported": ["client_credentials"]});
    for (member, value) in [
        ("keyType", json!("TESTING")),
        ("keyType", Value::Null),
        ("validityTime", json!("soon")),
        ("grantTypesToBeSupported", json!("client_credentials")),
        ("colour", json!("red")),
        ("callbackUrl", json!(["https://app.example/"])),
    ] {
        let mut body = good.clone();
        body[member] = value;
        let answer = ann.post(&path, &body).await;
        assert_eq!(answer.status, 400, "{member}: {}", answer.text);
    }
    assert!(app.server.clients().is_empty());
    assert_eq!(ann.post(&path, &good).await.status, 200);
}

#[tokio::test]
async fn a_body_that_does_not_say_it_is_json_is_refused() {
    let app = TestApp::start().await;
    let ann = app.developer("ann").await;
    let path = format!("{DEVPORTAL}/applications");
    for content_type in ["text/plain", "", "application/x-www-form-urlencoded"] {
        let body = Body::from("{\"name\": \"x\", \"throttlingPolicy\": \"Unlimited\"}");
        let answer = ann.sends(Method::POST, &path, content_type, body).await;
        assert_eq!((answer.status, answer.code()), (415, 415), "{content_type}");
    }
    let body = Body::from("{\"name\": \"x\", \"throttlingPolicy\": \"Unlimited\"}");
    let answer = ann
        .sends(Method::POST, &path, "application/json; charset=utf-8", body)
        .await;
    assert_eq!(answer.status, 201, "{}", answer.text);
}
