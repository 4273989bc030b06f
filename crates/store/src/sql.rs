//! One transaction on either engine, and how statements run in it.
//!
//! All values are text or 64-bit integers (migrations/README.md), so one [`Statement`] and one [`Row`] serve both
//! engines and the repositories, which stand beside their traits, know neither. Only this module, its children
//! and `open.rs` name a driver.

mod failure;
mod row;
mod statement;

use std::sync::Arc;

use async_trait::async_trait;
use sqlx::{Postgres, Sqlite, SqlitePool};

use crate::access_token::AccessTokens;
use crate::api::Apis;
use crate::application::Applications;
use crate::audit::AuditLog;
use crate::blocking_condition::BlockingConditions;
use crate::error::StoreError;
use crate::key_manager::KeyManagers;
use crate::key_mapping::KeyMappings;
use crate::oauth_client::OAuthClients;
use crate::provisioning::ProvisioningJobs;
use crate::revision::Revisions;
use crate::revocation::Revocations;
use crate::seal::Seal;
use crate::snapshot_change::SnapshotChanges;
use crate::subscription::Subscriptions;
use crate::throttling_policy::ThrottlingPolicies;
use crate::unit_of_work::{Store, Tx};
use crate::user::Users;

pub(crate) use failure::unavailable;
pub(crate) use row::Row;
pub(crate) use statement::{Statement, Table, Unique, contains_pattern};

/// A database of either engine.
pub(crate) struct SqlStore {
    pub(crate) pools: Pools,
    pub(crate) seal: Arc<Seal>,
}

pub(crate) enum Pools {
    Sqlite {
        /// One connection: writers of this process queue here in order of arrival instead of polling the lock.
        writer: SqlitePool,
        readers: SqlitePool,
    },
    Postgres(sqlx::PgPool),
}

/// One transaction; rolls back when dropped.
pub(crate) struct SqlTx {
    transaction: Transaction,
    pub(crate) seal: Arc<Seal>,
}

