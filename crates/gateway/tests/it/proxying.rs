//! The proxy: what reaches the upstream, what comes back, and what happens when something breaks.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use gateway::{ForwardedPolicy, GatewayConfig, TlsIdentity};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use url::Url;

use crate::support::http::{Body, full, send, serve};
use crate::support::world::{World, test_config, token, until};

fn authorized(method: &str, path: &str, body: Body) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(path)
        .header("host", "gateway.example")
        .header("authorization", format!("Bearer {}", token()))
        .body(body)
        .expect("a request")
}

fn url(address: std::net::SocketAddr) -> Url {
    format!("http://{address}/backend").parse().expect("a URL")
}

async fn world_with_upstream(config: GatewayConfig, endpoints: Vec<Url>) -> World {
    let world = World::start_with(config, &[crate::support::signer::FIRST.jwk()]).await;
    world.change_api(|api| api.endpoints.production = endpoints);
    world
}

#[tokio::test]
async fn the_upstream_sees_a_clean_request() {
    let world = World::start().await;
    let request = Request::post("/exampleapi/1.0.0/a%20b/?q=%2F&r")
        .header("host", "gateway.example")
        .header("authorization", format!("bearer {}", token()))
        .header("connection", "x-hop, close")
        .header("x-hop", "1")
        .header("keep-alive", "1")
        .header("te", "trailers, deflate")
        .header("proxy-authorization", "Basic x")
        .header("upgrade", "h2c")
        .header("expect", "100-continue")
        .header("x-forwarded-for", "6.6.6.6")
        .header("forwarded", "for=6.6.6.6")
        .header("x-jwt-assertion", "forged")
        .header("x-request-id", "mine-1")
        .header("x-kept", "yes")
        .body(full("hello"))
        .expect("a request");
    let answer = world.send(request).await;
    assert_eq!(answer.text(), "POST /backend/a%20b/?q=%2F&r 5");
    assert_eq!(answer.header("x-upstream"), "yes");
    let received = world.received.lock().expect("a lock");
    let headers = &received[0].headers;
    for gone in [
        "authorization",
        "x-hop",
        "keep-alive",
        "te",
        "proxy-authorization",
        "upgrade",
        "expect",
        "forwarded",
        "x-jwt-assertion",
        "connection",
    ] {
        assert!(!headers.contains_key(gone), "{gone}: {headers:?}");
    }
    assert_eq!(headers["x-forwarded-for"], "127.0.0.1");
    assert_eq!(headers["x-forwarded-host"], "gateway.example");
    assert_eq!(headers["x-forwarded-proto"], "http");
    assert_eq!(headers["x-request-id"], "mine-1");
    assert_eq!(headers["x-kept"], "yes");
    let via = headers["via"].to_str().expect("text");
    assert!(via.starts_with("1.1 claviger-"), "{via}");
    assert!(
        headers["host"]
            .to_str()
            .is_ok_and(|host| host.starts_with("127.0.0.1:"))
    );
}

#[tokio::test]
async fn a_trusted_proxy_in_front_is_believed_where_configured() {
    let config = GatewayConfig {
        forwarded: ForwardedPolicy::Append,
        ..test_config()
    };
    let world = World::start_with(config, &[crate::support::signer::FIRST.jwk()]).await;
    let mut request = authorized("GET", "/exampleapi/1.0.0/x", full(""));
    request
        .headers_mut()
        .insert("x-forwarded-for", "10.0.0.9".parse().expect("a value"));
    request
        .headers_mut()
        .insert("x-forwarded-proto", "https".parse().expect("a value"));
    assert_eq!(world.send(request).await.status, 200);
    let received = world.received.lock().expect("a lock");
    assert_eq!(
        received[0].headers["x-forwarded-for"],
        "10.0.0.9, 127.0.0.1"
    );
    assert_eq!(received[0].headers["x-forwarded-proto"], "https");
}

