//! Who is calling: local users, OAuth clients of the REST APIs and their access tokens.
//!
//! [`authentication`] turns credentials into an [`domain::user::Actor`]; [`authorization`] says what an actor's
//! roles are good for. Passwords are hashed with Argon2id, clients' secrets and tokens are random and stored as
//! SHA-256 only.

pub mod access_token;
pub mod authentication;
pub mod authorization;
pub mod dcr;
mod login_throttle;
mod password;
pub mod user;

use aws_lc_rs::digest::{SHA256, digest};
use std::fmt::Write as _;

use crate::Control;

pub use access_token::{IssuedAccessToken, TokenError};
pub use authentication::AuthenticationError;
pub use dcr::NewClient;
pub use user::{FirstUser, NewUser};

use self::login_throttle::LoginThrottle;
use self::password::Hasher;

/// What authentication remembers in this process.
#[derive(Default)]
pub(crate) struct IdentityState {
    throttle: LoginThrottle,
    hasher: Hasher,
}

/// The use-cases of identity.
#[derive(Clone, Copy)]
pub struct Identity<'a> {
    control: &'a Control,
}

impl<'a> Identity<'a> {
    pub(crate) const fn new(control: &'a Control) -> Self {
        Self { control }
    }

    fn state(self) -> &'a IdentityState {
        self.control.identity_state()
    }
}

/// SHA-256 in lower-case hexadecimal. Only for what nobody can guess (secrets of 256 random bits, signed tokens),
/// where a slow hash adds nothing.
pub(crate) fn sha256_hex(text: &str) -> String {
    let hash = digest(&SHA256, text.as_bytes());
    hash.as_ref()
        .iter()
        .fold(String::with_capacity(64), |mut hex, byte| {
            write!(hex, "{byte:02x}").expect("writing to a String cannot fail");
            hex
        })
}
