//! All that a gateway must know to recognise a key manager's access tokens.

use serde::{Deserialize, Serialize};

use crate::certificate::Certificates;

/// Signature algorithms that a key manager may use (RFC 7518, RFC 8037). `none` and the HMAC family have no
/// variant on purpose: a token cannot talk the gateway into them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SignatureAlgorithm {
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    EdDSA,
}

impl SignatureAlgorithm {
    /// What is accepted where nothing narrower is configured.
    pub const ALL: [Self; 9] = [
        Self::RS256,
        Self::RS384,
        Self::RS512,
        Self::PS256,
        Self::PS384,
        Self::PS512,
        Self::ES256,
        Self::ES384,
        Self::EdDSA,
    ];

    /// The `alg` header value (RFC 7518 section 3.1); `None` for anything not accepted here.
    pub fn from_header(alg: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == alg)
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::RS384 => "RS384",
            Self::RS512 => "RS512",
            Self::PS256 => "PS256",
            Self::PS384 => "PS384",
            Self::PS512 => "PS512",
            Self::ES256 => "ES256",
            Self::ES384 => "ES384",
            Self::EdDSA => "EdDSA",
        }
    }
}

/// What a token's `aud` must be, apart from what an API itself demands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AudienceRule {
    /// Any audience.
    #[default]
    Any,
    /// The client is its own resource (Entra, "self audience"): `aud` is the consumer key or `api://` before it.
    OwnClient,
    /// One of these.
    OneOf(Vec<String>),
}

/// Issuers, keys, algorithms and claim names of one key manager's tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenProfile {
    /// Accepted `iss` values, compared exactly.
    pub issuers: Vec<String>,
    pub certificates: Option<Certificates>,
    /// Never empty.
    pub algorithms: Vec<SignatureAlgorithm>,
    /// Claims that may hold the consumer key, in order; where several are present they must agree.
    pub consumer_key_claims: Vec<String>,
    /// Claims that hold scopes (a space-separated string or a list); their values are united.
    pub scopes_claims: Vec<String>,
    pub audience: AudienceRule,
}
