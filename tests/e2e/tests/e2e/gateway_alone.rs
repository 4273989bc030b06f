//! A gateway without control plane: `claviger gateway`, by a snapshot file and by the database of a node.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::operation::get;
use crate::polling::eventually;
use crate::program::{Running, program, run};
use crate::scene::{Scene, settings_for};
use crate::upstream::Upstream;

const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn gateway(data: &Path, arguments: &[&str]) -> Command {
    let mut command = program("claviger");
    command
        .arg("gateway")
        .args(arguments)
        .current_dir(data)
        .env("CLAVIGER_DATA_FOLDER", data)
        .env("CLAVIGER_GATEWAY_LISTEN", "127.0.0.1:0")
        .env("CLAVIGER_GATEWAY_WORKERS", "1")
        .env("CLAVIGER_GATEWAY_MONITORING_LISTEN", "127.0.0.1:0");
    command
}

/// Addresses of gateway and monitoring, from the line that says ready.
pub(crate) fn addresses(running: &Running) -> (String, String) {
    let ready = running.said().last().expect("a line that says ready");
    let mut found = ready.split("http://").skip(1).map(|after| {
        let end = after.find(',').unwrap_or(after.len());
        after[..end].to_owned()
    });
    (
        found.next().expect("the gateway"),
        found.next().expect("monitoring"),
    )
}

fn operation(target: &str) -> Value {
    json!({
        "verb": "GET", "target": target, "auth_required": false, "scopes": [],
        "throttling_policy": null,
    })
}

/// One API whose resources are open to everybody.
pub(crate) fn snapshot(revision: i64, upstream: &str, blocked: bool) -> Value {
    json!({"base": null, "revision": revision, "changes": [{"kind": "put_api", "entry": {
        "id": "00000000-0000-7000-8000-000000000001", "name": "weather", "context": "/weather",
        "version": "1.0.0", "provider": "publisher", "is_default_version": false,
        "operations": [operation("/forecast/{city}"), operation("/slow")],
        "key_managers": "all", "audiences": [], "authorization_header": "authorization",
        "endpoints": {"production": [upstream], "sandbox": []},
        "subscription_required": true, "api_throttling_policy": null, "blocked": blocked,
    }}]})
}

pub(crate) fn write(file: &Path, text: &str) {
    std::fs::write(file, text).expect("the snapshot is written");
}

