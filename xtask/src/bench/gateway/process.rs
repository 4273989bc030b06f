//! Processes that we started: ended by their own id, whatever happens.

use std::fs::File;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// What a measurement of one contestant came to.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Figures {
    pub(super) requests_per_second: f64,
    pub(super) failed: u64,
    pub(super) p50_us: f64,
    pub(super) p99_us: f64,
    /// Between 0 and 1.
    pub(super) core0_busy: f64,
    pub(super) core1_busy: f64,
    pub(super) process_us_per_request: f64,
    pub(super) resident_mib: f64,
    /// Before the load.
    #[serde(default)]
    pub(super) idle_mib: f64,
}

/// A contestant that listens.
pub(super) struct Running {
    child: Child,
    pub(super) address: SocketAddr,
}

impl Running {
    /// `log` takes what it prints.
    pub(super) fn start(command: &mut Command, port: u16, log: &Path) -> Result<Self, String> {
        let describe = |error| format!("{}: {error}", log.display());
        let output = File::create(log).map_err(describe)?;
        let errors = output.try_clone().map_err(describe)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .map_err(|error| format!("cannot start {command:?}: {error}"))?;
        let mut running = Self {
            child,
            address: SocketAddr::from(([127, 0, 0, 1], port)),
        };
        let begun = Instant::now();
        while TcpStream::connect(running.address).is_err() {
            let has_ended = running
                .child
                .try_wait()
                .map_err(|error| error.to_string())?;
            if has_ended.is_some() || begun.elapsed() > Duration::from_secs(20) {
                let said = std::fs::read_to_string(log).unwrap_or_default();
                return Err(format!("it does not listen; it said: {said}"));
            }
            pause(10);
        }
        Ok(running)
    }

    /// Of itself and its children (nginx works in one).
    pub(super) fn processes(&self) -> Vec<String> {
        let own = self.child.id().to_string();
        let children = std::fs::read_to_string(format!("/proc/{own}/task/{own}/children"));
        let children = children.unwrap_or_default();
        std::iter::once(own)
            .chain(children.split_whitespace().map(str::to_owned))
            .collect()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // nginx's master would leave its worker behind if it were killed.
        let id = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &id]).status();
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(3) {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            pause(10);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(super) fn pause(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}
