//! Ends that stop sending and go on listening: a client's and an upstream's.
//!
//! A client that closes its half before it has its answer counts as gone, as it does with other proxies: nothing
//! else tells the gateway that nobody waits any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::raw::{PATIENCE, RawUpstream, connect, exchange, head, read_head, read_to_end};
use crate::support::world::{World, token, until};

/// How far an upstream has come with its connections.
#[derive(Default)]
struct Progress {
    requests: AtomicUsize,
    /// Connections that the gateway has closed.
    closed: AtomicUsize,
}

impl Progress {
    async fn requests(&self, count: usize) {
        until("the request arrives", || {
            self.requests.load(Ordering::SeqCst) == count
        })
        .await;
    }

    async fn closed(&self, count: usize) {
        until("the gateway closes its connection to the upstream", || {
            self.closed.load(Ordering::SeqCst) == count
        })
        .await;
    }
}

/// Answers each first request with `reply`, which may be nothing, and then as `end` says; reads to the end.
async fn upstream(reply: &'static str, end: End) -> (RawUpstream, Arc<Progress>) {
    let progress = Arc::new(Progress::default());
    let noted = Arc::clone(&progress);
    let upstream = RawUpstream::start(move |mut stream, _| {
        let noted = Arc::clone(&noted);
        async move {
            read_head(&mut stream).await;
            noted.requests.fetch_add(1, Ordering::SeqCst);
            let _ = stream.write_all(reply.as_bytes()).await;
            if end == End::HalfClosed {
                let _ = stream.shutdown().await;
            }
            read_to_end(&mut stream).await;
            noted.closed.fetch_add(1, Ordering::SeqCst);
        }
    })
    .await;
    (upstream, progress)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Open,
    HalfClosed,
}

async fn world(upstream: &RawUpstream) -> World {
    let world = World::start().await;
    world.change_api(|api| api.endpoints.production = vec![upstream.url()]);
    world
}

/// Sends, and closes its half once the upstream knows of the request.
async fn half_closed_client(world: &World, request: String, progress: &Progress) -> TcpStream {
    let mut stream = connect(world.gateway.local_addr()).await;
    stream.write_all(request.as_bytes()).await.expect("sent");
    progress.requests(1).await;
    stream.shutdown().await.expect("half closed");
    stream
}

/// Nothing is left of what was under way, and the gateway goes on.
async fn has_recovered(world: &World) {
    until("no request and no connection is left", || {
        world.gateway.status().requests_in_progress == 0
            && world
                .gateway
                .metrics()
                .contains("claviger_gateway_connections 0\n")
    })
    .await;
    world.change_api(|_| ());
    world.passes(&token()).await;
}

#[tokio::test]
async fn a_client_that_half_closes_before_its_answer_counts_as_gone() {
    let (upstream, progress) = upstream("", End::Open).await;
    let world = world(&upstream).await;
    let mut client = half_closed_client(&world, head("GET", ""), &progress).await;
    assert_eq!(read_to_end(&mut client).await, "");
    progress.closed(1).await;
    has_recovered(&world).await;
}

#[tokio::test]
async fn a_client_that_half_closes_within_its_body_ends_its_request_at_the_upstream() {
    for (lines, begun) in [
        ("content-length: 10\r\n", "hello"),
        ("transfer-encoding: chunked\r\n", "5\r\nhello\r\n"),
    ] {
        let (upstream, progress) = upstream("", End::Open).await;
        let world = world(&upstream).await;
        let request = head("POST", lines) + begun;
        let mut client = half_closed_client(&world, request, &progress).await;
        let answer = read_to_end(&mut client).await;
        assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
        progress.closed(1).await;
        has_recovered(&world).await;
    }
}

#[tokio::test]
async fn a_client_that_half_closes_after_its_answer_is_let_go() {
    let world = World::start().await;
    let mut client = connect(world.gateway.local_addr()).await;
    client
        .write_all(head("GET", "").as_bytes())
        .await
        .expect("sent");
    let answer = read_head(&mut client).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let mut body = [0; "GET /backend/items 0".len()];
    client.read_exact(&mut body).await.expect("the body");
    assert_eq!(&body, b"GET /backend/items 0");
    client.shutdown().await.expect("half closed");
    assert_eq!(read_to_end(&mut client).await, "");
    has_recovered(&world).await;
}

#[tokio::test]
async fn an_upstream_that_half_closes_after_its_answer_is_not_asked_on_that_connection_again() {
    let (upstream, progress) = upstream(
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
        End::HalfClosed,
    )
    .await;
    let world = world(&upstream).await;
    for asked in 1..=5 {
        assert_eq!(world.call(&token()).await.text(), "ok");
        progress.requests(asked).await;
        progress.closed(asked).await;
    }
    assert_eq!(upstream.count(), 5);
    has_recovered(&world).await;
}

#[tokio::test]
async fn an_upstream_that_half_closes_without_an_answer_is_answered_for_at_once() {
    for reply in ["", "HTTP/1.1 200 OK\r\ncontent-le"] {
        let (upstream, progress) = upstream(reply, End::HalfClosed).await;
        let world = world(&upstream).await;
        let answer = timeout(Duration::from_secs(30), world.call(&token()))
            .await
            .expect("long before the upstream's time is over");
        assert_eq!(answer.status, 502, "{}", answer.text());
        progress.closed(upstream.count()).await;
        has_recovered(&world).await;
    }
}

#[tokio::test]
async fn an_upstream_that_half_closes_within_its_answer_ends_the_clients_answer() {
    for reply in [
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nhalf",
    ] {
        let (upstream, progress) = upstream(reply, End::HalfClosed).await;
        let world = world(&upstream).await;
        let answer = timeout(
            PATIENCE,
            exchange(world.gateway.local_addr(), head("GET", "")),
        )
        .await
        .expect("the answer ends");
        assert!(
            !answer.ends_with("0\r\n\r\n"),
            "it must not look whole: {answer}"
        );
        progress.closed(1).await;
        has_recovered(&world).await;
    }
}
