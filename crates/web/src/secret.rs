//! Secrets in request bodies: read once, never printed.

use domain::SecretString;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Deserializer};

/// A secret as a caller sends it.
pub(crate) struct SecretText(SecretString);

impl SecretText {
    pub(crate) fn into_secret(self) -> SecretString {
        self.0
    }

    /// `None` for an empty one: forms send it for "not given".
    pub(crate) fn given(self) -> Option<SecretString> {
        Some(self.0).filter(|secret| !secret.expose_secret().is_empty())
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(SecretString::from(text)))
    }
}
