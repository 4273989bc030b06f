//! The program `entra-emulator`, as people run it.

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Output, Stdio},
};

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_entra-emulator"));
    command.args(arguments);
    command
}

fn text(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn it_serves_on_a_free_port_and_prints_where() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let mut child = program(&["--port", "0", "--data", data])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    let port = first.rsplit(':').next().unwrap().parse::<u16>().unwrap();
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    let rest: Vec<_> = lines.by_ref().take(5).map(|line| line.unwrap()).collect();
    assert!(
        rest.iter().any(|line| line.contains("/oauth2/v2.0/token")),
        "{rest:?}"
    );
    child.kill().unwrap();
    child.wait().unwrap();

    let exported = program(&["export", "--data", data]).output().unwrap();
    assert!(exported.status.success());
    let objects: serde_json::Value = serde_json::from_slice(&exported.stdout).unwrap();
    assert_eq!(objects[0]["kind"], "tenant");

    let other = tempfile::tempdir().unwrap();
    let file = other.path().join("export.json");
    std::fs::write(&file, &exported.stdout).unwrap();
    let target = other.path().join("data");
    let arguments = [
        "import",
        "--data",
        target.to_str().unwrap(),
        file.to_str().unwrap(),
    ];
    let imported = program(&arguments).output().unwrap();
    assert!(
        text(&imported).0.contains("objects imported"),
        "{:?}",
        text(&imported)
    );
}

#[test]
fn it_prints_the_same_ca_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let print = || {
        program(&["ca", "--data", folder.path().to_str().unwrap()])
            .output()
            .unwrap()
    };
    let first = text(&print()).0;
    assert!(first.starts_with("-----BEGIN CERTIFICATE-----"));
    assert_eq!(text(&print()).0, first);
}

#[test]
fn it_says_what_is_wrong_with_a_start_up_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("emulator.json");
    std::fs::write(&file, "{\"colour\": 1}").unwrap();
    let refused = program(&["--config", file.to_str().unwrap()])
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let (_, error) = text(&refused);
    assert!(
        error.contains("colour") && error.contains("emulator.json"),
        "{error}"
    );
    let missing = program(&["export", "--data", "/nonexistent/folder"])
        .output()
        .unwrap();
    assert_eq!(missing.status.code(), Some(1));
}
