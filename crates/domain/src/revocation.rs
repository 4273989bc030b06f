//! Revocations: access tokens that end before their time, one by one or all of a client.
//!
//! Says what can be revoked and how it is recognised. A token is never kept, only a digest of it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{KeyManagerId, RevocationId};

/// Revocations of an installation; beyond that somebody must delete one first.
pub const MOST_REVOCATIONS: u64 = 100_000;

/// Gateways forgive this much difference of clocks at most (setting `gateway.clock_leeway_seconds`): so long after
/// its end a token may still be accepted somewhere.
pub const LONGEST_LEEWAY_SECONDS: i64 = 600;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    pub id: RevocationId,
    pub subject: RevokedSubject,
    /// When nothing that it concerns would be accepted any more, and it is forgotten. `None`: nobody knows.
    pub expires_at: Option<Timestamp>,
    /// User name.
    pub created_by: String,
    pub created_at: Timestamp,
}

/// What is revoked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RevokedSubject {
    /// One token, by its text.
    Token {
        /// SHA-256 of its [`revocable_part`], lower-case hexadecimal.
        digest: String,
    },
    /// One token of a key manager, by its claim `jti` (RFC 7519 section 4.1.7); Entra ID's is `uti`.
    TokenId {
        key_manager_id: KeyManagerId,
        token_id: String,
    },
    /// Every token of a client that was issued (`iat`) before this instant, and every one that does not say when.
    ConsumerKey {
        key_manager_id: KeyManagerId,
        consumer_key: String,
        issued_before: Timestamp,
    },
}

impl RevokedSubject {
    /// One revocation has it: for a client there is one instant, not a history of them.
    pub fn key(&self) -> String {
        match self {
            Self::Token { digest } => format!("token:{digest}"),
            Self::TokenId {
                key_manager_id,
                token_id,
            } => format!("token_id:{key_manager_id}:{token_id}"),
            Self::ConsumerKey {
                key_manager_id,
                consumer_key,
                ..
            } => format!("consumer_key:{key_manager_id}:{consumer_key}"),
        }
    }

    pub const fn key_manager_id(&self) -> Option<KeyManagerId> {
        match self {
            Self::Token { .. } => None,
            Self::TokenId { key_manager_id, .. } | Self::ConsumerKey { key_manager_id, .. } => {
                Some(*key_manager_id)
            }
        }
    }
}

/// The part of a token that a revocation knows it by: of a JWT what is signed, of any other token all of it. An ECDSA
/// signature has a second form that verifies as well; whoever turns a token into it has still the same token.
pub fn revocable_part(token: &str) -> &str {
    match token.rsplit_once('.') {
        Some((signed, _)) if signed.matches('.').count() == 1 => signed,
        _ => token,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jwt_is_known_without_its_signature_and_any_other_token_as_a_whole() {
        assert_eq!(revocable_part("header.claims.signature"), "header.claims");
        for token in ["opaque", "half.opaque", "a.b.c.d", ""] {
            assert_eq!(revocable_part(token), token);
        }
    }

    #[test]
    fn a_clients_key_is_the_same_whatever_the_instant() {
        let subject = |second| RevokedSubject::ConsumerKey {
            key_manager_id: KeyManagerId::from_uuid(uuid::Uuid::nil()),
            consumer_key: "client".to_owned(),
            issued_before: Timestamp::from_second(second).expect("a time"),
        };
        assert_eq!(subject(1).key(), subject(2).key());
    }
}
