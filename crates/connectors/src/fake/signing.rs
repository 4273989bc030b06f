//! Real JWTs with a key that lives as long as the fake server.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

const KEY_ID: &str = "fake-key-1";

/// An ES256 key (RFC 7518 section 3.4).
pub(super) struct SigningKey(EcdsaKeyPair);

impl SigningKey {
    pub(super) fn generate() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING);
        Self(pair.expect("the curve is supported and the system has entropy"))
    }

    /// The public key as a JSON Web Key Set (RFC 7517).
    pub(super) fn jwks(&self) -> Value {
        // Uncompressed point: a leading 4, then both coordinates.
        let point = self.0.public_key().as_ref();
        let (x, y) = point[1..].split_at(32);
        json!({ "keys": [{
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": KEY_ID,
            "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
        }]})
    }

    /// A compact JWS (RFC 7515) of these claims.
    pub(super) fn sign(&self, claims: &Value) -> String {
        let header = json!({ "alg": "ES256", "typ": "JWT", "kid": KEY_ID });
        let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", encode(&header), encode(claims));
        let signature = self
            .0
            .sign(&SystemRandom::new(), signed.as_bytes())
            .expect("signing with a generated key does not fail");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}