#[tokio::test]
async fn bodies_stream_in_both_directions() {
    // The upstream answers with each chunk as it comes: nothing may be gathered on the way.
    let upstream = serve(|request| async move {
        let frames = request.into_body().into_data_stream().map(|chunk| {
            let chunk = chunk.unwrap_or_default();
            Ok::<_, std::convert::Infallible>(Frame::data(chunk))
        });
        Response::new(BodyExt::boxed(StreamBody::new(SyncStream(Mutex::new(
            Box::pin(frames),
        )))))
    })
    .await;
    let world = world_with_upstream(test_config(), vec![url(upstream)]).await;
    let (to_gateway, chunks) = tokio::sync::mpsc::channel::<Bytes>(1);
    let body = stream::unfold(chunks, |mut chunks| async move {
        let chunk = chunks.recv().await?;
        Some((
            Ok::<_, std::convert::Infallible>(Frame::data(chunk)),
            chunks,
        ))
    });
    let body = BodyExt::boxed(StreamBody::new(SyncStream(Mutex::new(Box::pin(body)))));
    let stream = TcpStream::connect(world.gateway.local_addr())
        .await
        .expect("a connection");
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .expect("a handshake");
    tokio::spawn(connection);
    to_gateway
        .send(Bytes::from_static(b"first"))
        .await
        .expect("open");
    let response = sender
        .send_request(authorized("POST", "/exampleapi/1.0.0/echo", body))
        .await
        .expect("a response while the request is still open");
    let mut echoed = response.into_body();
    for chunk in ["first", "second", "third"] {
        if chunk != "first" {
            to_gateway
                .send(Bytes::from_static(chunk.as_bytes()))
                .await
                .expect("open");
        }
        let frame = echoed.frame().await.expect("a frame").expect("no error");
        assert_eq!(frame.into_data().expect("data"), chunk.as_bytes());
    }
    drop(to_gateway);
    assert!(echoed.frame().await.is_none());
}

/// `BoxBody` wants `Sync`; a lock makes it so.
struct SyncStream<S>(Mutex<S>);

impl<S: stream::Stream + Unpin> stream::Stream for SyncStream<S> {
    type Item = S::Item;

    fn poll_next(
        self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<S::Item>> {
        self.0.lock().expect("a lock").poll_next_unpin(cx)
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_with_and_without_its_length() {
    let mut config = test_config();
    config.limits.request_body = 1_000;
    let world = World::start_with(config, &[crate::support::signer::FIRST.jwk()]).await;
    let path = "/exampleapi/1.0.0/x";
    assert_eq!(
        world
            .send(authorized("POST", path, full(vec![0; 1_000])))
            .await
            .status,
        200
    );
    let answer = world
        .send(authorized("POST", path, full(vec![0; 1_001])))
        .await;
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (413, "413")
    );
    let chunked = stream::iter(
        (0..11).map(|_| Ok::<_, std::convert::Infallible>(Frame::data(Bytes::from(vec![0; 100])))),
    );
    let answer = world
        .send(authorized(
            "POST",
            path,
            BodyExt::boxed(StreamBody::new(chunked)),
        ))
        .await;
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (413, "413")
    );
}

#[tokio::test]
async fn too_many_or_too_long_headers_are_refused() {
    let world = World::start().await;
    let mut request = authorized("GET", "/exampleapi/1.0.0/x", full(""));
    for number in 0..200 {
        let name = http::HeaderName::from_bytes(format!("x-{number}").as_bytes()).expect("a name");
        request
            .headers_mut()
            .insert(name, http::HeaderValue::from_static("1"));
    }
    assert_eq!(world.send(request).await.status, 431);
}

#[tokio::test]
async fn an_upstream_that_is_gone_broken_or_silent_is_answered_for() {
    let mut config = test_config();
    config.timeouts.response_head = Duration::from_millis(200);
    let closed = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let gone = closed.local_addr().expect("an address");
    drop(closed);
    let world = world_with_upstream(config, vec![url(gone)]).await;
    let answer = world.call(&token()).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (502, "101503")
    );

    for (reply, status, code) in [
        (&b"nonsense\r\n\r\n"[..], 502, "101503"),
        (b"", 504, "101504"),
        (
            b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
            502,
            "101503",
        ),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let reply = reply.to_vec();
        tokio::spawn(async move {
            let mut open = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.write_all(&reply).await;
                open.push(stream);
            }
        });
        world.change_api(|api| api.endpoints.production = vec![url(address)]);
        let answer = world.call(&token()).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (status, code),
            "{}",
            String::from_utf8_lossy(&answer.body)
        );
    }
}

