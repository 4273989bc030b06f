//! The audit log: how an entry is written, and who may read the log.
//!
//! Every use-case that changes something records one entry in its own transaction; nothing here changes
//! anything else, and no entry ever holds a secret.

use domain::audit::AuditEntry;
use domain::id::AuditEntryId;
use domain::user::Actor;
use serde_json::Value;
use store::{Listed, Page};

use crate::identity::authorization::require;
use crate::{Control, Dependencies, Error};

/// What is written about one change.
pub(crate) struct Event<'a> {
    /// Noun and verb, for example `application.create`.
    pub(crate) action: &'a str,
    /// The noun's kind, for example `application`.
    pub(crate) subject_kind: &'a str,
    pub(crate) subject_id: String,
    /// What a person needs to understand the change. Never a secret.
    pub(crate) details: Value,
}

/// The entry for something that `username` did now.
pub(crate) fn entry(dependencies: &Dependencies, username: &str, event: Event<'_>) -> AuditEntry {
    AuditEntry {
        id: AuditEntryId::generate(dependencies.clock(), dependencies.random()),
        at: dependencies.clock().now(),
        actor: username.to_owned(),
        action: event.action.to_owned(),
        subject_kind: event.subject_kind.to_owned(),
        subject_id: event.subject_id,
        details: event.details,
    }
}

/// Reading the audit log.
pub struct Audit<'a> {
    control: &'a Control,
}

impl<'a> Audit<'a> {
    pub(crate) const fn new(control: &'a Control) -> Self {
        Self { control }
    }

    /// Newest first. An empty `subject_kind` or `subject_id` means any. Administrators only.
    pub async fn list(
        &self,
        actor: &Actor,
        subject_kind: &str,
        subject_id: &str,
        page: Page,
    ) -> Result<Listed<AuditEntry>, Error> {
        require(actor, &["apim:admin"])?;
        let mut tx = self.control.store().read().await?;
        Ok(tx.audit().list(subject_kind, subject_id, page).await?)
    }
}
