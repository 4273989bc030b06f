use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use domain::certificate::Certificates;
use serde_json::{Value, json};
use url::Url;

use super::document::MetadataDocument;
use super::{DiscoveryError, discover, issuer_match};
use crate::http::{FetchError, OutboundHttp, OutboundHttpConfig, PrivateTargets};
use crate::test_support::serve;

const TENANT: &str = "5f0b7c1e-0000-4000-8000-000000000001";
const OTHER_TENANT: &str = "5f0b7c1e-0000-4000-8000-000000000002";

fn http() -> OutboundHttp {
    OutboundHttp::new(OutboundHttpConfig {
        timeout: Duration::from_millis(500),
        allow_private_targets: PrivateTargets::Allowed,
        ..OutboundHttpConfig::default()
    })
    .unwrap()
}

/// Serves one answer at every address and reads it as a document.
async fn discover_answer(
    status: StatusCode,
    body: impl Fn(&str) -> String + Clone + Send + Sync + 'static,
) -> Result<super::DiscoveredKeyManager, DiscoveryError> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    listener.set_nonblocking(true).unwrap();
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let body = body(&origin);
    let router = Router::new().fallback(move || {
        let body = body.clone();
        async move { (status, body).into_response() }
    });
    tokio::spawn(async move { axum::serve(listener, router).await });
    let url = format!("{origin}/.well-known/openid-configuration");
    discover(&http(), &url.parse().unwrap()).await
}

/// What the check says about a document of this issuer at this address.
fn fit(url: &str, issuer: &str, more: Value) -> Result<(), DiscoveryError> {
    let mut json = more;
    json["issuer"] = json!(issuer);
    let document = MetadataDocument::from_json(json).unwrap();
    issuer_match::check(&url.parse::<Url>().unwrap(), &document)
}

#[tokio::test]
async fn a_document_fills_in_the_form_with_what_wso2_forgets() {
    let found = discover_answer(StatusCode::OK, |origin| {
        json!({
            "issuer": origin, "jwks_uri": format!("{origin}/keys"),
            "token_endpoint": format!("{origin}/token"),
            "authorization_endpoint": format!("{origin}/authorize"),
            "registration_endpoint": format!("{origin}/register"),
            "introspection_endpoint": format!("{origin}/introspect"),
            "revocation_endpoint": format!("{origin}/revoke"),
            "userinfo_endpoint": format!("{origin}/userinfo"),
            "grant_types_supported": ["client_credentials", "password"],
        })
        .to_string()
    })
    .await
    .unwrap();
    let path = |url: &Option<Url>| url.as_ref().map(|url| url.path().to_owned());
    let endpoints = &found.endpoints;
    assert_eq!(
        path(&endpoints.well_known).unwrap(),
        "/.well-known/openid-configuration"
    );
    assert_eq!(path(&endpoints.token).unwrap(), "/token");
    assert_eq!(path(&endpoints.display_token).unwrap(), "/token");
    assert_eq!(path(&endpoints.client_registration).unwrap(), "/register");
    assert_eq!(path(&endpoints.introspection).unwrap(), "/introspect");
    assert_eq!(path(&endpoints.revoke).unwrap(), "/revoke");
    assert_eq!(path(&endpoints.display_revoke).unwrap(), "/revoke");
    assert_eq!(path(&endpoints.user_info).unwrap(), "/userinfo");
    assert_eq!(path(&endpoints.authorize).unwrap(), "/authorize");
    assert!(matches!(&found.certificates, Some(Certificates::Jwks(url)) if url.path() == "/keys"));
    assert_eq!(
        found.available_grant_types,
        ["client_credentials", "password"]
    );
}

#[tokio::test]
async fn an_entra_document_names_its_graph_and_its_grant() {
    let found = discover_answer(StatusCode::OK, |origin| {
        json!({
            "issuer": origin, "token_endpoint": format!("{origin}/token"),
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
            "tenant_region_scope": "EU", "msgraph_host": "graph.microsoft.com",
        })
        .to_string()
    })
    .await
    .unwrap();
    assert_eq!(found.connector_type, Some("AzureAD"));
    assert_eq!(
        found.endpoints.client_registration.unwrap().as_str(),
        "https://graph.microsoft.com/"
    );
    assert_eq!(found.available_grant_types, ["client_credentials"]);
}

#[tokio::test]
async fn bad_documents_are_told_apart() {
    let not_json = discover_answer(StatusCode::OK, |_| "<html>Sign in</html>".to_owned()).await;
    assert_eq!(not_json, Err(DiscoveryError::Fetch(FetchError::NotJson)));

    let missing = discover_answer(StatusCode::NOT_FOUND, |_| "{}".to_owned()).await;
    assert_eq!(missing, Err(DiscoveryError::Fetch(FetchError::Status(404))));

    for nonsense in [
        "[]",
        "{}",
        r#"{"issuer": 7}"#,
        r#"{"issuer": ""}"#,
        r#"{"issuer": "https://x.example", "token_endpoint": "nowhere"}"#,
        r#"{"issuer": "https://x.example", "jwks_uri": "file:///etc/passwd"}"#,
    ] {
        let outcome = discover_answer(StatusCode::OK, |_| nonsense.to_owned()).await;
        assert!(
            matches!(outcome, Err(DiscoveryError::NotMetadata(_))),
            "{nonsense}: {outcome:?}"
        );
    }

    let huge = discover_answer(StatusCode::OK, |origin| {
        format!(
            r#"{{"issuer":"{origin}","x":"{}"}}"#,
            "x".repeat(256 * 1024)
        )
    })
    .await;
    assert!(
        matches!(
            huge,
            Err(DiscoveryError::Fetch(FetchError::TooLarge { .. }))
        ),
        "{huge:?}"
    );
}

