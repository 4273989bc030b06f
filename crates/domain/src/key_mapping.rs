//! A key mapping: application × key type × key manager → consumer key.

use std::collections::BTreeMap;

use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::{ApplicationId, KeyManagerId, KeyMappingId};
use crate::provider_failure::ProviderFailure;

/// WSO2 developer portal API, schema `ApplicationKey`. Unique per application, key type and key manager.
#[derive(Clone, Debug)]
pub struct KeyMapping {
    pub id: KeyMappingId,
    pub application_id: ApplicationId,
    pub key_manager_id: KeyManagerId,
    pub key_type: KeyType,
    pub mode: CreateMode,
    pub state: KeyMappingState,
    /// OAuth2 client_id; unique per key manager once known.
    pub consumer_key: Option<String>,
    /// OAuth2 client_secret, sealed at rest. `None` where it is not ours to keep.
    pub consumer_secret: Option<SecretString>,
    /// The connector's own handles on the client (object ids, credential ids). Opaque to all others; no secrets.
    pub provider_reference: Value,
    pub grant_types: Vec<String>,
    pub callback_url: Option<String>,
    /// The connector's per-application fields, as the developer filled them in.
    pub additional_properties: BTreeMap<String, Value>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub version: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum KeyType {
    Production,
    Sandbox,
}

impl KeyType {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Production => "PRODUCTION",
            Self::Sandbox => "SANDBOX",
        }
    }
}

/// Who made the client at the key manager. Only clients that Claviger created are ever changed or deleted there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum CreateMode {
    Created,
    Mapped,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "state",
    content = "failure",
    rename_all = "SCREAMING_SNAKE_CASE"
)]
pub enum KeyMappingState {
    /// A job is making the client.
    Provisioning,
    /// The consumer key works.
    Completed,
    /// Making the client failed for good and what had been made was removed again.
    Failed(ProviderFailure),
    /// A job is removing the client; the mapping goes when it is gone.
    Deprovisioning,
}

impl KeyMappingState {
    /// Whether tokens of this client may pass the gateway.
    pub const fn is_live(&self) -> bool {
        matches!(self, Self::Completed)
    }

    /// A name without the details, as stored and shown.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Provisioning => "PROVISIONING",
            Self::Completed => "COMPLETED",
            Self::Failed(_) => "FAILED",
            Self::Deprovisioning => "DEPROVISIONING",
        }
    }
}
