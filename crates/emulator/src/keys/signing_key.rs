//! One RSA key pair with its self-signed certificate, as Entra ID publishes them in its JWKS.

use aws_lc_rs::digest::{Context, Digest, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_RSA_SHA256, RsaKeySize,
    date_time_ymd,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::key_ring::KeyRingError;

/// How long a signing certificate is valid: five years, as Entra ID's are.
const CERTIFICATE_VALIDITY: std::time::Duration = std::time::Duration::from_hours(5 * 365 * 24);

/// A 2048-bit RSA key that signs tokens with RS256.
///
/// Its `kid` is the unpadded base64url form of the SHA-1 of its certificate (Microsoft: *Signing key rollover in the Microsoft identity platform*).
pub(crate) struct SigningKey {
    kid: String,
    key_pair: RsaKeyPair,
    key_der: Vec<u8>,
    certificate_der: Vec<u8>,
}

/// The form in which a signing key is kept in a data folder: base64 of PKCS#8 and certificate.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct StoredSigningKey {
    private_key: String,
    certificate: String,
}

/// The JOSE header of a token that Entra ID signs; serialised in this order.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct JoseHeader {
    pub(crate) typ: String,
    /// Only in tokens for Microsoft Graph: hashed before signing, so that nobody else can verify.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) nonce: Option<String>,
    pub(crate) alg: String,
    /// Only in tokens of the V1 format, where it equals `kid`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) x5t: Option<String>,
    pub(crate) kid: String,
}

impl JoseHeader {
    /// The header that is signed: the same, with a nonce replaced by its SHA-256.
    pub(crate) fn signed_form(&self) -> Self {
        let mut header = self.clone();
        header.nonce = self
            .nonce
            .as_ref()
            .map(|nonce| URL_SAFE_NO_PAD.encode(digest(&SHA256, nonce.as_bytes())));
        header
    }

    /// The header as a token carries it: base64url of its JSON.
    pub(crate) fn encode(&self) -> String {
        let json = serde_json::to_vec(self).expect("a struct of strings serialises");
        URL_SAFE_NO_PAD.encode(json)
    }
}

impl SigningKey {
    /// Makes a new key whose certificate is valid from `now`.
    pub(crate) fn generate(now: Timestamp) -> Result<Self, KeyRingError> {
        let pair = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)
            .map_err(|_| KeyRingError::Generation)?;
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name = DistinguishedName::new();
        parameters
            .distinguished_name
            .push(DnType::CommonName, "accounts.accesscontrol.windows.net");
        let since_epoch = std::time::Duration::from_secs(now.as_second().max(0).unsigned_abs());
        parameters.not_before = date_time_ymd(1970, 1, 1) + since_epoch;
        parameters.not_after = parameters.not_before + CERTIFICATE_VALIDITY;
        let certificate = parameters
            .self_signed(&pair)
            .map_err(|_| KeyRingError::Generation)?;
        Self::from_der(pair.serialized_der().to_vec(), certificate.der().to_vec())
    }

    /// Reads a key back that [`Self::to_stored`] wrote.
    pub(crate) fn from_stored(stored: &StoredSigningKey) -> Result<Self, KeyRingError> {
        let key = STANDARD
            .decode(&stored.private_key)
            .map_err(|_| KeyRingError::Unreadable)?;
        let certificate = STANDARD
            .decode(&stored.certificate)
            .map_err(|_| KeyRingError::Unreadable)?;
        Self::from_der(key, certificate)
    }

    /// The form to keep in a data folder. It contains the private key.
    pub(crate) fn to_stored(&self) -> StoredSigningKey {
        StoredSigningKey {
            private_key: STANDARD.encode(&self.key_der),
            certificate: STANDARD.encode(&self.certificate_der),
        }
    }

    /// The key's id: base64url of the SHA-1 of its certificate.
    pub(crate) fn kid(&self) -> &str {
        &self.kid
    }

    /// This key as a member of a JWKS; `issuer` is Entra ID's additional member.
    ///
    /// There is no `alg` member (Microsoft: *Signing key rollover in the Microsoft identity platform*).
    pub(crate) fn to_jwk(&self, issuer: &str) -> Value {
        let components = self.public_components();
        json!({
            "kty": "RSA",
            "use": "sig",
            "kid": self.kid,
            "x5t": self.kid,
            "n": URL_SAFE_NO_PAD.encode(&components.n),
            "e": URL_SAFE_NO_PAD.encode(&components.e),
            "x5c": [STANDARD.encode(&self.certificate_der)],
            "issuer": issuer,
        })
    }

    /// Signs `header` and `claims` as a compact JWS.
    ///
    /// # Errors
    /// [`KeyRingError::Signature`] if the cryptographic library refuses, which it does not for a
    /// key that was accepted when it was read.
    pub(crate) fn sign(
        &self,
        header: &JoseHeader,
        claims: &impl Serialize,
    ) -> Result<String, KeyRingError> {
        let claims = serde_json::to_vec(claims).map_err(|_| KeyRingError::Signature)?;
        let payload = URL_SAFE_NO_PAD.encode(claims);
        let signed = format!("{}.{payload}", header.signed_form().encode());
        let mut signature = vec![0; self.key_pair.public_modulus_len()];
        self.key_pair
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                signed.as_bytes(),
                &mut signature,
            )
            .map_err(|_| KeyRingError::Signature)?;
        Ok(format!(
            "{}.{payload}.{}",
            header.encode(),
            URL_SAFE_NO_PAD.encode(signature)
        ))
    }

    /// The public half, for verifying what this key signed.
    pub(crate) fn public_components(&self) -> RsaPublicKeyComponents<Vec<u8>> {
        let public = self.key_pair.public_key();
        RsaPublicKeyComponents {
            n: public.modulus().big_endian_without_leading_zero().to_vec(),
            e: public.exponent().big_endian_without_leading_zero().to_vec(),
        }
    }

    fn from_der(key_der: Vec<u8>, certificate_der: Vec<u8>) -> Result<Self, KeyRingError> {
        let key_pair = RsaKeyPair::from_pkcs8(&key_der).map_err(|_| KeyRingError::Unreadable)?;
        let kid = URL_SAFE_NO_PAD.encode(sha1(&certificate_der));
        Ok(Self {
            kid,
            key_pair,
            key_der,
            certificate_der,
        })
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("SigningKey")
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

/// SHA-1 as certificate thumbprints use it: an identifier, not a security property.
pub(crate) fn sha1(bytes: &[u8]) -> Digest {
    let mut context = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    context.update(bytes);
    context.finish()
}
