//! Microsoft's own clients against the emulator over TLS, and our gateway against an authorization server that is none
//! of ours: all of theirs unmodified and at pinned versions.
//!
//! Installs them into `target/interop`, again only when the pins change, and has the emulator export
//! the CA that they trust. What they do is in `tests/interop` and `tests/oidc_provider`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::command::{Cases, cargo, run_counted, run_program, run_tests};
use crate::packages::install;

const OLDEST_PYTHON: &str = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))";
const OLDEST_NODE: &str = "process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)";

/// Runs the cases of both languages' clients, and those of the authorization server.
pub(crate) fn run() -> Result<Cases, String> {
    need_python()?;
    need_node()?;
    run_program(
        "build of the emulator",
        &mut cargo(&["build", "-p", "emulator"]),
    )?;
    let folders = Folders::find()?;
    let python = folders.install_python_clients()?;
    let node_modules = folders.install_node_clients()?;
    let authority = Authority::export(&folders.emulator)?;

    let mut pytest = Command::new(python);
    pytest
        .args(["-m", "pytest"])
        .env("PYTHONPYCACHEPREFIX", folders.installed.join("pycache"));
    let mut node = Command::new("node");
    node.args(["--test", "--test-reporter=tap", "msal.test.cjs"])
        .env("NODE_PATH", &node_modules);
    let mut cases = Cases::default();
    for (what, command, count) in [
        (
            "MSAL, azure-identity and the Graph SDK for Python",
            &mut pytest,
            pytest_cases as fn(&str) -> Option<Cases>,
        ),
        ("MSAL for Node", &mut node, node_cases),
    ] {
        command.current_dir(&folders.tests);
        authority.introduce(command, &folders.emulator);
        cases += run_counted(what, command, count)?;
    }
    cases += run_tests(
        "the gateway and oidc-provider for Node",
        cargo(&["test", "-p", "oidc_provider"]).env("INTEROP_NODE_MODULES", node_modules),
    )?;
    Ok(cases)
}

/// The clients need no more than this of a Python; Debian keeps `venv` in a package of its own.
pub(crate) fn need_python() -> Result<(), String> {
    let is_there = || succeeds(Command::new("python3").args(["-c", OLDEST_PYTHON]));
    if !is_there() {
        install("python3-venv", "Python 3.11 or later with its venv module")?;
    }
    if is_there() {
        return Ok(());
    }
    Err("python3 must be 3.11 or later and have its venv module, on Debian: apt-get install python3-venv".to_owned())
}

fn need_node() -> Result<(), String> {
    let is_there = |program: &str| succeeds(Command::new(program).arg("--version"));
    if !is_there("node") {
        install("nodejs", "Node 20 or later")?;
    }
    if !is_there("npm") {
        install("npm", "npm")?;
    }
    if succeeds(Command::new("node").args(["-e", OLDEST_NODE])) {
        return Ok(());
    }
    Err("MSAL for Node needs Node 20 or later; `node --version` says which one is here".to_owned())
}

fn succeeds(command: &mut Command) -> bool {
    command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Where things are.
struct Folders {
    /// The binary under test.
    emulator: PathBuf,
    /// The cases and their pins.
    tests: PathBuf,
    /// The installed clients.
    installed: PathBuf,
}

impl Folders {
    fn find() -> Result<Self, String> {
        let own = std::env::current_exe().map_err(|error| format!("our own path: {error}"))?;
        let binaries = own.parent().ok_or("our own path has no folder")?;
        let target = binaries.parent().ok_or("the target folder has no parent")?;
        let repository = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .ok_or("the crate has no workspace")?;
        Ok(Self {
            emulator: binaries.join("entra-emulator"),
            tests: repository.join("tests/interop"),
            installed: target.join("interop"),
        })
    }

    /// Returns the Python that has the clients.
    fn install_python_clients(&self) -> Result<PathBuf, String> {
        let pins = self.tests.join("requirements.txt");
        let folder = self.installed.join("venv");
        install_python_packages(&folder, &pins)?;
        Ok(folder.join("bin/python"))
    }

    /// Returns the folder in which `require` finds the clients.
    fn install_node_clients(&self) -> Result<PathBuf, String> {
        let pins = self.tests.join("package-lock.json");
        let folder = self.installed.join("node");
        once(&folder, &pins, || {
            for name in ["package.json", "package-lock.json"] {
                fs::copy(self.tests.join(name), folder.join(name))
                    .map_err(|error| format!("cannot copy {name}: {error}"))?;
            }
            run_program(
                "npm ci",
                Command::new("npm")
                    .args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"])
                    .arg("--loglevel=error")
                    .current_dir(&folder),
            )
        })?;
        Ok(folder.join("node_modules"))
    }
}

/// Makes `folder` a virtual environment with what `pins` names, which must be complete.
pub(crate) fn install_python_packages(folder: &Path, pins: &Path) -> Result<(), String> {
    once(folder, pins, || {
        run_program(
            "python3 -m venv",
            Command::new("python3").args(["-m", "venv"]).arg(folder),
        )?;
        // Of the Graph SDK's many modules, only those in use are compiled.
        run_program(
            "pip install",
            Command::new(folder.join("bin/python"))
                .args(["-m", "pip", "install", "--quiet", "--no-deps"])
                .args(["--no-compile", "--disable-pip-version-check", "-r"])
                .arg(pins),
        )
    })
}

/// Fills `folder` unless it was filled with the same `pins`, which a copy of them in it tells.
pub(crate) fn once(
    folder: &Path,
    pins: &Path,
    fill: impl FnOnce() -> Result<(), String>,
) -> Result<(), String> {
    let wanted = fs::read(pins).map_err(|error| format!("{}: {error}", pins.display()))?;
    let stamp = folder.join("installed-pins");
    if fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    let describe = |error| format!("{}: {error}", folder.display());
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(describe)?;
    }
    fs::create_dir_all(folder).map_err(describe)?;
    fill()?;
    fs::write(&stamp, wanted).map_err(describe)
}

