//! The key that seals secrets at rest: from the settings, or made once and kept in the data folder.

use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use domain::Random;
use secrecy::zeroize::Zeroizing;
use store::SealingKey;

const FILE_NAME: &str = "sealing.key";

/// `configured` is 64 hexadecimal characters, or empty.
pub(crate) fn obtain(
    configured: &str,
    data_folder: &Path,
    random: &dyn Random,
) -> Result<SealingKey, String> {
    if !configured.is_empty() {
        return decode(configured)
            .ok_or_else(|| "sealing.key must be 64 hexadecimal characters".to_owned());
    }
    let file = data_folder.join(FILE_NAME);
    match std::fs::read_to_string(&file) {
        Ok(text) => decode(text.trim()).ok_or_else(|| {
            format!(
                "{} is damaged: it must hold 64 hexadecimal characters",
                file.display()
            )
        }),
        Err(error) if error.kind() == ErrorKind::NotFound => make(&file, random),
        Err(error) => Err(format!("cannot read {}: {error}", file.display())),
    }
}

fn make(file: &Path, random: &dyn Random) -> Result<SealingKey, String> {
    let text = Zeroizing::new(random.hex::<32>());
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let written = options.open(file).and_then(|mut open| {
        open.write_all(text.as_bytes())?;
        open.sync_all()
    });
    written.map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    decode(&text).ok_or_else(|| "a new sealing key cannot be read back".to_owned())
}

fn decode(text: &str) -> Option<SealingKey> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut bytes = Zeroizing::new([0u8; 32]);
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(SealingKey::from_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::SystemRandom;

    #[test]
    fn the_key_is_made_once_and_only_the_owner_can_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a temporary folder");
        obtain("", folder.path(), &SystemRandom::new()).expect("a key is made");
        let file = folder.path().join(FILE_NAME);
        let first = std::fs::read_to_string(&file).expect("the key is kept");
        obtain("", folder.path(), &SystemRandom::new()).expect("the key is read");
        assert_eq!(std::fs::read_to_string(&file).expect("still there"), first);
        let mode = std::fs::metadata(&file)
            .expect("metadata")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_damaged_key_is_not_replaced() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join(FILE_NAME), "nonsense").expect("written");
        let Err(error) = obtain("", folder.path(), &SystemRandom::new()) else {
            panic!("refused")
        };
        assert!(error.contains("is damaged"), "{error}");
    }
}
