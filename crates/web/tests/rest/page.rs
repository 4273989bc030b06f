//! The page at `/`, and what stands around every answer.

use axum::body::Body;
use http::Method;

use crate::support::TestApp;

#[tokio::test]
async fn the_first_page_says_what_runs_and_leads_to_the_console() {
    let app = TestApp::start().await;
    let page = app.nobody().get("/").await;
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(page.text.contains("href=\"/console/\""));
    assert!(page.text.contains("href=\"http://127.0.0.1:8280\""));
    assert!(page.text.contains("Claviger admin API"));
}

#[tokio::test]
async fn what_an_operator_wrote_is_escaped_on_the_page() {
    let app = TestApp::start().await;
    let page = app.nobody().get("/").await;
    assert!(!page.text.contains("<subscribed>"));
    assert!(page.text.contains("&lt;subscribed&gt;") || page.text.contains("&#60;subscribed&#62;"));
}

#[tokio::test]
async fn the_files_of_the_page_are_served() {
    let app = TestApp::start().await;
    for (path, content_type) in [
        ("/assets/claviger.css", "text/css"),
        ("/assets/claviger.svg", "image/svg+xml"),
    ] {
        let asset = app.nobody().get(path).await;
        assert_eq!(asset.status, 200, "{path}");
        assert_eq!(asset.header("content-type"), content_type);
    }
}

#[tokio::test]
async fn every_answer_carries_security_headers_and_a_request_id() {
    let app = TestApp::start().await;
    for path in [
        "/",
        "/api/am/admin/v4/key-managers",
        "/nowhere",
        "/console/",
    ] {
        let answer = app.nobody().get(path).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("x-frame-options"), "DENY", "{path}");
        assert!(
            answer
                .header("content-security-policy")
                .starts_with("default-src 'none'")
        );
        assert_eq!(answer.header("x-request-id").len(), 32, "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), "", "{path}");
    }
}

#[tokio::test]
async fn an_unknown_path_and_an_unknown_method_are_answered_in_wso2s_body() {
    let app = TestApp::start().await;
    let nowhere = app.nobody().get("/api/am/admin/v4/nothing").await;
    assert_eq!((nowhere.status, nowhere.code()), (404, 404));
    let method = app
        .nobody()
        .sends(
            Method::PATCH,
            "/api/am/admin/v4/key-managers",
            "",
            Body::empty(),
        )
        .await;
    assert_eq!((method.status, method.code()), (405, 405));
}
