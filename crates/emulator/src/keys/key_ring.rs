//! Which signing keys are published, which one signs, and how they roll over.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::thread::JoinHandle;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::public_key::{PublicKey, SignatureAlgorithm};
use super::signing_key::{JoseHeader, SigningKey, StoredSigningKey};

/// Entra ID always publishes at least two keys (Microsoft: *Signing key rollover in the Microsoft identity platform*).
const FEWEST_KEYS: usize = 2;
/// Bound on published keys, so that a script in a loop cannot grow the document without end.
const MOST_KEYS: usize = 16;
/// The ring's file in a data folder.
const FILE_NAME: &str = "signing-keys.json";

/// The keys of one token service; all tenants share them. Safe to use from many threads.
///
/// The first keys are made on a thread of their own, so that the emulator is reachable before they
/// are there; whoever needs them waits.
#[derive(Debug)]
pub(crate) struct KeyRing {
    published: OnceLock<RwLock<Published>>,
    making: Mutex<Option<JoinHandle<Option<Published>>>>,
    /// When a ring without a file was made.
    made_at: Timestamp,
    /// Where every change is written to; nothing is kept without.
    file: Option<PathBuf>,
}

#[derive(Debug, Clone)]
struct Published {
    /// In order of publication.
    keys: Vec<Arc<SigningKey>>,
    /// Index of the key that signs.
    signing: usize,
}

/// The form in which a key ring is kept in a data folder. It contains private keys.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct StoredKeyRing {
    keys: Vec<StoredSigningKey>,
    signing: String,
}

/// Why a change of the signing keys was refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyRingError {
    /// The random source or the cryptographic library failed.
    #[error("a signing key could not be generated")]
    Generation,
    /// A stored key is not what this version writes.
    #[error("a stored signing key cannot be read")]
    Unreadable,
    /// The cryptographic library refused to sign.
    #[error("a token could not be signed")]
    Signature,
    /// No published key has this id.
    #[error("no published key has the id '{0}'")]
    UnknownKey(String),
    /// The key that signs cannot be retired; switch to another first.
    #[error("the key '{0}' signs tokens: switch to another key before retiring it")]
    Signs(String),
    /// At least two keys stay published.
    #[error("at least {FEWEST_KEYS} keys must stay published: add one before retiring another")]
    TooFew,
    /// The changed ring could not be written to its file; the change did not happen.
    #[error("the signing keys could not be written")]
    Unwritable(#[source] io::Error),
    /// At most sixteen keys are published.
    #[error("at most {MOST_KEYS} keys can be published: retire one before adding another")]
    TooMany,
}

