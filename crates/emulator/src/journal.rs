//! Persistence: an append-only file of changes in the data folder, compacted at each start.
//!
//! Each line is one change as JSON. A line is written before the request that made it is answered,
//! so a killed process loses nothing that it confirmed. A torn last line is ignored. Only the
//! newest version of an object is kept: after a restart everything is visible everywhere.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufRead as _, BufReader, BufWriter, Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
};

use crate::directory::{Change, Directory, Object};

const FILE_NAME: &str = "directory.jsonl";
const LOCK_NAME: &str = "emulator.lock";

/// The open change file.
pub(crate) struct Journal {
    file: File,
    /// Held as long as the journal is open: two writers would destroy each other's changes.
    _lock: File,
    run: u64,
}

impl Journal {
    /// Reads the changes in `folder` into a directory, rewrites the file without what is obsolete,
    /// and opens it for appending. The folder is created when it is missing.
    ///
    /// # Errors
    /// When the folder or file cannot be read or written, or holds a line that is not a change.
    pub(crate) fn open(folder: &Path) -> io::Result<(Self, Directory)> {
        fs::create_dir_all(folder)?;
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(folder.join(LOCK_NAME))?;
        if lock.try_lock().is_err() {
            let message = format!("{} is in use by another emulator", folder.display());
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, message));
        }
        let run = count_run(&mut lock)?;
        let path = folder.join(FILE_NAME);
        let directory = read(&path)?;
        compact(&path, &directory)?;
        let file = OpenOptions::new().append(true).create(true).open(&path)?;
        Ok((
            Self {
                file,
                _lock: lock,
                run,
            },
            directory,
        ))
    }

    /// How often the folder was opened before.
    pub(crate) fn run(&self) -> u64 {
        self.run
    }

    /// Appends `changes`.
    ///
    /// # Errors
    /// When the file cannot be written; the directory is then ahead of the file until the next start.
    pub(crate) fn append(&mut self, changes: &[Change]) -> io::Result<()> {
        let mut lines = Vec::new();
        for change in changes {
            serde_json::to_writer(&mut lines, change)?;
            lines.push(b'\n');
        }
        self.file.write_all(&lines)
    }
}

/// The number in the lock file, which is counted up for the next opening.
fn count_run(lock: &mut File) -> io::Result<u64> {
    let mut text = String::new();
    lock.read_to_string(&mut text)?;
    let run = text.trim().parse().unwrap_or(0);
    lock.rewind()?;
    write!(lock, "{}", run + 1)?;
    Ok(run)
}

fn read(path: &PathBuf) -> io::Result<Directory> {
    let mut directory = Directory::default();
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(directory),
        Err(error) => return Err(error),
    };
    let mut lines = BufReader::new(file);
    let mut line = Vec::new();
    loop {
        line.clear();
        // A line without an end was cut off while it was written.
        if lines.read_until(b'\n', &mut line)? == 0 || line.last() != Some(&b'\n') {
            return Ok(directory);
        }
        match serde_json::from_slice(&line)? {
            Change::Put(object) => directory.load(object),
            Change::Remove { kind, id } => directory.unload(kind, id),
        }
    }
}

fn compact(path: &Path, directory: &Directory) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = BufWriter::new(options.open(&fresh)?);
    for object in directory.objects() {
        serde_json::to_writer(&mut file, &Change::Put(object))?;
        file.write_all(b"\n")?;
    }
    file.into_inner()
        .map_err(io::IntoInnerError::into_error)?
        .sync_all()?;
    fs::rename(&fresh, path)
}

/// A data folder's directory as JSON, for `entra-emulator export`.
///
/// # Errors
/// When the folder holds no directory or cannot be read.
pub fn export_folder(folder: &Path) -> io::Result<String> {
    let path = folder.join(FILE_NAME);
    if !path.exists() {
        return Err(io::Error::new(
            io::ErrorKind::NotFound,
            format!("{} does not exist", path.display()),
        ));
    }
    let objects: Vec<Object> = read(&path)?.objects().collect();
    Ok(serde_json::to_string_pretty(&objects)?)
}

/// Puts exported objects into a data folder that no emulator has open. Returns how many.
///
/// # Errors
/// When `text` is not an export or the folder cannot be written.
pub fn import_folder(folder: &Path, text: &str) -> io::Result<usize> {
    let objects: Vec<Object> = serde_json::from_str(text)?;
    let changes: Vec<_> = objects.into_iter().map(Change::Put).collect();
    let (mut journal, _) = Journal::open(folder)?;
    journal.append(&changes)?;
    Ok(changes.len())
}
