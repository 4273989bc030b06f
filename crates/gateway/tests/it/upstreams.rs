//! Connections to upstreams: HTTP/2 with and without TLS, certificates, trailers, and endpoints that fail.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{future, stream};
use gateway::{BackendJwtConfig, GatewayConfig, TlsIdentity, UpstreamTls};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;
use url::Url;

use crate::backend_jwts::backend_jwts;
use crate::support::http::{full, serve};
use crate::support::raw::{RawUpstream, connect, head, read_head, read_to_end};
use crate::support::signer::FIRST;
use crate::support::world::{World, test_config, token, until};

fn url(text: String) -> Url {
    text.parse().expect("a URL")
}

async fn world(config: GatewayConfig, endpoints: Vec<Url>) -> World {
    let world = World::start_with(config, &[FIRST.jwk()]).await;
    world.change_api(|api| api.endpoints.production = endpoints);
    world
}

/// A certification authority of the test's own.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a certificate"))
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    fn identity(&self, name: &str) -> TlsIdentity {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        TlsIdentity {
            certificate_chain: certificate.pem(),
            private_key: key.serialize_pem().into(),
        }
    }
}

/// What a TLS upstream saw.
#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    server_names: Mutex<Vec<Option<String>>>,
}

/// Answers with the version that it was asked in; `clients` is whom it lets in.
async fn tls_upstream(
    authority: &Authority,
    protocols: &[&str],
    clients: Option<&Authority>,
) -> (Url, Arc<Seen>) {
    use secrecy::ExposeSecret as _;
    let identity = authority.identity("localhost");
    let chain = CertificateDer::from_pem_slice(identity.certificate_chain.as_bytes());
    let key = PrivateKeyDer::from_pem_slice(identity.private_key.expose_secret().as_bytes());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("versions");
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(clients) => {
            let mut roots = RootCertStore::empty();
            roots.add(clients.0.der().clone()).expect("a certificate");
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
        }
    };
    let mut config = builder
        .with_single_cert(vec![chain.expect("PEM")], key.expect("PEM"))
        .expect("an identity");
    config.alpn_protocols = protocols
        .iter()
        .map(|one| one.as_bytes().to_vec())
        .collect();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let seen = Arc::new(Seen::default());
    let told = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, told) = (acceptor.clone(), Arc::clone(&told));
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else {
                    return;
                };
                told.connections.fetch_add(1, Ordering::SeqCst);
                let name = stream.get_ref().1.server_name().map(str::to_owned);
                told.server_names.lock().expect("a lock").push(name);
                let service = service_fn(|request: Request<Incoming>| async move {
                    let answer = format!("{:?} {}", request.version(), request.uri());
                    let _ = request.into_body().collect().await;
                    Ok::<_, Infallible>(Response::new(full(answer)))
                });
                let _ = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
    (url(format!("https://localhost:{port}/backend")), seen)
}

fn trusting(authority: &Authority) -> GatewayConfig {
    GatewayConfig {
        upstream_tls: UpstreamTls {
            authorities: Some(authority.pem()),
            identity: None,
        },
        ..test_config()
    }
}

#[tokio::test]
async fn an_upstream_that_offers_http2_gets_it_and_requests_share_one_connection() {
    let authority = Authority::new();
    let (endpoint, seen) = tls_upstream(&authority, &["h2", "http/1.1"], None).await;
    let world = world(trusting(&authority), vec![endpoint.clone()]).await;
    let token = token();
    let calls = (0..40).map(|_| world.call(&token));
    for answer in future::join_all(calls).await {
        assert_eq!(
            answer.text(),
            format!("HTTP/2.0 {endpoint}/items?x=1"),
            "with its authority"
        );
    }
    assert_eq!(seen.connections.load(Ordering::SeqCst), 1);
    let names = seen.server_names.lock().expect("a lock").clone();
    assert_eq!(names, [Some("localhost".to_owned())]);
}

#[tokio::test]
async fn an_upstream_that_does_not_offer_http2_gets_http1() {
    let authority = Authority::new();
    for protocols in [&["http/1.1"][..], &[]] {
        let (endpoint, _) = tls_upstream(&authority, protocols, None).await;
        let world = world(trusting(&authority), vec![endpoint]).await;
        for _ in 0..3 {
            let answer = world.call(&token()).await;
            assert_eq!(answer.text(), "HTTP/1.1 /backend/items?x=1");
        }
    }
}

