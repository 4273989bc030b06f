//! Requests whose frame two servers might read differently (RFC 9112 section 11.2), and frames of answers.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::http::{full, send};
use crate::support::raw::{PATIENCE, RawUpstream, connect, exchange, head, read_head, read_to_end};
use crate::support::world::{World, test_config, token, until};

/// Keeps every byte that it gets, and answers each request head.
async fn recording() -> (RawUpstream, Arc<Mutex<String>>) {
    let received = Arc::new(Mutex::new(String::new()));
    let kept = Arc::clone(&received);
    let upstream = RawUpstream::start(move |mut stream, _| {
        let kept = Arc::clone(&kept);
        async move {
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                let text = String::from_utf8_lossy(&buffer[..read]).into_owned();
                let heads = text.matches(" HTTP/1.1\r\n").count();
                kept.lock().expect("a lock").push_str(&text);
                for _ in 0..heads {
                    let _ = stream
                        .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                        .await;
                }
            }
        }
    })
    .await;
    (upstream, received)
}

async fn world(upstream: &RawUpstream) -> World {
    let world = World::start().await;
    world.change_api(|api| api.endpoints.production = vec![upstream.url()]);
    world
}

/// What the gateway makes of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// An error, and the connection is closed; nothing goes on.
    Refused,
    /// One request goes on, in one frame of the gateway's own making, and the connection is closed.
    OneFrame,
}

#[tokio::test]
async fn no_frame_means_two_things() {
    use Outcome::{OneFrame, Refused};
    let (upstream, received) = recording().await;
    let world = world(&upstream).await;
    let chunks = "5\r\nhello\r\n0\r\n\r\n";
    for (name, lines, body, expected) in [
        (
            "two lengths",
            "content-length: 5\r\ncontent-length: 6\r\n",
            "hello!",
            Refused,
        ),
        (
            "two lengths in one line",
            "content-length: 5, 6\r\n",
            "hello!",
            Refused,
        ),
        (
            "a length with a sign",
            "content-length: +5\r\n",
            "hello",
            Refused,
        ),
        (
            "a negative length",
            "content-length: -5\r\n",
            "hello",
            Refused,
        ),
        (
            "a hexadecimal length",
            "content-length: 0x5\r\n",
            "hello",
            Refused,
        ),
        (
            "a length beyond all bounds",
            "content-length: 99999999999999999999\r\n",
            "hello",
            Refused,
        ),
        (
            "a length and chunks",
            "content-length: 5\r\ntransfer-encoding: chunked\r\n",
            chunks,
            OneFrame,
        ),
        (
            "chunks and a length",
            "transfer-encoding: chunked\r\ncontent-length: 5\r\n",
            chunks,
            OneFrame,
        ),
        (
            "chunks that are not last",
            "transfer-encoding: chunked, identity\r\n",
            chunks,
            Refused,
        ),
        (
            "another coding",
            "transfer-encoding: gzip\r\n",
            chunks,
            Refused,
        ),
        (
            "a coding that is none",
            "transfer-encoding: xchunked\r\n",
            chunks,
            Refused,
        ),
        (
            "a coding on a folded line",
            "transfer-encoding:\r\n chunked\r\n",
            chunks,
            Refused,
        ),
        (
            "a space before the colon",
            "transfer-encoding : chunked\r\n",
            chunks,
            Refused,
        ),
        (
            "a space before the name",
            " transfer-encoding: chunked\r\n",
            chunks,
            Refused,
        ),
        (
            "a vertical tab before the coding",
            "transfer-encoding: \x0bchunked\r\n",
            chunks,
            Refused,
        ),
        ("NUL in a value", "x-a: b\0c\r\n", "", Refused),
        (
            "CR in a value",
            "x-a: b\rtransfer-encoding: chunked\r\n",
            "",
            Refused,
        ),
        ("NUL in a name", "x\0a: b\r\n", "", Refused),
        ("a line without a colon", "x-a\r\n", "", Refused),
        ("an empty name", ": b\r\n", "", Refused),
        (
            "a chunk of no number",
            "transfer-encoding: chunked\r\n",
            "x\r\nhello\r\n0\r\n\r\n",
            Refused,
        ),
        (
            "a chunk of a negative number",
            "transfer-encoding: chunked\r\n",
            "-5\r\nhello\r\n0\r\n\r\n",
            Refused,
        ),
        (
            "a chunk beyond all bounds",
            "transfer-encoding: chunked\r\n",
            "fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
            Refused,
        ),
        (
            "a chunk that is longer than it says",
            "transfer-encoding: chunked\r\n",
            "4\r\nhello\r\n0\r\n\r\n",
            Refused,
        ),
        (
            "a chunk that ends in LF",
            "transfer-encoding: chunked\r\n",
            "5\nhello\r\n0\r\n\r\n",
            Refused,
        ),
        (
            "LF in a chunk extension",
            "transfer-encoding: chunked\r\n",
            "5;a\nb\r\nhello\r\n0\r\n\r\n",
            Refused,
        ),
    ] {
        received.lock().expect("a lock").clear();
        let smuggled = "GET /exampleapi/1.0.0/smuggled HTTP/1.1\r\n\r\n";
        let request = format!("{}{body}{smuggled}", head("POST", lines));
        let answer = exchange(world.gateway.local_addr(), request).await;
        let received = received.lock().expect("a lock").clone();
        assert!(!received.contains("smuggled"), "{name}: {received}");
        let (good, bad) = (
            answer.matches("HTTP/1.1 200").count(),
            answer.matches("HTTP/1.1 400").count(),
        );
        match expected {
            Refused => assert_eq!((good, bad), (0, 1), "{name}: {answer}"),
            OneFrame => {
                assert_eq!((good, bad), (1, 0), "{name}: {answer}");
                let frames = received.matches("content-length:").count()
                    + received.matches("transfer-encoding:").count();
                assert_eq!(frames, 1, "{name}: {received}");
            }
        }
    }
}

