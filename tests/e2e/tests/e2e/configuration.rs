//! `claviger config check`.

use crate::program::{program, run};

#[test]
fn no_settings_at_all_are_valid() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let ended = run(program("claviger")
        .args(["config", "check"])
        .current_dir(folder.path()));
    assert!(ended.status.success(), "{}", ended.complaint);
}

#[test]
fn an_unknown_setting_in_the_file_is_refused_with_a_suggestion() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(
        folder.path().join("claviger.toml"),
        "[gatway]\nworkers = 2\n",
    )
    .expect("writable");
    let ended = run(program("claviger")
        .args(["config", "check"])
        .current_dir(folder.path()));
    assert_eq!(ended.status.code(), Some(1));
    assert!(
        ended.complaint.contains("did you mean gateway?"),
        "{}",
        ended.complaint
    );
}

#[test]
fn an_unknown_variable_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let ended = run(program("claviger")
        .args(["config", "check"])
        .current_dir(folder.path())
        .env("CLAVIGER_GATEWAY_LISTN", "127.0.0.1:1"));
    assert_eq!(ended.status.code(), Some(1));
    assert!(
        ended
            .complaint
            .contains("did you mean CLAVIGER_GATEWAY_LISTEN?"),
        "{}",
        ended.complaint
    );
}

#[test]
fn a_settings_file_that_is_named_must_exist() {
    let ended =
        run(program("claviger").args(["config", "check", "--config", "/nowhere/claviger.toml"]));
    assert_eq!(ended.status.code(), Some(1));
    assert!(
        ended.complaint.contains("/nowhere/claviger.toml"),
        "{}",
        ended.complaint
    );
}
