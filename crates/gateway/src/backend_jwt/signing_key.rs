//! The gateway's own signing keys, and their public halves as JWKs.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::SecretString;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::config::BackendJwtAlgorithm;

pub(crate) struct SigningKey {
    pair: Pair,
    key_id: String,
    jwk: Value,
}

enum Pair {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
}

impl SigningKey {
    /// A PKCS #8 key in PEM, if it is one for this algorithm.
    pub(crate) fn read(pem: &SecretString, algorithm: BackendJwtAlgorithm) -> Option<Self> {
        let block = pem::parse(pem.expose_secret()).ok()?;
        let pair = match algorithm {
            BackendJwtAlgorithm::RS256 => Pair::Rsa(RsaKeyPair::from_pkcs8(block.contents()).ok()?),
            BackendJwtAlgorithm::ES256 => {
                let curve = &ECDSA_P256_SHA256_FIXED_SIGNING;
                Pair::P256(EcdsaKeyPair::from_pkcs8(curve, block.contents()).ok()?)
            }
        };
        Some(Self::of(pair))
    }

    pub(crate) fn read_any(pem: &SecretString) -> Option<Self> {
        Self::read(pem, BackendJwtAlgorithm::RS256)
            .or_else(|| Self::read(pem, BackendJwtAlgorithm::ES256))
    }

    /// The key id is the key's thumbprint (RFC 7638).
    fn of(pair: Pair) -> Self {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let (thumbprint, mut jwk) = match &pair {
            Pair::Rsa(pair) => {
                let public = pair.public_key();
                let e = encode(public.exponent().big_endian_without_leading_zero());
                let n = encode(public.modulus().big_endian_without_leading_zero());
                (
                    format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#),
                    json!({"kty": "RSA", "n": n, "e": e, "alg": "RS256"}),
                )
            }
            Pair::P256(pair) => {
                // An uncompressed point: 4, then 32 bytes each.
                let point = pair.public_key().as_ref();
                let (x, y) = (encode(&point[1..33]), encode(&point[33..]));
                (
                    format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#),
                    json!({"kty": "EC", "crv": "P-256", "x": x, "y": y, "alg": "ES256"}),
                )
            }
        };
        let key_id = encode(digest(&SHA256, thumbprint.as_bytes()).as_ref());
        jwk["kid"] = json!(key_id);
        jwk["use"] = json!("sig");
        Self { pair, key_id, jwk }
    }

    pub(crate) fn key_id(&self) -> &str {
        &self.key_id
    }

    pub(crate) fn jwk(&self) -> Value {
        self.jwk.clone()
    }

    pub(crate) fn algorithm(&self) -> &'static str {
        match self.pair {
            Pair::Rsa(_) => "RS256",
            Pair::P256(_) => "ES256",
        }
    }

    /// A JWS signature (RFC 7515) over `message`.
    pub(crate) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(
                    &RSA_PKCS1_SHA256,
                    &SystemRandom::new(),
                    message,
                    &mut signature,
                )
                .ok()?;
                Some(signature)
            }
            Pair::P256(pair) => {
                let signature = pair.sign(&SystemRandom::new(), message).ok()?;
                Some(signature.as_ref().to_vec())
            }
        }
    }
}