#[tokio::test]
async fn it_is_clear_who_is_addressed() {
    let (upstream, received) = recording().await;
    let world = world(&upstream).await;
    let token = token();
    for (name, start, hosts, status) in [
        ("no host", "GET /exampleapi/1.0.0/items HTTP/1.1", "", 400),
        (
            "two hosts",
            "GET /exampleapi/1.0.0/items HTTP/1.1",
            "host: a\r\nhost: b\r\n",
            400,
        ),
        (
            "the same host twice",
            "GET /exampleapi/1.0.0/items HTTP/1.1",
            "host: a\r\nhost: a\r\n",
            400,
        ),
        (
            "a host with a path",
            "GET /exampleapi/1.0.0/items HTTP/1.1",
            "host: a/b\r\n",
            400,
        ),
        (
            "a host with a user",
            "GET /exampleapi/1.0.0/items HTTP/1.1",
            "host: u@a\r\n",
            400,
        ),
        (
            "a host with a space",
            "GET /exampleapi/1.0.0/items HTTP/1.1",
            "host: a b\r\n",
            400,
        ),
        (
            "two hosts in one line",
            "GET /exampleapi/1.0.0/items HTTP/1.1",
            "host: a, b\r\n",
            400,
        ),
        (
            "HTTP/1.0 without a host",
            "GET /exampleapi/1.0.0/items HTTP/1.0",
            "",
            200,
        ),
        (
            "an absolute target beats the host",
            "GET http://real.example/exampleapi/1.0.0/items HTTP/1.1",
            "host: other.example\r\n",
            200,
        ),
        (
            "a tunnel",
            "CONNECT other.example:443 HTTP/1.1",
            "host: other.example:443\r\n",
            400,
        ),
        (
            "a trace",
            "TRACE /exampleapi/1.0.0/items HTTP/1.1",
            "host: a\r\n",
            405,
        ),
        (
            "the server as a whole",
            "OPTIONS * HTTP/1.1",
            "host: a\r\n",
            400,
        ),
        (
            "an unknown method",
            "BREW /exampleapi/1.0.0/items HTTP/1.1",
            "host: a\r\n",
            405,
        ),
        (
            "an unknown version",
            "GET /exampleapi/1.0.0/items HTTP/3.7",
            "host: a\r\n",
            400,
        ),
        (
            "no version",
            "GET /exampleapi/1.0.0/items",
            "host: a\r\n",
            400,
        ),
        (
            "LF in the request line",
            "GET /exampleapi/1.0.0/items\nx HTTP/1.1",
            "host: a\r\n",
            400,
        ),
        (
            "a fragment",
            "GET /exampleapi/1.0.0/items#x HTTP/1.1",
            "host: a\r\n",
            200,
        ),
    ] {
        received.lock().expect("a lock").clear();
        let request =
            format!("{start}\r\n{hosts}authorization: Bearer {token}\r\nconnection: close\r\n\r\n");
        let answer = exchange(world.gateway.local_addr(), request).await;
        let got: u16 = answer
            .get(9..12)
            .and_then(|status| status.parse().ok())
            .unwrap_or(0);
        assert_eq!(got, status, "{name}: {answer}");
        let received = received.lock().expect("a lock").clone();
        assert_eq!(received.is_empty(), status != 200, "{name}: {received}");
        if name.starts_with("an absolute") {
            assert!(
                received.contains("x-forwarded-host: real.example\r\n"),
                "{received}"
            );
        }
    }
}

