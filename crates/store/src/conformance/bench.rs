//! One empty database under test, with what the cases need around it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use sqlx::Row as _;

use super::samples::{CountingRandom, Samples};
use crate::error::StoreError;
use crate::open::{OpenError, StoreConfig, open_sql};
use crate::reseal::{ResealError, reseal};
use crate::seal::SealingKey;
use crate::sql::{Pools, SqlStore};
use crate::unit_of_work::{Store, Tx};

/// As many connections as a bench opens.
pub(super) const CONNECTIONS: u32 = 4;

/// The sealing key that a bench opens its database with.
pub(super) const KEY: [u8; 32] = [0x5e; 32];

pub struct Bench {
    store: SqlStore,
    pub(super) samples: Samples,
    config: StoreConfig,
}

impl Bench {
    /// The database must be empty and nobody else's.
    pub async fn open(url: impl Into<String>) -> Result<Self, OpenError> {
        let mut config = StoreConfig::new(url);
        config.max_connections = CONNECTIONS;
        config.acquire_timeout = Duration::from_secs(3);
        let random = Arc::new(CountingRandom::default());
        let key = SealingKey::from_bytes(KEY);
        Ok(Self {
            store: open_sql(&config, key, random).await?,
            samples: Samples::default(),
            config,
        })
    }

    /// Opens the same database again, with another sealing key.
    pub(super) async fn open_again(&self, key: SealingKey) -> Result<SqlStore, OpenError> {
        open_sql(&self.config, key, Arc::new(CountingRandom::default())).await
    }

    /// Rotates to `key`; how many values were sealed anew.
    pub(super) async fn reseal(&self, key: SealingKey) -> Result<u64, ResealError> {
        reseal(&self.config, key, Arc::new(CountingRandom::default())).await
    }

    /// Lets go of all connections, so that the database can be removed.
    pub async fn close(self) {
        self.store.close().await;
    }

    pub(super) fn store(&self) -> &dyn Store {
        &self.store
    }

    pub(super) async fn begin(&self) -> Result<Box<dyn Tx>, StoreError> {
        self.store.begin().await
    }

    pub(super) async fn read(&self) -> Result<Box<dyn Tx>, StoreError> {
        self.store.read().await
    }

    /// A text column of a table as it really stands there.
    pub(super) async fn stored_text(&self, select: &'static str) -> Vec<String> {
        match &self.store.pools {
            Pools::Sqlite { readers, .. } => {
                let rows = sqlx::query(select)
                    .fetch_all(readers)
                    .await
                    .expect("a valid query");
                rows.iter().map(|row| row.get(0)).collect()
            }
            Pools::Postgres(pool) => {
                let rows = sqlx::query(select)
                    .fetch_all(pool)
                    .await
                    .expect("a valid query");
                rows.iter().map(|row| row.get(0)).collect()
            }
        }
    }

    /// Writes behind the store's back.
    pub(super) async fn tamper(&self, statement: &'static str) {
        match &self.store.pools {
            Pools::Sqlite { writer, .. } => {
                sqlx::query(statement)
                    .execute(writer)
                    .await
                    .expect("a valid statement");
            }
            Pools::Postgres(pool) => {
                sqlx::query(statement)
                    .execute(pool)
                    .await
                    .expect("a valid statement");
            }
        }
    }
}

/// Runs futures side by side on this task; the first error, or every result in their order.
pub(super) async fn all<T>(
    futures: impl IntoIterator<Item = impl Future<Output = Result<T, StoreError>>>,
) -> Result<Vec<T>, StoreError> {
    let mut running: Vec<Pin<Box<_>>> = futures.into_iter().map(Box::pin).collect();
    let mut results: Vec<Option<T>> = running.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, result) in running.iter_mut().zip(&mut results) {
            if result.is_none()
                && let Poll::Ready(finished) = future.as_mut().poll(context)
            {
                match finished {
                    Ok(value) => *result = Some(value),
                    Err(error) => return Poll::Ready(Err(error)),
                }
            }
        }
        if results.iter().all(Option::is_some) {
            return Poll::Ready(Ok(()));
        }
        Poll::Pending
    })
    .await?;
    Ok(results.into_iter().flatten().collect())
}
