//! The audit log: append and read, never change.

use async_trait::async_trait;
use domain::audit::AuditEntry;

use crate::error::StoreError;
use crate::page::{Listed, Page};
use crate::sql::{Row, SqlTx, Statement, Table};

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

static AUDIT_LOG: Table = Table {
    name: "audit_log",
    noun: "audit entry",
    key: "id",
    unique: &[],
};

#[async_trait]
impl AuditLog for SqlTx {
    async fn record(&mut self, entry: &AuditEntry) -> Result<(), StoreError> {
        let statement = Statement::new(
            &AUDIT_LOG,
            "INSERT INTO audit_log
                 (id, recorded_at, actor, action, subject_kind, subject_id, details)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .id(entry.id)
        .time(entry.at)
        .text(&entry.actor)
        .text(&entry.action)
        .text(&entry.subject_kind)
        .text(&entry.subject_id)
        .json(&entry.details);
        self.execute(statement).await.map(|_| ())
    }

    async fn list(
        &mut self,
        subject_kind: &str,
        subject_id: &str,
        page: Page,
    ) -> Result<Listed<AuditEntry>, StoreError> {
        let total = Statement::new(
            &AUDIT_LOG,
            "SELECT COUNT(*) AS total FROM audit_log
             WHERE ($1 = '' OR subject_kind = $1) AND ($2 = '' OR subject_id = $2)",
        )
        .text(subject_kind)
        .text(subject_id);
        let total = self.fetch_count(total).await?;
        let entries = Statement::new(
            &AUDIT_LOG,
            "SELECT id, recorded_at, actor, action, subject_kind, subject_id, details FROM audit_log
             WHERE ($1 = '' OR subject_kind = $1) AND ($2 = '' OR subject_id = $2)
             ORDER BY recorded_at DESC, id DESC LIMIT $3 OFFSET $4",
        )
        .text(subject_kind)
        .text(subject_id)
        .page(page);
        let rows = self.fetch_all(entries).await?;
        let items = rows.iter().map(entry).collect::<Result<_, _>>()?;
        Ok(Listed { items, total })
    }
}

fn entry(row: &Row) -> Result<AuditEntry, StoreError> {
    Ok(AuditEntry {
        id: row.id("id")?,
        at: row.time("recorded_at")?,
        actor: row.text("actor")?,
        action: row.text("action")?,
        subject_kind: row.text("subject_kind")?,
        subject_id: row.text("subject_id")?,
        details: row.json("details")?,
    })
}
