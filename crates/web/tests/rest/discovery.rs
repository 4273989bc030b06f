//! Reading a well-known document that is not what it should be.

use std::time::Duration;

use axum::Router;
use connectors::http::{OutboundHttpConfig, PrivateTargets};
use serde_json::{Value, json};

use crate::support::{ADMIN, Answer, TestApp};

/// The server under discovery is on this machine, which must be allowed; it is given up soon.
async fn discovers(url: &str) -> Answer {
    let app = TestApp::start_with(OutboundHttpConfig {
        timeout: Duration::from_millis(500),
        allow_private_targets: PrivateTargets::Allowed,
        ..OutboundHttpConfig::default()
    })
    .await;
    let fields = [("url", url), ("type", "Fake")];
    app.admin()
        .await
        .post_multipart(&format!("{ADMIN}/key-managers/discover"), &fields)
        .await
}

/// Serves `document`, which is made from the server's own address, wherever it is asked; the well-known address.
async fn serves(document: impl FnOnce(&str) -> String) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let document = document(&origin);
    let router = Router::new().fallback(move || std::future::ready(document));
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("{origin}/.well-known/openid-configuration")
}

/// Refused for the address, with a sentence that holds `reason`.
fn is_refused(answer: &Answer, reason: &str) {
    assert_eq!(
        (answer.status, answer.code()),
        (400, 400),
        "{}",
        answer.text
    );
    let item = &answer.json["error"][0];
    assert_eq!(item["code"], "url");
    let message = item["message"].as_str().unwrap();
    assert!(message.contains(reason), "{message}");
}

#[tokio::test]
async fn a_good_well_known_document_fills_in_the_form() {
    let url = serves(|origin| {
        json!({
            "issuer": origin, "token_endpoint": format!("{origin}/token"),
            "jwks_uri": format!("{origin}/keys"), "grant_types_supported": ["client_credentials"],
        })
        .to_string()
    })
    .await;
    let answer = discovers(&url).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.json["valid"], true);
    let value = &answer.json["value"];
    assert_eq!(value["wellKnownEndpoint"], url.as_str());
    assert_eq!(value["certificates"]["type"], "JWKS");
    assert_eq!(value["enableTokenGeneration"], true);
    assert_eq!(value["type"], "Fake");
}

#[tokio::test]
async fn an_unreachable_well_known_document_is_refused() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let answer = discovers(&format!(
        "http://{address}/.well-known/openid-configuration"
    ))
    .await;
    is_refused(&answer, "cannot be reached");
}

#[tokio::test]
async fn a_well_known_document_that_is_not_json_is_refused() {
    let url = serves(|_| "<html>Sign in</html>".to_owned()).await;
    is_refused(&discovers(&url).await, "is not JSON");
}

#[tokio::test]
async fn a_well_known_document_of_another_issuer_is_refused_with_the_right_address() {
    let url = serves(|_| json!({"issuer": "https://accounts.example/"}).to_string()).await;
    let expected = "https://accounts.example/.well-known/openid-configuration";
    is_refused(&discovers(&url).await, expected);
}

#[tokio::test]
async fn a_huge_well_known_document_is_refused() {
    let url =
        serves(|origin| json!({"issuer": origin, "padding": "x".repeat(1024 * 1024)}).to_string())
            .await;
    is_refused(&discovers(&url).await, "larger than");
}

#[tokio::test]
async fn a_well_known_document_that_never_comes_is_given_up() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    // Accepted by the system, never answered.
    let answer = discovers(&format!(
        "http://{address}/.well-known/openid-configuration"
    ))
    .await;
    is_refused(&answer, "in time");
    drop(listener);
}

#[tokio::test]
async fn discovery_for_an_unknown_type_is_refused() {
    let app = TestApp::start().await;
    let fields = [("url", "https://login.example/"), ("type", "Nothing")];
    let answer = app
        .admin()
        .await
        .post_multipart(&format!("{ADMIN}/key-managers/discover"), &fields)
        .await;
    assert_eq!((answer.status, answer.code()), (400, 901_400));
}

#[tokio::test]
async fn private_and_link_local_targets_are_refused_unless_allowed() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    for host in [
        "127.0.0.1",
        "localhost",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "0.0.0.0",
        "[::1]",
        "[fe80::1]",
        "[fd00::1]",
        "[::ffff:127.0.0.1]",
        "2130706433",
    ] {
        let url = format!("http://{host}:1/.well-known/openid-configuration");
        let answer = admin
            .post_multipart(
                &format!("{ADMIN}/key-managers/discover"),
                &[("url", &url), ("type", "Fake")],
            )
            .await;
        is_refused(&answer, "only be reached from inside");
        assert_eq!(answer.json["value"], Value::Null, "{host}");
    }
}