#[tokio::test]
async fn a_dead_endpoint_is_passed_over() {
    let closed = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let gone = closed.local_addr().expect("an address");
    drop(closed);
    let alive = serve(|_| async { Response::new(full("alive")) }).await;
    let world = world_with_upstream(test_config(), vec![url(gone), url(alive)]).await;
    for _ in 0..6 {
        assert_eq!(world.call(&token()).await.text(), "alive");
    }
}

#[tokio::test]
async fn a_pooled_connection_that_the_upstream_closed_costs_no_request() {
    // Every connection carries one request and is then closed without a word.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut buffer = vec![0; 16_384];
                let read = stream.read(&mut buffer).await.unwrap_or(0);
                if read > 0 {
                    let _ = stream
                        .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                        .await;
                }
            });
        }
    });
    let world = world_with_upstream(test_config(), vec![url(address)]).await;
    for _ in 0..30 {
        assert_eq!(world.call(&token()).await.text(), "ok");
    }
    assert_eq!(connections.load(Ordering::SeqCst), 30);
}

#[tokio::test]
async fn connections_to_the_upstream_are_reused() {
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            let service = hyper::service::service_fn(|_| async {
                Ok::<_, std::convert::Infallible>(Response::new(full("ok")))
            });
            tokio::spawn(
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service),
            );
        }
    });
    let world = world_with_upstream(test_config(), vec![url(address)]).await;
    for _ in 0..20 {
        assert_eq!(world.call(&token()).await.text(), "ok");
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_websocket_goes_through_both_ways_and_other_upgrades_do_not() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buffer = vec![0; 16_384];
                let read = stream.read(&mut buffer).await.unwrap_or(0);
                let head = String::from_utf8_lossy(&buffer[..read]).to_lowercase();
                if !head.contains("upgrade: websocket") {
                    let _ = stream
                        .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nplain")
                        .await;
                    return;
                }
                let _ = stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: x\r\n\r\n").await;
                while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                    buffer[..read].make_ascii_uppercase();
                    let _ = stream.write_all(&buffer[..read]).await;
                }
            });
        }
    });
    let world = world_with_upstream(test_config(), vec![url(address)]).await;
    let ask = |protocol: &str| {
        format!(
            "GET /exampleapi/1.0.0/chat HTTP/1.1\r\nhost: g\r\nauthorization: Bearer {}\r\nconnection: Upgrade\r\nupgrade: {protocol}\r\nsec-websocket-key: x\r\n\r\n",
            token()
        )
    };
    let mut stream = TcpStream::connect(world.gateway.local_addr())
        .await
        .expect("a connection");
    stream
        .write_all(ask("websocket").as_bytes())
        .await
        .expect("sent");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("a response head"));
    }
    let head = String::from_utf8_lossy(&head).to_lowercase();
    assert!(
        head.starts_with("http/1.1 101") && head.contains("sec-websocket-accept: x"),
        "{head}"
    );
    stream.write_all(b"hello").await.expect("sent");
    let mut echo = [0; 5];
    stream.read_exact(&mut echo).await.expect("an echo");
    assert_eq!(&echo, b"HELLO");
    assert_eq!(world.gateway.status().requests_in_progress, 1);
    drop(stream);
    until("the tunnel is closed", || {
        world.gateway.status().requests_in_progress == 0
    })
    .await;

    let mut stream = TcpStream::connect(world.gateway.local_addr())
        .await
        .expect("a connection");
    stream.write_all(ask("h2c").as_bytes()).await.expect("sent");
    let mut start = [0; 12];
    stream.read_exact(&mut start).await.expect("a response");
    assert_eq!(&start, b"HTTP/1.1 200");
}

