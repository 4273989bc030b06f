//! Connections of HTTP/1.1: what follows what on them, what keeps them open and what ends them.

use std::sync::Arc;
use std::time::Duration;

use gateway::TlsIdentity;
use rustls::RootCertStore;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::support::raw::{PATIENCE, RawUpstream, connect, exchange, head, read_head, read_to_end};
use crate::support::signer::FIRST;
use crate::support::world::{World, test_config, token, until};

async fn world(upstream: &RawUpstream) -> World {
    let world = World::start().await;
    world.change_api(|api| api.endpoints.production = vec![upstream.url()]);
    world
}

/// Status line and header lines in lower case, and a body of known length.
async fn read_answer(stream: &mut (impl AsyncRead + Unpin)) -> (String, String) {
    let reading = async {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("a head"));
        }
        let head = String::from_utf8(head).expect("text").to_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |length| length.parse().expect("a length"));
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.expect("a body");
        (head, String::from_utf8(body).expect("text"))
    };
    timeout(PATIENCE, reading).await.expect("an answer")
}

fn get(item: &str, lines: &str) -> String {
    head("GET", lines).replacen("/items", &format!("/{item}"), 1)
}

/// Of a request that a token would be needed for.
fn refused(request: &str) -> String {
    request.replacen("Bearer ", "Bearer x", 1)
}

/// It serves another request.
async fn is_open(stream: &mut TcpStream) {
    stream
        .write_all(get("again", "").as_bytes())
        .await
        .expect("sent");
    let (head, body) = read_answer(stream).await;
    assert!(head.starts_with("http/1.1 200 "), "{head}");
    assert!(!head.contains("connection: close"), "{head}");
    assert_eq!(body, "GET /backend/again 0");
}

#[tokio::test]
async fn requests_that_come_at_once_are_answered_in_their_order() {
    let world = World::start().await;
    let mut stream = connect(world.gateway.local_addr()).await;
    let mut requests = String::new();
    for number in 0..20 {
        requests += &match number % 4 {
            0 => get(&format!("{number}"), ""),
            1 => {
                let post = head("POST", "content-length: 5\r\n") + "hello";
                post.replacen("/items", &format!("/{number}"), 1)
            }
            2 => {
                let chunks = "3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n";
                let post = head("POST", "transfer-encoding: chunked\r\n") + chunks;
                post.replacen("/items", &format!("/{number}"), 1)
            }
            _ => refused(&get(&format!("{number}"), "")),
        };
    }
    stream.write_all(requests.as_bytes()).await.expect("sent");
    for number in 0..20 {
        let (head, body) = read_answer(&mut stream).await;
        let (status, expected) = match number % 4 {
            0 => (200, format!("GET /backend/{number} 0")),
            1 => (200, format!("POST /backend/{number} 5")),
            2 => (200, format!("POST /backend/{number} 4")),
            _ => (401, "900901".to_owned()),
        };
        assert!(
            head.starts_with(&format!("http/1.1 {status} ")),
            "{number}: {head}"
        );
        let is_expected = if status == 200 {
            body == expected
        } else {
            body.contains(&expected)
        };
        assert!(is_expected, "{number}: {body}");
    }
    is_open(&mut stream).await;
}

#[tokio::test]
async fn far_more_requests_than_are_read_ahead_are_answered_all_the_same() {
    let world = World::start().await;
    let stream = connect(world.gateway.local_addr()).await;
    let (mut reading, mut writing) = stream.into_split();
    let request = get("many", "");
    let count = 200 * 1_024 / request.len();
    let sending = tokio::spawn(async move {
        let sent = writing.write_all(request.repeat(count).as_bytes()).await;
        sent.expect("sent");
        writing
    });
    for number in 0..count {
        let (head, body) = read_answer(&mut reading).await;
        assert!(head.starts_with("http/1.1 200 "), "{number}: {head}");
        assert_eq!(body, "GET /backend/many 0", "{number}");
    }
    sending.await.expect("no panic");
}

#[tokio::test]
async fn nothing_is_answered_after_the_last_request() {
    let world = World::start().await;
    let requests = get("last", "connection: close\r\n") + &get("late", "");
    let answer = exchange(world.gateway.local_addr(), requests).await;
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    assert!(answer.ends_with("GET /backend/last 0"), "{answer}");
    assert!(answer.to_lowercase().contains("\r\nconnection: close\r\n"));
    let received = world.received.lock().expect("a lock");
    assert_eq!(received.len(), 1);
}

