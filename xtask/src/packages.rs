//! Debian packages that a suite needs: installed when we may, named when we may not.

use std::path::Path;
use std::process::Command;

use crate::command::run_program;

/// Installs `package` with apt-get when this is root on a Debian-like system; says what to do otherwise.
pub(crate) fn install(package: &str, why: &str) -> Result<(), String> {
    let by_hand = format!("{why} is missing; install it, on Debian: apt-get install {package}");
    if !Path::new("/usr/bin/apt-get").exists() || !is_root() {
        return Err(by_hand);
    }
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    run_program("apt-get update", &mut apt(&["-qq", "update"]))
        .map_err(|error| format!("{error}. {by_hand}"))?;
    run_program(
        &format!("apt-get install {package}"),
        &mut apt(&["-qq", "-y", "--no-install-recommends", "install", package]),
    )
    .map_err(|error| format!("{error}. {by_hand}"))
}

pub(crate) fn is_root() -> bool {
    Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|output| String::from_utf8_lossy(&output.stdout).trim() == "0")
}