#[tokio::test]
async fn http2_and_tls_are_served_and_a_reloaded_certificate_is_used() {
    let certificate = |name: &str| {
        let made =
            rcgen::generate_simple_self_signed(vec![name.to_owned()]).expect("a certificate");
        let identity = TlsIdentity {
            certificate_chain: made.cert.pem(),
            private_key: made.signing_key.serialize_pem().into(),
        };
        (identity, made.cert.der().clone())
    };
    let (first, first_der) = certificate("localhost");
    let (second, second_der) = certificate("localhost");
    let config = GatewayConfig {
        tls: Some(first),
        ..test_config()
    };
    let world = World::start_with(config, &[crate::support::signer::FIRST.jwk()]).await;

    let connect = |trusted: rustls::pki_types::CertificateDer<'static>| {
        let address = world.gateway.local_addr();
        async move {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(trusted).expect("a certificate");
            let provider = rustls::crypto::aws_lc_rs::default_provider();
            let mut config = rustls::ClientConfig::builder_with_provider(provider.into())
                .with_safe_default_protocol_versions()
                .expect("versions")
                .with_root_certificates(roots)
                .with_no_client_auth();
            config.alpn_protocols = vec![b"h2".to_vec()];
            let stream = TcpStream::connect(address).await.expect("a connection");
            let name = "localhost".try_into().expect("a name");
            tokio_rustls::TlsConnector::from(Arc::new(config))
                .connect(name, stream)
                .await
        }
    };
    let stream = connect(first_der.clone()).await.expect("TLS");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .expect("HTTP/2");
    tokio::spawn(connection);
    let path = format!(
        "https://localhost:{}/exampleapi/1.0.0/x",
        world.gateway.local_addr().port()
    );
    let ask = || {
        let mut request = authorized("GET", &path, full(""));
        request.headers_mut().remove("host");
        request
            .headers_mut()
            .append("cookie", "a=1".parse().expect("a value"));
        request
            .headers_mut()
            .append("cookie", "b=2".parse().expect("a value"));
        request
    };
    assert_eq!(
        sender
            .send_request(ask())
            .await
            .expect("a response")
            .status(),
        200
    );
    {
        let received = world.received.lock().expect("a lock");
        assert_eq!(received[0].headers["x-forwarded-proto"], "https");
        assert_eq!(received[0].headers["cookie"], "a=1; b=2");
        assert!(
            received[0].headers["x-forwarded-host"]
                .to_str()
                .is_ok_and(|host| host.starts_with("localhost:"))
        );
    }
    world
        .gateway
        .reload_tls(&second, &gateway::ClientCertificates::Off)
        .expect("a good certificate");
    connect(first_der)
        .await
        .expect_err("the old certificate is out of use");
    connect(second_der).await.expect("the new one is in use");
    // The connection that stood still stands.
    assert_eq!(
        sender
            .send_request(ask())
            .await
            .expect("a response")
            .status(),
        200
    );
}

#[tokio::test]
async fn accepted_requests_finish_before_the_gateway_stops() {
    let arrived = Arc::new(Notify::new());
    let go_on = Arc::new(Notify::new());
    let (saw, may) = (Arc::clone(&arrived), Arc::clone(&go_on));
    let upstream = serve(move |_| {
        let (saw, may) = (Arc::clone(&saw), Arc::clone(&may));
        async move {
            saw.notify_one();
            may.notified().await;
            Response::new(full("finished"))
        }
    })
    .await;
    let world = world_with_upstream(test_config(), vec![url(upstream)]).await;
    let address = world.gateway.local_addr();
    let call = tokio::spawn(send(
        address,
        authorized("GET", "/exampleapi/1.0.0/slow", full("")),
    ));
    arrived.notified().await;
    assert_eq!(world.gateway.status().requests_in_progress, 1);
    // A change of the snapshot in the meantime does not matter to it.
    world.change_api(|api| api.blocked = true);
    let stopping = tokio::spawn(async move { world.gateway.stop().await });
    until("nobody listens any more", || {
        std::net::TcpStream::connect(address).is_err()
    })
    .await;
    assert!(!stopping.is_finished());
    go_on.notify_one();
    assert_eq!(
        call.await.expect("no panic").expect("an answer").text(),
        "finished"
    );
    stopping.await.expect("stopped");
}