#[tokio::test]
async fn an_upstream_of_an_unknown_authority_is_not_believed() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let (endpoint, seen) = tls_upstream(&theirs, &["h2"], None).await;
    let world = world(trusting(&ours), vec![endpoint]).await;
    let answer = world.call(&token()).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (502, "101503")
    );
    assert_eq!(seen.connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn an_upstream_with_a_certificate_for_another_name_is_not_believed() {
    let authority = Authority::new();
    let (endpoint, _) = tls_upstream(&authority, &["h2"], None).await;
    let by_address = url(endpoint.as_str().replace("localhost", "127.0.0.1"));
    let world = world(trusting(&authority), vec![by_address]).await;
    assert_eq!(world.call(&token()).await.status, StatusCode::BAD_GATEWAY);
}

#[tokio::test]
async fn a_client_certificate_opens_the_upstream_that_asks_for_one_and_can_be_brought_later() {
    let (servers, clients) = (Authority::new(), Authority::new());
    for protocols in [&["h2", "http/1.1"][..], &["http/1.1"]] {
        let (endpoint, seen) = tls_upstream(&servers, protocols, Some(&clients)).await;
        let world = world(trusting(&servers), vec![endpoint]).await;
        assert_eq!(world.call(&token()).await.status, StatusCode::BAD_GATEWAY);

        let with = |identity| UpstreamTls {
            authorities: Some(servers.pem()),
            identity: Some(identity),
        };
        let stranger = Authority::new();
        let unknown = with(stranger.identity("gateway"));
        world.gateway.reload_upstream_tls(&unknown).expect("usable");
        assert_eq!(world.call(&token()).await.status, StatusCode::BAD_GATEWAY);

        let known = with(clients.identity("gateway"));
        world.gateway.reload_upstream_tls(&known).expect("usable");
        assert_eq!(world.call(&token()).await.status, StatusCode::OK);
        assert_eq!(world.call(&token()).await.status, StatusCode::OK);
        assert_eq!(seen.connections.load(Ordering::SeqCst), 1);

        // What cannot be used changes nothing; what can be makes new connections.
        let broken = UpstreamTls {
            authorities: Some("no PEM".to_owned()),
            identity: None,
        };
        world
            .gateway
            .reload_upstream_tls(&broken)
            .expect_err("unusable");
        assert_eq!(world.call(&token()).await.status, StatusCode::OK);
        let renewed = with(clients.identity("gateway"));
        world.gateway.reload_upstream_tls(&renewed).expect("usable");
        assert_eq!(world.call(&token()).await.status, StatusCode::OK);
        assert_eq!(seen.connections.load(Ordering::SeqCst), 2);
    }
}

/// HTTP/2 without TLS, with h2 itself: `behave` gets each connection and its number.
async fn http2_upstream<F, R>(behave: F) -> RawUpstream
where
    F: Fn(h2::server::Connection<TcpStream, Bytes>, usize) -> R + Clone + Send + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    RawUpstream::start(move |stream, number| {
        let behave = behave.clone();
        async move {
            let connection = h2::server::Builder::new()
                .max_concurrent_streams(2)
                .handshake(stream)
                .await
                .expect("HTTP/2");
            behave(connection, number).await;
        }
    })
    .await
}

fn answer(mut respond: h2::server::SendResponse<Bytes>, text: String) {
    let mut body = respond
        .send_response(Response::new(()), false)
        .expect("an open stream");
    body.send_data(text.into(), true).expect("an open stream");
}

fn speaking_http2(upstream: &RawUpstream) -> GatewayConfig {
    GatewayConfig {
        http2_upstreams: vec![upstream.url()],
        ..test_config()
    }
}

#[tokio::test]
async fn a_request_that_the_upstream_refused_unread_goes_out_again_and_one_with_a_body_does_not() {
    let upstream = http2_upstream(|mut connection, number| async move {
        while let Some(Ok((_, mut respond))) = connection.accept().await {
            match number {
                0 | 2 => respond.send_reset(h2::Reason::REFUSED_STREAM),
                _ => answer(respond, format!("connection {number}")),
            }
        }
    })
    .await;
    let world = world(speaking_http2(&upstream), vec![upstream.url()]).await;
    assert_eq!(world.call(&token()).await.text(), "connection 1");
    assert_eq!(upstream.count(), 2);

    // On a gateway of its own, so that its first connection is number 2.
    let world = self::world(speaking_http2(&upstream), vec![upstream.url()]).await;
    let request = Request::post("/exampleapi/1.0.0/items")
        .header("authorization", format!("Bearer {}", token()))
        .body(full("once"))
        .expect("a request");
    assert_eq!(world.send(request).await.status, StatusCode::BAD_GATEWAY);
    assert_eq!(upstream.count(), 3);
}

