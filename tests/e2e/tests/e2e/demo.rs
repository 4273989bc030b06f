//! The newcomer's path: `claviger demo`.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use crate::postgres;
use crate::program::{program, run};

fn demo(data: &Path) -> Command {
    let mut command = program("claviger");
    command
        .args(["demo", "--exit", "--any-port", "--data"])
        .arg(data);
    command
}

#[test]
fn the_journey_holds_and_holds_again_over_the_same_folder() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for _ in 0..2 {
        let ended = run(&mut demo(folder.path()));
        assert!(
            ended.status.success(),
            "{}\n{}",
            ended.output,
            ended.complaint
        );
        assert!(ended.output.contains("steps held"), "{}", ended.output);
        assert!(!ended.output.contains("FAIL"), "{}", ended.output);
    }
}

#[test]
fn the_journey_holds_on_postgresql() {
    let Some(url) = postgres::new_database("journey") else {
        return;
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let ended = run(demo(folder.path()).args(["--database-url", &url]));
    assert!(
        ended.status.success(),
        "{}\n{}",
        ended.output,
        ended.complaint
    );
}

#[test]
fn a_step_that_does_not_hold_is_named_and_ends_with_status_1() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let first = run(&mut demo(folder.path()));
    assert!(
        first.status.success(),
        "{}\n{}",
        first.output,
        first.complaint
    );
    let users = r#"{"admin":"wrong","publisher":"wrong","developer":"wrong"}"#;
    std::fs::write(folder.path().join("users.json"), users).expect("the folder is writable");

    let ended = run(&mut demo(folder.path()));
    assert_eq!(ended.status.code(), Some(1));
    assert!(
        ended.complaint.contains("step \"Signing in"),
        "{}",
        ended.complaint
    );
}

#[test]
fn a_taken_port_is_said_plainly() {
    // Taken by us or by somebody else: either way it is taken.
    let _taken = TcpListener::bind("127.0.0.1:8443");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let ended = run(program("claviger")
        .args(["demo", "--exit", "--data"])
        .arg(folder.path()));
    assert_eq!(ended.status.code(), Some(1));
    assert!(
        ended.complaint.contains("127.0.0.1:8443"),
        "{}",
        ended.complaint
    );
    assert!(
        ended.complaint.contains("taken") || ended.complaint.contains("in use"),
        "{}",
        ended.complaint
    );
}

#[test]
fn a_folder_that_cannot_be_used_is_said_plainly() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("a file");
    std::fs::write(&file, "not a folder").expect("the folder is writable");
    let ended = run(&mut demo(&file.join("data")));
    assert_eq!(ended.status.code(), Some(1));
    assert!(
        ended.complaint.contains("the data folder"),
        "{}",
        ended.complaint
    );
    assert!(
        ended.complaint.contains("cannot be used"),
        "{}",
        ended.complaint
    );
}

#[test]
fn passwords_are_readable_by_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let ended = run(&mut demo(folder.path()));
    assert!(
        ended.status.success(),
        "{}\n{}",
        ended.output,
        ended.complaint
    );
    for file in ["users.json", "claviger/sealing.key"] {
        let metadata = std::fs::metadata(folder.path().join(file)).expect("the file exists");
        assert_eq!(metadata.permissions().mode() & 0o077, 0, "{file}");
    }
}
