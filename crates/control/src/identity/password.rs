//! Hashing and verifying passwords: Argon2id (RFC 9106) with the crate's defaults, which are OWASP's first
//! recommendation (19 MiB, two passes, one lane).
//!
//! Both take tens of milliseconds of a core and 19 MiB, so they run beside the async threads and only a few at a
//! time.

use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::PasswordHasher;
use argon2::{Argon2, PasswordHash, PasswordVerifier};
use domain::{Random, SecretString};
use secrecy::ExposeSecret;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{Error, blocking};

/// How many passwords are hashed at a time. It also bounds how many guesses can race past the login throttle.
const AT_A_TIME: usize = 4;
/// How long a request waits for its turn.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longer input is no password of ours.
const LONGEST_PASSWORD: usize = 1_024;

/// A hash that no password is known for: what a wrong user name is verified against, so that it takes as long as
/// a right one.
const NOBODYS_HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5IGtub3dzIHRoaXM$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Bounds concurrent hashing.
pub(super) struct Hasher(Arc<Semaphore>);

impl Default for Hasher {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_A_TIME)))
    }
}

/// The right to hash one password.
pub(super) struct Turn(OwnedSemaphorePermit);

impl Hasher {
    /// Waits for a turn; `None` when too many wait already.
    pub(super) async fn turn(&self) -> Option<Turn> {
        let permit = tokio::time::timeout(PATIENCE, Arc::clone(&self.0).acquire_owned()).await;
        permit.ok()?.ok().map(Turn)
    }
}

impl Turn {
    /// Whether `password` is the one behind `hash`; without a hash it takes as long and is not.
    pub(super) async fn verify(
        self,
        hash: Option<String>,
        password: &SecretString,
    ) -> Result<bool, Error> {
        let password = password.clone();
        blocking::run(move || {
            let _turn = self.0;
            let text = password.expose_secret();
            let is_known = hash.is_some() && text.len() <= LONGEST_PASSWORD;
            let hash = hash.filter(|_| is_known);
            let hash = PasswordHash::new(hash.as_deref().unwrap_or(NOBODYS_HASH))?;
            let text = if is_known { text } else { "" };
            let matches = Argon2::default().verify_password(text.as_bytes(), &hash);
            Ok(is_known && matches.is_ok())
        })
        .await?
        .map_err(|error: argon2::password_hash::phc::Error| Error::Internal(Box::new(error)))
    }

    /// The PHC string of a password.
    pub(super) async fn hash(
        self,
        password: &SecretString,
        random: &dyn Random,
    ) -> Result<String, Error> {
        let mut salt = [0u8; 16];
        random.fill(&mut salt);
        let password = password.clone();
        blocking::run(move || {
            let _turn = self.0;
            let argon2 = Argon2::default();
            let hash: PasswordHash =
                argon2.hash_password_with_salt(password.expose_secret().as_bytes(), &salt)?;
            Ok(hash.to_string())
        })
        .await?
        .map_err(|error: argon2::password_hash::Error| Error::Internal(Box::new(error)))
    }
}
