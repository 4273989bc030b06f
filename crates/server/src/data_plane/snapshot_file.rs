//! A snapshot from a file instead of a database: read at the start, when it changes, and at SIGHUP.
//!
//! A file that cannot be used ends the start; later it is told and leaves the old snapshot in use.

use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use domain::snapshot::SnapshotUpdate;
use gateway::Gateway;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::file_version::FileVersion;
use crate::shutdown::ShutdownSignal;

/// Room for some millions of subscriptions.
const LARGEST_FILE: u64 = 2 * 1024 * 1024 * 1024;
const LOOK_EVERY: Duration = Duration::from_secs(1);

pub(super) struct SnapshotFile {
    path: PathBuf,
    gateway: Arc<Gateway>,
    /// Of the file that was last read, whatever came of it.
    seen: Option<FileVersion>,
    hang_up: Signal,
}

impl SnapshotFile {
    /// Has the gateway decide by the file; `arrived` becomes true.
    pub(super) async fn open(
        path: PathBuf,
        gateway: &Arc<Gateway>,
        arrived: &AtomicBool,
    ) -> Result<Self, String> {
        let hang_up = signal(SignalKind::hangup())
            .map_err(|error| format!("cannot wait for signals: {error}"))?;
        let mut file = Self {
            path,
            gateway: Arc::clone(gateway),
            seen: None,
            hang_up,
        };
        file.take_up().await?;
        arrived.store(true, Ordering::Release);
        Ok(file)
    }

    /// Until shutdown.
    pub(super) async fn watch(mut self, shutdown: ShutdownSignal) {
        let mut stop = std::pin::pin!(shutdown.wait());
        loop {
            tokio::select! {
                () = &mut stop => return,
                _ = self.hang_up.recv() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {
                    if FileVersion::of(&self.path) == self.seen {
                        continue;
                    }
                }
            }
            if let Err(reason) = self.take_up().await {
                tracing::error!(reason, "the old snapshot stays in use");
            }
        }
    }

    async fn take_up(&mut self) -> Result<(), String> {
        // Looked at before it is read: what is written in between makes another version.
        self.seen = FileVersion::of(&self.path);
        let path = self.path.clone();
        let update = tokio::task::spawn_blocking(move || read(&path))
            .await
            .map_err(|error| format!("the snapshot could not be read: {error}"))??;
        let (revision, entries) = (update.revision.0, update.changes.len());
        self.gateway
            .apply(update)
            .map_err(|error| format!("{}: {error}", self.path.display()))?;
        tracing::info!(revision, entries, file = %self.path.display(), "snapshot in use");
        Ok(())
    }
}

/// A whole snapshot. An error names the file and, where it can, line and column.
fn read(path: &Path) -> Result<SnapshotUpdate, String> {
    let describe = |reason: String| format!("the snapshot {}: {reason}", path.display());
    let unreadable = |error: std::io::Error| describe(format!("cannot be read: {error}"));
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    if length > LARGEST_FILE {
        return Err(describe("is larger than 2 GiB".to_owned()));
    }
    let update: SnapshotUpdate = serde_json::from_reader(BufReader::new(file))
        .map_err(|error| describe(format!("is not a snapshot: {error}")))?;
    if update.base.is_some() {
        return Err(describe(
            "is a difference (it has a base); a file must hold the whole".to_owned(),
        ));
    }
    Ok(update)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
        file.write_all(text.as_bytes()).expect("written");
        file
    }

    #[test]
    fn what_is_no_whole_snapshot_is_refused_with_the_place_of_the_mistake() {
        let nonsense = [
            ("", "line 1 column 0"),
            ("[]", "is not a snapshot"),
            ("{\"base\": null,\n \"revision\": \"x\"}", "line 2"),
            (
                r#"{"base": null, "revision": 1, "changes": [{"kind": "put_moon", "entry": {}}]}"#,
                "put_moon",
            ),
            (
                r#"{"base": null, "revision": 1, "changes": [{"kind": "remove_api", "entry": 7}]}"#,
                "line 1",
            ),
            (
                r#"{"base": 3, "revision": 4, "changes": []}"#,
                "a file must hold the whole",
            ),
            (
                r#"{"base": null, "revision": 1, "changes": []} x"#,
                "trailing",
            ),
        ];
        for (text, expected) in nonsense {
            let file = file(text);
            let reason = read(file.path()).expect_err(text);
            assert!(reason.contains(expected), "{text}: {reason}");
            assert!(
                reason.contains(&file.path().display().to_string()),
                "{reason}"
            );
        }
    }

    #[test]
    fn a_missing_file_and_a_folder_are_named() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for path in [folder.path().join("nowhere.json"), folder.path().to_owned()] {
            let reason = read(&path).expect_err("no file");
            assert!(reason.contains(&path.display().to_string()), "{reason}");
        }
    }

    #[test]
    fn a_whole_snapshot_is_read() {
        let file = file(r#"{"base": null, "revision": 7, "changes": []}"#);
        assert_eq!(read(file.path()).expect("a snapshot").revision.0, 7);
    }
}
