//! Starting the binaries under test, and stopping them whatever happens.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};

/// What a program said and how it ended.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) output: String,
    pub(crate) complaint: String,
}

/// A command for one of our binaries, with an environment of its own: nothing of the tester's settings gets in.
pub(crate) fn program(name: &str) -> Command {
    let mut path: PathBuf = std::env::current_exe().expect("the test knows its own path");
    path.pop();
    if path.ends_with("deps") {
        path.pop();
    }
    path.push(name);
    assert!(
        path.exists(),
        "{} is not built; run `cargo xtask test e2e`, or `cargo build -p server -p emulator` first",
        path.display()
    );
    let mut command = Command::new(path);
    command.env_clear().stdin(Stdio::null());
    command
}

/// Runs to the end.
pub(crate) fn run(command: &mut Command) -> Ended {
    let output = command.output().expect("the program starts");
    Ended {
        status: output.status,
        output: String::from_utf8_lossy(&output.stdout).into_owned(),
        complaint: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A program that is up; killed when dropped.
pub(crate) struct Running {
    child: Child,
    said: Vec<String>,
}

impl Running {
    /// Starts and reads its output until the line that begins with `Ready`.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut said = Vec::new();
        for line in lines.by_ref() {
            said.push(line.expect("readable output"));
            if said.last().is_some_and(|line| line.starts_with("Ready")) {
                // Kept reading, so that the program never blocks on a full pipe.
                std::thread::spawn(move || lines.for_each(drop));
                return Self { child, said };
            }
        }
        child.wait().expect("the program has ended");
        let mut complaint = String::new();
        let _ = child
            .stderr
            .take()
            .expect("piped")
            .read_to_string(&mut complaint);
        panic!("the program ended before it was ready: {complaint}");
    }

    pub(crate) fn said(&self) -> &[String] {
        &self.said
    }

    /// SIGTERM, and the exit status.
    pub(crate) fn terminate(mut self) -> ExitStatus {
        let status = Command::new("kill")
            .arg(self.child.id().to_string())
            .status()
            .expect("kill runs");
        assert!(status.success(), "the signal is delivered");
        self.child.wait().expect("the program ends")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