#[tokio::test]
async fn a_request_that_comes_byte_by_byte_is_one() {
    let world = World::start().await;
    let mut stream = connect(world.gateway.local_addr()).await;
    stream.set_nodelay(true).expect("no delay");
    let chunks = "3;a=b\r\nabc\r\n1\r\nd\r\n0\r\nx-a: 1\r\n\r\n";
    let requests = head("POST", "transfer-encoding: chunked\r\n") + chunks + &get("next", "");
    for byte in requests.as_bytes() {
        stream.write_all(&[*byte]).await.expect("sent");
        tokio::task::yield_now().await;
    }
    assert_eq!(read_answer(&mut stream).await.1, "POST /backend/items 4");
    assert_eq!(read_answer(&mut stream).await.1, "GET /backend/next 0");
}

#[tokio::test]
async fn empty_lines_before_a_request_are_passed_over() {
    let world = World::start().await;
    let mut stream = connect(world.gateway.local_addr()).await;
    for (before, item) in [("\r\n", "first"), ("\r\n\r\n\r\n", "second"), ("", "third")] {
        let request = before.to_owned() + &get(item, "");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let (_, body) = read_answer(&mut stream).await;
        assert_eq!(body, format!("GET /backend/{item} 0"));
    }
}

#[tokio::test]
async fn a_client_of_http10_is_let_go_unless_it_asks_to_stay() {
    let world = World::start().await;
    let old = |item: &str, lines: &str| get(item, lines).replacen("HTTP/1.1", "HTTP/1.0", 1);
    let answer = exchange(world.gateway.local_addr(), old("one", "")).await;
    assert!(answer.starts_with("HTTP/1.0 200 "), "{answer}");
    assert!(answer.ends_with("GET /backend/one 0"), "{answer}");
    assert!(!answer.to_lowercase().contains("keep-alive"), "{answer}");

    let mut stream = connect(world.gateway.local_addr()).await;
    for item in ["one", "two"] {
        let request = old(item, "connection: keep-alive\r\n");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let (head, body) = read_answer(&mut stream).await;
        assert!(head.starts_with("http/1.0 200 "), "{head}");
        assert!(head.contains("\r\nconnection: keep-alive\r\n"), "{head}");
        assert_eq!(body, format!("GET /backend/{item} 0"));
    }
    stream
        .write_all(old("three", "").as_bytes())
        .await
        .expect("sent");
    let answer = read_to_end(&mut stream).await;
    assert!(answer.ends_with("GET /backend/three 0"), "{answer}");
}

#[tokio::test]
async fn an_answer_of_unknown_length_to_a_client_of_http10_ends_with_the_connection() {
    for reply in [
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\nabcde",
        "HTTP/1.0 200 OK\r\n\r\nabcde",
    ] {
        let upstream = RawUpstream::answering(reply).await;
        let world = world(&upstream).await;
        let request = head("GET", "connection: keep-alive\r\n").replacen("HTTP/1.1", "HTTP/1.0", 1);
        let answer = exchange(world.gateway.local_addr(), request).await;
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        assert_eq!(body, "abcde");
        let head = head.to_lowercase();
        for wrong in ["transfer-encoding", "content-length", "keep-alive"] {
            assert!(!head.contains(wrong), "{head}");
        }
    }
}

#[tokio::test]
async fn a_refused_request_whose_body_has_come_leaves_the_connection_open() {
    let world = World::start().await;
    let mut stream = connect(world.gateway.local_addr()).await;
    for (lines, body) in [
        ("content-length: 5\r\n", "hello"),
        (
            "transfer-encoding: chunked\r\n",
            "5\r\nhello\r\n0\r\nx-a: 1\r\n\r\n",
        ),
        ("content-length: 0\r\n", ""),
        ("", ""),
    ] {
        let request = refused(&head("POST", lines)) + body;
        stream.write_all(request.as_bytes()).await.expect("sent");
        let (head, _) = read_answer(&mut stream).await;
        assert!(head.starts_with("http/1.1 401 "), "{head}");
        assert!(!head.contains("connection: close"), "{lines:?}: {head}");
        is_open(&mut stream).await;
    }
}