enum Transaction {
    Sqlite(sqlx::Transaction<'static, Sqlite>),
    Postgres(sqlx::Transaction<'static, Postgres>),
}

#[async_trait]
impl Store for SqlStore {
    async fn begin(&self) -> Result<Box<dyn Tx>, StoreError> {
        Ok(Box::new(self.begin_writing().await?))
    }

    async fn read(&self) -> Result<Box<dyn Tx>, StoreError> {
        let transaction = match &self.pools {
            Pools::Sqlite { readers, .. } => readers.begin().await.map(Transaction::Sqlite),
            Pools::Postgres(pool) => {
                begin_postgres(pool, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await
            }
        };
        Ok(Box::new(self.tx(transaction)?))
    }

    async fn ping(&self) -> Result<(), StoreError> {
        match &self.pools {
            Pools::Sqlite { readers, .. } => {
                sqlx::query("SELECT 1").execute(readers).await.map(|_| ())
            }
            Pools::Postgres(pool) => sqlx::query("SELECT 1").execute(pool).await.map(|_| ()),
        }
        .map_err(unavailable)
    }
}

impl SqlStore {
    pub(crate) async fn begin_writing(&self) -> Result<SqlTx, StoreError> {
        let transaction = match &self.pools {
            // A deferred transaction that reads first fails at once when another process commits in between.
            Pools::Sqlite { writer, .. } => writer
                .begin_with("BEGIN IMMEDIATE")
                .await
                .map(Transaction::Sqlite),
            Pools::Postgres(pool) => begin_postgres(pool, "BEGIN").await,
        };
        self.tx(transaction)
    }

    /// Waits until every connection is given back, and closes it.
    pub(crate) async fn close(&self) {
        match &self.pools {
            Pools::Sqlite { writer, readers } => {
                readers.close().await;
                writer.close().await;
            }
            Pools::Postgres(pool) => pool.close().await,
        }
    }

    fn tx(&self, transaction: Result<Transaction, sqlx::Error>) -> Result<SqlTx, StoreError> {
        Ok(SqlTx {
            transaction: transaction.map_err(unavailable)?,
            seal: Arc::clone(&self.seal),
        })
    }
}

/// Begins on a task of its own, which ends even when nobody waits for it any more. The driver forgets a `BEGIN` that
/// is given up between its sending and its answer, and hands the connection on to the next one as it is: inside
/// this transaction, where a write after a given-up read is refused.
async fn begin_postgres(
    pool: &sqlx::PgPool,
    statement: &'static str,
) -> Result<Transaction, sqlx::Error> {
    let pool = pool.clone();
    let beginning = tokio::spawn(async move { pool.begin_with(statement).await });
    let begun = beginning.await.map_err(|_| sqlx::Error::WorkerCrashed)?;
    begun.map(Transaction::Postgres)
}

impl SqlTx {
    /// Runs a statement; how many rows it touched.
    pub(crate) async fn execute(&mut self, statement: Statement) -> Result<u64, StoreError> {
        let table = statement.table();
        match &mut self.transaction {
            Transaction::Sqlite(tx) => {
                let query = statement.into_query::<Sqlite>();
                query
                    .execute(&mut **tx)
                    .await
                    .map(|done| done.rows_affected())
            }
            Transaction::Postgres(tx) => {
                let query = statement.into_query::<Postgres>();
                query
                    .execute(&mut **tx)
                    .await
                    .map(|done| done.rows_affected())
            }
        }
        .map_err(|error| failure::of_statement(error, table))
    }

    /// Runs a statement that must touch its row; `Stale` when the row is gone or has another version.
    pub(crate) async fn execute_one(&mut self, statement: Statement) -> Result<(), StoreError> {
        let noun = statement.table().noun;
        match self.execute(statement).await? {
            0 => Err(StoreError::Stale { noun }),
            _ => Ok(()),
        }
    }

    pub(crate) async fn fetch_optional(
        &mut self,
        statement: Statement,
    ) -> Result<Option<Row>, StoreError> {
        let table = statement.table();
        match &mut self.transaction {
            Transaction::Sqlite(tx) => {
                let query = statement.into_query::<Sqlite>();
                query
                    .fetch_optional(&mut **tx)
                    .await
                    .map(|row| row.map(|row| Row::sqlite(table, row)))
            }
            Transaction::Postgres(tx) => {
                let query = statement.into_query::<Postgres>();
                query
                    .fetch_optional(&mut **tx)
                    .await
                    .map(|row| row.map(|row| Row::postgres(table, row)))
            }
        }
        .map_err(|error| failure::of_statement(error, table))
    }

    pub(crate) async fn fetch_all(&mut self, statement: Statement) -> Result<Vec<Row>, StoreError> {
        let table = statement.table();
        match &mut self.transaction {
            Transaction::Sqlite(tx) => {
                let rows = statement.into_query::<Sqlite>().fetch_all(&mut **tx).await;
                rows.map(|rows| {
                    rows.into_iter()
                        .map(|row| Row::sqlite(table, row))
                        .collect()
                })
            }
            Transaction::Postgres(tx) => {
                let rows = statement
                    .into_query::<Postgres>()
                    .fetch_all(&mut **tx)
                    .await;
                rows.map(|rows| {
                    rows.into_iter()
                        .map(|row| Row::postgres(table, row))
                        .collect()
                })
            }
        }
        .map_err(|error| failure::of_statement(error, table))
    }

    /// Runs a `SELECT COUNT(*) AS total …`.
    pub(crate) async fn fetch_count(&mut self, statement: Statement) -> Result<u64, StoreError> {
        let row = self.fetch_optional(statement).await?;
        row.map_or(Ok(0), |row| row.unsigned("total"))
    }
}

#[async_trait]
impl Tx for SqlTx {
    fn access_tokens(&mut self) -> &mut dyn AccessTokens {
        self
    }

    fn apis(&mut self) -> &mut dyn Apis {
        self
    }

    fn applications(&mut self) -> &mut dyn Applications {
        self
    }

    fn audit(&mut self) -> &mut dyn AuditLog {
        self
    }

    fn blocking_conditions(&mut self) -> &mut dyn BlockingConditions {
        self
    }

    fn key_managers(&mut self) -> &mut dyn KeyManagers {
        self
    }

    fn key_mappings(&mut self) -> &mut dyn KeyMappings {
        self
    }

    fn oauth_clients(&mut self) -> &mut dyn OAuthClients {
        self
    }

    fn jobs(&mut self) -> &mut dyn ProvisioningJobs {
        self
    }

    fn revisions(&mut self) -> &mut dyn Revisions {
        self
    }

    fn revocations(&mut self) -> &mut dyn Revocations {
        self
    }

    fn snapshot_changes(&mut self) -> &mut dyn SnapshotChanges {
        self
    }

    fn subscriptions(&mut self) -> &mut dyn Subscriptions {
        self
    }

    fn throttling_policies(&mut self) -> &mut dyn ThrottlingPolicies {
        self
    }

    fn users(&mut self) -> &mut dyn Users {
        self
    }

    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        match self.transaction {
            Transaction::Sqlite(tx) => tx.commit().await,
            Transaction::Postgres(tx) => tx.commit().await,
        }
        .map_err(unavailable)
    }
}
