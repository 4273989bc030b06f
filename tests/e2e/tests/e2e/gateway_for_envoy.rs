//! `claviger gateway --ext-authz`: the program as Envoy asks it, over gRPC. What Envoy makes of the answers is
//! shown by `cargo xtask test envoy`.

use std::collections::HashMap;
use std::time::Duration;

use ext_authz::message::{
    Address, AttributeContext, CheckRequest, CheckResponse, HeaderMap, HealthRequest,
    HealthResponse, HttpRequest, HttpResponse, Peer, Request, ServingStatus, SocketAddress,
};
use prost::Message;

use crate::gateway_alone::{gateway, snapshot, write};
use crate::polling::eventually;
use crate::program::Running;
use crate::upstream::Upstream;

const PATIENCE: Duration = Duration::from_secs(20);
const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";
const HEALTH: &str = "/grpc.health.v1.Health/Check";
/// Of a message that is not compressed: a zero, and its length in four bytes.
const FRAME_HEAD: usize = 5;

/// Calls a method; `None` where nobody listens.
#[expect(
    clippy::disallowed_methods,
    reason = "a test looks from outside: not through the product's own client"
)]
async fn call<M: Message + Default>(
    address: &str,
    method: &str,
    message: &impl Message,
) -> Option<M> {
    let message = message.encode_to_vec();
    let length = u32::try_from(message.len()).expect("a length");
    let frame = [&[0], &length.to_be_bytes()[..], &message].concat();
    let client = reqwest::Client::builder().http2_prior_knowledge().build();
    let answer = client
        .expect("a client")
        .post(format!("http://{address}{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(frame)
        .send()
        .await
        .ok()?;
    let bytes = answer.bytes().await.ok()?;
    Some(M::decode(bytes.get(FRAME_HEAD..)?).expect("a message"))
}

async fn health(address: &str) -> Option<ServingStatus> {
    let question = HealthRequest::default();
    let answer: HealthResponse = call(address, HEALTH, &question).await?;
    Some(answer.status())
}

async fn check(address: &str, path: &str) -> HttpResponse {
    let http = HttpRequest {
        method: "GET".to_owned(),
        path: path.to_owned(),
        host: "gateway.example".to_owned(),
        scheme: "http".to_owned(),
        headers: HashMap::new(),
        header_map: Some(HeaderMap::default()),
    };
    let client = SocketAddress {
        address: "203.0.113.7".to_owned(),
        port: 40_000,
    };
    let question = CheckRequest {
        attributes: Some(AttributeContext {
            source: Some(Peer {
                address: Some(Address {
                    socket_address: Some(client),
                }),
                certificate: String::new(),
            }),
            request: Some(Request { http: Some(http) }),
        }),
    };
    let answer: Option<CheckResponse> = call(address, CHECK, &question).await;
    let answer = answer.expect("an answer");
    answer.http_response.expect("what to do")
}

#[tokio::test(flavor = "multi_thread")]
async fn envoy_is_answered_by_the_program_from_its_snapshot_until_it_ends() {
    let upstream = Upstream::start().await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("snapshot.json");
    write(&file, &snapshot(1, &upstream.url, false).to_string());
    let running = Running::start(&mut gateway(
        folder.path(),
        &["--ext-authz", "127.0.0.1:0", "--snapshot", "snapshot.json"],
    ));
    let ready = running.said().last().expect("a line that says ready");
    let (_, address) = ready
        .split_once("ext_authz http://")
        .expect("where Envoy asks");
    let serving = || async { (health(address).await? == ServingStatus::Serving).then_some(()) };
    eventually("the health service says so", PATIENCE, serving).await;

    let HttpResponse::Ok(admitted) = check(address, "/weather/1.0.0/forecast/oslo?days=1").await
    else {
        panic!("an open resource was refused");
    };
    let host = upstream.url.trim_start_matches("http://");
    let goes_to = |name: &str| {
        let lines = admitted
            .headers
            .iter()
            .filter_map(|one| one.header.as_ref());
        let mut lines = lines.filter(|line| line.key == name);
        let line = lines.next().unwrap_or_else(|| panic!("no {name}"));
        line.value.clone()
    };
    assert_eq!(goes_to("x-claviger-upstream"), host);
    assert_eq!(goes_to(":path"), "/forecast/oslo?days=1");

    let HttpResponse::Denied(refused) = check(address, "/nowhere").await else {
        panic!("an unknown API was let through");
    };
    assert_eq!(refused.status.expect("a status").code, 404);
    assert!(refused.body.contains("Not Found"), "{}", refused.body);

    // A change of the file decides the next check.
    write(&file, &snapshot(2, &upstream.url, true).to_string());
    let blocked = || async {
        let answer = check(address, "/weather/1.0.0/forecast/oslo").await;
        matches!(answer, HttpResponse::Denied(_)).then_some(())
    };
    eventually("the API is blocked", PATIENCE, blocked).await;
    let address = address.to_owned();
    assert!(running.terminate().success());
    assert_eq!(health(&address).await, None);
}
