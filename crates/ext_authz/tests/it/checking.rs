//! Checks without Envoy: what it may send, and what nobody should.

use std::collections::HashMap;
use std::sync::Arc;

use code_table::row::CodeTable;
use domain::certificate::Certificates;
use domain::snapshot::SnapshotChange;
use ext_authz::message::{
    Address, AppendAction, AttributeContext, CheckRequest, CheckResponse, HeaderMap, HeaderOption,
    HeaderValue, HttpRequest, HttpResponse, OkResponse, Peer, Request, SocketAddress,
};
use gateway::{GatewayConfig, TrustedProxies};

use crate::certificate::Certificate;
use crate::support::{NOW, Reply, Service};

const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";
const OK: i32 = 0;
const INVALID_ARGUMENT: i32 = 3;
const DEADLINE_EXCEEDED: i32 = 4;
const OUT_OF_RANGE: i32 = 11;
const UNIMPLEMENTED: i32 = 12;
const INTERNAL: i32 = 13;

fn token() -> String {
    let table = CodeTable::load();
    table.token.edited(&table.rows[0].token, NOW)
}

pub(crate) fn line(key: &str, value: &str) -> HeaderValue {
    HeaderValue {
        key: key.to_owned(),
        value: String::new(),
        raw_value: value.to_owned().into(),
    }
}

pub(crate) fn check(path: &str, headers: Vec<HeaderValue>) -> CheckRequest {
    CheckRequest {
        attributes: Some(AttributeContext {
            source: Some(Peer {
                address: Some(Address {
                    socket_address: Some(SocketAddress {
                        address: "203.0.113.7".to_owned(),
                        port: 40_000,
                    }),
                }),
                certificate: String::new(),
            }),
            request: Some(Request {
                http: Some(HttpRequest {
                    method: "GET".to_owned(),
                    path: path.to_owned(),
                    host: "gateway.example".to_owned(),
                    scheme: "https".to_owned(),
                    headers: HashMap::new(),
                    header_map: Some(HeaderMap { headers }),
                }),
            }),
        }),
    }
}

pub(crate) fn authorized(path: &str, others: Vec<HeaderValue>) -> CheckRequest {
    let mut lines = others;
    lines.push(line("authorization", &format!("Bearer {}", token())));
    check(path, lines)
}

fn suspect(path: &str) -> CheckRequest {
    authorized(
        path,
        vec![
            line(":method", "GET"),
            line("x-forwarded-for", "6.6.6.6"),
            line("x-jwt-assertion", "forged"),
            line("x-claviger-upstream", "evil.example:80"),
            line("x-kept", "yes"),
        ],
    )
}

pub(crate) async fn ask(service: &Service, check: &CheckRequest) -> CheckResponse {
    let mut reply: Reply<CheckResponse> = service.ask(CHECK, check).await;
    assert_eq!(reply.status, OK);
    reply.messages.pop().expect("a message")
}

pub(crate) fn passed(response: CheckResponse) -> OkResponse {
    match response.http_response {
        Some(HttpResponse::Ok(ok)) if response.status.is_some_and(|status| status.code == OK) => ok,
        other => panic!("{other:?}"),
    }
}

/// Status and body of what nothing goes upstream for.
pub(crate) fn answered(response: CheckResponse) -> (i32, String) {
    let Some(HttpResponse::Denied(denied)) = response.http_response else {
        panic!("no answer");
    };
    (denied.status.expect("a status").code, denied.body)
}

/// Status, code of the body, and headers by name.
fn refused(response: CheckResponse) -> (i32, String, HashMap<String, String>) {
    assert!(response.status.is_some_and(|status| status.code != OK));
    let Some(HttpResponse::Denied(denied)) = response.http_response else {
        panic!("no refusal");
    };
    let body: serde_json::Value = serde_json::from_str(&denied.body).expect("JSON");
    (
        denied.status.expect("a status").code,
        body["code"].as_str().expect("a code").to_owned(),
        by_name(&denied.headers),
    )
}

pub(crate) fn by_name(options: &[HeaderOption]) -> HashMap<String, String> {
    options
        .iter()
        .map(|option| {
            assert_eq!(option.append_action, AppendAction::OverwriteOrAdd as i32);
            let header = option.header.clone().expect("a header");
            (header.key, header.value)
        })
        .collect()
}

