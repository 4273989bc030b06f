//! The gateway's own copy of its snapshot: with it a restart works while the database is out of reach.
//!
//! A file of records: a whole snapshot, then the differences as they came. A record carries its length and digest,
//! so that a torn end or a foreign file is noticed: what stands before it is still a snapshot, of an earlier
//! revision. Nothing in it is secret that a gateway does not need; only its owner may read it all the same.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use domain::snapshot::{SnapshotRevision, SnapshotUpdate};

/// Begins every copy; another number means another form, which an older program leaves alone.
const FORM: &[u8] = b"claviger snapshot 1\n";
const NAME: &str = "gateway-snapshot";
/// Length (8 bytes, big-endian) and SHA-256 before each record.
const HEAD: usize = 8 + 32;
/// Larger copies are neither written nor read.
const LARGEST: u64 = 4 << 30;
/// Differences may grow to this, or to the size of the whole, before the whole is asked for again.
const SMALL: u64 = 4 << 20;

/// The copy of one environment's snapshot.
pub(crate) struct SnapshotCopy {
    path: PathBuf,
    environment: String,
    /// Open for adding once a whole was written.
    growing: Option<Growing>,
}

struct Growing {
    file: File,
    revision: SnapshotRevision,
    whole: u64,
    differences: u64,
    is_synced: bool,
}

/// What became of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    Yes,
    /// A whole snapshot should be written next: the differences have outgrown it, or do not fit it.
    WantsWhole,
}

impl SnapshotCopy {
    pub(crate) fn new(folder: &Path, environment: &str) -> Self {
        Self {
            path: folder.join(NAME),
            environment: environment.to_owned(),
            growing: None,
        }
    }

    /// The updates of the last run, in order; empty without a usable whole snapshot. What is wrong with the file is
    /// logged.
    pub(crate) fn read(&self) -> Vec<SnapshotUpdate> {
        let bytes = match read_bounded(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
            Err(error) => {
                tracing::warn!(path = %self.path.display(), %error, "the kept snapshot cannot be read and is ignored");
                return Vec::new();
            }
        };
        let (updates, rest) = self.updates(&bytes);
        if updates.is_empty() {
            tracing::warn!(path = %self.path.display(), "the kept snapshot is foreign or damaged and is ignored");
        } else if !rest.is_empty() {
            tracing::warn!(
                path = %self.path.display(),
                bytes = rest.len(),
                "the end of the kept snapshot is damaged; what stands before it is used"
            );
        }
        updates
    }

    /// Updates that follow each other from a whole on, and what is no such update any more.
    fn updates<'b>(&self, bytes: &'b [u8]) -> (Vec<SnapshotUpdate>, &'b [u8]) {
        let mut updates: Vec<SnapshotUpdate> = Vec::new();
        let Some(mut rest) = bytes.strip_prefix(FORM) else {
            return (updates, bytes);
        };
        match record(rest) {
            Some((name, after)) if name == self.environment.as_bytes() => rest = after,
            _ => return (updates, rest),
        }
        while let Some((body, after)) = record(rest)
            && let Ok(update) = serde_json::from_slice::<SnapshotUpdate>(body)
            && update.base == updates.last().map(|last| last.revision)
        {
            updates.push(update);
            rest = after;
        }
        (updates, rest)
    }

    /// Keeps an update: a whole replaces the file, a difference is added to it.
    pub(crate) fn keep(&mut self, update: &SnapshotUpdate) -> io::Result<Kept> {
        let kept = match update.base {
            None => self.replace(update),
            Some(base) => self.add(base, update),
        };
        if kept.is_err() {
            // Half a record may stand at the end: nothing more is added behind it.
            self.growing = None;
        }
        kept
    }

    /// Makes what was added durable. Called when there is time.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        if let Some(growing) = &mut self.growing
            && !growing.is_synced
        {
            growing.file.sync_data()?;
            growing.is_synced = true;
        }
        Ok(())
    }

    /// Written beside, made durable, and renamed: a crash leaves the old file or the new one.
    fn replace(&mut self, whole: &SnapshotUpdate) -> io::Result<Kept> {
        let body = serde_json::to_vec(whole)?;
        let length = length_of(&body);
        self.growing = None;
        if length > LARGEST {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                "the snapshot is too large to be kept",
            ));
        }
        let beside = self.path.with_extension("new");
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&beside)?;
        file.write_all(FORM)?;
        write_record(&mut file, self.environment.as_bytes())?;
        write_record(&mut file, &body)?;
        file.sync_all()?;
        std::fs::rename(&beside, &self.path)?;
        if let Some(folder) = self.path.parent() {
            File::open(folder)?.sync_all()?;
        }
        self.growing = Some(Growing {
            file,
            revision: whole.revision,
            whole: length,
            differences: 0,
            is_synced: true,
        });
        Ok(Kept::Yes)
    }

    fn add(&mut self, base: SnapshotRevision, update: &SnapshotUpdate) -> io::Result<Kept> {
        let Some(growing) = self
            .growing
            .as_mut()
            .filter(|growing| growing.revision == base)
        else {
            return Ok(Kept::WantsWhole);
        };
        let body = serde_json::to_vec(update)?;
        write_record(&mut growing.file, &body)?;
        growing.revision = update.revision;
        growing.differences += length_of(&body);
        growing.is_synced = false;
        let room = growing.whole.max(SMALL);
        let is_full = growing.differences > room || growing.whole + growing.differences > LARGEST;
        Ok(if is_full { Kept::WantsWhole } else { Kept::Yes })
    }
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    if length > LARGEST {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let mut bytes = Vec::new();
    file.take(LARGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn length_of(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

fn write_record(file: &mut File, body: &[u8]) -> io::Result<()> {
    let mut record = Vec::with_capacity(HEAD + body.len());
    record.extend_from_slice(&length_of(body).to_be_bytes());
    record.extend_from_slice(digest(&SHA256, body).as_ref());
    record.extend_from_slice(body);
    file.write_all(&record)
}

/// The first record, if it is whole and undamaged, and what follows.
fn record(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let (expected, rest) = rest.split_at_checked(32)?;
    let length = usize::try_from(u64::from_be_bytes(*length)).ok()?;
    let (body, rest) = rest.split_at_checked(length)?;
    (digest(&SHA256, body).as_ref() == expected).then_some((body, rest))
}

#[cfg(test)]
mod tests;