#[tokio::test]
async fn a_refused_request_whose_body_is_still_to_come_is_answered_and_the_connection_closed() {
    let world = World::start().await;
    for (lines, begun) in [
        ("content-length: 100000\r\n", ""),
        ("content-length: 100000\r\n", "the beginning"),
        ("transfer-encoding: chunked\r\n", "5\r\nhello\r\n"),
        ("expect: 100-continue\r\ncontent-length: 100000\r\n", ""),
        // No body, whatever it says it is.
        ("transfer-encoding: chunked\r\n", "zz\r\n"),
    ] {
        let mut stream = connect(world.gateway.local_addr()).await;
        let request = refused(&head("POST", lines)) + begun;
        stream.write_all(request.as_bytes()).await.expect("sent");
        let (head, _) = read_answer(&mut stream).await;
        assert!(head.starts_with("http/1.1 401 "), "{head}");
        assert!(head.contains("\r\nconnection: close\r\n"), "{head}");
        // And no more than the answer, whatever comes now.
        let smuggled = get("smuggled", "").repeat(3);
        let _ = stream.write_all(smuggled.as_bytes()).await;
        assert_eq!(read_to_end(&mut stream).await, "", "{lines:?}");
    }
    assert!(world.received.lock().expect("a lock").is_empty());
}

/// Sends on when the answer is there, and reads only then: an end without patience would take the answer away.
async fn reads_late(world: &World, request: &str, more: usize) -> String {
    let mut stream = connect(world.gateway.local_addr()).await;
    stream.write_all(request.as_bytes()).await.expect("sent");
    timeout(PATIENCE, stream.readable())
        .await
        .expect("an answer")
        .expect("a connection");
    for piece in vec![b'x'; more].chunks(10_000) {
        stream.write_all(piece).await.expect("sent");
    }
    let (head, body) = read_answer(&mut stream).await;
    let mut rest = Vec::new();
    let ended = timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
    ended.expect("an end").expect("no reset");
    assert!(rest.is_empty());
    head + &body
}

#[tokio::test]
async fn a_client_that_sends_on_after_it_was_refused_still_reads_its_answer() {
    let world = World::start().await;
    let request = refused(&head("POST", "content-length: 200000\r\n"));
    for _ in 0..20 {
        let answer = reads_late(&world, &request, 200_000).await;
        assert!(answer.starts_with("http/1.1 401 "), "{answer}");
        assert!(answer.contains("900901"), "{answer}");
    }
}

#[tokio::test]
async fn a_client_whose_body_has_no_clear_frame_sends_on_and_still_reads_its_answer() {
    let world = World::start().await;
    let request = head("POST", "content-length: 5\r\ncontent-length: 6\r\n");
    for _ in 0..20 {
        let answer = reads_late(&world, &request, 100_000).await;
        assert!(answer.starts_with("http/1.1 400 "), "{answer}");
    }
}

#[tokio::test]
async fn a_client_whose_head_is_too_large_sends_on_and_still_reads_its_answer() {
    let world = World::start().await;
    let request = format!("GET / HTTP/1.1\r\nx-a: {}", "a".repeat(100_000));
    for _ in 0..20 {
        let answer = reads_late(&world, &request, 100_000).await;
        assert!(answer.starts_with("http/1.1 431 "), "{answer}");
    }
}

#[tokio::test]
async fn a_client_that_sends_nothing_but_empty_lines_does_not_stay() {
    let mut config = test_config();
    config.timeouts.request_head = Duration::from_millis(200);
    let world = World::start_with(config, &[FIRST.jwk()]).await;
    let mut stream = connect(world.gateway.local_addr()).await;
    let sending = async {
        let breaks = "\r\n".repeat(10_000);
        while stream.write_all(breaks.as_bytes()).await.is_ok() {}
    };
    timeout(PATIENCE, sending).await.expect("an end");
    until("the connection is closed", || {
        world
            .gateway
            .metrics()
            .contains("claviger_gateway_connections 0\n")
    })
    .await;
}

