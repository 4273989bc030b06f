//! The record of every call: who, what, how it ended, and what it did to the directory.
//!
//! Bodies and headers are never recorded, so no secret is. The record is a ring: old entries go.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::directory::Effect;

const MAXIMUM_ENTRIES: usize = 10_000;
const MAXIMUM_PATH: usize = 2048;

/// The identifier that the emulator gave a request; a request extension.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestId(pub(crate) Uuid);

/// What a handler knows about a call; a response extension.
#[derive(Clone, Debug, Default)]
pub(crate) struct AuditNote {
    pub(crate) tenant_id: Option<Uuid>,
    pub(crate) caller_app_id: Option<Uuid>,
    pub(crate) effects: Vec<Effect>,
}

/// One call.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuditEntry {
    /// Counts up from 1 over the life of the process.
    pub(crate) number: u64,
    pub(crate) time: Timestamp,
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    /// What was answered, or would have been when the connection was cut.
    pub(crate) status: u16,
    pub(crate) tenant_id: Option<Uuid>,
    pub(crate) caller_app_id: Option<Uuid>,
    pub(crate) request_id: Uuid,
    pub(crate) client_request_id: Option<String>,
    pub(crate) effects: Vec<Effect>,
    /// The fault rule that acted.
    pub(crate) fault: Option<Uuid>,
}

/// The record.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    last: u64,
    kept: VecDeque<AuditEntry>,
}

/// Which entries to show.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct AuditQuery {
    /// Entries with a larger number.
    pub(crate) after: u64,
    pub(crate) method: Option<String>,
    /// Text that the target contains.
    pub(crate) target: Option<String>,
    pub(crate) status: Option<u16>,
    pub(crate) caller_app_id: Option<Uuid>,
    pub(crate) client_request_id: Option<String>,
    /// An object that the call created, updated or deleted.
    pub(crate) object_id: Option<Uuid>,
    /// Only calls that changed something.
    pub(crate) effects: bool,
    pub(crate) limit: Option<usize>,
}

impl Audit {
    /// Records a call.
    pub(crate) fn record(&self, mut entry: AuditEntry) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.last += 1;
        entry.number = entries.last;
        if entry.target.len() > MAXIMUM_PATH {
            entry.target = entry.target.chars().take(MAXIMUM_PATH).collect();
        }
        if entries.kept.len() >= MAXIMUM_ENTRIES {
            entries.kept.pop_front();
        }
        entries.kept.push_back(entry);
    }

    /// The kept entries that fit, oldest first.
    pub(crate) fn find(&self, query: &AuditQuery) -> Vec<AuditEntry> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries
            .kept
            .iter()
            .filter(|entry| query.fits(entry))
            .take(query.limit.unwrap_or(MAXIMUM_ENTRIES))
            .cloned()
            .collect()
    }

    /// Forgets all entries; numbers go on.
    pub(crate) fn clear(&self) {
        self.entries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .kept
            .clear();
    }
}

impl AuditQuery {
    fn fits(&self, entry: &AuditEntry) -> bool {
        entry.number > self.after
            && self
                .method
                .as_ref()
                .is_none_or(|method| method.eq_ignore_ascii_case(&entry.method))
            && self
                .target
                .as_ref()
                .is_none_or(|text| entry.target.contains(text.as_str()))
            && self.status.is_none_or(|status| status == entry.status)
            && self
                .caller_app_id
                .is_none_or(|id| entry.caller_app_id == Some(id))
            && (self.client_request_id.is_none()
                || self.client_request_id == entry.client_request_id)
            && self
                .object_id
                .is_none_or(|id| entry.effects.iter().any(|effect| effect.id == id))
            && (!self.effects || !entry.effects.is_empty())
    }
}
