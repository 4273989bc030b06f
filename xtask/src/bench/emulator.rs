//! What the emulator takes to create, read and find an application among ten thousand, and its memory.
//!
//! The emulator's own `load` example does the requests over HTTPS, one after the other; its discovery
//! document, which needs no directory, is the baseline.

use std::process::{Command, Stdio};

use serde::Deserialize;

use super::report::{Case, Report};
use crate::command::{cargo, run_program};

const APPLICATIONS: usize = 10_000;
const PROGRAM: &str = "target/release/examples/load";

/// What the example prints.
#[derive(Deserialize)]
struct Load {
    milliseconds: Samples,
    #[serde(rename = "residentMebibytes")]
    resident: Resident,
}

#[derive(Deserialize)]
struct Samples {
    #[serde(rename = "discovery document")]
    discovery: Vec<f64>,
    create: Vec<f64>,
    #[serde(rename = "get by appId")]
    get: Vec<f64>,
    #[serde(rename = "filter by tag")]
    by_tag: Vec<f64>,
    #[serde(rename = "filter by name")]
    by_name: Vec<f64>,
}

#[derive(Deserialize)]
struct Resident {
    empty: f64,
    loaded: f64,
}

pub(crate) fn run() -> Result<Report, String> {
    run_program(
        "release build",
        &mut cargo(&["build", "--release", "-p", "emulator", "--example", "load"]),
    )?;
    let output = Command::new(PROGRAM)
        .arg(APPLICATIONS.to_string())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("{PROGRAM}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{PROGRAM} failed ({})", output.status));
    }
    let load: Load = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("{PROGRAM} printed something else: {error}"))?;
    let samples = &load.milliseconds;
    let baseline = ("discovery document", samples.discovery.as_slice());
    let subjects = [
        ("create with secret", &samples.create),
        ("get by appId", &samples.get),
        ("filter by tag", &samples.by_tag),
        ("filter by display name", &samples.by_name),
    ];
    let mut cases: Vec<Case> = subjects
        .into_iter()
        .map(|(case, samples)| {
            Case::compare(case, "ms", ("10 000 applications", samples), baseline)
        })
        .collect();
    cases.push(Case::compare(
        "resident memory, both sides",
        "MiB",
        ("10 000 applications", &[load.resident.loaded]),
        ("no applications", &[load.resident.empty]),
    ));
    Ok(Report::new("emulator", cases))
}
