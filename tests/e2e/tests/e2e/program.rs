//! Starting the binaries under test, listening to what they say, and stopping them whatever happens.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

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

/// Everything that a program writes once it is up, and all of its log, line by line as it comes.
#[derive(Clone, Default)]
pub(crate) struct Transcript(Arc<Mutex<String>>);

impl Transcript {
    pub(crate) fn text(&self) -> String {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Read to the end on a thread of its own, so that the program never blocks on a full pipe.
    fn follow(&self, source: impl Read + Send + 'static) {
        let transcript = self.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(source).split(b'\n').map_while(Result::ok) {
                let mut text = transcript.0.lock().unwrap_or_else(PoisonError::into_inner);
                text.push_str(&String::from_utf8_lossy(&line));
                text.push('\n');
            }
        });
    }
}

/// A program that is up; killed when dropped.
pub(crate) struct Running {
    child: Child,
    said: Vec<String>,
    transcript: Transcript,
}

impl Running {
    /// Starts and reads its output until the line that begins with `Ready`.
    pub(crate) fn start(command: &mut Command) -> Self {
        Self::start_until(command, "Ready")
    }

    /// Starts and reads its output until the line that begins with `last`, spaces aside.
    pub(crate) fn start_until(command: &mut Command, last: &str) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let transcript = Transcript::default();
        transcript.follow(child.stderr.take().expect("piped"));
        let mut output = BufReader::new(child.stdout.take().expect("piped"));
        let mut said = Vec::new();
        loop {
            let mut line = String::new();
            let length = output.read_line(&mut line).expect("readable output");
            if length == 0 {
                let _ = child.wait();
                panic!(
                    "the program ended before it was ready: {}",
                    transcript.text()
                );
            }
            said.push(line.trim_end().to_owned());
            if line.trim_start().starts_with(last) {
                break;
            }
        }
        transcript.follow(output);
        Self {
            child,
            said,
            transcript,
        }
    }

    /// Of its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn said(&self) -> &[String] {
        &self.said
    }

    pub(crate) fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    /// SIGTERM; use [`Self::wait`] for the end.
    pub(crate) fn ask_to_end(&self) {
        self.signal("-TERM");
    }

    /// SIGHUP: files are to be read again.
    pub(crate) fn hang_up(&self) {
        self.signal("-HUP");
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([name, &self.child.id().to_string()])
            .status()
            .expect("kill runs");
        assert!(status.success(), "the signal is delivered");
    }

    pub(crate) fn wait(mut self) -> ExitStatus {
        self.child.wait().expect("the program ends")
    }

    /// SIGTERM, and the exit status.
    pub(crate) fn terminate(self) -> ExitStatus {
        self.ask_to_end();
        self.wait()
    }

    /// SIGKILL: no warning, no last words.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("the program was running");
        self.child.wait().expect("the program ends");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
