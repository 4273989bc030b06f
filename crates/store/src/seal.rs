//! Sealing: secrets at rest under a key that is not in the database.
//!
//! AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce. The place of a value (table, column, row) is
//! authenticated with it, so that a sealed value copied to another row does not open. The text form is
//! `v1:KEY:BASE64`, where KEY names the sealing key (not secret) and BASE64 is nonce, ciphertext and tag.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use domain::{Random, SecretString};
use secrecy::ExposeSecret as _;
use zeroize::{Zeroize as _, Zeroizing};

use crate::error::StoreError;

const VERSION: &str = "v1";

/// The key that new secrets are sealed with, and the older keys that may still open stored ones.
pub struct SealingKey {
    current: Zeroizing<[u8; 32]>,
    previous: Vec<Zeroizing<[u8; 32]>>,
}

impl SealingKey {
    /// 256 bits from a cryptographically secure source.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self {
            current: Zeroizing::new(bytes),
            previous: Vec::new(),
        }
    }

    /// Adds a key that opens what was sealed with it, and seals nothing any more.
    pub fn with_previous(mut self, bytes: [u8; 32]) -> Self {
        self.previous.push(Zeroizing::new(bytes));
        self
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey([REDACTED])")
    }
}

/// Where a sealed value lives.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) table: &'static str,
    pub(crate) column: &'static str,
    pub(crate) row: &'a str,
}

impl Place<'_> {
    fn associated_data(&self) -> String {
        // Table and column names hold no NUL, so the parts cannot run into each other.
        format!("{VERSION}\0{}\0{}\0{}", self.table, self.column, self.row)
    }
}

/// Seals and opens values.
pub(crate) struct Seal {
    current: NamedKey,
    previous: Vec<NamedKey>,
    random: Arc<dyn Random>,
}

struct NamedKey {
    name: String,
    key: LessSafeKey,
}

impl Seal {
    pub(crate) fn new(key: &SealingKey, random: Arc<dyn Random>) -> Self {
        Self {
            current: NamedKey::new(&key.current),
            previous: key.previous.iter().map(|key| NamedKey::new(key)).collect(),
            random,
        }
    }

    pub(crate) fn seal(&self, place: Place<'_>, clear: &str) -> String {
        let mut nonce = [0u8; NONCE_LEN];
        self.random.fill(&mut nonce);
        let mut sealed = Vec::with_capacity(NONCE_LEN + clear.len() + AES_256_GCM.tag_len());
        sealed.extend_from_slice(clear.as_bytes());
        self.current
            .key
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(place.associated_data()),
                &mut sealed,
            )
            .expect("only a text of 64 GiB is too long for AES-GCM");
        sealed.splice(0..0, nonce);
        format!("{VERSION}:{}:{}", self.current.name, BASE64.encode(sealed))
    }

    /// `Sealed` when no key opens it here, `Corrupt` when it is no sealed value at all.
    pub(crate) fn open(&self, place: Place<'_>, text: &str) -> Result<SecretString, StoreError> {
        let corrupt = || StoreError::Corrupt {
            table: place.table,
            column: place.column,
        };
        let mut parts = text.splitn(3, ':');
        let (Some(VERSION), Some(name), Some(encoded)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(corrupt());
        };
        let mut bytes = BASE64.decode(encoded).map_err(|_| corrupt())?;
        let Some((nonce, sealed)) = bytes.split_first_chunk_mut::<NONCE_LEN>() else {
            return Err(corrupt());
        };
        let key = std::iter::once(&self.current)
            .chain(&self.previous)
            .find(|key| key.name == name)
            .ok_or(StoreError::Sealed)?;
        let clear = key
            .key
            .open_in_place(
                Nonce::assume_unique_for_key(*nonce),
                Aad::from(place.associated_data()),
                sealed,
            )
            .map_err(|_| StoreError::Sealed)?;
        let secret = std::str::from_utf8(clear)
            .map(SecretString::from)
            .map_err(|_| corrupt());
        bytes.zeroize();
        secret
    }

    /// Whether the current key sealed it, by the key's name in it.
    pub(crate) fn is_current(&self, text: &str) -> bool {
        text.strip_prefix(VERSION)
            .and_then(|text| text.strip_prefix(':'))
            .and_then(|text| text.split_once(':'))
            .is_some_and(|(name, _)| name == self.current.name)
    }

    pub(crate) fn seal_secret(&self, place: Place<'_>, secret: &SecretString) -> String {
        self.seal(place, secret.expose_secret())
    }
}

impl NamedKey {
    fn new(bytes: &[u8; 32]) -> Self {
        Self {
            name: key_name(bytes),
            key: LessSafeKey::new(
                UnboundKey::new(&AES_256_GCM, bytes).expect("AES-256 takes a key of 32 bytes"),
            ),
        }
    }
}

/// 64 bits of a hash over a key of 256 random bits: tells keys apart and says nothing about them.
fn key_name(bytes: &[u8; 32]) -> String {
    let mut input = Zeroizing::new(b"claviger sealing key name\0".to_vec());
    input.extend_from_slice(bytes);
    let hash = digest(&SHA256, &input);
    let (name, _) = hash
        .as_ref()
        .split_first_chunk()
        .expect("SHA-256 has 32 bytes");
    format!("{:016x}", u64::from_be_bytes(*name))
}

#[cfg(test)]
mod tests;
