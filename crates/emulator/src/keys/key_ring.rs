//! Which signing keys are published, which one signs, and how they roll over.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::public_key::{PublicKey, SignatureAlgorithm};
use super::signing_key::{JoseHeader, SigningKey, StoredSigningKey};

/// Entra ID always publishes at least two keys (entra.md section E).
const FEWEST_KEYS: usize = 2;
/// Bound on published keys, so that a script in a loop cannot grow the document without end.
const MOST_KEYS: usize = 16;
/// The ring's file in a data folder.
const FILE_NAME: &str = "signing-keys.json";

/// The keys of one token service; all tenants share them. Safe to use from many threads.
#[derive(Debug)]
pub(crate) struct KeyRing {
    published: RwLock<Published>,
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
    pub(crate) fn generate(now: Timestamp) -> Result<Self, KeyRingError> {
        let published = Published {
            keys: generate_keys(now)?,
            signing: 0,
        };
        Ok(Self {
            published: RwLock::new(published),
            file: None,
        })
    }

    /// The ring kept in `folder`, made at `now` if there is none yet.
    ///
    /// # Errors
    /// When the file cannot be read or written, or is not what this version writes.
    pub(crate) fn open(folder: &Path, now: Timestamp) -> io::Result<Self> {
        let file = folder.join(FILE_NAME);
        let mut ring = match std::fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|_| KeyRingError::Unreadable)
                .and_then(|stored| Self::from_stored(&stored))
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let ring = Self::generate(now).map_err(io::Error::other)?;
                save(&file, &ring.to_stored())?;
                ring
            }
            Err(error) => return Err(error),
        };
        ring.file = Some(file);
        Ok(ring)
    }

    /// Reads a ring back that [`Self::to_stored`] wrote.
    pub(crate) fn from_stored(stored: &StoredKeyRing) -> Result<Self, KeyRingError> {
        if stored.keys.len() < FEWEST_KEYS || stored.keys.len() > MOST_KEYS {
            return Err(KeyRingError::Unreadable);
        }
        let keys = stored
            .keys
            .iter()
            .map(|key| SigningKey::from_stored(key).map(Arc::new))
            .collect::<Result<Vec<_>, _>>()?;
        let signing = position(&keys, &stored.signing)?;
        Ok(Self {
            published: RwLock::new(Published { keys, signing }),
            file: None,
        })
    }

    /// The form to keep in a data folder.
    pub(crate) fn to_stored(&self) -> StoredKeyRing {
        self.read().to_stored()
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
        self.published
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Changes a copy, writes it to the file and only then publishes it.
    fn change(
        &self,
        change: impl FnOnce(&mut Published) -> Result<(), KeyRingError>,
    ) -> Result<(), KeyRingError> {
        let mut published = self
            .published
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut changed = published.clone();
        change(&mut changed)?;
        if let Some(file) = &self.file {
            save(file, &changed.to_stored()).map_err(KeyRingError::Unwritable)?;
        }
        *published = changed;
        Ok(())
    }
}

impl Published {
    fn to_stored(&self) -> StoredKeyRing {
        StoredKeyRing {
            keys: self.keys.iter().map(|key| key.to_stored()).collect(),
            signing: self.keys[self.signing].kid().to_owned(),
        }
    }
}

/// Writes the ring beside its file and renames it, so that a crash leaves the old or the new one.
fn save(file: &Path, stored: &StoredKeyRing) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let beside = file.with_extension("json.new");
    let mut written = private_file(&beside)?;
    written.write_all(&serde_json::to_vec_pretty(stored)?)?;
    written.sync_all()?;
    std::fs::rename(&beside, file)
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
