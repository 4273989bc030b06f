//! The real Envoy with the configuration of the guide, asked the same as the built-in proxy.
//! `cargo xtask test envoy` installs it and runs these.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use code_table::http::{Answer, full, send};
use code_table::row::{CodeTable, Side};
use code_table::run::{DataPlane, run};
use domain::snapshot::SnapshotUpdate;
use ext_authz::Serving;
use http::Request;

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
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("envoy.yaml");
        std::fs::write(&file, configuration(service)).expect("written");
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
