//! Client certificates that a trusted proxy hands on in a header (RFC 9440), for tokens that are bound to them.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gateway::{GatewayConfig, TrustedProxies};
use http::{Request, header};
use serde_json::json;

use crate::support::http::full;
use crate::support::raw::exchange;
use crate::support::signer::{FIRST, encode};
use crate::support::world::{World, claims, signed, test_config, token, until, with};

/// As proxies write one, and how tokens name it.
struct Certificate {
    der: Vec<u8>,
    pem: String,
}

impl Certificate {
    fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["client".to_owned()]);
        let certificate = made.expect("a certificate").cert;
        Self {
            der: certificate.der().to_vec(),
            pem: certificate.pem(),
        }
    }

    /// RFC 9440.
    fn byte_sequence(&self) -> String {
        format!(":{}:", STANDARD.encode(&self.der))
    }

    /// nginx's `$ssl_client_escaped_cert`.
    fn escaped(&self) -> String {
        self.pem
            .replace("\r\n", "\n")
            .bytes()
            .map(|byte| match byte {
                b'-' => "-".to_owned(),
                byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
                byte => format!("%{byte:02X}"),
            })
            .collect()
    }

    fn bound_token(&self) -> String {
        let thumbprint = encode(digest(&SHA256, &self.der));
        let cnf = json!({"x5t#S256": thumbprint});
        signed(&FIRST, &with(claims(), "cnf", cnf))
    }
}

fn behind(network: &str, header: Option<&str>) -> GatewayConfig {
    GatewayConfig {
        trusted_proxies: TrustedProxies {
            networks: vec![network.parse().expect("a network")],
            certificate_header: header.map(|name| name.parse().expect("a name")),
            ..TrustedProxies::default()
        },
        ..test_config()
    }
}

async fn trusting(header: &str) -> World {
    let config = behind("127.0.0.0/8", Some(header));
    World::start_with(config, &[FIRST.jwk()]).await
}

/// The status of a call with these header lines.
async fn status(world: &World, token: &str, lines: &[(&str, &str)]) -> u16 {
    let mut request = Request::get("/exampleapi/1.0.0/items?x=1")
        .header(header::HOST, "gateway.example")
        .header(header::AUTHORIZATION, format!("Bearer {token}"));
    for (name, line) in lines {
        request = request.header(*name, *line);
    }
    let answer = world.send(request.body(full("")).expect("a request")).await;
    if answer.status != 200 {
        assert_eq!(answer.code(), "900901");
    }
    answer.status.as_u16()
}

/// Reasons in the log, once there are so many lines.
async fn reasons(world: &World, count: usize) -> Vec<String> {
    until("it is in the log", || world.log.with("").len() == count).await;
    let lines = world.log.with("");
    let reason = |line: &serde_json::Value| line["reason"].as_str().unwrap_or("none").to_owned();
    lines.iter().map(reason).collect()
}

#[tokio::test]
async fn a_bound_token_passes_with_the_certificate_that_a_trusted_proxy_hands_on() {
    let (own, other) = (Certificate::new(), Certificate::new());
    let bound = own.bound_token();
    for name in ["Client-Cert", "X-Client-Cert"] {
        let world = trusting(name).await;
        for (line, expected) in [
            (own.byte_sequence(), 200),
            (own.escaped(), 200),
            (other.byte_sequence(), 401),
            (other.escaped(), 401),
            // A good one again: nothing is remembered of the others.
            (own.byte_sequence(), 200),
        ] {
            assert_eq!(status(&world, &bound, &[(name, &line)]).await, expected);
        }
        assert_eq!(status(&world, &bound, &[]).await, 401);
        assert_eq!(
            reasons(&world, 6).await,
            [
                "none",
                "none",
                "certificate_other",
                "certificate_other",
                "none",
                "certificate_missing"
            ]
        );
    }
}

#[tokio::test]
async fn a_certificate_that_cannot_be_read_is_none() {
    let own = Certificate::new();
    let bound = own.bound_token();
    let world = trusting("Client-Cert").await;
    let good = own.byte_sequence();
    let long = format!(":{}:", STANDARD.encode(vec![0; 20_000]));
    let two = format!("{good}, {good}");
    let with_parameter = format!("{good};q=1");
    let nonsense = ["", "::", ":", "(null)", "?1", &long, &two, &with_parameter];
    for line in nonsense {
        let lines = [("client-cert", line)];
        assert_eq!(status(&world, &bound, &lines).await, 401, "{line}");
        // Nobody looks at it for a token that needs none.
        assert_eq!(status(&world, &token(), &lines).await, 200, "{line}");
    }
    // Two lines: one of them may be the client's.
    let lines = [("client-cert", good.as_str()), ("client-cert", &good)];
    assert_eq!(status(&world, &bound, &lines).await, 401);
    // The chain says nothing of who the client is.
    assert_eq!(
        status(&world, &bound, &[("client-cert-chain", &good)]).await,
        401
    );
    let reasons = reasons(&world, 2 * nonsense.len() + 2).await;
    let count = |wanted: &str| reasons.iter().filter(|reason| *reason == wanted).count();
    assert_eq!(count("certificate_malformed"), nonsense.len() + 1);
    assert_eq!(count("certificate_missing"), 1);
    // What follows the body is no header.
    let trailer = format!(
        "GET /exampleapi/1.0.0/items HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {bound}\r\n\
         connection: close\r\ntransfer-encoding: chunked\r\n\r\n0\r\nclient-cert: {good}\r\n\r\n"
    );
    let answer = exchange(world.gateway.local_addr(), trailer).await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
}

#[tokio::test]
async fn nobody_else_hands_on_a_certificate() {
    let own = Certificate::new();
    let lines = [
        ("client-cert", &*own.byte_sequence()),
        ("x-forwarded-for", "10.0.0.1"),
    ];
    for config in [
        behind("10.0.0.0/8", Some("client-cert")),
        behind("127.0.0.0/8", None),
        behind("127.0.0.0/8", Some("x-client-cert")),
    ] {
        let world = World::start_with(config, &[FIRST.jwk()]).await;
        assert_eq!(status(&world, &own.bound_token(), &lines).await, 401);
        assert_eq!(reasons(&world, 1).await, ["certificate_missing"]);
    }
}

#[tokio::test]
async fn no_upstream_sees_what_was_handed_on() {
    let own = Certificate::new();
    let good = own.byte_sequence();
    let lines = [
        ("client-cert", good.as_str()),
        ("client-cert-chain", &good),
        ("x-kept", "yes"),
    ];
    let sees = |world: &World| {
        let received = world.received.lock().expect("a lock");
        let headers = &received.last().expect("a request").headers;
        assert!(headers.contains_key("x-kept"));
        ["client-cert", "client-cert-chain"].map(|name| headers.contains_key(name))
    };
    for network in ["127.0.0.0/8", "10.0.0.0/8"] {
        let config = behind(network, Some("client-cert"));
        let world = World::start_with(config, &[FIRST.jwk()]).await;
        assert_eq!(status(&world, &token(), &lines).await, 200);
        assert_eq!(sees(&world), [false, false]);
    }
    // Where the setting is off they are headers like any other.
    let world = World::start().await;
    assert_eq!(status(&world, &token(), &lines).await, 200);
    assert_eq!(sees(&world), [true, true]);
}
