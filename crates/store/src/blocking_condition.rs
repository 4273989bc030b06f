//! Blocking conditions: few enough to be read all at once.

use async_trait::async_trait;
use domain::blocking_condition::BlockingCondition;
use domain::id::BlockingConditionId;

use crate::error::StoreError;
use crate::sql::{Row, SqlTx, Statement, Table, Unique};

#[async_trait]
pub trait BlockingConditions: Send {
    /// `Duplicate { key: "subject" }` when the same thing is blocked already.
    async fn insert(&mut self, condition: &BlockingCondition) -> Result<(), StoreError>;

    /// Turns it on or off; its subject never changes.
    async fn update(&mut self, condition: &BlockingCondition) -> Result<(), StoreError>;

    async fn delete(&mut self, id: BlockingConditionId) -> Result<(), StoreError>;

    async fn find(
        &mut self,
        id: BlockingConditionId,
    ) -> Result<Option<BlockingCondition>, StoreError>;

    /// All of them, oldest first.
    async fn list(&mut self) -> Result<Vec<BlockingCondition>, StoreError>;

    async fn count(&mut self) -> Result<u64, StoreError>;
}

static BLOCKING_CONDITIONS: Table = Table {
    name: "blocking_conditions",
    noun: "blocking condition",
    key: "id",
    unique: &[Unique {
        constraint: "blocking_conditions_subject",
        columns: "blocking_conditions.subject",
        key: "subject",
    }],
};

/// One column list for all that reads blocking conditions.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, subject, enabled, created_at, updated_at, version FROM blocking_conditions ",
            $rest
        )
    };
}

#[async_trait]
impl BlockingConditions for SqlTx {
    async fn insert(&mut self, condition: &BlockingCondition) -> Result<(), StoreError> {
        let statement = Statement::new(
            &BLOCKING_CONDITIONS,
            "INSERT INTO blocking_conditions
                 (id, subject, enabled, created_at, updated_at, version)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .id(condition.id)
        .json(&condition.subject)
        .flag(condition.enabled)
        .time(condition.created_at)
        .time(condition.updated_at)
        .integer(condition.version);
        self.execute(statement).await.map(|_| ())
    }

    async fn update(&mut self, condition: &BlockingCondition) -> Result<(), StoreError> {
        let statement = Statement::new(
            &BLOCKING_CONDITIONS,
            "UPDATE blocking_conditions
             SET enabled = $1, updated_at = $2, version = version + 1
             WHERE id = $3 AND version = $4",
        )
        .flag(condition.enabled)
        .time(condition.updated_at)
        .id(condition.id)
        .integer(condition.version);
        self.execute_one(statement).await
    }

    async fn delete(&mut self, id: BlockingConditionId) -> Result<(), StoreError> {
        let statement = Statement::new(
            &BLOCKING_CONDITIONS,
            "DELETE FROM blocking_conditions WHERE id = $1",
        )
        .id(id);
        self.execute(statement).await.map(|_| ())
    }

    async fn find(
        &mut self,
        id: BlockingConditionId,
    ) -> Result<Option<BlockingCondition>, StoreError> {
        let statement = Statement::new(&BLOCKING_CONDITIONS, select!("WHERE id = $1")).id(id);
        self.fetch_optional(statement)
            .await?
            .as_ref()
            .map(condition)
            .transpose()
    }

    async fn list(&mut self) -> Result<Vec<BlockingCondition>, StoreError> {
        let statement = Statement::new(&BLOCKING_CONDITIONS, select!("ORDER BY id"));
        let rows = self.fetch_all(statement).await?;
        rows.iter().map(condition).collect()
    }

    async fn count(&mut self) -> Result<u64, StoreError> {
        self.fetch_count(Statement::new(
            &BLOCKING_CONDITIONS,
            "SELECT COUNT(*) AS total FROM blocking_conditions",
        ))
        .await
    }
}

fn condition(row: &Row) -> Result<BlockingCondition, StoreError> {
    Ok(BlockingCondition {
        id: row.id("id")?,
        subject: row.json("subject")?,
        enabled: row.flag("enabled")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
        version: row.integer("version")?,
    })
}