#[tokio::test]
async fn connection_options_take_away_nothing_that_upstreams_rely_on() {
    let (upstream, received) = recording().await;
    let world = world(&upstream).await;
    let lines = "connection: close, host, content-length, x-forwarded-for, x-forwarded-host, \
                 x-forwarded-proto, x-request-id, authorization, x-mine\r\nx-mine: 1\r\ncontent-length: 2\r\n";
    let answer = exchange(
        world.gateway.local_addr(),
        format!("{}hi", head("POST", lines)),
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let received = received.lock().expect("a lock").to_lowercase();
    for kept in [
        "host: 127.0.0.1:",
        "content-length: 2\r\n",
        "x-forwarded-for: 127.0.0.1\r\n",
        "x-forwarded-host: gateway.example\r\n",
        "x-forwarded-proto: http\r\n",
        "x-request-id: ",
    ] {
        assert!(received.contains(kept), "{kept}: {received}");
    }
    for gone in ["x-mine", "connection:", "authorization"] {
        assert!(!received.contains(gone), "{gone}: {received}");
    }
}

#[tokio::test]
async fn http2_cannot_carry_what_http1_would_read_as_another_line() {
    let (upstream, received) = recording().await;
    let world = world(&upstream).await;
    // Written by hand (HPACK literals): no client would let these pass.
    for (name, line, value) in [
        (
            ":path",
            "",
            "/exampleapi/1.0.0/items HTTP/1.1\r\nx-injected: 1",
        ),
        ("x-a", "x-a", "b\r\nx-injected: 1"),
        ("x-a", "x-a", "b\0c"),
        ("x-a: injected", "x-a: injected", "1"),
        ("transfer-encoding", "transfer-encoding", "chunked"),
        ("connection", "connection", "close"),
        ("X-Upper", "X-Upper", "1"),
        (":status", ":status", "200"),
    ] {
        let literal = |name: &str, value: &str| {
            let mut bytes = vec![0x00];
            for text in [name, value] {
                // Below 127 in length: one byte says so.
                bytes.push(u8::try_from(text.len()).expect("short"));
                bytes.extend(text.as_bytes());
            }
            bytes
        };
        let path = if line.is_empty() {
            value
        } else {
            "/exampleapi/1.0.0/items"
        };
        let mut block = [
            literal(":method", "GET"),
            literal(":scheme", "http"),
            literal(":authority", "g"),
            literal(":path", path),
        ]
        .concat();
        if !line.is_empty() {
            block.extend(literal(line, value));
        }
        let token = format!("Bearer {}", token());
        block.extend([0x00, 13]);
        block.extend(b"authorization");
        let rest = token.len() - 127;
        block.extend([
            127,
            u8::try_from(rest % 128).expect("7 bits") | 128,
            u8::try_from(rest / 128).expect("a short token"),
        ]);
        block.extend(token.as_bytes());
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
        bytes.extend(&u32::try_from(block.len()).expect("short").to_be_bytes()[1..]);
        // HEADERS with END_STREAM and END_HEADERS, stream 1.
        bytes.extend([0x01, 0x05, 0, 0, 0, 1]);
        bytes.extend(&block);
        let mut stream = connect(world.gateway.local_addr()).await;
        stream.write_all(&bytes).await.expect("sent");
        let ended = async {
            loop {
                let mut frame = [0; 9];
                if stream.read_exact(&mut frame).await.is_err() {
                    return;
                }
                let length = usize::from(frame[0]) << 16
                    | usize::from(frame[1]) << 8
                    | usize::from(frame[2]);
                let mut payload = vec![0; length];
                let _ = stream.read_exact(&mut payload).await;
                // RST_STREAM, GOAWAY, or an answer that ends the stream.
                if [3, 7].contains(&frame[3]) || (frame[3] <= 1 && frame[4] & 1 == 1) {
                    return;
                }
            }
        };
        tokio::time::timeout(PATIENCE, ended).await.expect("an end");
        assert_eq!(*received.lock().expect("a lock"), "", "{name}");
    }
    assert_eq!(world.call(&token()).await.text(), "ok");
}

#[tokio::test]
async fn a_client_that_waits_to_be_told_to_go_on_is_told_only_when_its_request_passes() {
    let (upstream, received) = recording().await;
    let world = world(&upstream).await;
    let lines = "expect: 100-continue\r\ncontent-length: 5\r\n";
    let mut stream = connect(world.gateway.local_addr()).await;
    stream
        .write_all(head("POST", lines).as_bytes())
        .await
        .expect("sent");
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 100 "));
    stream.write_all(b"hello").await.expect("sent");
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 200 "));
    until("the body arrived", || {
        received.lock().expect("a lock").ends_with("hello")
    })
    .await;

    let refused = head("POST", lines).replace("Bearer ", "Bearer x");
    let mut stream = connect(world.gateway.local_addr()).await;
    stream.write_all(refused.as_bytes()).await.expect("sent");
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 401 "));
}

#[tokio::test]
async fn answers_come_through_in_a_frame_that_fits() {
    for (name, reply, method, expected) in [
        (
            "without a length",
            "HTTP/1.1 200 OK\r\n\r\nuntil the end",
            "GET",
            Some("until the end"),
        ),
        (
            "of HTTP/1.0",
            "HTTP/1.0 200 OK\r\n\r\nold",
            "GET",
            Some("old"),
        ),
        (
            "after early hints",
            "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
            "GET",
            Some("ok"),
        ),
        (
            "after an unasked go-ahead",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
            "GET",
            Some("ok"),
        ),
        (
            "to HEAD, with a length",
            "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n",
            "HEAD",
            Some(""),
        ),
        (
            "204 with bytes behind it",
            "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
            "GET",
            Some(""),
        ),
        (
            "304 with a length",
            "HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n",
            "GET",
            Some(""),
        ),
        (
            "cut in its body",
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf",
            "GET",
            None,
        ),
        (
            "cut in its chunks",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nhalf",
            "GET",
            None,
        ),
        (
            "cut before its last chunk",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
            "GET",
            None,
        ),
        (
            "with broken chunks",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nhalf\r\n",
            "GET",
            None,
        ),
    ] {
        let upstream = RawUpstream::answering(reply).await;
        let world = world(&upstream).await;
        let request = http::Request::builder()
            .method(method)
            .uri("/exampleapi/1.0.0/items")
            .header("authorization", format!("Bearer {}", token()))
            .body(full(""))
            .expect("a request");
        let got = send(world.gateway.local_addr(), request).await;
        match (expected, got) {
            (Some(expected), Ok(answer)) => assert_eq!(answer.text(), expected, "{name}"),
            // A body that broke off must not look like a whole one.
            (None, Err(_)) => {}
            (expected, got) => panic!("{name}: {got:?} instead of {expected:?}"),
        }
    }
}

#[tokio::test]
async fn answers_that_are_none_are_answered_for() {
    let long = "a".repeat(1_000_000);
    for (name, reply) in [
        ("nothing", String::new()),
        ("half a head", "HTTP/1.1 200 OK\r\ncontent-le".to_owned()),
        ("nonsense", "nonsense\r\n\r\n".to_owned()),
        (
            "two lengths",
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nok".to_owned(),
        ),
        (
            "a head beyond all bounds",
            format!("HTTP/1.1 200 OK\r\nx-a: {long}\r\n\r\n"),
        ),
        (
            "a thousand lines",
            format!("HTTP/1.1 200 OK\r\n{}\r\n", "x-a: b\r\n".repeat(1_000)),
        ),
        (
            "NUL in a value",
            "HTTP/1.1 200 OK\r\nx-a: \0\r\n\r\n".to_owned(),
        ),
        (
            "a switch that nobody asked for",
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n"
                .to_owned(),
        ),
    ] {
        let upstream = RawUpstream::answering(reply).await;
        let world = world(&upstream).await;
        let answer = world.call(&token()).await;
        assert_eq!(answer.status, 502, "{name}");
        assert_eq!(answer.code(), "101503", "{name}");
        assert_eq!(
            upstream.count(),
            1,
            "{name}: what arrived is not sent again"
        );
    }
}

#[tokio::test]
async fn an_early_answer_arrives_while_the_body_is_still_on_its_way() {
    let upstream = RawUpstream::start(|mut stream, _| async move {
        read_head(&mut stream).await;
        let _ = stream
            .write_all(
                b"HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\nconnection: close\r\n\r\nbig",
            )
            .await;
        read_to_end(&mut stream).await;
    })
    .await;
    let mut config = test_config();
    config.timeouts.body_idle = std::time::Duration::from_millis(300);
    let world = World::start_with(config, &[crate::support::signer::FIRST.jwk()]).await;
    world.change_api(|api| api.endpoints.production = vec![upstream.url()]);
    let mut stream = connect(world.gateway.local_addr()).await;
    let request = format!(
        "{}the beginning",
        head("POST", "content-length: 1000000\r\n")
    );
    stream.write_all(request.as_bytes()).await.expect("sent");
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 413"));
    // The rest never comes; the connection does not stay for it.
    read_to_end(&mut stream).await;
    // And the gateway goes on.
    assert_eq!(world.call(&token()).await.status, 413);
}
