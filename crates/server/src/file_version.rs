//! Tells one version of a file from the next without reading it.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileVersion {
    inode: u64,
    modified_seconds: i64,
    modified_nanoseconds: i64,
    length: u64,
}

impl FileVersion {
    /// `None` while the file cannot be looked at.
    pub(crate) fn of(file: &Path) -> Option<Self> {
        let found = std::fs::metadata(file).ok()?;
        Some(Self {
            inode: found.ino(),
            modified_seconds: found.mtime(),
            modified_nanoseconds: found.mtime_nsec(),
            length: found.len(),
        })
    }
}
