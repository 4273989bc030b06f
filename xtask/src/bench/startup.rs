//! Time from process start to ready, and resident memory when idle, of the whole demo in one process.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::report::{Case, Report};
use crate::command::{cargo, run_program};

const ROUNDS: usize = 7;
const PROGRAM: &str = "target/release/claviger";

pub(crate) fn run() -> Result<Report, String> {
    run_program(
        "release build",
        &mut cargo(&["build", "--release", "-p", "server"]),
    )?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;

    let mut version = Vec::new();
    let mut first = Vec::new();
    let mut again = Vec::new();
    let mut memory = Vec::new();
    let mut serve_memory = Vec::new();
    for round in 0..ROUNDS {
        version.push(time_of_version()?);
        let data = folder.path().join(format!("demo-{round}"));
        let (ready, _) = start_demo(&data)?;
        first.push(ready);
        let (ready, resident) = start_demo(&data)?;
        again.push(ready);
        memory.push(resident);
        serve_memory.push(memory_of_serve(
            &folder.path().join(format!("serve-{round}")),
        )?);
    }
    Ok(Report::new(
        "startup",
        vec![
            Case::compare(
                "first start to ready",
                "ms",
                ("demo, empty folder", &first),
                ("claviger --version", &version),
            ),
            Case::compare(
                "later start to ready",
                "ms",
                ("demo, kept folder", &again),
                ("claviger --version", &version),
            ),
            Case::compare(
                "idle resident memory",
                "MiB",
                ("demo (with emulator)", &memory),
                ("claviger serve", &serve_memory),
            ),
        ],
    ))
}

fn time_of_version() -> Result<f64, String> {
    let started = Instant::now();
    let status = Command::new(PROGRAM)
        .arg("--version")
        .stdout(Stdio::null())
        .status()
        .map_err(|error| format!("{PROGRAM}: {error}"))?;
    if !status.success() {
        return Err(format!("{PROGRAM} --version failed"));
    }
    Ok(milliseconds(started.elapsed()))
}

/// Milliseconds to the line that says ready, and MiB resident a moment after.
fn start_demo(data: &Path) -> Result<(f64, f64), String> {
    let mut command = Command::new(PROGRAM);
    command
        .args(["demo", "--no-journey", "--any-port", "--data"])
        .arg(data);
    start(&mut command)
}

/// Of a later start, as with the demo: hashing the first users' passwords leaves its memory behind.
fn memory_of_serve(data: &Path) -> Result<f64, String> {
    let mut command = Command::new(PROGRAM);
    command
        .args(["serve"])
        .env("CLAVIGER_DATA_FOLDER", data)
        .env("CLAVIGER_CONTROL_LISTEN", "127.0.0.1:0")
        .env("CLAVIGER_GATEWAY_LISTEN", "127.0.0.1:0");
    start(&mut command)?;
    start(&mut command).map(|(_, resident)| resident)
}

fn start(command: &mut Command) -> Result<(f64, f64), String> {
    let started = Instant::now();
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("{PROGRAM}: {error}"))?;
    let outcome = wait_until_ready(&mut child, started);
    child.kill().map_err(|error| error.to_string())?;
    child.wait().map_err(|error| error.to_string())?;
    outcome
}

fn wait_until_ready(child: &mut Child, started: Instant) -> Result<(f64, f64), String> {
    let output = child.stdout.take().ok_or("no standard output")?;
    for line in BufReader::new(output).lines() {
        let line = line.map_err(|error| error.to_string())?;
        if line.starts_with("Ready") {
            let ready = milliseconds(started.elapsed());
            // Idle means settled: background tasks have had their first turn.
            std::thread::sleep(Duration::from_secs(1));
            return Ok((ready, resident_mib(child.id())?));
        }
    }
    Err("the process ended before it was ready".to_owned())
}

fn resident_mib(process: u32) -> Result<f64, String> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))
        .map_err(|error| error.to_string())?;
    let kib: f64 = status
        .lines()
        .find_map(|line| {
            line.strip_prefix("VmRSS:")?
                .trim()
                .strip_suffix(" kB")?
                .trim()
                .parse()
                .ok()
        })
        .ok_or("no VmRSS in /proc")?;
    Ok(kib / 1024.0)
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}