#[tokio::test]
async fn an_upstream_that_refuses_for_ever_is_not_asked_for_ever() {
    let upstream = http2_upstream(|mut connection, _| async move {
        while let Some(Ok((_, mut respond))) = connection.accept().await {
            respond.send_reset(h2::Reason::REFUSED_STREAM);
        }
    })
    .await;
    let world = world(speaking_http2(&upstream), vec![upstream.url()]).await;
    assert_eq!(world.call(&token()).await.status, StatusCode::BAD_GATEWAY);
    assert!((1..=3).contains(&upstream.count()), "{}", upstream.count());
}

#[tokio::test]
async fn a_reset_for_another_reason_is_final() {
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&requests);
    let upstream = http2_upstream(move |mut connection, _| {
        let counted = Arc::clone(&counted);
        async move {
            while let Some(Ok((_, mut respond))) = connection.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                respond.send_reset(h2::Reason::INTERNAL_ERROR);
            }
        }
    })
    .await;
    let world = world(speaking_http2(&upstream), vec![upstream.url()]).await;
    assert_eq!(world.call(&token()).await.status, StatusCode::BAD_GATEWAY);
    assert_eq!(requests.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_goaway_costs_no_request() {
    let upstream = http2_upstream(|mut connection, _| async move {
        let mut left = 3;
        while let Some(Ok((_, respond))) = connection.accept().await {
            answer(respond, "ok".to_owned());
            left -= 1;
            if left == 0 {
                connection.graceful_shutdown();
            }
        }
    })
    .await;
    let world = world(speaking_http2(&upstream), vec![upstream.url()]).await;
    for _ in 0..30 {
        assert_eq!(world.call(&token()).await.text(), "ok");
    }
    assert!(upstream.count() >= 2, "it did go away");
}

#[tokio::test]
async fn streams_beyond_what_the_upstream_announced_take_another_connection() {
    let may_answer = Arc::new(Notify::new());
    let waiting = Arc::new(AtomicUsize::new(0));
    let (may, counted) = (Arc::clone(&may_answer), Arc::clone(&waiting));
    let upstream = http2_upstream(move |mut connection, _| {
        let (may, counted) = (Arc::clone(&may), Arc::clone(&counted));
        async move {
            while let Some(Ok((request, respond))) = connection.accept().await {
                if request.uri().path().ends_with("/items") {
                    answer(respond, "at once".to_owned());
                    continue;
                }
                let may = Arc::clone(&may);
                counted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(async move {
                    may.notified().await;
                    answer(respond, "later".to_owned());
                });
            }
        }
    })
    .await;
    let world = world(speaking_http2(&upstream), vec![upstream.url()]).await;
    assert_eq!(world.call(&token()).await.text(), "at once");
    let token = token();
    let calls = future::join_all((0..6).map(|_| world.get("/exampleapi/1.0.0/held", &token)));
    let held = async {
        until("all six arrived", || waiting.load(Ordering::SeqCst) == 6).await;
        for _ in 0..6 {
            may_answer.notify_one();
            tokio::task::yield_now().await;
        }
        // Those that were not yet waiting when they were told.
        while waiting.load(Ordering::SeqCst) > 0 {
            may_answer.notify_one();
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let answers = tokio::select! {
        answers = calls => answers,
        () = held => unreachable!("it tells until all have answered"),
    };
    assert!(answers.iter().all(|answer| answer.text() == "later"));
    assert_eq!(upstream.count(), 3);
}

#[tokio::test]
async fn grpc_passes_with_its_trailers_both_ways() {
    let upstream = RawUpstream::start(|stream, _| async move {
        let service = service_fn(|request: Request<Incoming>| async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.expect("a whole body");
            let sent = body.trailers().cloned().unwrap_or_default();
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", HeaderValue::from_static("0"));
            for name in ["x-checksum", "authorization", "x-forwarded-for", "x-caller"] {
                if let Some(value) = sent.get(name) {
                    trailers.insert(name, value.clone());
                }
            }
            let frames = [Frame::data(body.to_bytes()), Frame::trailers(trailers)];
            let body = StreamBody::new(stream::iter(frames.map(Ok::<_, Infallible>)));
            Ok::<_, Infallible>(
                Response::builder()
                    .header("content-type", &head.headers["content-type"])
                    .header("x-te", &head.headers["te"])
                    .header("x-version", format!("{:?}", head.version))
                    .header(
                        "x-authority",
                        head.uri.authority().map_or("", |a| a.as_str()),
                    )
                    .body(body)
                    .expect("a response"),
            )
        });
        let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(stream), service)
            .await;
    })
    .await;
    let mut config = speaking_http2(&upstream);
    config.backend_jwts = Some(BackendJwtConfig {
        header: "X-Caller".to_owned(),
        ..backend_jwts()
    });
    let world = world(config, vec![upstream.url()]).await;
    let stream = connect(world.gateway.local_addr()).await;
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .expect("HTTP/2");
    tokio::spawn(connection);
    let mut trailers = HeaderMap::new();
    trailers.insert("x-checksum", HeaderValue::from_static("abc"));
    // What the checks did not see may not be said after them.
    trailers.insert("authorization", HeaderValue::from_static("Bearer forged"));
    trailers.insert("x-forwarded-for", HeaderValue::from_static("6.6.6.6"));
    trailers.insert("x-caller", HeaderValue::from_static("forged"));
    let frames = [
        Frame::data(Bytes::from_static(b"\0\0\0\0\x02hi")),
        Frame::trailers(trailers),
    ];
    let request = Request::post("http://gateway.example/exampleapi/1.0.0/Greeter/SayHello")
        .header("authorization", format!("Bearer {}", token()))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(StreamBody::new(stream::iter(
            frames.map(Ok::<_, Infallible>),
        )))
        .expect("a request");
    let response = sender.send_request(request).await.expect("a response");
    assert_eq!(response.version(), Version::HTTP_2);
    assert_eq!(response.headers()["content-type"], "application/grpc");
    assert_eq!(response.headers()["x-te"], "trailers");
    assert_eq!(response.headers()["x-version"], "HTTP/2.0");
    assert_eq!(
        response.headers()["x-authority"],
        upstream.address.to_string()
    );
    let body = response.into_body().collect().await.expect("a whole body");
    let trailers = body.trailers().expect("trailers").clone();
    assert_eq!(body.to_bytes(), &b"\0\0\0\0\x02hi"[..]);
    assert_eq!(trailers["grpc-status"], "0");
    assert_eq!(trailers["x-checksum"], "abc");
    assert_eq!(trailers.len(), 2, "{trailers:?}");
}

#[tokio::test]
async fn trailers_of_chunked_bodies_pass_both_ways() {
    let received = Arc::new(Mutex::new(String::new()));
    let kept = Arc::clone(&received);
    let upstream = RawUpstream::start(move |mut stream, _| {
        let kept = Arc::clone(&kept);
        async move {
            let mut request = read_head(&mut stream).await;
            request.push_str(&read_head(&mut stream).await);
            *kept.lock().expect("a lock") = request;
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-down\r\n\r\n2\r\nok\r\n0\r\nx-down: 1\r\n\r\n")
                .await;
        }
    })
    .await;
    let world = world(test_config(), vec![upstream.url()]).await;
    let lines = "te: trailers\r\nconnection: te\r\ntransfer-encoding: chunked\r\ntrailer: x-up\r\n";
    let mut stream = connect(world.gateway.local_addr()).await;
    let request = format!("{}2\r\nhi\r\n0\r\nx-up: 2\r\n\r\n", head("POST", lines));
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = read_head(&mut stream).await;
    answer.push_str(&read_head(&mut stream).await);
    let received = received.lock().expect("a lock").to_lowercase();
    assert!(received.contains("\r\nte: trailers\r\n"), "{received}");
    assert!(received.contains("\r\nconnection: te\r\n"), "{received}");
    assert!(
        received.ends_with("2\r\nhi\r\n0\r\nx-up: 2\r\n\r\n"),
        "{received}"
    );
    assert!(
        answer.ends_with("2\r\nok\r\n0\r\nx-down: 1\r\n\r\n"),
        "{answer}"
    );
}

fn figure(world: &World, name: &str, endpoint: &str) -> Option<String> {
    let metrics = world.gateway.metrics();
    let start = format!("claviger_gateway_endpoint_{name}{{endpoint=\"http://{endpoint}\"}} ");
    let line = metrics.lines().find_map(|line| line.strip_prefix(&start));
    line.map(str::to_owned)
}

#[tokio::test]
async fn an_endpoint_that_cannot_be_reached_rests_and_is_tried_once_after_each_rest() {
    let closed = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = closed.local_addr().expect("an address");
    drop(closed);
    let gone = address.to_string();
    let alive = serve(|_| async { Response::new(full("alive")) }).await;
    let endpoints = vec![
        url(format!("http://{gone}")),
        url(format!("http://{alive}")),
    ];
    let world = world(test_config(), endpoints.clone()).await;
    let calls = async |count: usize| {
        for _ in 0..count {
            assert_eq!(world.call(&token()).await.text(), "alive");
        }
    };
    calls(10).await;
    assert_eq!(
        figure(&world, "failures_total", &gone).as_deref(),
        Some("1")
    );
    assert_eq!(figure(&world, "resting", &gone).as_deref(), Some("1"));
    // A change of the API does not forget it.
    world.change_api(|api| {
        api.endpoints.production = endpoints;
        api.provider = "another".to_owned();
    });
    calls(4).await;
    assert_eq!(
        figure(&world, "failures_total", &gone).as_deref(),
        Some("1")
    );
    world.clock.advance(5);
    calls(4).await;
    assert_eq!(
        figure(&world, "failures_total", &gone).as_deref(),
        Some("2")
    );
    world.clock.advance(5);
    calls(4).await;
    let failures = figure(&world, "failures_total", &gone);
    assert_eq!(failures.as_deref(), Some("2"), "the rest has doubled");
    world.clock.advance(5);
    calls(4).await;
    assert_eq!(
        figure(&world, "failures_total", &gone).as_deref(),
        Some("3")
    );

    // It comes back: after the rest a trial finds it, and it serves again.
    let listener = TcpListener::bind(address).await.expect("the same port");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            read_head(&mut stream).await;
            let _ = stream
                .write_all(
                    b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nalive",
                )
                .await;
        }
    });
    world.clock.advance(20);
    calls(4).await;
    assert_eq!(
        figure(&world, "failures_total", &gone).as_deref(),
        Some("3")
    );
    assert_eq!(figure(&world, "resting", &gone).as_deref(), Some("0"));
}

