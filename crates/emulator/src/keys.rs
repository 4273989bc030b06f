//! The token service's signing keys.
//!
//! Owns key pairs, their self-signed certificates, which of them are published and which one
//! signs, and the compact JWS form. Which claims a token carries is the token service's affair.

mod key_ring;
mod public_key;
mod signing_key;

pub(crate) mod jws;

pub(crate) use key_ring::{KeyRing, private_file, sha256_base64url};
pub(crate) use public_key::{PublicKey, SignatureAlgorithm};
pub(crate) use signing_key::{JoseHeader, sha1};

#[cfg(test)]
mod tests;
