//! What an application proves itself with: secrets, certificates, federated identities.

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A secret. Only its SHA-256 is kept: generated secrets have far more entropy than a search covers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PasswordCredential {
    pub(crate) key_id: Uuid,
    pub(crate) display_name: Option<String>,
    /// The first three characters of the secret.
    pub(crate) hint: Option<String>,
    pub(crate) start_date_time: Timestamp,
    pub(crate) end_date_time: Timestamp,
    /// Base64 of the SHA-256 of the secret.
    pub(crate) secret_hash: String,
}

/// A certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct KeyCredential {
    pub(crate) key_id: Uuid,
    pub(crate) display_name: Option<String>,
    /// `AsymmetricX509Cert`.
    pub(crate) r#type: String,
    /// `Verify` or `Sign`.
    pub(crate) usage: String,
    /// Base64 of the certificate's DER form.
    pub(crate) key: String,
    /// Base64 of the SHA-1 thumbprint, or what the caller chose.
    pub(crate) custom_key_identifier: Option<String>,
    pub(crate) start_date_time: Timestamp,
    pub(crate) end_date_time: Timestamp,
}

/// Trust in tokens of another issuer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct FederatedIdentityCredential {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) audiences: Vec<String>,
    pub(crate) description: Option<String>,
}

impl PasswordCredential {
    /// Whether `secret` is this credential's, compared in constant time. Says nothing about dates.
    pub(crate) fn matches(&self, secret: &str) -> bool {
        let Ok(expected) = STANDARD.decode(&self.secret_hash) else {
            return false;
        };
        let actual = digest::digest(&digest::SHA256, secret.as_bytes());
        aws_lc_rs::constant_time::verify_slices_are_equal(&expected, actual.as_ref()).is_ok()
    }

    /// Whether the credential has ended at `now`.
    pub(crate) fn is_expired(&self, now: Timestamp) -> bool {
        self.end_date_time <= now
    }

    /// Whether the credential holds at `now`.
    pub(crate) fn is_valid(&self, now: Timestamp) -> bool {
        self.start_date_time <= now && !self.is_expired(now)
    }

    /// What is kept of `secret`.
    pub(crate) fn hash_of(secret: &str) -> String {
        STANDARD.encode(digest::digest(&digest::SHA256, secret.as_bytes()))
    }
}

impl KeyCredential {
    /// The certificate's DER form; `None` when the stored text is not base64.
    pub(crate) fn certificate(&self) -> Option<Vec<u8>> {
        STANDARD.decode(&self.key).ok()
    }

    /// Whether the certificate may be used at `now`.
    pub(crate) fn is_valid(&self, now: Timestamp) -> bool {
        self.start_date_time <= now && now < self.end_date_time
    }
}