/// Answers with its status; counts.
async fn endpoint(status: Arc<Mutex<u16>>) -> (String, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let address = serve(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        let mut response = Response::new(full("answered"));
        *response.status_mut() =
            StatusCode::from_u16(*status.lock().expect("a lock")).expect("a status");
        async move { response }
    })
    .await;
    (address.to_string(), count)
}

#[tokio::test]
async fn an_endpoint_that_answers_badly_several_times_in_a_row_rests() {
    let good = Arc::new(Mutex::new(200));
    let (bad, bad_count) = endpoint(Arc::new(Mutex::new(503))).await;
    let (other, other_count) = endpoint(Arc::clone(&good)).await;
    let endpoints = [&bad, &other].map(|address| url(format!("http://{address}")));
    let world = world(test_config(), endpoints.to_vec()).await;
    for _ in 0..40 {
        world.call(&token()).await;
    }
    // An answer is an answer: it is not asked for again elsewhere.
    assert_eq!(bad_count.load(Ordering::SeqCst), 5);
    assert_eq!(other_count.load(Ordering::SeqCst), 35);

    // Both rest: the one whose rest ends first is asked, for refusing would help nobody.
    world.clock.advance(1);
    *good.lock().expect("a lock") = 500;
    for _ in 0..5 {
        assert_eq!(world.call(&token()).await.status, 500);
    }
    assert_eq!(world.call(&token()).await.status, 503);
    assert_eq!(bad_count.load(Ordering::SeqCst), 6);
}

