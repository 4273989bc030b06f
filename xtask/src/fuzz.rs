//! `cargo xtask fuzz`: feeds the gateway's parsers with whatever a fuzzer thinks of, for a while.
//!
//! The same functions run in the suite `unit` over the kept inputs (`fuzz/seeds`), on the pinned toolchain. What a
//! run finds lies in `fuzz/artifacts`; once it is mended it belongs to the kept inputs.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use clap::{Args, ValueEnum};

use crate::command::run_program;

/// Bytes of an input: a token and a head of a request are not longer.
const LONGEST: u32 = 16 * 1024;

#[derive(Args)]
pub(crate) struct Fuzz {
    /// All of them without a name.
    targets: Vec<Target>,
    /// How long each target runs.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Target {
    /// Tokens, taken apart and verified.
    Token,
    /// A token that passes, altered.
    AlteredToken,
    /// Key sets and certificates.
    KeySet,
    /// Answers of key managers about tokens.
    Introspection,
    /// Paths and path templates.
    Path,
    /// Header lines: the credential, and what upstreams are told.
    Headers,
    /// What proxies say of the client's address.
    ClientAddress,
    /// What they say of its certificate.
    ClientCertificate,
    /// Messages of HTTP/1.1, of clients and of upstreams.
    Http1,
}

pub(crate) fn run(fuzz: &Fuzz) -> Result<(), String> {
    check_tools()?;
    let targets = if fuzz.targets.is_empty() {
        Target::value_variants()
    } else {
        &fuzz.targets
    };
    for target in targets {
        let value = target
            .to_possible_value()
            .ok_or("a target without a name")?;
        run_target(value.get_name(), fuzz.seconds)?;
    }
    Ok(())
}

fn run_target(name: &str, seconds: u32) -> Result<(), String> {
    let folder = root().join("fuzz");
    let (found, kept) = (
        folder.join("corpus").join(name),
        folder.join("seeds").join(name),
    );
    std::fs::create_dir_all(&found).map_err(|error| format!("{}: {error}", found.display()))?;
    let mut command = nightly_cargo();
    command
        .current_dir(root())
        .args(["fuzz", "run", name])
        .args([found, kept])
        .arg("--")
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-max_len={LONGEST}"));
    run_program(&format!("fuzzing {name} for {seconds} s"), &mut command)
}

fn check_tools() -> Result<(), String> {
    let answers = |arguments: &[&str]| {
        nightly_cargo()
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    if !answers(&["--version"]) {
        return Err(
            "fuzzing needs a nightly toolchain: rustup toolchain install nightly".to_owned(),
        );
    }
    if !answers(&["fuzz", "--version"]) {
        return Err("fuzzing needs cargo-fuzz: cargo install cargo-fuzz".to_owned());
    }
    Ok(())
}

/// Not the pinned toolchain, which the `cargo` that runs us has put into the environment.
fn nightly_cargo() -> Command {
    let mut command = Command::new("rustup");
    command
        .args(["run", "nightly", "cargo"])
        .env_remove("CARGO")
        .env_remove("RUSTUP_TOOLCHAIN");
    command
}

fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}