#[tokio::test]
async fn a_client_that_says_nothing_does_not_stay() {
    let mut config = test_config();
    config.timeouts.request_head = Duration::from_millis(100);
    let world = World::start_with(config, &[crate::support::signer::FIRST.jwk()]).await;
    for words in [
        &b""[..],
        b"PRI * HT",
        b"GET /exampleapi/1.0.0/x HTTP/1.1\r\nhost: ",
    ] {
        let mut stream = TcpStream::connect(world.gateway.local_addr())
            .await
            .expect("a connection");
        stream.write_all(words).await.expect("sent");
        let mut rest = Vec::new();
        let ended =
            tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut rest)).await;
        assert!(ended.is_ok(), "{words:?}");
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_does_not_hold_the_upstream_for_ever() {
    let upstream = serve(|_| async {
        let chunk = Bytes::from(vec![0; 64 * 1024]);
        let endless = stream::repeat_with(move || {
            Ok::<_, std::convert::Infallible>(Frame::data(chunk.clone()))
        });
        Response::new(BodyExt::boxed(StreamBody::new(SyncStream(Mutex::new(
            Box::pin(endless),
        )))))
    })
    .await;
    let mut config = test_config();
    config.timeouts.body_idle = Duration::from_millis(200);
    let world = world_with_upstream(config, vec![url(upstream)]).await;
    let mut client = TcpStream::connect(world.gateway.local_addr())
        .await
        .expect("a connection");
    let request = format!(
        "GET /exampleapi/1.0.0/endless HTTP/1.1\r\nhost: g\r\nauthorization: Bearer {}\r\n\r\n",
        token()
    );
    client.write_all(request.as_bytes()).await.expect("sent");
    client.readable().await.expect("an answer has begun");
    until("the connection was given up", || {
        world.gateway.status().requests_in_progress == 0
    })
    .await;
    drop(client);
    assert!(world.gateway.metrics().contains(r#"status="200""#));
}

#[tokio::test]
async fn an_endpoint_that_leads_back_to_the_gateway_is_asked_once() {
    let world = World::start().await;
    let own = format!("http://{}/exampleapi/1.0.0", world.gateway.local_addr());
    world.change_api(|api| api.endpoints.production = vec![own.parse().expect("a URL")]);
    // Whoever needs a token is stopped without its credential, an open resource is not.
    let request = Request::get("/exampleapi/1.0.0/open")
        .header("connection", "via")
        .body(full(""))
        .expect("a request");
    let answer = world.send(request).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (508, "508")
    );
    world.gateway.stop().await;
    let lines = world.log.with("/exampleapi/1.0.0/open");
    let reasons: Vec<_> = lines.iter().map(|line| &line["reason"]).collect();
    assert_eq!(
        reasons,
        [&serde_json::json!("request_loop"), &serde_json::Value::Null]
    );
}

#[tokio::test]
async fn smuggled_framing_is_refused() {
    let world = World::start().await;
    world.passes(&token()).await;
    for framing in [
        "content-length: 5\r\ncontent-length: 6",
        "content-length: 5\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked, identity",
        "content-length: +5",
        "transfer-encoding : chunked",
    ] {
        let mut stream = TcpStream::connect(world.gateway.local_addr())
            .await
            .expect("a connection");
        let request = format!(
            "POST /exampleapi/1.0.0/x HTTP/1.1\r\nhost: g\r\nauthorization: Bearer {}\r\nconnection: close\r\n{framing}\r\n\r\n0\r\n\r\nGET /x",
            token()
        );
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        // Either refused, or read by the one rule (RFC 9112 section 6.3) and passed on with a new frame.
        assert!(
            !answer.contains(" 5\r\n") && answer.matches("HTTP/1.1").count() <= 1,
            "{framing}: {answer}"
        );
        if !framing.starts_with("content-length: 5\r\ntransfer") {
            assert!(
                answer.is_empty() || answer.starts_with("HTTP/1.1 400"),
                "{framing}: {answer}"
            );
        }
    }
    let received = world.received.lock().expect("a lock");
    for request in received.iter() {
        let framed_twice = request.headers.contains_key("content-length")
            && request.headers.contains_key("transfer-encoding");
        assert!(!framed_twice, "{:?}", request.headers);
    }
}

#[tokio::test]
async fn a_head_request_gets_the_head_of_an_answer() {
    let world = World::start().await;
    let answer = world
        .send(authorized("HEAD", "/exampleapi/1.0.0/items", full("")))
        .await;
    assert_eq!((answer.status, answer.body.len()), (StatusCode::OK, 0));
    let answer = world.send(authorized("HEAD", "/nowhere", full(""))).await;
    assert_eq!(
        (answer.status, answer.body.len()),
        (StatusCode::NOT_FOUND, 0)
    );
}
