//! `claviger serve`: zero configuration.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use crate::program::{Running, program, run};

fn serve(data: &Path) -> Command {
    let mut command = program("claviger");
    command
        .arg("serve")
        .current_dir(data)
        .env("CLAVIGER_DATA_FOLDER", data)
        .env("CLAVIGER_CONTROL_LISTEN", "127.0.0.1:0")
        .env("CLAVIGER_GATEWAY_LISTEN", "127.0.0.1:0");
    command
}

#[test]
fn the_first_start_prints_generated_passwords_and_later_starts_do_not() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let first = Running::start(&mut serve(folder.path()));
    let passwords: Vec<&String> = first
        .said()
        .iter()
        .filter(|line| line.starts_with("First start: user"))
        .collect();
    assert_eq!(passwords.len(), 3, "{:?}", first.said());
    assert!(first.terminate().success(), "SIGTERM ends it cleanly");

    let second = Running::start(&mut serve(folder.path()));
    assert!(
        second.said().iter().all(|line| !line.contains("password")),
        "{:?}",
        second.said()
    );
}

#[test]
fn a_taken_port_is_said_plainly() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    let folder = tempfile::tempdir().expect("a temporary folder");
    for variable in ["CLAVIGER_CONTROL_LISTEN", "CLAVIGER_GATEWAY_LISTEN"] {
        let ended = run(serve(folder.path()).env(variable, &address));
        assert_eq!(ended.status.code(), Some(1), "{variable}");
        assert!(
            ended.complaint.contains(&address),
            "{variable}: {}",
            ended.complaint
        );
    }
}

#[test]
fn the_sealing_key_of_another_folder_is_noticed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    drop(Running::start(&mut serve(folder.path())));
    std::fs::write(folder.path().join("sealing.key"), "ab".repeat(32))
        .expect("the folder is writable");
    let ended = run(&mut serve(folder.path()));
    assert_eq!(ended.status.code(), Some(1));
    assert!(
        ended.complaint.contains("sealing key"),
        "{}",
        ended.complaint
    );
}
