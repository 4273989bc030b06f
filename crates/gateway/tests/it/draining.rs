//! What was accepted finishes: across a change of the snapshot, another certificate, and the end of the gateway.

use std::sync::Arc;
use std::time::Duration;

use gateway::{GatewayConfig, TlsIdentity};
use http::Request;
use http_body_util::BodyExt as _;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::RootCertStore;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::support::http::{Body, full};
use crate::support::raw::{PATIENCE, RawUpstream, connect, head, read_head, read_to_end};
use crate::support::signer::FIRST;
use crate::support::websocket::{echoing, is_echoed, websocket};
use crate::support::world::{World, test_config, token, until};

/// Sends the first half of its answer, and the second when it is told.
struct Halves {
    upstream: RawUpstream,
    go_on: Arc<Notify>,
}

impl Halves {
    async fn start() -> Self {
        let go_on = Arc::new(Notify::new());
        let may = Arc::clone(&go_on);
        let upstream = RawUpstream::start(move |mut stream, _| {
            let may = Arc::clone(&may);
            async move {
                read_head(&mut stream).await;
                let _ = stream
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\nfirst ")
                    .await;
                may.notified().await;
                let _ = stream.write_all(b"second").await;
            }
        })
        .await;
        Self { upstream, go_on }
    }
}

async fn world(config: GatewayConfig, upstream: &RawUpstream) -> World {
    let world = World::start_with(config, &[FIRST.jwk()]).await;
    world.change_api(|api| api.endpoints.production = vec![upstream.url()]);
    world
}

/// Has read half of the answer.
async fn half_way(world: &World) -> TcpStream {
    let mut stream = connect(world.gateway.local_addr()).await;
    let request = head("GET", "");
    stream.write_all(request.as_bytes()).await.expect("sent");
    read_head(&mut stream).await;
    let mut first = [0; 6];
    stream.read_exact(&mut first).await.expect("a half");
    stream
}

async fn second_half(stream: &mut TcpStream) {
    let mut second = [0; 6];
    stream.read_exact(&mut second).await.expect("the other");
    assert_eq!(&second, b"second");
}

async fn nobody_listens(address: std::net::SocketAddr) {
    until("nobody listens any more", || {
        std::net::TcpStream::connect(address).is_err()
    })
    .await;
}

#[tokio::test]
async fn a_request_under_way_finishes_though_its_api_is_removed() {
    let halves = Halves::start().await;
    let world = world(test_config(), &halves.upstream).await;
    let mut stream = half_way(&world).await;
    let id = world.api.id;
    world.change(vec![domain::snapshot::SnapshotChange::RemoveApi(id)]);
    assert_eq!(world.call(&token()).await.status, 404);
    halves.go_on.notify_one();
    second_half(&mut stream).await;
}

#[tokio::test]
async fn a_request_under_way_finishes_at_the_end_and_its_connection_is_then_closed() {
    let halves = Halves::start().await;
    let world = world(test_config(), &halves.upstream).await;
    let address = world.gateway.local_addr();
    let mut stream = half_way(&world).await;
    let stopping = tokio::spawn(async move { world.gateway.stop().await });
    nobody_listens(address).await;
    assert!(!stopping.is_finished());
    halves.go_on.notify_one();
    second_half(&mut stream).await;
    assert_eq!(read_to_end(&mut stream).await, "");
    timeout(PATIENCE, stopping)
        .await
        .expect("an end")
        .expect("no panic");
}

#[tokio::test]
async fn requests_that_do_not_end_are_cut_when_the_drain_time_is_over() {
    let mut config = test_config();
    config.timeouts.drain = Duration::from_millis(100);
    let halves = Halves::start().await;
    let world = world(config, &halves.upstream).await;
    let mut stream = half_way(&world).await;
    timeout(PATIENCE, world.gateway.stop())
        .await
        .expect("an end");
    assert_eq!(read_to_end(&mut stream).await, "");
}

#[tokio::test]
async fn connections_without_a_request_are_closed_at_once() {
    let halves = Halves::start().await;
    let mut config = test_config();
    // Longer than the test waits.
    config.timeouts.drain = Duration::from_hours(1);
    config.timeouts.request_head = Duration::from_hours(1);
    let world = world(config, &halves.upstream).await;
    let mut used = half_way(&world).await;
    halves.go_on.notify_one();
    second_half(&mut used).await;
    let mut unused = connect(world.gateway.local_addr()).await;
    timeout(PATIENCE, world.gateway.stop())
        .await
        .expect("an end");
    assert_eq!(read_to_end(&mut used).await, "");
    assert_eq!(read_to_end(&mut unused).await, "");
}

#[tokio::test]
async fn a_handshake_that_nobody_goes_on_with_is_not_waited_for() {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]);
    let made = made.expect("a certificate");
    let mut config = GatewayConfig {
        tls: Some(TlsIdentity {
            certificate_chain: made.cert.pem(),
            private_key: made.signing_key.serialize_pem().into(),
        }),
        ..test_config()
    };
    // Longer than the test waits.
    config.timeouts.drain = Duration::from_hours(1);
    config.timeouts.request_head = Duration::from_hours(1);
    let world = World::start_with(config, &[FIRST.jwk()]).await;
    let mut silent = connect(world.gateway.local_addr()).await;
    until("the connection is counted", || {
        world
            .gateway
            .metrics()
            .contains("claviger_gateway_connections 1\n")
    })
    .await;
    timeout(PATIENCE, world.gateway.stop())
        .await
        .expect("an end");
    assert_eq!(read_to_end(&mut silent).await, "");
}