/// The development CA of this run: its folder, and its certificate as the emulator exports it.
struct Authority {
    folder: TempDir,
    certificate: PathBuf,
}

impl Authority {
    fn export(emulator: &Path) -> Result<Self, String> {
        let folder = tempfile::Builder::new()
            .prefix("claviger-authority-")
            .tempdir()
            .map_err(|error| format!("cannot make a temporary folder: {error}"))?;
        let output = Command::new(emulator)
            .args(["ca", "--data"])
            .arg(folder.path().join("data"))
            .output()
            .map_err(|error| format!("cannot start {}: {error}", emulator.display()))?;
        if !output.status.success() {
            return Err(format!(
                "entra-emulator ca failed: {}",
                String::from_utf8_lossy(&output.stderr)
            ));
        }
        let certificate = folder.path().join("ca.pem");
        fs::write(&certificate, output.stdout)
            .map_err(|error| format!("{}: {error}", certificate.display()))?;
        Ok(Self {
            folder,
            certificate,
        })
    }

    /// Has a test runner's clients trust the CA, each in the way that its documentation tells.
    fn introduce(&self, command: &mut Command, emulator: &Path) {
        command
            .env("ENTRA_EMULATOR", emulator)
            .env("INTEROP_AUTHORITY", self.folder.path().join("data"))
            .env("REQUESTS_CA_BUNDLE", &self.certificate)
            .env("SSL_CERT_FILE", &self.certificate)
            .env("NODE_EXTRA_CA_CERTS", &self.certificate)
            .env("NO_PROXY", "localhost,127.0.0.1");
    }
}

/// Reads pytest's last line: `1 failed, 74 passed in 22.73s`.
fn pytest_cases(line: &str) -> Option<Cases> {
    let (counts, time) = line.trim().trim_matches('=').trim().rsplit_once(" in ")?;
    time.contains('s').then_some(())?;
    let count = |words: &[&str]| -> u64 {
        counts
            .split(", ")
            .filter_map(|part| part.split_once(' '))
            .filter(|(_, word)| words.contains(word))
            .filter_map(|(number, _)| number.parse::<u64>().ok())
            .sum()
    };
    let cases = Cases {
        passed: count(&["passed"]),
        failed: count(&["failed", "error", "errors"]),
    };
    (cases != Cases::default()).then_some(cases)
}

/// Reads the closing comments of node's test runner: `# pass 15` and `# fail 0`.
fn node_cases(line: &str) -> Option<Cases> {
    let count = |word: &str| line.strip_prefix(word)?.trim().parse().ok();
    let (passed, failed) = (count("# pass "), count("# fail "));
    (passed.is_some() || failed.is_some()).then(|| Cases {
        passed: passed.unwrap_or(0),
        failed: failed.unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cases(passed: u64, failed: u64) -> Cases {
        Cases { passed, failed }
    }

    #[test]
    fn the_last_line_of_pytest_is_counted() {
        assert_eq!(pytest_cases("75 passed in 22.73s"), Some(cases(75, 0)));
        assert_eq!(
            pytest_cases("== 1 failed, 73 passed, 1 error in 61.02s (0:01:01) =="),
            Some(cases(73, 2))
        );
        assert_eq!(pytest_cases("no tests ran in 0.01s"), None);
        assert_eq!(pytest_cases("test_one.py ..... [ 96%]"), None);
    }

    #[test]
    fn the_closing_comments_of_nodes_runner_are_counted() {
        assert_eq!(node_cases("# pass 15"), Some(cases(15, 0)));
        assert_eq!(node_cases("# fail 2"), Some(cases(0, 2)));
        assert_eq!(node_cases("# Subtest: a pass 15"), None);
    }

    #[test]
    fn what_is_installed_is_left_until_its_pins_change() {
        let place = tempfile::tempdir().unwrap();
        let (folder, pins) = (place.path().join("clients"), place.path().join("pins"));
        let fills = |version: &str| {
            fs::write(&pins, version).unwrap();
            let mut filled = false;
            once(&folder, &pins, || {
                filled = true;
                Ok(())
            })
            .unwrap();
            filled
        };
        assert_eq!(["1", "1", "2"].map(fills), [true, false, true]);
    }

    #[test]
    fn what_could_not_be_installed_is_tried_again() {
        let place = tempfile::tempdir().unwrap();
        let (folder, pins) = (place.path().join("clients"), place.path().join("pins"));
        fs::write(&pins, "1").unwrap();
        assert!(once(&folder, &pins, || Err("no network".to_owned())).is_err());
        let mut is_tried = false;
        let again = once(&folder, &pins, || {
            is_tried = true;
            Ok(())
        });
        assert!(again.is_ok() && is_tried);
    }
}