#[tokio::test]
async fn a_request_takes_no_longer_than_a_whole_request_may() {
    let mut config = test_config();
    config.timeouts.total = Duration::from_millis(300);
    let silent = RawUpstream::start(|mut stream, _| async move {
        read_head(&mut stream).await;
        future::pending::<()>().await;
    })
    .await;
    let world = world(config, vec![silent.url()]).await;
    let refused = world.call(&token()).await;
    assert_eq!(
        (refused.status.as_u16(), refused.code().as_str()),
        (504, "101504")
    );

    // Never silent, and never at an end.
    let dripping = RawUpstream::start(|mut stream, _| async move {
        read_head(&mut stream).await;
        let _ = stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
            .await;
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    world.change_api(|api| api.endpoints.production = vec![dripping.url()]);
    let mut stream = connect(world.gateway.local_addr()).await;
    stream
        .write_all(head("GET", "").as_bytes())
        .await
        .expect("sent");
    let answer = read_to_end(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.len() < 1_000_000);

    // The same upwards.
    world.change_api(|api| api.endpoints.production = vec![silent.url()]);
    let mut stream = connect(world.gateway.local_addr()).await;
    let request = head("POST", "content-length: 1000000\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let (mut reading, mut writing) = stream.into_split();
    let drip = async {
        while writing.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        future::pending::<()>().await;
    };
    let mut start = [0; 12];
    tokio::select! {
        () = drip => {}
        read = tokio::io::AsyncReadExt::read_exact(&mut reading, &mut start) => {
            read.expect("an answer");
        }
    }
    // Both sides ran out of time at once; either may be told of first.
    assert!([&b"HTTP/1.1 408"[..], b"HTTP/1.1 504"].contains(&&start[..]));
}