#[tokio::test]
async fn a_slow_server_is_given_up() {
    let address =
        serve(Router::new().fallback(|| async { std::future::pending::<()>().await })).await;
    let url = format!("http://{address}/.well-known/openid-configuration");
    let outcome = discover(&http(), &url.parse().unwrap()).await;
    assert_eq!(outcome, Err(DiscoveryError::Fetch(FetchError::TooSlow)));
}

#[tokio::test]
async fn discovery_is_no_way_inside() {
    let http = OutboundHttp::new(OutboundHttpConfig::default()).unwrap();
    for target in [
        "http://127.0.0.1:1/",
        "http://localhost:1/",
        "http://169.254.169.254/metadata",
    ] {
        let outcome = discover(&http, &target.parse().unwrap()).await;
        assert!(
            matches!(
                outcome,
                Err(DiscoveryError::Fetch(FetchError::RefusedTarget { .. }))
            ),
            "{target}: {outcome:?}"
        );
    }
}

#[tokio::test]
async fn a_document_of_another_issuer_is_refused_with_the_right_address() {
    let outcome = discover_answer(StatusCode::OK, |_| {
        json!({ "issuer": "https://accounts.example/" }).to_string()
    })
    .await;
    let error = outcome.unwrap_err();
    assert!(matches!(error, DiscoveryError::IssuerMismatch { .. }));
    assert!(
        error
            .advice()
            .contains("https://accounts.example/.well-known/openid-configuration")
    );
}

#[test]
fn an_issuer_is_at_home_at_its_own_addresses() {
    for (url, issuer) in [
        (
            "https://a.example/.well-known/openid-configuration",
            "https://a.example",
        ),
        (
            "https://a.example/.well-known/openid-configuration",
            "https://a.example/",
        ),
        (
            "https://a.example/realms/x/.well-known/openid-configuration",
            "https://a.example/realms/x",
        ),
        (
            "https://a.example/.well-known/oauth-authorization-server/realms/x",
            "https://a.example/realms/x",
        ),
    ] {
        assert_eq!(fit(url, issuer, json!({})), Ok(()), "{url} {issuer}");
    }
    for (url, issuer) in [
        (
            "https://a.example/.well-known/openid-configuration",
            "https://b.example",
        ),
        (
            "https://a.example/.well-known/openid-configuration",
            "https://a.example.evil.example",
        ),
        (
            "https://a.example/.well-known/openid-configuration",
            "http://a.example",
        ),
        (
            "https://a.example:8443/.well-known/openid-configuration",
            "https://a.example",
        ),
        (
            "https://a.example/x/.well-known/openid-configuration",
            "https://a.example/y",
        ),
        (
            "https://a.example/.well-known/openid-configuration",
            "not a url",
        ),
    ] {
        let outcome = fit(url, issuer, json!({}));
        assert!(
            matches!(outcome, Err(DiscoveryError::IssuerMismatch { .. })),
            "{url} {issuer}"
        );
    }
}

#[test]
fn entras_documented_forms_are_recognised_by_the_tenant_id() {
    let login = "https://login.microsoftonline.com";
    let well_known = ".well-known/openid-configuration";
    for (url, issuer) in [
        (
            format!("{login}/{TENANT}/v2.0/{well_known}"),
            format!("{login}/{TENANT}/v2.0"),
        ),
        (
            format!("{login}/{TENANT}/{well_known}"),
            format!("https://sts.windows.net/{TENANT}/"),
        ),
        (
            format!("https://login.windows.net/{TENANT}/v2.0/{well_known}"),
            format!("{login}/{TENANT}/v2.0"),
        ),
        (
            format!("https://contoso.ciamlogin.com/{TENANT}/v2.0/{well_known}"),
            format!("https://{TENANT}.ciamlogin.com/{TENANT}/v2.0"),
        ),
    ] {
        assert_eq!(fit(&url, &issuer, json!({})), Ok(()), "{url}");
    }
    let url = format!("{login}/{TENANT}/v2.0/{well_known}");
    let other = format!("{login}/{OTHER_TENANT}/v2.0");
    assert!(fit(&url, &other, json!({})).is_err());
}

#[test]
fn a_tenant_named_by_its_domain_is_the_one_whose_endpoints_the_server_names() {
    let login = "https://login.microsoftonline.com";
    let url = format!("{login}/contoso.onmicrosoft.com/v2.0/.well-known/openid-configuration");
    let issuer = format!("{login}/{TENANT}/v2.0");
    let endpoints = |tenant: &str, host: &str| {
        json!({
            "token_endpoint": format!("{host}/{tenant}/oauth2/v2.0/token"),
            "jwks_uri": format!("{host}/{tenant}/discovery/v2.0/keys"),
        })
    };
    assert_eq!(fit(&url, &issuer, endpoints(TENANT, login)), Ok(()));
    assert!(fit(&url, &issuer, endpoints(OTHER_TENANT, login)).is_err());
    assert!(fit(&url, &issuer, endpoints(TENANT, "https://evil.example")).is_err());
    assert!(fit(&url, &issuer, json!({})).is_err());
}

#[test]
fn a_document_for_all_tenants_asks_for_one() {
    let url = "https://login.microsoftonline.com/common/v2.0/.well-known/openid-configuration";
    let issuer = "https://login.microsoftonline.com/{tenantid}/v2.0";
    let error = fit(url, issuer, json!({})).unwrap_err();
    assert_eq!(error, DiscoveryError::TenantIndependent);
    assert!(error.advice().contains("tenant"));
}
