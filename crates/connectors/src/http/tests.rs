use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::get;
use domain::provider_failure::FailureClass;
use reqwest::Method;
use url::Url;

use super::{FetchError, OutboundHttp, OutboundHttpConfig, OutboundHttpError, PrivateTargets};
use crate::test_support::serve;

fn client(targets: PrivateTargets) -> OutboundHttp {
    OutboundHttp::new(OutboundHttpConfig {
        allow_private_targets: targets,
        ..OutboundHttpConfig::default()
    })
    .unwrap()
}

fn url(text: &str) -> Url {
    text.parse().unwrap()
}

fn is_refused<T>(outcome: &Result<T, FetchError>) -> bool {
    matches!(outcome, Err(FetchError::RefusedTarget { .. }))
}

#[tokio::test]
async fn a_guarded_request_reaches_nothing_that_only_this_machine_reaches() {
    let http = client(PrivateTargets::Refused);
    for target in [
        "http://127.0.0.1/",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f.0.0.1/",
        "http://0/",
        "http://10.1.2.3/",
        "http://172.16.0.1/",
        "http://192.168.1.1/",
        "http://169.254.169.254/latest/meta-data",
        "http://100.64.0.1/",
        "http://168.63.129.16/",
        "http://224.0.0.1/",
        "http://255.255.255.255/",
        "http://198.18.0.1/",
        "http://192.0.2.1/",
        "http://[::1]/",
        "http://[::]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:10.0.0.1]/",
        "http://[fe80::1]/",
        "http://[fd00:ec2::254]/",
        "http://[ff02::1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[2002:7f00:1::]/",
        "http://[2001:db8::1]/",
        "http://[2001::1]/",
    ] {
        let outcome = http.get_bytes(&url(target), 1_000).await;
        assert!(is_refused(&outcome), "{target}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_name_for_an_inner_address_is_refused_after_it_is_resolved() {
    let port = serve(Router::new().fallback(|| async { "inside" }))
        .await
        .port();
    let target = url(&format!("http://localhost:{port}/"));
    let outcome = client(PrivateTargets::Refused)
        .get_bytes(&target, 1_000)
        .await;
    assert!(is_refused(&outcome), "{outcome:?}");
    let allowed = client(PrivateTargets::Allowed)
        .get_bytes(&target, 1_000)
        .await;
    assert_eq!(allowed.unwrap(), b"inside");
}

#[test]
fn public_addresses_are_permitted_and_configured_networks_too() {
    let permits =
        |policy: &PrivateTargets, address: &str| policy.permit(address.parse::<IpAddr>().unwrap());
    let refused = PrivateTargets::Refused;
    for address in [
        "8.8.8.8",
        "20.190.128.1",
        "172.15.255.255",
        "172.32.0.1",
        "2a01:111:f100::1",
        "2001:4860:4860::8888",
        "64:ff9b::808:808",
    ] {
        assert!(permits(&refused, address), "{address}");
    }
    let networks = PrivateTargets::AllowedNetworks(vec![
        "10.1.0.0/16".parse().unwrap(),
        "fd00::/8".parse().unwrap(),
    ]);
    assert!(permits(&networks, "10.1.200.3"));
    assert!(permits(&networks, "::ffff:10.1.200.3"));
    assert!(permits(&networks, "fd12::1"));
    assert!(!permits(&networks, "10.2.0.1"));
    assert!(!permits(&networks, "127.0.0.1"));
}

#[tokio::test]
async fn a_redirect_to_an_inner_address_is_refused() {
    let hits = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&hits);
    let inner = serve(Router::new().fallback(move || {
        counted.fetch_add(1, Ordering::SeqCst);
        async { "inside" }
    }))
    .await;
    // 127.0.0.2 stands for an inner address, 127.0.0.1 for the public internet.
    let location = format!("http://127.0.0.2:{}/", inner.port());
    let outer = serve(Router::new().fallback(move || {
        let location = location.clone();
        async move { Redirect::temporary(&location) }
    }))
    .await;
    let public = PrivateTargets::AllowedNetworks(vec!["127.0.0.1/32".parse().unwrap()]);
    let outcome = client(public)
        .get_bytes(&url(&format!("http://{outer}/")), 1_000)
        .await;
    assert!(is_refused(&outcome), "{outcome:?}");
    assert_eq!(hits.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn redirects_end_after_three() {
    let address = serve(Router::new().fallback(|uri: Uri| async move {
        let number: usize = uri.path().trim_start_matches('/').parse().unwrap_or(0);
        if number == 0 {
            "arrived".into_response()
        } else {
            Redirect::temporary(&format!("/{}", number - 1)).into_response()
        }
    }))
    .await;
    let http = client(PrivateTargets::Allowed);
    let three = http
        .get_bytes(&url(&format!("http://{address}/3")), 1_000)
        .await;
    assert_eq!(three.unwrap(), b"arrived");
    let four = http
        .get_bytes(&url(&format!("http://{address}/4")), 1_000)
        .await;
    assert_eq!(four, Err(FetchError::Status(307)));
}

#[tokio::test]
async fn a_trusted_request_does_not_carry_its_credential_to_another_origin() {
    let hits = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&hits);
    let other = serve(Router::new().fallback(move || {
        counted.fetch_add(1, Ordering::SeqCst);
        async { "other" }
    }))
    .await;
    let first = serve(
        Router::new()
            .fallback(move || async move { Redirect::temporary(&format!("http://{other}/")) }),
    )
    .await;
    let http = client(PrivateTargets::Refused);
    let request = http
        .request(Method::GET, &url(&format!("http://{first}/")))
        .bearer_auth("token");
    let answer = http.send(request, 1_000).await.unwrap();
    assert_eq!(answer.status, StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(hits.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn an_answer_larger_than_its_bound_is_not_read_to_the_end() {
    async fn endless() -> Response {
        let chunks = std::iter::repeat_with(move || Ok::<_, std::io::Error>(vec![b'x'; 100]));
        axum::body::Body::from_stream(futures_util::stream::iter(chunks)).into_response()
    }
    let router = Router::new()
        .route("/stated", get(|| async { vec![b'x'; 2_001] }))
        .route("/unstated", get(endless));
    let address = serve(router).await;
    let http = client(PrivateTargets::Allowed);
    for path in ["stated", "unstated"] {
        let outcome = http
            .get_bytes(&url(&format!("http://{address}/{path}")), 2_000)
            .await;
        assert_eq!(
            outcome,
            Err(FetchError::TooLarge { limit: 2_000 }),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let address = serve(Router::new().fallback(|| async {
        std::future::pending::<()>().await;
    }))
    .await;
    let http = OutboundHttp::new(OutboundHttpConfig {
        timeout: Duration::from_millis(50),
        allow_private_targets: PrivateTargets::Allowed,
        ..OutboundHttpConfig::default()
    })
    .unwrap();
    let outcome = http
        .get_bytes(&url(&format!("http://{address}/")), 1_000)
        .await;
    assert_eq!(outcome, Err(FetchError::TooSlow));
}

#[tokio::test]
async fn an_unreachable_server_is_told_from_a_refusing_one_without_the_address() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = listener.local_addr().unwrap();
    drop(listener);
    let http = client(PrivateTargets::Allowed);
    let target = url(&format!("http://{closed}/?token=hidden"));
    let error = http.get_bytes(&target, 1_000).await.unwrap_err();
    assert!(matches!(error, FetchError::Unreachable(_)), "{error:?}");
    let failure = error.into_failure("read");
    assert_eq!(failure.class, FailureClass::Transient);
    assert!(!format!("{failure:?}").contains("hidden"));
}

#[tokio::test]
async fn other_schemes_and_user_names_are_no_targets() {
    let http = client(PrivateTargets::Allowed);
    for target in [
        "ftp://example.com/",
        "file:///etc/passwd",
        "http://user@example.com/",
        "https://:pass@example.com/",
    ] {
        let outcome = http.get_bytes(&url(target), 1_000).await;
        assert_eq!(outcome, Err(FetchError::UnsupportedUrl), "{target}");
    }
}

#[tokio::test]
async fn requests_say_who_they_are_and_go_through_the_configured_proxy() {
    let proxy = serve(
        Router::new().fallback(|uri: Uri, headers: HeaderMap| async move {
            let agent = headers
                .get("user-agent")
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            format!("{uri} {agent}")
        }),
    )
    .await;
    let http = OutboundHttp::new(OutboundHttpConfig {
        proxy: Some(url(&format!("http://{proxy}/"))),
        ..OutboundHttpConfig::default()
    })
    .unwrap();
    let seen = http
        .get_bytes(&url("http://8.8.8.8/x"), 1_000)
        .await
        .unwrap();
    let seen = String::from_utf8(seen).unwrap();
    assert!(seen.starts_with("http://8.8.8.8/x claviger/"), "{seen}");
    // The proxy is no way around the policy.
    for target in ["http://10.0.0.1/", "http://localhost/"] {
        assert!(
            is_refused(&http.get_bytes(&url(target), 1_000).await),
            "{target}"
        );
    }
}

#[test]
fn unusable_settings_are_refused_with_the_place() {
    let config = |extra: &str, proxy: Option<&str>| OutboundHttpConfig {
        extra_ca_pem: vec![extra.to_owned()],
        proxy: proxy.map(url),
        ..OutboundHttpConfig::default()
    };
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let error = OutboundHttp::new(config(broken, None))
        .map(|_| ())
        .unwrap_err();
    assert!(
        matches!(
            error,
            OutboundHttpError::CertificateAuthority { number: 1, .. }
                | OutboundHttpError::Client(_)
        ),
        "{error:?}"
    );
    let error = OutboundHttp::new(config("", Some("socks5://127.0.0.1:1")))
        .map(|_| ())
        .unwrap_err();
    assert!(matches!(error, OutboundHttpError::Proxy), "{error:?}");
}
