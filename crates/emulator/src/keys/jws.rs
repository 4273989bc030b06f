//! Reading a compact JWS (RFC 7515 section 3.1) that somebody else made: client assertions.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::public_key::{PublicKey, SignatureAlgorithm};

/// Longest assertion that is looked at, in bytes.
const LONGEST_ASSERTION: usize = 64 * 1024;

/// A JWS whose parts parse; its signature has **not** been checked.
pub(crate) struct UnverifiedJws {
    pub(crate) header: AssertionHeader,
    pub(crate) claims: Map<String, Value>,
    signed: String,
    signature: Vec<u8>,
}

/// The members of a client assertion's header that matter.
#[derive(Debug, Deserialize)]
pub(crate) struct AssertionHeader {
    #[serde(default)]
    pub(crate) alg: String,
    #[serde(default)]
    pub(crate) kid: Option<String>,
    /// SHA-1 thumbprint of the signing certificate, base64url.
    #[serde(default)]
    pub(crate) x5t: Option<String>,
    /// SHA-256 thumbprint of the signing certificate, base64url.
    #[serde(default, rename = "x5t#S256")]
    pub(crate) x5t_s256: Option<String>,
}

impl UnverifiedJws {
    /// Splits and decodes `text`; `None` if it is not three base64url parts of JSON, JSON, bytes.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.len() > LONGEST_ASSERTION {
            return None;
        }
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        if payload.contains('.') {
            return None;
        }
        Some(Self {
            header: serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?,
            claims: serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?,
            signature: URL_SAFE_NO_PAD.decode(signature).ok()?,
            signed: signed.to_owned(),
        })
    }

    /// A claim that is a string.
    pub(crate) fn text(&self, claim: &str) -> Option<&str> {
        self.claims.get(claim)?.as_str()
    }

    /// A claim that is a NumericDate (RFC 7519 section 2), in whole seconds.
    pub(crate) fn seconds(&self, claim: &str) -> Option<i64> {
        let value = self.claims.get(claim)?;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a saturating cast is the right reading of an absurd date"
        )]
        value
            .as_i64()
            .or_else(|| value.as_f64().map(|seconds| seconds as i64))
    }

    /// Whether the signature is `key`'s, made with the algorithm that the header names.
    pub(crate) fn is_signed_by(&self, key: &PublicKey, algorithm: SignatureAlgorithm) -> bool {
        key.verify(algorithm, self.signed.as_bytes(), &self.signature)
    }
}