#[tokio::test]
async fn what_passes_is_told_what_the_upstream_may_see() {
    let service = Service::start().await;
    let response = ask(&service, &suspect("/orders/1.0.0/items?x=%2F1")).await;
    let metadata = response.dynamic_metadata.clone().expect("metadata").fields;
    assert_eq!(metadata["api"].text.as_deref(), Some("orders"));
    assert_eq!(metadata["key_manager"].text.as_deref(), Some("AzureAD"));
    assert!(metadata.contains_key("application"));
    let ok = passed(response);
    let set = by_name(&ok.headers);
    assert_eq!(set[":path"], "/backend/items?x=%2F1");
    assert_eq!(set[":authority"], set["x-claviger-upstream"]);
    assert!(set[":authority"].starts_with("127.0.0.1:"));
    assert_eq!(set["x-forwarded-for"], "203.0.113.7");
    assert_eq!(set["x-forwarded-proto"], "https");
    assert_eq!(set["x-forwarded-host"], "gateway.example");
    assert!(!set["x-request-id"].is_empty());
    assert!(!set.contains_key("x-kept") && !set.contains_key("host"));
    let mut removed = ok.headers_to_remove;
    removed.sort();
    assert_eq!(removed, ["authorization", "x-jwt-assertion"]);
    let figures = service.gateway.metrics();
    assert!(
        figures.contains(r#"api="orders",version="1.0.0",status="200",reason=""} 1"#),
        "{figures}"
    );
}

#[tokio::test]
async fn a_refusal_is_the_built_in_proxys_to_the_header() {
    let service = Service::start().await;
    let response = ask(&service, &check("/orders/1.0.0/items", Vec::new())).await;
    let (status, code, headers) = refused(response);
    assert_eq!((status, code.as_str()), (401, "900902"));
    assert_eq!(headers["www-authenticate"], "Bearer realm=\"Claviger\"");
    assert_eq!(headers["content-type"], "application/json");
    assert_eq!(headers.len(), 2);
    let figures = service.gateway.metrics();
    assert!(figures.contains(r#"reason="credential_missing"} 1"#));
}

#[tokio::test]
async fn headers_that_come_joined_are_read_too() {
    let service = Service::start().await;
    let mut request = suspect("/orders/1.0.0/items");
    let http = http_of(&mut request);
    http.header_map = None;
    http.headers = HashMap::from([
        ("authorization".to_owned(), format!("Bearer {}", token())),
        (":path".to_owned(), "/elsewhere".to_owned()),
    ]);
    passed(ask(&service, &request).await);
    // Two lines that Envoy joined are no credential.
    let joined = format!("Bearer {0},Bearer {0}", token());
    let http = http_of(&mut request);
    http.headers.insert("authorization".to_owned(), joined);
    assert_eq!(refused(ask(&service, &request).await).0, 401);
}

#[tokio::test]
async fn two_credentials_are_none() {
    let service = Service::start().await;
    let bearer = format!("Bearer {}", token());
    let twice = vec![
        line("authorization", &bearer),
        line("Authorization", &bearer),
    ];
    let response = ask(&service, &check("/orders/1.0.0/items", twice)).await;
    assert_eq!(refused(response).1, "900901");
}

#[tokio::test]
async fn limits_are_taken_across_both_doors() {
    let service = Service::start().await;
    let table = CodeTable::load();
    let row = table
        .rows
        .iter()
        .find(|row| row.reason.as_deref() == Some("application_limit"))
        .expect("a row");
    let slow = table.token.edited(&row.token, NOW);
    let request = check(
        &row.path,
        vec![line("authorization", &format!("Bearer {slow}"))],
    );
    for _ in 0..row.at_most {
        if let Some(HttpResponse::Denied(denied)) = ask(&service, &request).await.http_response {
            assert_eq!(denied.status.map(|status| status.code), Some(429));
            let built_in = http::Request::get(&row.path)
                .header("host", "g")
                .header("authorization", format!("Bearer {slow}"))
                .body(code_table::http::full(""))
                .expect("a request");
            let answer = code_table::http::send(service.gateway.local_addr(), built_in)
                .await
                .expect("an answer");
            assert_eq!(answer.status, 429);
            assert_eq!(answer.body, denied.body.as_bytes());
            return;
        }
    }
    panic!("never limited");
}

fn http_of(request: &mut CheckRequest) -> &mut HttpRequest {
    let attributes = request.attributes.as_mut().expect("attributes");
    let request = attributes.request.as_mut().expect("a request");
    request.http.as_mut().expect("HTTP")
}

#[tokio::test]
async fn a_description_that_lacks_something_is_no_admission() {
    let service = Service::start().await;
    let mut incomplete = vec![
        CheckRequest::default(),
        CheckRequest {
            attributes: Some(AttributeContext::default()),
        },
    ];
    let mut without = |edit: &dyn Fn(&mut AttributeContext)| {
        let mut request = suspect("/orders/1.0.0/open");
        edit(request.attributes.as_mut().expect("attributes"));
        incomplete.push(request);
    };
    without(&|attributes| attributes.source = None);
    without(&|attributes| attributes.source = Some(Peer::default()));
    without(&|attributes| attributes.request = None);
    for certificate in ["nonsense", "%", "%zz", "-----BEGIN%20CERTIFICATE-----"] {
        without(&|attributes| {
            let source = attributes.source.as_mut().expect("a source");
            certificate.clone_into(&mut source.certificate);
        });
    }
    without(&|attributes| attributes.request = Some(Request::default()));
    for (address, port) in [("", 1), ("/tmp/pipe", 1), ("127.0.0.1", 65_536)] {
        without(&|attributes| {
            let socket_address = Some(SocketAddress {
                address: address.to_owned(),
                port,
            });
            let address = Some(Address { socket_address });
            attributes.source.as_mut().expect("a source").address = address;
        });
    }
    let mut without = |edit: &dyn Fn(&mut HttpRequest)| {
        let mut request = suspect("/orders/1.0.0/open");
        edit(http_of(&mut request));
        incomplete.push(request);
    };
    without(&|http| http.method = String::new());
    without(&|http| http.method = "GET /".to_owned());
    without(&|http| http.path = String::new());
    without(&|http| http.path = "http://elsewhere/orders".to_owned());
    without(&|http| http.host = "a\r\nb".to_owned());
    without(&|http| {
        http.header_map = Some(HeaderMap {
            headers: vec![line("a b", "c")],
        });
    });
    without(&|http| {
        http.header_map = Some(HeaderMap {
            headers: vec![line("a", "b\r\nc: d")],
        });
    });
    for request in &incomplete {
        let reply: Reply<CheckResponse> = service.ask(CHECK, request).await;
        assert_eq!(reply.status, INVALID_ARGUMENT, "{request:?}");
        assert!(reply.messages.is_empty());
    }
    // The rest of it was sound.
    passed(ask(&service, &suspect("/orders/1.0.0/open")).await);
}

#[tokio::test]
async fn bytes_that_are_no_message_are_no_admission() {
    let service = Service::start().await;
    for nonsense in [&b"\xff\xff\xff\xff"[..], b"\x0a\x7f\x01", b"\x08"] {
        let reply: Reply<CheckResponse> = service.call(CHECK, nonsense.to_vec(), &[]).await;
        assert_eq!(reply.status, INTERNAL);
        assert!(reply.messages.is_empty());
    }
}

#[tokio::test]
async fn headers_without_end_are_no_admission() {
    let service = Service::start().await;
    let huge = "x".repeat(300 * 1024);
    let request = check("/orders/1.0.0/open", vec![line("x-huge", &huge)]);
    let reply: Reply<CheckResponse> = service.ask(CHECK, &request).await;
    assert_eq!(reply.status, OUT_OF_RANGE);
    let many = (0..300).map(|_| line("a", "")).collect();
    let reply: Reply<CheckResponse> = service.ask(CHECK, &check("/orders/1.0.0/open", many)).await;
    assert_eq!(reply.status, INVALID_ARGUMENT);
    passed(ask(&service, &suspect("/orders/1.0.0/items")).await);
}

#[tokio::test]
async fn a_deadline_that_has_passed_is_no_admission() {
    use prost::Message as _;
    let service = Service::start_empty().await;
    // Accepts connections and never answers: the decision waits for the key set.
    let silence = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = silence.local_addr().expect("it is bound");
    let mut snapshot = service.surroundings.snapshot();
    for change in &mut snapshot.changes {
        if let SnapshotChange::PutKeyManager(entry) = change {
            let url = format!("http://{address}/keys").parse().expect("a URL");
            Arc::make_mut(entry).profile.certificates = Some(Certificates::Jwks(url));
        }
    }
    service.gateway.apply(snapshot).expect("a whole snapshot");
    let message = suspect("/orders/1.0.0/items").encode_to_vec();
    let reply: Reply<CheckResponse> = service
        .call(CHECK, message, &[("grpc-timeout", "5m")])
        .await;
    assert_eq!(reply.status, DEADLINE_EXCEEDED);
    assert!(reply.messages.is_empty());
}

#[tokio::test]
async fn methods_that_do_not_exist_are_unimplemented() {
    let service = Service::start().await;
    for method in [
        "/envoy.service.auth.v3.Authorization/Allow",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "/",
    ] {
        let reply: Reply<CheckResponse> = service.call(method, Vec::new(), &[]).await;
        assert_eq!(reply.status, UNIMPLEMENTED, "{method}");
    }
}

#[tokio::test]
async fn without_a_snapshot_nothing_passes() {
    let service = Service::start_empty().await;
    let response = ask(&service, &suspect("/orders/1.0.0/open")).await;
    assert_eq!(refused(response).0, 404);
}

/// A check of a request with a token that is bound to `own`, from this address.
fn bound(own: &Certificate, client: &str, seen: Option<&Certificate>, said: &str) -> CheckRequest {
    let mut headers = vec![
        line("authorization", &format!("Bearer {}", own.bound_token())),
        line("client-cert-chain", "::"),
    ];
    if !said.is_empty() {
        headers.push(line("client-cert", said));
    }
    let mut request = check("/orders/1.0.0/items", headers);
    let attributes = request.attributes.as_mut().expect("attributes");
    let source = attributes.source.as_mut().expect("a source");
    let address = source.address.as_mut().expect("an address");
    let socket = address.socket_address.as_mut().expect("a socket's");
    client.clone_into(&mut socket.address);
    source.certificate = seen.map_or_else(String::new, Certificate::escaped);
    request
}

#[tokio::test]
async fn a_certificate_that_envoy_saw_comes_before_one_that_a_trusted_proxy_hands_on() {
    let trusted_proxies = TrustedProxies {
        networks: vec!["203.0.113.0/24".parse().expect("a network")],
        certificate_header: gateway::certificate_header("Client-Cert"),
        ..TrustedProxies::default()
    };
    let service = Service::start_with(GatewayConfig {
        trusted_proxies,
        ..GatewayConfig::default()
    })
    .await;
    let (own, other) = (Certificate::new(), Certificate::new());
    let (proxy, stranger) = ("203.0.113.7", "198.51.100.7");
    let (said, said_other) = (own.byte_sequence(), other.byte_sequence());
    for (client, seen, said) in [
        (proxy, None, said.as_str()),
        (proxy, None, &own.escaped()),
        (proxy, Some(&own), ""),
        (proxy, Some(&own), &said_other),
        (stranger, Some(&own), ""),
        (stranger, Some(&own), &said_other),
    ] {
        let ok = passed(ask(&service, &bound(&own, client, seen, said)).await);
        assert!(
            ok.headers_to_remove
                .contains(&"client-cert-chain".to_owned())
        );
        let is_removed = ok.headers_to_remove.contains(&"client-cert".to_owned());
        assert_eq!(is_removed, !said.is_empty());
    }
    for (client, seen, said) in [
        (proxy, None, ""),
        (proxy, None, said_other.as_str()),
        (proxy, None, "nonsense"),
        (proxy, Some(&other), ""),
        (proxy, Some(&other), &said),
        (stranger, None, &said),
        (stranger, Some(&other), &said),
    ] {
        let response = ask(&service, &bound(&own, client, seen, said)).await;
        let (status, code, _) = refused(response);
        assert_eq!((status, code.as_str()), (401, "900901"));
    }
}
