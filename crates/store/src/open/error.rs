//! Why a database could not be opened.

use std::io;
use std::path::PathBuf;

use sqlx::migrate::MigrateError;

/// One variant for each thing that an operator does about it.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the database URL must be sqlite:PATH or postgres://user:password@host:port/database")]
    Url,
    /// The file system refuses the file or its folder.
    #[error("cannot open or make the database file {}", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The file is there, and SQLite refuses it: not a database, damaged, or locked by another process.
    #[error("SQLite cannot use the database file {}", path.display())]
    SqliteFile {
        path: PathBuf,
        #[source]
        source: sqlx::Error,
    },
    #[error("cannot connect to PostgreSQL at {server}")]
    Connect {
        server: String,
        #[source]
        source: sqlx::Error,
    },
    #[error("PostgreSQL at {server} refuses user {user}: check the user name and the password")]
    Login {
        server: String,
        user: String,
        #[source]
        source: sqlx::Error,
    },
    #[error("PostgreSQL at {server} has no database {database}: create it first")]
    NoDatabase { server: String, database: String },
    #[error(
        "the database was used by a newer version (its migration {migration} is unknown here): \
         start that version, or restore the backup from before"
    )]
    Newer { migration: i64 },
    #[error(
        "migration {migration} was changed after it was applied: this build does not fit the database"
    )]
    Changed { migration: i64 },
    #[error("the database's tables cannot be brought up to date")]
    Migration(#[source] MigrateError),
    #[error("the database's tables cannot be read or written")]
    Tables(#[source] sqlx::Error),
    #[error("the sealing key is not the one that this database's secrets were sealed with")]
    SealingKey,
}

impl From<MigrateError> for OpenError {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::VersionMissing(migration) => Self::Newer { migration },
            MigrateError::VersionMismatch(migration) => Self::Changed { migration },
            other => Self::Migration(other),
        }
    }
}
