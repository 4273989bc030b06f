//! Verification keys: parsed once, used for every token that they signed.
//!
//! The algorithm comes from the key manager's configuration; a key refuses what its kind cannot do.

use std::fmt;

use aws_lc_rs::digest;
use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{self, ParsedPublicKey, RsaParameters, VerificationAlgorithm};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::token_profile::SignatureAlgorithm;
use serde::{Deserialize, Serialize};
use x509_parser::prelude::{FromDer as _, X509Certificate};
use x509_parser::public_key::PublicKey;

/// A public key, ready for each algorithm that it may be used with.
pub(crate) struct VerificationKey {
    ready: Vec<(SignatureAlgorithm, ParsedPublicKey)>,
}

/// The members of a JSON Web Key (RFC 7517 section 4, RFC 7518 section 6, RFC 8037 section 2) that we read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Jwk {
    pub(crate) kty: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) kid: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "use")]
    pub(crate) usage: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) key_ops: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) alg: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) n: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) e: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) crv: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) x: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) y: Option<String>,
    /// Microsoft's member: whose tokens the key signs, perhaps with `{tenantid}` in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) issuer: Option<String>,
}

/// Why a key of a set or a certificate cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeyError {
    #[error("the key is not for verifying signatures")]
    NotForSignatures,
    #[error("the kind of key or curve is not supported")]
    Unsupported,
    #[error("the key's values are missing or malformed")]
    Malformed,
    #[error("not a certificate")]
    NotACertificate,
}

impl VerificationKey {
    pub(crate) fn from_jwk(jwk: &Jwk) -> Result<Self, KeyError> {
        let is_for_signatures = jwk.usage.as_deref().is_none_or(|usage| usage == "sig")
            && jwk
                .key_ops
                .as_ref()
                .is_none_or(|operations| operations.iter().any(|one| one == "verify"));
        if !is_for_signatures {
            return Err(KeyError::NotForSignatures);
        }
        let mut key = match jwk.kty.as_str() {
            "RSA" => Self::rsa(&decode(jwk.n.as_deref())?, &decode(jwk.e.as_deref())?)?,
            "EC" => {
                let mut point = vec![4];
                point.extend(decode(jwk.x.as_deref())?);
                point.extend(decode(jwk.y.as_deref())?);
                match jwk.crv.as_deref() {
                    Some("P-256") if point.len() == 65 => Self::p256(&point)?,
                    Some("P-384") if point.len() == 97 => Self::p384(&point)?,
                    Some("P-256" | "P-384") => return Err(KeyError::Malformed),
                    _ => return Err(KeyError::Unsupported),
                }
            }
            "OKP" if jwk.crv.as_deref() == Some("Ed25519") => {
                Self::ed25519(&decode(jwk.x.as_deref())?)?
            }
            _ => return Err(KeyError::Unsupported),
        };
        // RFC 7517 section 4.4: the one algorithm that the key is meant for.
        if let Some(only) = &jwk.alg {
            key.ready
                .retain(|(algorithm, _)| algorithm.as_str() == only);
            if key.ready.is_empty() {
                return Err(KeyError::Unsupported);
            }
        }
        Ok(key)
    }

    /// The public key of an X.509 certificate (RFC 5280). Its validity period is not looked at: WSO2 does not
    /// either, and authorization servers use self-signed certificates as a wrapping for keys.
    pub(crate) fn from_certificate(der: &[u8]) -> Result<Self, KeyError> {
        let (_, certificate) =
            X509Certificate::from_der(der).map_err(|_| KeyError::NotACertificate)?;
        let info = certificate.public_key();
        match info.parsed().map_err(|_| KeyError::Malformed)? {
            PublicKey::RSA(rsa) => Self::rsa(rsa.modulus, rsa.exponent),
            PublicKey::EC(point) => match point.data().len() {
                65 => Self::p256(point.data()),
                97 => Self::p384(point.data()),
                _ => Err(KeyError::Unsupported),
            },
            PublicKey::Unknown(raw) if raw.len() == 32 => Self::ed25519(raw),
            _ => Err(KeyError::Unsupported),
        }
    }

