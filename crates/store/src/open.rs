//! Opens a database: connects, brings its tables up to date, checks the sealing key.
//!
//! What can go wrong here is said in words that an operator can act on, and never with a password in them.

mod error;
mod postgres;
mod sqlite;

use std::sync::Arc;
use std::time::Duration;

use domain::{Random, SecretString};
use secrecy::ExposeSecret as _;
use sqlx::migrate::Migrator;
use sqlx::{PgPool, SqlitePool};

pub use error::OpenError;

use crate::seal::{Place, Seal, SealingKey};
use crate::sql::{Pools, SqlStore};
use crate::unit_of_work::Store;

static MIGRATIONS: Migrator = sqlx::migrate!();

/// Which database, and how much of it.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// `sqlite:PATH` (made when it is not there, its folder too), `sqlite::memory:` (gone when the store is
    /// dropped, for tests; reads and writes take turns on one connection), or
    /// `postgres://user:password@host:port/database?sslmode=verify-full`.
    pub url: SecretString,
    /// PostgreSQL: instead of a password inside the URL.
    pub password: Option<SecretString>,
    /// Open connections at most; SQLite has one more, for writing. At least 1.
    pub max_connections: u32,
    /// How long a transaction waits for a connection, and on SQLite for the writer before it.
    pub acquire_timeout: Duration,
}

impl StoreConfig {
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: SecretString::from(url.into()),
            password: None,
            max_connections: 10,
            acquire_timeout: Duration::from_secs(10),
        }
    }
}

/// Opens the database and brings its tables up to date. `random` makes the nonces of sealed values.
pub async fn open(
    config: &StoreConfig,
    sealing_key: SealingKey,
    random: Arc<dyn Random>,
) -> Result<Arc<dyn Store>, OpenError> {
    Ok(Arc::new(open_sql(config, sealing_key, random).await?))
}

pub(crate) async fn open_sql(
    config: &StoreConfig,
    sealing_key: SealingKey,
    random: Arc<dyn Random>,
) -> Result<SqlStore, OpenError> {
    let seal = Arc::new(Seal::new(&sealing_key, random));
    let url = config.url.expose_secret();
    let pools = if let Some(path) = url.strip_prefix("sqlite:") {
        sqlite::open(path, config).await?
    } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        postgres::open(url, config).await?
    } else {
        return Err(OpenError::Url);
    };
    check_sealing_key(&pools, &seal).await?;
    Ok(SqlStore { pools, seal })
}

/// Opens the known value that the first start sealed: a wrong key shows now and not at the first secret.
async fn check_sealing_key(pools: &Pools, seal: &Seal) -> Result<(), OpenError> {
    const KNOWN_VALUE: &str = "claviger";
    const INSERT: &str =
        "INSERT INTO sealing_check (id, known_value) VALUES (1, $1) ON CONFLICT DO NOTHING";
    const SELECT: &str = "SELECT known_value FROM sealing_check WHERE id = 1";
    let place = Place {
        table: "sealing_check",
        column: "known_value",
        row: "1",
    };
    let sealed = seal.seal(place, KNOWN_VALUE);
    let stored: Result<String, sqlx::Error> = match pools {
        Pools::Sqlite { writer, .. } => known_value_sqlite(writer, INSERT, SELECT, sealed).await,
        Pools::Postgres(pool) => known_value_postgres(pool, INSERT, SELECT, sealed).await,
    };
    let opened = seal.open(place, &stored.map_err(OpenError::Tables)?);
    match opened {
        Ok(known) if known.expose_secret() == KNOWN_VALUE => Ok(()),
        _ => Err(OpenError::SealingKey),
    }
}

async fn known_value_sqlite(
    pool: &SqlitePool,
    insert: &'static str,
    select: &'static str,
    sealed: String,
) -> Result<String, sqlx::Error> {
    sqlx::query(insert).bind(sealed).execute(pool).await?;
    sqlx::query_scalar(select).fetch_one(pool).await
}

async fn known_value_postgres(
    pool: &PgPool,
    insert: &'static str,
    select: &'static str,
    sealed: String,
) -> Result<String, sqlx::Error> {
    sqlx::query(insert).bind(sealed).execute(pool).await?;
    sqlx::query_scalar(select).fetch_one(pool).await
}
