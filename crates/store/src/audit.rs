//! The audit log: append and read, never change.

use async_trait::async_trait;
use domain::audit::AuditEntry;

use crate::error::StoreError;
use crate::page::{Listed, Page};

#[async_trait]
pub trait AuditLog: Send {
    async fn record(&mut self, entry: &AuditEntry) -> Result<(), StoreError>;

    /// Newest first; empty strings mean any.
    async fn list(
        &mut self,
        subject_kind: &str,
        subject_id: &str,
        page: Page,
    ) -> Result<Listed<AuditEntry>, StoreError>;
}
