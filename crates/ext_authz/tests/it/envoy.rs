//! The real Envoy with the configuration of the guide, asked the same as the built-in proxy.
//! `cargo xtask test envoy` installs it and runs these.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use code_table::http::{Answer, full, send};
use code_table::row::{CodeTable, Side};
use code_table::run::{DataPlane, run};
use domain::snapshot::SnapshotUpdate;
use ext_authz::Serving;
use http::Request;
use http_body_util::BodyExt as _;
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsConnector;

use crate::certificate::Certificate;
use crate::support::{NOW, Service, until};

const CONFIGURATION: &str = include_str!("../../../../docs/guides/envoy/envoy.yaml");

/// Lines that Envoy adds to every answer.
const OWN_HEADERS: &[&str] = &["server"];

struct Envoy {
    process: Child,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Envoy {
    /// Waits until its clusters are healthy.
    async fn start(service: &Service) -> Self {
        Self::start_as(&configuration(service)).await
    }

    async fn start_as(configuration: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("envoy.yaml");
        std::fs::write(&file, configuration).expect("written");
        let admin_file = folder.path().join("admin");
        let process = Command::new(program())
            .args(["--concurrency", "1", "--disable-hot-restart"])
            .args(["--log-level", "warning"])
            .arg("--config-path")
            .arg(&file)
            .arg("--admin-address-path")
            .arg(&admin_file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("Envoy starts");
        let mut envoy = Self {
            process,
            address: ([127, 0, 0, 1], 0).into(),
            _folder: folder,
        };
        until("Envoy tells its admin address", async || {
            assert!(
                envoy.process.try_wait().is_ok_and(|ended| ended.is_none()),
                "Envoy ended"
            );
            admin_address(&admin_file).is_some()
        })
        .await;
        let admin = admin_address(&admin_file).expect("an address");
        let mut listener = None;
        until("Envoy listens", async || {
            let answer = get(admin, "/listeners?format=json").await;
            listener = answer.and_then(|answer| {
                let port = answer.json()["listener_statuses"][0]["local_address"]["socket_address"]
                    ["port_value"]
                    .as_u64()?;
                Some(SocketAddr::from((
                    [127, 0, 0, 1],
                    u16::try_from(port).ok()?,
                )))
            });
            listener.is_some()
        })
        .await;
        envoy.address = listener.expect("an address");
        envoy
    }

    async fn answers(&self, path: &str, status: u16) -> Answer {
        let mut last = None;
        until(&format!("Envoy answers {status}"), async || {
            last = get(self.address, path).await;
            last.as_ref()
                .is_some_and(|answer| answer.status.as_u16() == status)
        })
        .await;
        last.expect("an answer")
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "where Envoy is, the suite says in the environment"
)]
fn program() -> String {
    std::env::var("ENVOY").expect("ENVOY names the program; run `cargo xtask test envoy`")
}

/// The guide's, with this test's ports: Envoy's own are free ones.
fn configuration(service: &Service) -> String {
    let upstream = service.surroundings.upstream_address();
    [
        ("port_value: 9901", "port_value: 0".to_owned()),
        ("port_value: 8080", "port_value: 0".to_owned()),
        (
            "port_value: 8282",
            format!("port_value: {}", service.address.port()),
        ),
        ("\"127.0.0.1:9180\"", format!("\"{upstream}\"")),
        (
            "port_value: 9180",
            format!("port_value: {}", upstream.port()),
        ),
        ("interval: 2s", "interval: 0.1s".to_owned()),
    ]
    .into_iter()
    .fold(CONFIGURATION.to_owned(), |text, (from, to)| {
        assert!(
            text.contains(from),
            "the guide's configuration lacks {from}"
        );
        text.replace(from, &to)
    })
}

fn admin_address(file: &Path) -> Option<SocketAddr> {
    std::fs::read_to_string(file).ok()?.trim().parse().ok()
}

async fn get(address: SocketAddr, path: &str) -> Option<Answer> {
    let request = Request::get(path)
        .header("host", "gateway.example")
        .body(full(""))
        .expect("a request");
    // Until somebody listens there is nobody to connect to.
    tokio::net::TcpStream::connect(address).await.ok()?;
    send(address, request).await.ok()
}

#[tokio::test]
#[ignore = "needs Envoy: cargo xtask test envoy"]
async fn envoy_answers_every_decision_as_the_table_says() {
    let service = Service::start().await;
    let envoy = Envoy::start(&service).await;
    envoy.answers("/orders/1.0.0/open", 200).await;
    let plane = DataPlane {
        address: envoy.address,
        figures: async || service.gateway.metrics(),
        ignored_headers: OWN_HEADERS,
    };
    let table = CodeTable::load();
    let rows: Vec<_> = table
        .rows
        .iter()
        // Ten thousand requests until a limit is reached are the built-in proxy's to send: smaller limits go the
        // same way.
        .filter(|row| row.side == Side::Decision && row.at_most <= 100)
        .collect();
    let found = run(&table, rows, &plane, NOW).await;
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[tokio::test]
#[ignore = "needs Envoy: cargo xtask test envoy"]
async fn without_claviger_envoy_lets_nobody_through() {
    let service = Service::start().await;
    let envoy = Envoy::start(&service).await;
    envoy.answers("/orders/1.0.0/open", 200).await;
    service.dies();
    let answer = envoy.answers("/orders/1.0.0/open", 503).await;
    assert!(!answer.headers.contains_key("x-upstream"));
}

#[tokio::test]
#[ignore = "needs Envoy: cargo xtask test envoy"]
async fn an_ending_or_empty_gateway_is_not_asked() {
    let service = Service::start_empty().await;
    let envoy = Envoy::start(&service).await;
    // Asked directly it would answer 404: nothing is deployed.
    envoy.answers("/orders/1.0.0/open", 503).await;
    let snapshot = service.surroundings.snapshot();
    service.gateway.apply(snapshot).expect("a whole snapshot");
    service.health.set(Serving::Yes);
    envoy.answers("/orders/1.0.0/open", 200).await;
    service.health.set(Serving::Ending);
    envoy.answers("/orders/1.0.0/open", 503).await;
}

#[tokio::test]
#[ignore = "needs Envoy: cargo xtask test envoy"]
async fn a_snapshot_change_is_effective_through_envoy() {
    let service = Service::start().await;
    let envoy = Envoy::start(&service).await;
    envoy.answers("/orders/1.0.0/open", 200).await;
    let empty = SnapshotUpdate {
        base: None,
        revision: domain::snapshot::SnapshotRevision(2),
        changes: Vec::new(),
    };
    service.gateway.apply(empty).expect("a whole snapshot");
    // The very next request.
    let answer = get(envoy.address, "/orders/1.0.0/open").await;
    assert_eq!(answer.expect("an answer").status, 404);
}

#[tokio::test]
#[ignore = "needs Envoy: cargo xtask test envoy"]
async fn a_client_cannot_say_where_its_request_goes() {
    let service = Service::start().await;
    let envoy = Envoy::start(&service).await;
    envoy.answers("/orders/1.0.0/open", 200).await;
    let request = Request::get("/orders/1.0.0/open?q=1")
        .header("host", "gateway.example")
        .header("x-claviger-upstream", "claviger")
        .body(full(""))
        .expect("a request");
    let answer = send(envoy.address, request).await.expect("an answer");
    assert_eq!(answer.header("x-upstream"), "yes");
    assert_eq!(answer.text(), "GET /backend/open?q=1");
}

/// The guide's configuration with the TLS context that it has the reader add: clients may show a certificate of the
/// authority.
struct Tls {
    authority: Issuer<'static, KeyPair>,
    own: CertificateDer<'static>,
    context: String,
}

impl Tls {
    fn new() -> Self {
        let mut parameters = CertificateParams::new(Vec::new()).expect("parameters");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // A name of its own: who is named like their issuer is taken for self-signed.
        parameters
            .distinguished_name
            .push(DnType::CommonName, "authority");
        let key = KeyPair::generate().expect("a key");
        let authority = parameters.self_signed(&key).expect("a certificate");
        let own = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]);
        let own = own.expect("a certificate");
        let quoted = |text: String| serde_json::Value::String(text).to_string();
        let context = format!(
            r#"        - transport_socket:
            name: envoy.transport_sockets.tls
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
              require_client_certificate: false
              common_tls_context:
                tls_certificates:
                  - certificate_chain: {{ inline_string: {} }}
                    private_key: {{ inline_string: {} }}
                validation_context:
                  trusted_ca: {{ inline_string: {} }}
          filters:
"#,
            quoted(own.cert.pem()),
            quoted(own.signing_key.serialize_pem()),
            quoted(authority.pem()),
        );
        Self {
            authority: Issuer::new(parameters, key),
            own: own.cert.der().clone(),
            context,
        }
    }

    fn configuration(&self, service: &Service) -> String {
        const PLAIN: &str = "        - filters:\n";
        let text = configuration(service);
        assert_eq!(text.matches(PLAIN).count(), 1);
        text.replace(PLAIN, &self.context)
    }

    /// What Envoy answers to a client with this certificate.
    async fn call(&self, envoy: &Envoy, client: Option<&Certificate>, token: &str) -> Answer {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.own.clone()).expect("a certificate");
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let config = rustls::ClientConfig::builder_with_provider(provider.into())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots);
        let config = match client {
            None => config.with_no_client_auth(),
            Some(client) => {
                let key = PrivateKeyDer::try_from(client.key.serialize_der()).expect("a key");
                config
                    .with_client_auth_cert(vec![client.der.clone().into()], key)
                    .expect("a certificate with its key")
            }
        };
        let stream = tokio::net::TcpStream::connect(envoy.address)
            .await
            .expect("a connection");
        let stream = TlsConnector::from(Arc::new(config))
            .connect("localhost".try_into().expect("a name"), stream)
            .await
            .expect("TLS");
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .expect("HTTP");
        tokio::spawn(connection);
        let answer = sender.send_request(with_token(token)).await;
        let (head, body) = answer.expect("an answer").into_parts();
        Answer {
            status: head.status,
            headers: head.headers,
            body: body.collect().await.expect("a whole body").to_bytes(),
        }
    }
}