    /// True when the signature is this key's over `message` under `algorithm`. ECDSA signatures have JWS's fixed
    /// form (RFC 7518 section 3.4).
    pub(crate) fn verifies(
        &self,
        algorithm: SignatureAlgorithm,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        self.ready
            .iter()
            .find(|(known, _)| *known == algorithm)
            .is_some_and(|(_, key)| key.verify_sig(message, signature).is_ok())
    }

    pub(crate) fn can(&self, algorithm: SignatureAlgorithm) -> bool {
        self.ready.iter().any(|(known, _)| *known == algorithm)
    }

    fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<Self, KeyError> {
        use SignatureAlgorithm as A;
        const ALGORITHMS: [(SignatureAlgorithm, &RsaParameters); 6] = [
            (A::RS256, &signature::RSA_PKCS1_2048_8192_SHA256),
            (A::RS384, &signature::RSA_PKCS1_2048_8192_SHA384),
            (A::RS512, &signature::RSA_PKCS1_2048_8192_SHA512),
            (A::PS256, &signature::RSA_PSS_2048_8192_SHA256),
            (A::PS384, &signature::RSA_PSS_2048_8192_SHA384),
            (A::PS512, &signature::RSA_PSS_2048_8192_SHA512),
        ];
        let components = PublicKeyComponents {
            n: without_leading_zeros(modulus),
            e: without_leading_zeros(exponent),
        };
        // 2048 bits at least (RFC 7518 section 3.3), 8192 at most; an exponent of one would verify anything.
        if !(256..=1_024).contains(&components.n.len())
            || components.e.len() > 8
            || components.e == [1]
        {
            return Err(KeyError::Malformed);
        }
        let ready = ALGORITHMS
            .into_iter()
            .map(|(algorithm, parameters)| {
                let key = components
                    .to_parsed_public_key(parameters)
                    .map_err(|_| KeyError::Malformed)?;
                Ok((algorithm, key))
            })
            .collect::<Result<_, KeyError>>()?;
        Ok(Self { ready })
    }

    fn p256(point: &[u8]) -> Result<Self, KeyError> {
        Self::single(
            SignatureAlgorithm::ES256,
            &signature::ECDSA_P256_SHA256_FIXED,
            point,
        )
    }

    fn p384(point: &[u8]) -> Result<Self, KeyError> {
        Self::single(
            SignatureAlgorithm::ES384,
            &signature::ECDSA_P384_SHA384_FIXED,
            point,
        )
    }

    fn ed25519(raw: &[u8]) -> Result<Self, KeyError> {
        Self::single(SignatureAlgorithm::EdDSA, &signature::ED25519, raw)
    }

    fn single(
        algorithm: SignatureAlgorithm,
        verification: &'static dyn VerificationAlgorithm,
        key: &[u8],
    ) -> Result<Self, KeyError> {
        let key = ParsedPublicKey::new(verification, key).map_err(|_| KeyError::Malformed)?;
        Ok(Self {
            ready: vec![(algorithm, key)],
        })
    }
}

impl fmt::Debug for VerificationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let algorithms = self.ready.iter().map(|(algorithm, _)| algorithm);
        f.debug_list().entries(algorithms).finish()
    }
}

/// Base64url of the SHA-1 of a certificate: the `x5t` of a token (RFC 7515 section 4.1.7). An address, not a proof.
pub(crate) fn thumbprint(der: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, der))
}

fn without_leading_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|&&byte| byte == 0).count();
    &number[zeros..]
}

fn decode(member: Option<&str>) -> Result<Vec<u8>, KeyError> {
    URL_SAFE_NO_PAD
        .decode(member.ok_or(KeyError::Malformed)?)
        .map_err(|_| KeyError::Malformed)
}
