//! Keys that sign tokens as an authorization server would.

use std::sync::LazyLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256,
    RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

pub enum Kind {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

pub struct Signer {
    pub kind: Kind,
    pub key_id: String,
}

/// Making RSA keys is slow; two are enough for all tests.
pub static FIRST: LazyLock<Signer> = LazyLock::new(|| Signer::rsa("first"));
pub static SECOND: LazyLock<Signer> = LazyLock::new(|| Signer::rsa("second"));

impl Signer {
    pub fn rsa(key_id: &str) -> Self {
        let key = RsaKeyPair::generate(KeySize::Rsa2048).expect("an RSA key");
        Self {
            kind: Kind::Rsa(key),
            key_id: key_id.to_owned(),
        }
    }

    pub fn p256(key_id: &str) -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
        Self {
            kind: Kind::P256(key),
            key_id: key_id.to_owned(),
        }
    }

    pub fn p384(key_id: &str) -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).expect("a key");
        Self {
            kind: Kind::P384(key),
            key_id: key_id.to_owned(),
        }
    }

    pub fn ed25519(key_id: &str) -> Self {
        let key = Ed25519KeyPair::generate().expect("a key");
        Self {
            kind: Kind::Ed25519(key),
            key_id: key_id.to_owned(),
        }
    }

    pub fn jwk(&self) -> Value {
        let mut jwk = match &self.kind {
            Kind::Rsa(key) => json!({
                "kty": "RSA",
                "n": encode(key.public_key().modulus().big_endian_without_leading_zero()),
                "e": encode(key.public_key().exponent().big_endian_without_leading_zero()),
            }),
            Kind::P256(key) => {
                let point = key.public_key().as_ref();
                json!({"kty": "EC", "crv": "P-256", "x": encode(&point[1..33]), "y": encode(&point[33..])})
            }
            Kind::P384(key) => {
                let point = key.public_key().as_ref();
                json!({"kty": "EC", "crv": "P-384", "x": encode(&point[1..49]), "y": encode(&point[49..])})
            }
            Kind::Ed25519(key) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": encode(key.public_key().as_ref())})
            }
        };
        jwk["kid"] = json!(self.key_id);
        jwk["use"] = json!("sig");
        jwk
    }

    /// The public key in DER, as somebody who confuses algorithms would use it for an HMAC.
    pub fn public_der(&self) -> Vec<u8> {
        match &self.kind {
            Kind::Rsa(key) => key.public_key().as_ref().to_vec(),
            _ => panic!("an RSA key"),
        }
    }

    pub fn token(&self, algorithm: &str, claims: &Value) -> String {
        self.token_with_header(
            &json!({"typ": "JWT", "alg": algorithm, "kid": self.key_id}),
            claims,
        )
    }

    pub fn token_with_header(&self, header: &Value, claims: &Value) -> String {
        let message = format!(
            "{}.{}",
            encode(header.to_string()),
            encode(claims.to_string())
        );
        let algorithm = header["alg"].as_str().unwrap_or_default();
        let signature = self.sign(algorithm, message.as_bytes());
        format!("{message}.{}", encode(signature))
    }

    fn sign(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.kind {
            Kind::Rsa(key) => {
                let encoding: &dyn RsaEncoding = match algorithm {
                    "RS384" => &RSA_PKCS1_SHA384,
                    "RS512" => &RSA_PKCS1_SHA512,
                    "PS256" => &RSA_PSS_SHA256,
                    "PS384" => &RSA_PSS_SHA384,
                    "PS512" => &RSA_PSS_SHA512,
                    _ => &RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(encoding, &random, message, &mut signature)
                    .expect("a signature");
                signature
            }
            Kind::P256(key) | Kind::P384(key) => key
                .sign(&random, message)
                .expect("a signature")
                .as_ref()
                .to_vec(),
            Kind::Ed25519(key) => key.sign(message).as_ref().to_vec(),
        }
    }
}

pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
