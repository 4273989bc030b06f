//! The server over real TLS, as a client that trusts the exported CA sees it.

use std::net::Ipv4Addr;

use axum::Router;
use axum::routing::get;
use jiff::Timestamp;
use tokio::net::TcpListener;

use super::{DevelopmentAuthority, Server, server_config};
use crate::clock::Clock;

fn now() -> Timestamp {
    Clock::system().now()
}

async fn start(authority: &DevelopmentAuthority) -> Server {
    let config = server_config(authority.server_certificate(now()).unwrap()).unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let router = Router::new().route("/", get(|| async { "hello" }));
    Server::start(listener, config, router).unwrap()
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test's client, which trusts the test's CA"
)]
fn client(ca_pem: Option<&str>) -> reqwest::Client {
    let mut builder = reqwest::Client::builder().no_proxy();
    if let Some(pem) = ca_pem {
        let certificate = reqwest::Certificate::from_pem(pem.as_bytes()).unwrap();
        builder = builder.tls_certs_only([certificate]);
    }
    builder.build().unwrap()
}

#[tokio::test]
async fn a_client_that_trusts_the_ca_is_served_by_name_and_by_address() {
    let authority = DevelopmentAuthority::generate(now()).unwrap();
    let server = start(&authority).await;
    let port = server.address().port();
    let client = client(Some(authority.certificate_pem()));
    for host in ["localhost", "127.0.0.1"] {
        let answer = client
            .get(format!("https://{host}:{port}/"))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.version(), http::Version::HTTP_2);
        assert_eq!(answer.text().await.unwrap(), "hello");
    }
    drop(client);
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_does_not_trust_the_ca_is_not_fooled() {
    let authority = DevelopmentAuthority::generate(now()).unwrap();
    let server = start(&authority).await;
    let url = format!("https://localhost:{}/", server.address().port());
    assert!(client(None).get(url).send().await.unwrap_err().is_connect());
    server.stop().await;
}

#[tokio::test]
async fn a_kept_ca_is_the_same_after_a_restart_and_its_key_is_private() {
    let folder = tempfile::tempdir().unwrap();
    let first = DevelopmentAuthority::open(folder.path(), now()).unwrap();
    let second = DevelopmentAuthority::open(folder.path(), now()).unwrap();
    assert_eq!(first.certificate_pem(), second.certificate_pem());
    let server = start(&second).await;
    let url = format!("https://localhost:{}/", server.address().port());
    let answer = client(Some(first.certificate_pem()))
        .get(url)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(folder.path().join("ca-key.pem"))
            .unwrap()
            .permissions();
        assert_eq!(mode.mode() & 0o077, 0);
    }
    server.stop().await;
}

#[tokio::test]
async fn plain_text_on_the_port_does_not_disturb_others() {
    use tokio::io::AsyncWriteExt as _;
    let authority = DevelopmentAuthority::generate(now()).unwrap();
    let server = start(&authority).await;
    let mut plain = tokio::net::TcpStream::connect(server.address())
        .await
        .unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let url = format!("https://localhost:{}/", server.address().port());
    let answer = client(Some(authority.certificate_pem()))
        .get(url)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    server.stop().await;
}
