//! A PostgreSQL server of our own, in a temporary folder, for as long as the value lives.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::packages::{install, is_root};

/// A running server. Dropping it stops the server and removes its folder.
pub(crate) struct Postgres {
    folder: TempDir,
    binaries: PathBuf,
    port: u16,
}

impl Postgres {
    /// Starts a server on a free loopback port, installing Debian's package when it is missing and may be.
    pub(crate) fn start() -> Result<Self, String> {
        let binaries = if let Some(binaries) = find_binaries() {
            binaries
        } else {
            install("postgresql", "PostgreSQL")?;
            find_binaries().ok_or("PostgreSQL was installed, but initdb is not to be found")?
        };
        let folder = tempfile::Builder::new()
            .prefix("claviger-postgres-")
            .tempdir()
            .map_err(|error| format!("cannot make a temporary folder: {error}"))?;
        let port = free_port()?;
        let server = Self {
            folder,
            binaries,
            port,
        };
        server.initialize()?;
        server.control("start")?;
        Ok(server)
    }

    /// Administrative address: tests make their own databases with it.
    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    fn initialize(&self) -> Result<(), String> {
        if is_root() {
            // PostgreSQL refuses to run as root; the package brings a user for it.
            let status = Command::new("chown")
                .arg("postgres:")
                .arg(self.folder.path())
                .status()
                .map_err(|error| format!("chown: {error}"))?;
            if !status.success() {
                return Err("cannot give the temporary folder to the user postgres".to_owned());
            }
        }
        let mut command = self.program("initdb");
        command.args([
            "--auth=trust",
            "--username=postgres",
            "--encoding=UTF8",
            "--no-sync",
            "-D",
        ]);
        command.arg(self.data());
        finish("initdb", &mut command)
    }

    fn control(&self, action: &str) -> Result<(), String> {
        let options = format!(
            "-c listen_addresses=127.0.0.1 -c port={} -c unix_socket_directories={} -c fsync=off -c max_connections=200",
            self.port,
            self.folder.path().display()
        );
        let mut command = self.program("pg_ctl");
        command
            .arg(action)
            .args(["-w", "-s", "-m", "immediate", "-o", &options, "-D"])
            .arg(self.data());
        command.arg("-l").arg(self.folder.path().join("server.log"));
        finish(&format!("pg_ctl {action}"), &mut command)
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn program(&self, name: &str) -> Command {
        let path = self.binaries.join(name);
        let mut command = if is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(path);
            command
        } else {
            Command::new(path)
        };
        command
            .current_dir(self.folder.path())
            .stdout(Stdio::null());
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Err(error) = self.control("stop") {
            println!(
                "PostgreSQL in {} did not stop: {error}",
                self.folder.path().display()
            );
        }
    }
}

fn finish(what: &str, command: &mut Command) -> Result<(), String> {
    let status = command
        .status()
        .map_err(|error| format!("cannot start {what}: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{what} failed ({status})"))
    }
}

/// Debian keeps the server's programs out of the PATH, one folder a version; the newest is taken.
fn find_binaries() -> Option<PathBuf> {
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .filter(|path| path.join("initdb").exists())
        .collect();
    versions.sort();
    versions.pop().or_else(|| {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path).find(|folder| Path::new(folder).join("initdb").exists())
    })
}

fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    listener
        .local_addr()
        .map(|address| address.port())
        .map_err(|error| error.to_string())
}
