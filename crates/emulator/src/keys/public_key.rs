//! Other people's RSA public keys: of certificates on applications and of external issuers.

use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaParameters, RsaPublicKeyComponents,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use x509_parser::prelude::{FromDer as _, X509Certificate};
use x509_parser::public_key::PublicKey as CertificateKey;

/// Signature algorithms that Entra ID accepts in client assertions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SignatureAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 section 3.3).
    Rs256,
    /// RSASSA-PSS with SHA-256 (RFC 7518 section 3.5).
    Ps256,
}

impl SignatureAlgorithm {
    /// Reads a JOSE `alg`; `none`, HMAC and everything else is not representable.
    pub(crate) fn from_jose(name: &str) -> Option<Self> {
        match name {
            "RS256" => Some(Self::Rs256),
            "PS256" => Some(Self::Ps256),
            _ => None,
        }
    }

    fn parameters(self) -> &'static RsaParameters {
        match self {
            Self::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
            Self::Ps256 => &RSA_PSS_2048_8192_SHA256,
        }
    }
}

/// An RSA public key of 2048 to 8192 bits.
pub(crate) struct PublicKey {
    components: RsaPublicKeyComponents<Vec<u8>>,
}

impl PublicKey {
    /// A key from modulus and exponent without leading zeros.
    pub(crate) fn from_components(components: RsaPublicKeyComponents<Vec<u8>>) -> Self {
        Self { components }
    }

    /// The key of a DER certificate; `None` if it is not a certificate or not RSA.
    pub(crate) fn from_certificate(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let CertificateKey::RSA(key) = certificate.public_key().parsed().ok()? else {
            return None;
        };
        Some(Self::trimmed(key.modulus, key.exponent))
    }

    /// The key of a JWK's `n` and `e` members (RFC 7518 section 6.3.1).
    pub(crate) fn from_jwk(n: &str, e: &str) -> Option<Self> {
        let modulus = URL_SAFE_NO_PAD.decode(n.trim_end_matches('=')).ok()?;
        let exponent = URL_SAFE_NO_PAD.decode(e.trim_end_matches('=')).ok()?;
        Some(Self::trimmed(&modulus, &exponent))
    }

    /// Whether `signature` over `message` was made by this key.
    pub(crate) fn verify(
        &self,
        algorithm: SignatureAlgorithm,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        self.components
            .verify(algorithm.parameters(), message, signature)
            .is_ok()
    }

    fn trimmed(modulus: &[u8], exponent: &[u8]) -> Self {
        let without_zeros = |bytes: &[u8]| {
            bytes
                .iter()
                .copied()
                .skip_while(|byte| *byte == 0)
                .collect::<Vec<u8>>()
        };
        let components = RsaPublicKeyComponents {
            n: without_zeros(modulus),
            e: without_zeros(exponent),
        };
        Self { components }
    }
}
