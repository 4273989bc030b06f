//! The program `entra-emulator`, as people run it.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails the test by panicking"
)]

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

/// Starts the program, which answers, reads what it prints, and stops it.
fn lines_at_start(data: &str) -> Vec<String> {
    let mut child = program(&["--port", "0", "--data", data])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let lines: Vec<_> = lines.take(8).map(|line| line.unwrap()).collect();
    let port: u16 = lines[0].rsplit(':').next().unwrap().parse().unwrap();
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    child.kill().unwrap();
    child.wait().unwrap();
    lines
}

#[test]
fn it_serves_on_a_free_port_and_prints_where() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let first = lines_at_start(data);
    let port = first[0].rsplit(':').next().unwrap();
    assert!(port.parse::<u16>().is_ok(), "{first:?}");
    for part in ["/oauth2/v2.0/token", "/_emulator", "/_portal/"] {
        assert!(first.iter().any(|line| line.contains(part)), "{first:?}");
    }
    let secrets = |lines: &[String]| lines[lines.len() - 2..].to_vec();
    assert!(secrets(&first)[0].contains("Administrator "));
    assert!(secrets(&first)[1].contains("admin@fabrikamlab.onmicrosoft.com "));
    assert_eq!(secrets(&lines_at_start(data)), secrets(&first));
    #[cfg(unix)]
    for file in ["administrators.json", "people.json"] {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(folder.path().join(file)).unwrap();
        assert_eq!(mode.permissions().mode() & 0o777, 0o600, "{file}");
    }

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
