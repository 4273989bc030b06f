//! The audit log: who changed what, when. Every change of a use-case writes one entry in its own transaction.

use jiff::Timestamp;
use serde_json::Value;

use crate::id::AuditEntryId;

#[derive(Clone, Debug)]
pub struct AuditEntry {
    pub id: AuditEntryId,
    pub at: Timestamp,
    /// User name, or `claviger` for what a job did on its own.
    pub actor: String,
    /// Noun and verb, for example `key_manager.create`.
    pub action: String,
    /// The noun's kind, for example `key_manager`.
    pub subject_kind: String,
    pub subject_id: String,
    /// What a person needs to understand the change. Never a secret.
    pub details: Value,
}
