//! Making a token: its lifetime, its header, its signature, and the answer that carries it.

use serde::Serialize;
use serde_json::{Value, json};

use super::Refusal;
use super::claims::{AccessToken, opaque_url};
use crate::directory::Tenant;
use crate::keys::JoseHeader;
use crate::state::State;

/// Tokens are valid from five minutes before they are made: an allowance for clock skew.
const SKEW_SECONDS: i64 = 300;
/// Entra's default lifetime: random between 60 and 90 minutes.
const SHORTEST_DEFAULT: u64 = 3600;
const LONGEST_DEFAULT: u64 = 5400;

/// When a token is valid, in NumericDates and seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Validity {
    pub(crate) not_before: i64,
    pub(crate) expires_at: i64,
    pub(crate) expires_in: i64,
}

/// Which endpoint answers; it decides the shape of the answer, not of the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EndpointVersion {
    V1,
    V2,
}

impl Validity {
    /// The validity of a token of `tenant` made now.
    pub(crate) fn draw(state: &State, tenant: &Tenant) -> Self {
        let by_policy = tenant.policies.access_token_lifetime_seconds;
        let seconds = if let Some(seconds) = by_policy {
            // The bounds of Entra's AccessTokenLifetime policy: ten minutes to one day.
            i64::from(seconds.clamp(600, 86_400))
        } else {
            let spread = LONGEST_DEFAULT - SHORTEST_DEFAULT + 1;
            i64::try_from(SHORTEST_DEFAULT + state.random.below(spread)).unwrap_or(3600)
        };
        let now = state.now().as_second();
        Self {
            not_before: now.saturating_sub(SKEW_SECONDS),
            expires_at: now.saturating_add(seconds),
            expires_in: seconds - 1,
        }
    }
}

/// Signs an access token in the format of its resource.
pub(crate) fn sign_access_token(state: &State, token: &AccessToken<'_>) -> Result<String, Refusal> {
    let is_v2 = token.resource.wants_v2_tokens();
    // Graph's tokens cannot be verified by anybody else: the nonce is hashed before signing.
    let nonce = token
        .resource
        .is_graph()
        .then(|| opaque_url(&state.random, 32));
    sign(state, nonce, !is_v2, &token.claims(&state.random))
}

/// Signs any claims with the key that signs now.
pub(crate) fn sign(
    state: &State,
    nonce: Option<String>,
    with_thumbprint: bool,
    claims: &impl Serialize,
) -> Result<String, Refusal> {
    let key = state.keys.signing_key();
    let header = JoseHeader {
        typ: "JWT".to_owned(),
        nonce,
        alg: "RS256".to_owned(),
        x5t: with_thumbprint.then(|| key.kid().to_owned()),
        kid: key.kid().to_owned(),
    };
    key.sign(&header, claims)
        .map_err(|_| Refusal::MalformedRequest)
}

/// The members that every answer with an access token has. V1 answers with strings for numbers.
pub(crate) fn token_answer(
    version: EndpointVersion,
    validity: Validity,
    resource: &str,
    access_token: &str,
) -> Value {
    match version {
        EndpointVersion::V2 => json!({
            "token_type": "Bearer",
            "expires_in": validity.expires_in,
            "ext_expires_in": validity.expires_in,
            "access_token": access_token,
        }),
        EndpointVersion::V1 => json!({
            "token_type": "Bearer",
            "expires_in": validity.expires_in.to_string(),
            "ext_expires_in": validity.expires_in.to_string(),
            "expires_on": validity.expires_at.to_string(),
            "not_before": validity.not_before.to_string(),
            "resource": resource,
            "access_token": access_token,
        }),
    }
}
