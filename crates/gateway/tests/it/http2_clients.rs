//! Clients over HTTP/2: what they hold, how long they stay, and what they are sent.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use domain::cors::{AllowedOrigins, CorsPolicy};
use futures_util::stream;
use gateway::{AccessLogMode, AccessLogPolicy, GatewayConfig};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Body as _, Frame, Incoming};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::support::http::{Body, full, serve};
use crate::support::raw::connect;
use crate::support::signer::FIRST;
use crate::support::world::{World, test_config, token, until};

async fn client(world: &World) -> SendRequest<Body> {
    let stream = TokioIo::new(connect(world.gateway.local_addr()).await);
    let (sender, connection) = handshake(TokioExecutor::new(), stream)
        .await
        .expect("HTTP/2");
    tokio::spawn(connection);
    sender
}

fn request(method: Method, path: &str) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(format!("http://gateway.example{path}"))
        .header("authorization", format!("Bearer {}", token()))
        .body(full(""))
        .expect("a request")
}

/// A world whose upstream's answers are of 64 MiB.
async fn world_of_large_answers(config: GatewayConfig) -> World {
    let upstream = serve(|_| async {
        let chunk = Bytes::from(vec![0; 64 * 1024]);
        let chunks = (0..1_024).map(move |_| Ok::<_, Infallible>(Frame::data(chunk.clone())));
        Response::new(BodyExt::boxed(StreamBody::new(stream::iter(chunks))))
    })
    .await;
    let world = World::start_with(config, &[FIRST.jwk()]).await;
    let url = format!("http://{upstream}").parse().expect("a URL");
    world.change_api(|api| api.endpoints.production = vec![url]);
    world
}

async fn asked(sender: &mut SendRequest<Body>, request: Request<Body>) -> Response<Incoming> {
    sender.ready().await.expect("an open connection");
    sender.send_request(request).await.expect("an answer")
}

#[tokio::test]
async fn a_client_that_opens_no_window_does_not_hold_the_upstream_for_ever() {
    let mut config = test_config();
    config.timeouts.body_idle = Duration::from_millis(200);
    let world = world_of_large_answers(config).await;
    let mut sender = client(&world).await;
    let untaken = asked(&mut sender, request(Method::GET, "/exampleapi/1.0.0/items")).await;
    assert_eq!(untaken.status(), 200);
    until("the answer was given up", || {
        world.gateway.status().requests_in_progress == 0
    })
    .await;
    // Only that answer: the connection still serves.
    let next = asked(&mut sender, request(Method::GET, "/nowhere")).await;
    assert_eq!(next.status(), StatusCode::NOT_FOUND);
    let broken_off = untaken.into_body().collect().await;
    assert!(
        broken_off.is_err(),
        "half an answer looked like a whole one"
    );
    world.gateway.stop().await;
    let lines = world.log.with("/exampleapi/1.0.0/items");
    assert_eq!(lines[0]["response.complete"], false);
}

#[tokio::test]
async fn a_client_that_takes_its_answer_gets_all_of_it() {
    let world = world_of_large_answers(test_config()).await;
    let mut sender = client(&world).await;
    let answer = asked(&mut sender, request(Method::GET, "/exampleapi/1.0.0/items")).await;
    let body = answer.into_body().collect().await.expect("a whole answer");
    assert_eq!(body.to_bytes().len(), 64 * 1024 * 1024);
    world.gateway.stop().await;
    let lines = world.log.with("/exampleapi/1.0.0/items");
    assert_eq!(lines[0]["response.complete"], true);
}

#[tokio::test]
async fn a_client_that_asks_no_more_is_let_go() {
    let mut config = test_config();
    // Long enough for a first request on a busy machine.
    config.timeouts.request_head = Duration::from_secs(2);
    config.timeouts.body_idle = Duration::from_secs(2);
    let world = World::start_with(config, &[FIRST.jwk()]).await;
    let mut sender = client(&world).await;
    let answer = asked(&mut sender, request(Method::GET, "/nowhere")).await;
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    until("the connection is closed", || sender.is_closed()).await;
    let closed = "claviger_gateway_connections 0\n";
    until("and counted no longer", || {
        world.gateway.metrics().contains(closed)
    })
    .await;
}

#[tokio::test]
async fn the_gateways_own_answer_to_head_has_no_content() {
    let world = World::start().await;
    let mut sender = client(&world).await;
    for path in ["/nowhere", "/nowhere/else"] {
        let answer = asked(&mut sender, request(Method::HEAD, path)).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND);
        assert!(
            answer.headers()["content-length"]
                .to_str()
                .is_ok_and(|length| length != "0")
        );
        assert!(answer.body().is_end_stream(), "content follows");
    }
    world.gateway.stop().await;
    let lines = world.log.with("nowhere");
    assert_eq!(lines[0]["response.complete"], true, "{lines:?}");
    assert_eq!(lines[0]["response.bytes"], 0, "{lines:?}");
}

#[tokio::test]
async fn a_preflight_is_no_failure_to_the_log() {
    let config = GatewayConfig {
        cors: Some(CorsPolicy {
            origins: AllowedOrigins::Any,
            ..CorsPolicy::default()
        }),
        access_log: AccessLogPolicy {
            mode: AccessLogMode::Errors,
            ..AccessLogPolicy::default()
        },
        ..test_config()
    };
    let world = World::start_with(config, &[FIRST.jwk()]).await;
    let asking = |uri: &str| {
        Request::options(uri)
            .header("host", "gateway.example")
            .header("origin", "https://portal.example")
            .header("access-control-request-method", "POST")
            .body(full(""))
            .expect("a request")
    };
    let path = "/exampleapi/1.0.0/items";
    let mut sender = client(&world).await;
    let over_http2 = asking(&format!("http://gateway.example{path}"));
    assert!(asked(&mut sender, over_http2).await.status().is_success());
    assert!(world.send(asking(path)).await.status.is_success());
    world.gateway.stop().await;
    let lines = world.log.with("");
    assert!(lines.is_empty(), "{lines:?}");
}
