//! Opens an SQLite file, or a database in memory.

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use super::{MIGRATIONS, OpenError, StoreConfig};
use crate::sql::Pools;

/// `path` is what follows `sqlite:`.
pub(super) async fn open(path: &str, config: &StoreConfig) -> Result<Pools, OpenError> {
    if path == ":memory:" {
        return open_in_memory(config).await;
    }
    let path = PathBuf::from(path.strip_prefix("//").unwrap_or(path));
    if path.as_os_str().is_empty() {
        return Err(OpenError::Url);
    }
    tokio::task::spawn_blocking({
        let path = path.clone();
        move || create(&path)
    })
    .await
    .unwrap_or_else(|panic| Err(io::Error::other(panic)))
    .map_err(|source| OpenError::File {
        path: path.clone(),
        source,
    })?;
    let in_file = |source| OpenError::SqliteFile {
        path: path.clone(),
        source,
    };

    let options = options(config)
        .filename(&path)
        .journal_mode(SqliteJournalMode::Wal)
        // The journal of provisioning must survive a power cut: WAL syncs every commit only with FULL.
        .synchronous(SqliteSynchronous::Full);
    let writer = pool(config, 1)
        .connect_with(options.clone())
        .await
        .map_err(in_file)?;
    migrate(&writer).await?;
    let readers = pool(config, config.max_connections.max(1))
        .connect_with(options.pragma("query_only", "ON"))
        .await
        .map_err(in_file)?;
    Ok(Pools::Sqlite { writer, readers })
}

/// Every connection would have a database of its own, so there is only one, and it is never closed.
async fn open_in_memory(config: &StoreConfig) -> Result<Pools, OpenError> {
    let pool = pool(config, 1)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(options(config).in_memory(true))
        .await
        .map_err(OpenError::Tables)?;
    migrate(&pool).await?;
    Ok(Pools::Sqlite {
        writer: pool.clone(),
        readers: pool,
    })
}

fn options(config: &StoreConfig) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .foreign_keys(true)
        // Another process may be writing (a backup, a command-line tool).
        .busy_timeout(config.acquire_timeout.min(Duration::from_mins(1)))
        // PostgreSQL's name for the order of bytes, so that one SQL text sorts alike on both engines.
        .collation("C", Ord::cmp)
}

fn pool(config: &StoreConfig, connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(config.acquire_timeout)
}

async fn migrate(writer: &SqlitePool) -> Result<(), OpenError> {
    MIGRATIONS.run(writer).await.map_err(OpenError::from)
}

/// Makes folder and file, so that what is in the way is told in the file system's words. Nobody else on the
/// machine may read them.
fn create(path: &Path) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let mut new_folder = DirBuilder::new();
    new_folder.recursive(true);
    let mut file = OpenOptions::new();
    file.read(true).append(true).create(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
        new_folder.mode(0o700);
        file.mode(0o600);
    }
    if let Some(folder) = folder {
        new_folder.create(folder)?;
    }
    file.open(path).map(|_| ())
}