impl KeyRing {
    /// A ring of two new keys, the first of which signs; kept in memory only.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(crate) fn generate(now: Timestamp) -> io::Result<Self> {
        Self::begin(now, None)
    }

    /// The ring kept in `folder`, made at `now` if there is none yet.
    ///
    /// # Errors
    /// When the file cannot be read or written, or is not what this version writes.
    pub(crate) fn open(folder: &Path, now: Timestamp) -> io::Result<Self> {
        let file = folder.join(FILE_NAME);
        match std::fs::read(&file) {
            Ok(bytes) => {
                let ring = serde_json::from_slice(&bytes)
                    .map_err(|_| KeyRingError::Unreadable)
                    .and_then(|stored| Self::from_stored(&stored))
                    .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
                Ok(Self::ready(ring, now, Some(file)))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Whether it can be written is told now, not when the keys are there.
                std::fs::create_dir_all(folder)?;
                drop(private_file(&beside(&file))?);
                Self::begin(now, Some(file))
            }
            Err(error) => Err(error),
        }
    }

    fn begin(now: Timestamp, file: Option<PathBuf>) -> io::Result<Self> {
        let target = file.clone();
        let making = std::thread::Builder::new()
            .name("signing-keys".to_owned())
            .spawn(move || Published::make(now, target.as_deref()))?;
        Ok(Self {
            published: OnceLock::new(),
            making: Mutex::new(Some(making)),
            made_at: now,
            file,
        })
    }

    fn ready(published: Published, now: Timestamp, file: Option<PathBuf>) -> Self {
        Self {
            published: OnceLock::from(RwLock::new(published)),
            making: Mutex::new(None),
            made_at: now,
            file,
        }
    }

    /// The published keys, once they are there.
    fn published(&self) -> &RwLock<Published> {
        self.published.get_or_init(|| {
            let made = self
                .take_thread()
                .and_then(|thread| thread.join().ok())
                .flatten();
            let published = made
                .or_else(|| Published::make(self.made_at, self.file.as_deref()))
                .expect("the operating system gives randomness for a key");
            RwLock::new(published)
        })
    }

    fn take_thread(&self) -> Option<JoinHandle<Option<Published>>> {
        self.making
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// Reads the published keys back that [`Published::to_stored`] wrote.
    fn from_stored(stored: &StoredKeyRing) -> Result<Published, KeyRingError> {
        if stored.keys.len() < FEWEST_KEYS || stored.keys.len() > MOST_KEYS {
            return Err(KeyRingError::Unreadable);
        }
        let keys = stored
            .keys
            .iter()
            .map(|key| SigningKey::from_stored(key).map(Arc::new))
            .collect::<Result<Vec<_>, _>>()?;
        let signing = position(&keys, &stored.signing)?;
        Ok(Published { keys, signing })
    }

    /// Ids of the published keys, in order of publication.
    pub(crate) fn kids(&self) -> Vec<String> {
        self.read()
            .keys
            .iter()
            .map(|key| key.kid().to_owned())
            .collect()
    }

    /// Id of the key that signs.
    pub(crate) fn signing_kid(&self) -> String {
        let published = self.read();
        published.keys[published.signing].kid().to_owned()
    }

    /// Publishes a new key that does not sign yet; returns its id.
    pub(crate) fn add(&self, now: Timestamp) -> Result<String, KeyRingError> {
        let key = Arc::new(SigningKey::generate(now)?);
        let kid = key.kid().to_owned();
        self.change(|published| {
            if published.keys.len() >= MOST_KEYS {
                return Err(KeyRingError::TooMany);
            }
            published.keys.push(key);
            Ok(())
        })?;
        Ok(kid)
    }

    /// Lets the published key `kid` sign from now on.
    pub(crate) fn switch_to(&self, kid: &str) -> Result<(), KeyRingError> {
        self.change(|published| {
            published.signing = position(&published.keys, kid)?;
            Ok(())
        })
    }

    /// Withdraws the key `kid`: it is not published any more.
    pub(crate) fn retire(&self, kid: &str) -> Result<(), KeyRingError> {
        self.change(|published| {
            let index = position(&published.keys, kid)?;
            if index == published.signing {
                return Err(KeyRingError::Signs(kid.to_owned()));
            }
            if published.keys.len() <= FEWEST_KEYS {
                return Err(KeyRingError::TooFew);
            }
            published.keys.remove(index);
            if index < published.signing {
                published.signing -= 1;
            }
            Ok(())
        })
    }

    /// Replaces every key at once, as after a compromise; returns the ids of the new ones.
    pub(crate) fn replace_all(&self, now: Timestamp) -> Result<Vec<String>, KeyRingError> {
        let keys = generate_keys(now)?;
        let kids = keys.iter().map(|key| key.kid().to_owned()).collect();
        self.change(|published| {
            *published = Published { keys, signing: 0 };
            Ok(())
        })?;
        Ok(kids)
    }

    /// The JWKS document; `issuer` is the template or the issuer that its keys name.
    pub(crate) fn to_jwks(&self, issuer: &str) -> Value {
        let keys: Vec<Value> = self
            .read()
            .keys
            .iter()
            .map(|key| key.to_jwk(issuer))
            .collect();
        json!({ "keys": keys })
    }

    /// The key that signs now.
    pub(crate) fn signing_key(&self) -> Arc<SigningKey> {
        let published = self.read();
        Arc::clone(&published.keys[published.signing])
    }

    /// Verifies a token that this ring signed and returns its claims as JSON.
    ///
    /// Knows about the nonce of Graph tokens. Looks at the signature only, never at the claims.
    pub(crate) fn verify(&self, token: &str) -> Option<Value> {
        let mut parts = token.split('.');
        let (header, payload, signature) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let header: JoseHeader =
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
        if header.alg != "RS256" {
            return None;
        }
        let components = {
            let published = self.read();
            let key = published.keys.iter().find(|key| key.kid() == header.kid)?;
            key.public_components()
        };
        let signed = format!("{}.{payload}", header.signed_form().encode());
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        PublicKey::from_components(components)
            .verify(SignatureAlgorithm::Rs256, signed.as_bytes(), &signature)
            .then_some(())?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Published> {
        // A poisoned lock still holds a whole ring: every write replaces or appends in one step.
        self.published()
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes a copy, writes it to the file and only then publishes it.
    fn change(
        &self,
        change: impl FnOnce(&mut Published) -> Result<(), KeyRingError>,
    ) -> Result<(), KeyRingError> {
        let mut published = self
            .published()
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let mut changed = published.clone();
        change(&mut changed)?;
        if let Some(file) = &self.file {
            save(file, &changed.to_stored()).map_err(KeyRingError::Unwritable)?;
        }
        *published = changed;
        Ok(())
    }
}

impl Drop for KeyRing {
    fn drop(&mut self) {
        // A ring that is still being made writes its file: nobody may open the folder before.
        if let Some(making) = self.take_thread() {
            let _ = making.join();
        }
    }
}

impl Published {
    /// Makes two keys and writes them to `file`.
    fn make(now: Timestamp, file: Option<&Path>) -> Option<Self> {
        let published = Self {
            keys: generate_keys(now).ok()?,
            signing: 0,
        };
        if let Some(file) = file
            && let Err(error) = save(file, &published.to_stored())
        {
            tracing::error!(%error, "the signing keys could not be kept: a restart makes new ones");
        }
        Some(published)
    }

    /// The form to keep in a data folder.
    fn to_stored(&self) -> StoredKeyRing {
        StoredKeyRing {
            keys: self.keys.iter().map(|key| key.to_stored()).collect(),
            signing: self.keys[self.signing].kid().to_owned(),
        }
    }
}

/// Writes the ring beside its file and renames it, so that a crash leaves the old or the new one.
fn save(file: &Path, stored: &StoredKeyRing) -> io::Result<()> {
    let beside = beside(file);
    let mut written = private_file(&beside)?;
    written.write_all(&serde_json::to_vec_pretty(stored)?)?;
    written.sync_all()?;
    std::fs::rename(&beside, file)
}

fn beside(file: &Path) -> PathBuf {
    file.with_extension("json.new")
}

/// A new file that only its owner can read.
pub(crate) fn private_file(path: &Path) -> io::Result<std::fs::File> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Two keys made side by side: making an RSA key takes a good part of the start-up time.
fn generate_keys(now: Timestamp) -> Result<Vec<Arc<SigningKey>>, KeyRingError> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..FEWEST_KEYS)
            .map(|_| scope.spawn(move || SigningKey::generate(now)))
            .collect();
        threads
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .map_err(|_| KeyRingError::Generation)
                    .flatten()
                    .map(Arc::new)
            })
            .collect()
    })
}

fn position(keys: &[Arc<SigningKey>], kid: &str) -> Result<usize, KeyRingError> {
    keys.iter()
        .position(|key| key.kid() == kid)
        .ok_or_else(|| KeyRingError::UnknownKey(kid.to_owned()))
}

/// Base64url of the SHA-256 of `bytes`, as PKCE (RFC 7636 section 4.2) and `x5t#S256` use it.
pub(crate) fn sha256_base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, bytes))
}