#[tokio::test]
async fn a_body_goes_up_to_its_end_though_the_answer_came_early() {
    let answered = Arc::new(Notify::new());
    let tells = Arc::clone(&answered);
    let upstream = RawUpstream::start(move |mut stream, _| {
        let tells = Arc::clone(&tells);
        async move {
            read_head(&mut stream).await;
            let reply = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nearly";
            let _ = stream.write_all(reply).await;
            let mut body = vec![0; 300_000];
            stream.read_exact(&mut body).await.expect("a whole body");
            assert!(body.iter().all(|&byte| byte == b'x'));
            tells.notify_one();
            read_head(&mut stream).await;
            let reply = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nagain";
            let _ = stream.write_all(reply).await;
        }
    })
    .await;
    let world = world(&upstream).await;
    let mut stream = connect(world.gateway.local_addr()).await;
    let request = head("POST", "content-length: 300000\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let (head, body) = read_answer(&mut stream).await;
    assert!(head.starts_with("http/1.1 200 "), "{head}");
    assert_eq!(body, "early");
    for _ in 0..30 {
        stream.write_all(&[b'x'; 10_000]).await.expect("sent");
    }
    timeout(PATIENCE, answered.notified())
        .await
        .expect("the whole body arrives");
    // Both connections are as good as they were.
    stream
        .write_all(get("again", "").as_bytes())
        .await
        .expect("sent");
    assert_eq!(read_answer(&mut stream).await.1, "again");
    assert_eq!(upstream.count(), 1);
}

#[tokio::test]
async fn requests_follow_each_other_over_tls() {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]);
    let made = made.expect("a certificate");
    let mut config = test_config();
    config.tls = Some(TlsIdentity {
        certificate_chain: made.cert.pem(),
        private_key: made.signing_key.serialize_pem().into(),
    });
    let world = World::start_with(config, &[FIRST.jwk()]).await;
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).expect("a certificate");
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let mut config = rustls::ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let mut stream = tokio_rustls::TlsConnector::from(Arc::new(config))
        .connect(
            "localhost".try_into().expect("a name"),
            connect(world.gateway.local_addr()).await,
        )
        .await
        .expect("TLS");
    for item in ["one", "two"] {
        let request = get(item, "");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let (_, body) = read_answer(&mut stream).await;
        assert_eq!(body, format!("GET /backend/{item} 0"));
    }
    // One that is larger than anything on the way, and two at once.
    let large = head("POST", "content-length: 300000\r\n") + &"x".repeat(300_000);
    stream.write_all(large.as_bytes()).await.expect("sent");
    let (_, body) = read_answer(&mut stream).await;
    assert_eq!(body, "POST /backend/items 300000");
    let both = get("three", "") + &get("four", "connection: close\r\n");
    stream.write_all(both.as_bytes()).await.expect("sent");
    assert_eq!(read_answer(&mut stream).await.1, "GET /backend/three 0");
    assert_eq!(read_answer(&mut stream).await.1, "GET /backend/four 0");
    let mut rest = Vec::new();
    let ended = timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
    ended.expect("an end").expect("an end that TLS knows of");
    assert!(rest.is_empty());
}

#[tokio::test]
async fn an_upstream_that_speaks_unasked_is_not_asked_on_that_connection_again() {
    for behind in [
        "x",
        "\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged",
    ] {
        let (go_on, closed) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (may, tells) = (Arc::clone(&go_on), Arc::clone(&closed));
        let upstream = RawUpstream::start(move |mut stream, number| {
            let (may, tells) = (Arc::clone(&may), Arc::clone(&tells));
            async move {
                read_head(&mut stream).await;
                let mut reply = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_owned();
                // At once with its answer, or a while after it.
                if number % 2 == 0 {
                    reply += behind;
                }
                let _ = stream.write_all(reply.as_bytes()).await;
                if number % 2 == 1 {
                    may.notified().await;
                    let _ = stream.write_all(behind.as_bytes()).await;
                }
                assert_eq!(read_to_end(&mut stream).await, "");
                tells.notify_one();
            }
        })
        .await;
        let world = world(&upstream).await;
        for number in 0..6 {
            let answer = world.call(&token()).await;
            assert_eq!(answer.text(), "ok", "{number}: {behind:?}");
            if number % 2 == 1 {
                go_on.notify_one();
            }
            timeout(PATIENCE, closed.notified())
                .await
                .expect("the gateway closes the connection");
        }
        assert_eq!(upstream.count(), 6);
    }
}

#[tokio::test]
async fn an_upstream_of_http10_is_asked_again_only_where_it_stays() {
    for (lines, connections) in [("connection: keep-alive\r\n", 1), ("", 3)] {
        let upstream = RawUpstream::start(move |mut stream, _| async move {
            while !read_head(&mut stream).await.is_empty() {
                let reply = format!("HTTP/1.0 200 OK\r\n{lines}content-length: 2\r\n\r\nok");
                let _ = stream.write_all(reply.as_bytes()).await;
            }
        })
        .await;
        let world = world(&upstream).await;
        for _ in 0..3 {
            assert_eq!(world.call(&token()).await.text(), "ok");
        }
        assert_eq!(upstream.count(), connections, "{lines:?}");
    }
}

