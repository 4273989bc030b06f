//! What an operator does beside a running node: accounts, probes, figures.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::polling::eventually;
use crate::program::{Running, program, run};

pub(crate) fn claviger(data: &Path, arguments: &[&str]) -> Command {
    let mut command = program("claviger");
    command
        .args(arguments)
        .current_dir(data)
        .env("CLAVIGER_DATA_FOLDER", data)
        .env("CLAVIGER_CONTROL_LISTEN", "127.0.0.1:0")
        .env("CLAVIGER_GATEWAY_LISTEN", "127.0.0.1:0");
    command
}

/// The whole answer to a GET over HTTP/1.1, head and body.
pub(crate) fn get(address: &str, path: &str) -> String {
    get_with(address, path, "")
}

/// The same with further header lines, each with its line end.
pub(crate) fn get_with(address: &str, path: &str, lines: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("the node accepts connections");
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: localhost\r\n{lines}Connection: close\r\n\r\n"
    )
    .expect("the request is sent");
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .expect("the answer is text");
    answer
}

/// Host and port of the control plane, from the line that says ready.
fn control_address(node: &Running) -> String {
    let ready = node.said().last().expect("a line that says ready");
    let after = ready.split_once("http://").expect("an address").1;
    after
        .split(',')
        .next()
        .expect("a host and a port")
        .to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ready_node_says_so_and_shows_its_figures() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let node = Running::start(&mut claviger(folder.path(), &["serve"]));
    let address = control_address(&node);
    assert!(get(&address, "/health/live").starts_with("HTTP/1.1 200"));
    // The first snapshot follows the line that says ready; the probe is what tells.
    let ready = || async {
        get(&address, "/health/ready")
            .starts_with("HTTP/1.1 200")
            .then_some(())
    };
    eventually("the node is ready", Duration::from_secs(20), ready).await;
    let figures = get(&address, "/metrics");
    assert!(
        figures.contains("claviger_build_info{version="),
        "{figures}"
    );
}

#[test]
fn users_are_added_listed_and_given_new_passwords_beside_a_running_node() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let _node = Running::start(&mut claviger(folder.path(), &["serve"]));
    let added = run(&mut claviger(
        folder.path(),
        &["users", "add", "carol", "--role", "subscriber"],
    ));
    assert!(added.status.success(), "{}", added.complaint);
    assert!(
        added.output.contains("User carol added: password "),
        "{}",
        added.output
    );

    let listed = run(&mut claviger(folder.path(), &["users", "list"]));
    assert!(
        listed.output.contains("carol") && listed.output.contains("subscriber"),
        "{}",
        listed.output
    );
    assert!(!listed.output.contains("password"), "{}", listed.output);

    let changed = run(&mut claviger(
        folder.path(),
        &["users", "set-password", "carol"],
    ));
    assert!(
        changed.output.contains("User carol changed: password "),
        "{}",
        changed.complaint
    );

    let twice = run(&mut claviger(
        folder.path(),
        &["users", "add", "carol", "--role", "subscriber"],
    ));
    assert_eq!(twice.status.code(), Some(1));
    assert!(
        twice.complaint.contains("already exists"),
        "{}",
        twice.complaint
    );
}