fn http2_request() -> Request<Body> {
    Request::get("http://gateway.example/exampleapi/1.0.0/items")
        .header("authorization", format!("Bearer {}", token()))
        .body(full(""))
        .expect("a request")
}

#[tokio::test]
async fn http2_clients_are_told_to_go_away_and_their_requests_finish() {
    let halves = Halves::start().await;
    let world = world(test_config(), &halves.upstream).await;
    let address = world.gateway.local_addr();
    let stream = TokioIo::new(connect(address).await);
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), stream)
            .await
            .expect("HTTP/2");
    let connection = tokio::spawn(connection);
    let response = sender.send_request(http2_request()).await.expect("a head");
    let stopping = tokio::spawn(async move { world.gateway.stop().await });
    nobody_listens(address).await;
    assert!(!stopping.is_finished());
    halves.go_on.notify_one();
    let body = response.into_body().collect().await.expect("a whole body");
    assert_eq!(body.to_bytes(), "first second");
    timeout(PATIENCE, stopping)
        .await
        .expect("an end")
        .expect("no panic");
    connection.await.expect("no panic").expect("no error");
    assert!(sender.send_request(http2_request()).await.is_err());
}

#[tokio::test]
async fn a_request_under_way_finishes_though_the_certificate_is_replaced() {
    let halves = Halves::start().await;
    let made =
        || rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let (first, second) = (made(), made());
    let identity = |made: &rcgen::CertifiedKey<rcgen::KeyPair>| TlsIdentity {
        certificate_chain: made.cert.pem(),
        private_key: made.signing_key.serialize_pem().into(),
    };
    let config = GatewayConfig {
        tls: Some(identity(&first)),
        ..test_config()
    };
    let world = world(config, &halves.upstream).await;
    let mut roots = RootCertStore::empty();
    roots.add(first.cert.der().clone()).expect("a certificate");
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let config = rustls::ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut stream = tokio_rustls::TlsConnector::from(Arc::new(config))
        .connect(
            "localhost".try_into().expect("a name"),
            connect(world.gateway.local_addr()).await,
        )
        .await
        .expect("TLS");
    let request = head("GET", "connection: close\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = vec![0; 16];
    stream.read_exact(&mut answer).await.expect("a beginning");
    world
        .gateway
        .reload_tls(&identity(&second), &gateway::ClientCertificates::Off)
        .expect("usable");
    halves.go_on.notify_one();
    stream.read_to_end(&mut answer).await.expect("the rest");
    assert!(answer.ends_with(b"first second"));
}

#[tokio::test]
async fn the_end_waits_for_websockets() {
    let upstream = echoing().await;
    let world = world(test_config(), &upstream).await;
    let address = world.gateway.local_addr();
    let mut stream = websocket(&world).await;
    is_echoed(&mut stream).await;
    let stopping = tokio::spawn(async move { world.gateway.stop().await });
    nobody_listens(address).await;
    is_echoed(&mut stream).await;
    assert!(!stopping.is_finished());
    drop(stream);
    timeout(PATIENCE, stopping)
        .await
        .expect("an end")
        .expect("no panic");
}

#[tokio::test]
async fn websockets_are_closed_when_the_drain_time_is_over() {
    let mut config = test_config();
    config.timeouts.drain = Duration::from_millis(100);
    let upstream = echoing().await;
    let world = world(config, &upstream).await;
    let mut stream = websocket(&world).await;
    is_echoed(&mut stream).await;
    timeout(PATIENCE, world.gateway.stop())
        .await
        .expect("an end");
    assert_eq!(read_to_end(&mut stream).await, "");
    // What had passed by then is known all the same.
    let lines = world.log.with("gateway.access");
    let bytes = lines[0]["response.bytes"].as_u64();
    assert!(bytes.is_some_and(|bytes| bytes > 0), "{lines:?}");
    assert_eq!(lines[0]["response.complete"], false, "{lines:?}");
}

#[tokio::test]
async fn a_websocket_that_is_silent_for_too_long_is_closed() {
    let mut config = test_config();
    config.timeouts.tunnel_idle = Duration::from_millis(200);
    let upstream = echoing().await;
    let world = world(config, &upstream).await;
    let mut stream = websocket(&world).await;
    assert_eq!(read_to_end(&mut stream).await, "");
    until("it is over", || {
        world.gateway.status().requests_in_progress == 0
    })
    .await;
}

#[tokio::test]
async fn websockets_count_as_connections() {
    let mut config = test_config();
    config.limits.connections = 2;
    let upstream = echoing().await;
    let world = world(config, &upstream).await;
    let mut first = websocket(&world).await;
    let second = websocket(&world).await;
    let address = world.gateway.local_addr();
    // The third waits until one of them has gone.
    let third = tokio::spawn(async move {
        let mut stream = connect(address).await;
        let request = head("GET", "connection: close\r\n").replace("Bearer ", "Bearer x");
        stream.write_all(request.as_bytes()).await.expect("sent");
        read_head(&mut stream).await
    });
    for _ in 0..20 {
        is_echoed(&mut first).await;
    }
    assert!(!third.is_finished());
    drop(second);
    let answer = timeout(PATIENCE, third)
        .await
        .expect("its turn")
        .expect("no panic");
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
}