fn with_token(token: &str) -> Request<code_table::http::Body> {
    Request::get("/orders/1.0.0/items")
        .header("host", "gateway.example")
        .header("authorization", format!("Bearer {token}"))
        .body(full(""))
        .expect("a request")
}

#[tokio::test]
#[ignore = "needs Envoy: cargo xtask test envoy"]
async fn a_bound_token_passes_envoy_with_its_own_certificate_only() {
    let service = Service::start().await;
    let tls = Tls::new();
    let envoy = Envoy::start_as(&tls.configuration(&service)).await;
    let own = Certificate::signed_by(&tls.authority);
    let other = Certificate::signed_by(&tls.authority);
    let bound = own.bound_token();
    until("Envoy sees the gateway", async || {
        tls.call(&envoy, Some(&own), &bound).await.status == 200
    })
    .await;
    let answer = tls.call(&envoy, Some(&own), &bound).await;
    assert_eq!(answer.header("x-upstream"), "yes");
    // The built-in proxy's answer to who has no certificate.
    let expected = send(service.gateway.local_addr(), with_token(&bound)).await;
    let expected = expected.expect("an answer");
    assert_eq!(expected.status, 401);
    for client in [Some(&other), None] {
        let answer = tls.call(&envoy, client, &bound).await;
        assert_eq!(answer.status, expected.status);
        assert_eq!(answer.body, expected.body);
        for name in ["www-authenticate", "content-type"] {
            assert_eq!(answer.header(name), expected.header(name), "{name}");
        }
    }
    // A header that a client writes is no certificate.
    let mut forged = with_token(&bound);
    let line = own.byte_sequence().parse().expect("a header value");
    forged.headers_mut().insert("client-cert", line);
    let answer = send(service.gateway.local_addr(), forged).await;
    assert_eq!(answer.expect("an answer").status, 401);
    // The token's own certificate still passes, and the figures know why the others did not.
    assert_eq!(tls.call(&envoy, Some(&own), &bound).await.status, 200);
    let figures = service.gateway.metrics();
    for reason in ["certificate_other", "certificate_missing"] {
        assert!(figures.contains(reason), "{figures}");
    }
}
