//! A million requests, some over each front, through gateways in processes of their own, by `bench soak`.
//!
//! Takes the build of the benchmarks' tools, which the other suites have made anyway.

use std::path::Path;
use std::process::Command;

use crate::bench::tools;
use crate::command::{Cases, run_program};

/// Clients that take turns; the standard world has no more.
const TOKENS: &str = "1000";

/// Three cases for each of the three fronts: every answer is as it must be, descriptors are flat, memory is flat.
pub(crate) fn run() -> Result<Cases, String> {
    let tools = tools()?;
    let folder = Path::new("target/bench/soak");
    run_program(
        "bench prepare",
        Command::new(&tools)
            .arg("prepare")
            .arg(folder)
            .args(["--tokens", TOKENS]),
    )?;
    run_program(
        "a million requests over HTTP/1.1, TLS and HTTP/2",
        Command::new(&tools).arg("soak").arg(folder),
    )?;
    Ok(Cases {
        passed: 9,
        failed: 0,
    })
}