async fn answers(address: &str, status: &str) {
    let wanted = || async {
        get(address, "/weather/1.0.0/forecast/oslo")
            .starts_with(&format!("HTTP/1.1 {status}"))
            .then_some(())
    };
    eventually(&format!("the gateway answers {status}"), PATIENCE, wanted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_file_decides_and_is_taken_up_again_when_it_changes() {
    let upstream = Upstream::start().await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("snapshot.json");
    write(&file, &snapshot(1, &upstream.url, false).to_string());
    let running = Running::start(&mut gateway(
        folder.path(),
        &["--snapshot", "snapshot.json"],
    ));
    let (address, monitoring) = addresses(&running);

    // Ready means ready: the snapshot was in use before the line was written.
    let answer = get(&address, "/weather/1.0.0/forecast/oslo");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(get(&monitoring, "/health/ready").starts_with("HTTP/1.1 200"));

    write(&file, &snapshot(2, &upstream.url, true).to_string());
    answers(&address, "503").await;

    write(&file, "{\"base\": null, \"revision\"");
    let complaint = || async {
        let log = running.transcript().text();
        (log.contains("the old snapshot stays in use") && log.contains("snapshot.json"))
            .then_some(())
    };
    eventually("the gateway complains", PATIENCE, complaint).await;
    answers(&address, "503").await;

    write(&file, &snapshot(3, &upstream.url, false).to_string());
    running.hang_up();
    answers(&address, "200").await;
    let figures = get(&monitoring, "/metrics");
    assert!(
        figures.contains("claviger_gateway_snapshot_revision 3"),
        "{figures}"
    );
    assert!(running.terminate().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_ends_says_so_until_the_last_request_is_answered() {
    let upstream = Upstream::start().await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("snapshot.json");
    write(&file, &snapshot(1, &upstream.url, false).to_string());
    let running = Running::start(&mut gateway(
        folder.path(),
        &["--snapshot", "snapshot.json"],
    ));
    let (address, monitoring) = addresses(&running);
    let call = std::thread::spawn(move || get(&address, "/weather/1.0.0/slow"));
    let arrived = || async { (upstream.waiting() == 1).then_some(()) };
    eventually("the call reaches the API", PATIENCE, arrived).await;
    assert!(get(&monitoring, "/health/ready").starts_with("HTTP/1.1 200"));

    running.ask_to_end();
    let is_ending = || async {
        get(&monitoring, "/health/ready")
            .starts_with("HTTP/1.1 503")
            .then_some(())
    };
    eventually("it is no longer ready", PATIENCE, is_ending).await;
    assert!(get(&monitoring, "/health/live").starts_with("HTTP/1.1 200"));

    upstream.let_one_go();
    let answer = call.join().expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(running.wait().success());
}

#[test]
fn a_gateway_does_not_start_by_a_file_that_is_no_snapshot() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write(&folder.path().join("snapshot.json"), "[]");
    let ended = run(&mut gateway(
        folder.path(),
        &["--snapshot", "snapshot.json"],
    ));
    assert_eq!(ended.status.code(), Some(1));
    assert!(
        ended.complaint.contains("snapshot.json: is not a snapshot"),
        "{}",
        ended.complaint
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_file_the_snapshot_comes_from_the_database() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let running = Running::start(&mut gateway(folder.path(), &[]));
    let (address, monitoring) = addresses(&running);
    let ready = || async {
        get(&monitoring, "/health/ready")
            .starts_with("HTTP/1.1 200")
            .then_some(())
    };
    eventually("the gateway is ready", PATIENCE, ready).await;
    assert!(get(&address, "/nowhere").starts_with("HTTP/1.1 404"));
    assert!(running.terminate().success());
}

/// Ready by the monitoring address of a gateway.
async fn is_ready(monitoring: &str) {
    let ready = || async {
        get(monitoring, "/health/ready")
            .starts_with("HTTP/1.1 200")
            .then_some(())
    };
    eventually("the gateway is ready", PATIENCE, ready).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_without_database_and_without_key_manager_goes_on_from_what_was_kept() {
    const NOBODY: &str = "postgres://nobody:nothing@127.0.0.1:1/none";
    let mut scene = Scene::set().await;
    let application = scene.subscribed("kept").await;
    let (_, client) = scene.claviger.generated_keys(&application).await;
    let used = scene.entra.token(&client).await;
    let unused = scene.entra.token(&client).await;
    scene.claviger.until_answered(200, &used).await;

    let folder = tempfile::tempdir().expect("a temporary folder");
    let database = format!(
        "sqlite:{}",
        scene.claviger.data().join("claviger.db").display()
    );
    let key = std::fs::read_to_string(scene.claviger.data().join("sealing.key"));
    let key = key.expect("a sealing key").trim().to_owned();
    let settings = settings_for(&scene.entra);
    let start = |database: &str| {
        let mut command = gateway(folder.path(), &[]);
        command
            .envs(settings.clone())
            .env("CLAVIGER_SEALING_KEY", &key)
            .env("CLAVIGER_DATABASE_URL", database);
        command
    };
    let http = scene.entra.http.clone();
    let call = async |address: &str, token: &str| {
        let url = format!("http://{address}/weather/1.0.0/forecast/Galle");
        let request = http.request(reqwest::Method::GET, &url).bearer_auth(token);
        http.send(request).await.status
    };

    // Without a copy there is nothing to go on from.
    let ended = run(&mut start(NOBODY));
    assert_eq!(ended.status.code(), Some(1));
    assert!(!ended.complaint.contains("nothing"), "{}", ended.complaint);

    let first = Running::start(&mut start(&database));
    let (address, monitoring) = addresses(&first);
    is_ready(&monitoring).await;
    let passes = || async { (call(&address, &used).await == 200).then_some(()) };
    eventually("the key set is there", PATIENCE, passes).await;
    let later = scene.subscribed("kept as a difference").await;
    let (_, other) = scene.claviger.generated_keys(&later).await;
    let difference = scene.entra.token(&other).await;
    let passes = || async { (call(&address, &difference).await == 200).then_some(()) };
    eventually("the difference has arrived", PATIENCE, passes).await;
    assert!(first.terminate().success());

    scene.claviger.kill();
    scene.entra.go_down();
    let second = Running::start(&mut start(NOBODY));
    let (address, monitoring) = addresses(&second);
    assert!(get(&monitoring, "/health/ready").starts_with("HTTP/1.1 200"));
    for token in [&used, &unused, &difference] {
        assert_eq!(call(&address, token).await, 200);
    }
    assert_eq!(call(&address, "not.a.token").await, 401);
    let log = second.transcript().text();
    assert!(log.contains("kept snapshot"), "{log}");
    assert!(!log.contains("nothing@"), "{log}");
    assert!(second.terminate().success());
}