#[tokio::test]
async fn an_answer_without_content_says_nothing_of_its_length() {
    for lines in ["content-length: 9\r\n", "transfer-encoding: chunked\r\n"] {
        let reply = format!("HTTP/1.1 204 No Content\r\n{lines}\r\n");
        let upstream = RawUpstream::answering(reply).await;
        let world = world(&upstream).await;
        let request = head("GET", "connection: close\r\n");
        let answer = exchange(world.gateway.local_addr(), request).await;
        assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
        let answer = answer.to_lowercase();
        assert!(!answer.contains("transfer-encoding"), "{answer}");
        assert!(!answer.contains("content-length"), "{answer}");
    }
}

#[tokio::test]
async fn answers_in_an_ambiguous_frame_are_answered_for() {
    let chunks = "2\r\nok\r\n0\r\n\r\n";
    for (name, lines, body) in [
        ("another coding", "transfer-encoding: gzip\r\n", "ok"),
        (
            "two codings",
            "transfer-encoding: gzip, chunked\r\n",
            chunks,
        ),
        ("no coding", "transfer-encoding: identity\r\n", "ok"),
        (
            "chunks twice",
            "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
            chunks,
        ),
        (
            "two lengths",
            "content-length: 2\r\ncontent-length: 3\r\n",
            "ok!",
        ),
        ("two lengths in one line", "content-length: 2, 2\r\n", "ok"),
        ("a length with a sign", "content-length: +2\r\n", "ok"),
        (
            "a folded line",
            "content-length: 2\r\nx-a: b\r\n c\r\n",
            "ok",
        ),
        ("a space before the colon", "content-length : 2\r\n", "ok"),
    ] {
        let reply = format!("HTTP/1.1 200 OK\r\n{lines}\r\n{body}");
        let upstream = RawUpstream::answering(reply).await;
        let world = world(&upstream).await;
        let answer = world.call(&token()).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (502, "101503"),
            "{name}"
        );
        assert_eq!(upstream.count(), 1, "{name}");
    }
    // Chunks came with HTTP/1.1.
    let reply = format!("HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{chunks}");
    let upstream = RawUpstream::answering(reply).await;
    assert_eq!(world(&upstream).await.call(&token()).await.status, 502);
}

#[tokio::test]
async fn an_answer_with_a_length_beside_its_chunks_passes_in_one_frame_and_is_the_last() {
    let upstream = RawUpstream::start(|mut stream, _| async move {
        while !read_head(&mut stream).await.is_empty() {
            let reply = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
            let _ = stream.write_all(reply.as_bytes()).await;
        }
    })
    .await;
    let world = world(&upstream).await;
    for count in 1..4 {
        let request = head("GET", "connection: close\r\n");
        let answer = exchange(world.gateway.local_addr(), request).await;
        assert!(
            !answer.to_lowercase().contains("content-length"),
            "{answer}"
        );
        assert!(answer.ends_with("\r\n\r\n2\r\nok\r\n0\r\n\r\n"), "{answer}");
        assert_eq!(upstream.count(), count);
    }
}

#[tokio::test]
async fn informational_answers_are_no_answer_however_many_come() {
    let hints = "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n".repeat(2_000);
    let reply = format!("{hints}HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    let upstream = RawUpstream::answering(reply).await;
    let world = world(&upstream).await;
    let answer = exchange(
        world.gateway.local_addr(),
        head("GET", "connection: close\r\n"),
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(!answer.contains("link"), "{answer}");
}

#[tokio::test]
async fn an_upstream_that_never_comes_to_its_answer_takes_no_longer_than_any_other() {
    let upstream = RawUpstream::start(|mut stream, _| async move {
        read_head(&mut stream).await;
        let hints = "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n".repeat(500);
        while stream.write_all(hints.as_bytes()).await.is_ok() {}
    })
    .await;
    let mut config = test_config();
    config.timeouts.response_head = Duration::from_millis(200);
    let world = World::start_with(config, &[FIRST.jwk()]).await;
    world.change_api(|api| api.endpoints.production = vec![upstream.url()]);
    let answer = timeout(PATIENCE, world.call(&token()))
        .await
        .expect("an answer");
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (504, "101504")
    );
    until("nothing is left of it", || {
        world.gateway.status().requests_in_progress == 0
    })
    .await;
}
