//! Revocations, until nothing that they concern would be accepted any more.

use async_trait::async_trait;
use domain::id::RevocationId;
use domain::revocation::Revocation;
use jiff::Timestamp;

use crate::error::StoreError;
use crate::page::{Listed, Page};
use crate::sql::{Row, SqlTx, Statement, Table, Unique};

#[async_trait]
pub trait Revocations: Send {
    /// `Duplicate { key: "subject" }` when there is one of the same [`domain::revocation::RevokedSubject::key`].
    async fn insert(&mut self, revocation: &Revocation) -> Result<(), StoreError>;

    async fn delete(&mut self, id: RevocationId) -> Result<(), StoreError>;

    /// Expired or not: the caller has the clock.
    async fn find(&mut self, id: RevocationId) -> Result<Option<Revocation>, StoreError>;

    async fn find_by_key(&mut self, subject_key: &str) -> Result<Option<Revocation>, StoreError>;

    /// Newest first.
    async fn list(&mut self, page: Page) -> Result<Listed<Revocation>, StoreError>;

    async fn count(&mut self) -> Result<u64, StoreError>;

    /// At most `limit` of those that have expired.
    async fn list_expired(
        &mut self,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<RevocationId>, StoreError>;

    /// Everything, in id order after `after`: for compiling a whole snapshot.
    async fn scan(
        &mut self,
        after: Option<RevocationId>,
        limit: u32,
    ) -> Result<Vec<Revocation>, StoreError>;
}

static REVOCATIONS: Table = Table {
    name: "revocations",
    noun: "revocation",
    key: "id",
    unique: &[Unique {
        constraint: "revocations_subject_key",
        columns: "revocations.subject_key",
        key: "subject",
    }],
};

/// One column list for all that reads revocations.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, subject, expires_at, created_by, created_at FROM revocations ",
            $rest
        )
    };
}

#[async_trait]
impl Revocations for SqlTx {
    async fn insert(&mut self, revocation: &Revocation) -> Result<(), StoreError> {
        let statement = Statement::new(
            &REVOCATIONS,
            "INSERT INTO revocations (id, subject_key, subject, expires_at, created_by, created_at)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .id(revocation.id)
        .text(revocation.subject.key())
        .json(&revocation.subject)
        .optional_time(revocation.expires_at)
        .text(&revocation.created_by)
        .time(revocation.created_at);
        self.execute(statement).await.map(|_| ())
    }

    async fn delete(&mut self, id: RevocationId) -> Result<(), StoreError> {
        let statement =
            Statement::new(&REVOCATIONS, "DELETE FROM revocations WHERE id = $1").id(id);
        self.execute(statement).await.map(|_| ())
    }

    async fn find(&mut self, id: RevocationId) -> Result<Option<Revocation>, StoreError> {
        let statement = Statement::new(&REVOCATIONS, select!("WHERE id = $1")).id(id);
        self.fetch_optional(statement)
            .await?
            .as_ref()
            .map(revocation)
            .transpose()
    }

    async fn find_by_key(&mut self, subject_key: &str) -> Result<Option<Revocation>, StoreError> {
        let statement =
            Statement::new(&REVOCATIONS, select!("WHERE subject_key = $1")).text(subject_key);
        self.fetch_optional(statement)
            .await?
            .as_ref()
            .map(revocation)
            .transpose()
    }

    async fn list(&mut self, page: Page) -> Result<Listed<Revocation>, StoreError> {
        let total = self.count().await?;
        let statement = Statement::new(
            &REVOCATIONS,
            select!("ORDER BY created_at DESC, id DESC LIMIT $1 OFFSET $2"),
        )
        .page(page);
        let rows = self.fetch_all(statement).await?;
        let items = rows.iter().map(revocation).collect::<Result<_, _>>()?;
        Ok(Listed { items, total })
    }

    async fn count(&mut self) -> Result<u64, StoreError> {
        self.fetch_count(Statement::new(
            &REVOCATIONS,
            "SELECT COUNT(*) AS total FROM revocations",
        ))
        .await
    }

    async fn list_expired(
        &mut self,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<RevocationId>, StoreError> {
        let statement = Statement::new(
            &REVOCATIONS,
            "SELECT id FROM revocations WHERE expires_at <= $1 ORDER BY expires_at, id LIMIT $2",
        )
        .time(now)
        .limit(limit);
        let rows = self.fetch_all(statement).await?;
        rows.iter().map(|row| row.id("id")).collect()
    }

    async fn scan(
        &mut self,
        after: Option<RevocationId>,
        limit: u32,
    ) -> Result<Vec<Revocation>, StoreError> {
        let statement = Statement::new(&REVOCATIONS, select!("WHERE id > $1 ORDER BY id LIMIT $2"))
            .after(after)
            .limit(limit);
        let rows = self.fetch_all(statement).await?;
        rows.iter().map(revocation).collect()
    }
}

fn revocation(row: &Row) -> Result<Revocation, StoreError> {
    Ok(Revocation {
        id: row.id("id")?,
        subject: row.json("subject")?,
        expires_at: row.optional_time("expires_at")?,
        created_by: row.text("created_by")?,
        created_at: row.time("created_at")?,
    })
}
