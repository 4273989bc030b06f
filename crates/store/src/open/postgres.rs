//! Opens a PostgreSQL database.

use std::str::FromStr as _;
use std::time::Duration;

use secrecy::ExposeSecret as _;
use sqlx::Executor as _;
use sqlx::error::DatabaseError;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use super::{MIGRATIONS, OpenError, StoreConfig};
use crate::sql::Pools;

/// Bounds what one statement, one lock and one forgotten transaction can hold up.
const BOUNDS: &str = "SET statement_timeout = '30s'; SET lock_timeout = '10s'; \
     SET idle_in_transaction_session_timeout = '60s'";

pub(super) async fn open(url: &str, config: &StoreConfig) -> Result<Pools, OpenError> {
    // The parser's own message may quote the URL.
    let mut options = PgConnectOptions::from_str(url).map_err(|_| OpenError::Url)?;
    if let Some(password) = &config.password {
        options = options.password(password.expose_secret());
    }
    options = options.application_name("claviger");
    let target = Target::of(&options);
    let pool = PgPoolOptions::new()
        .max_connections(config.max_connections.max(1))
        .acquire_timeout(config.acquire_timeout)
        .idle_timeout(Duration::from_mins(10))
        .after_connect(|connection, _| {
            Box::pin(async move { connection.execute(BOUNDS).await.map(|_| ()) })
        })
        .connect_with(options)
        .await
        .map_err(|error| target.refused(error))?;
    MIGRATIONS.run(&pool).await?;
    Ok(Pools::Postgres(pool))
}

/// What an error says about the place that was asked; there is no password in it.
struct Target {
    server: String,
    user: String,
    database: String,
}

impl Target {
    fn of(options: &PgConnectOptions) -> Self {
        let user = options.get_username().to_owned();
        Self {
            server: match options.get_socket() {
                Some(socket) => socket.display().to_string(),
                None => format!("{}:{}", options.get_host(), options.get_port()),
            },
            database: options.get_database().unwrap_or(&user).to_owned(),
            user,
        }
    }

    fn refused(self, source: sqlx::Error) -> OpenError {
        let Self {
            server,
            user,
            database,
        } = self;
        // PostgreSQL's documentation, appendix A: error codes.
        match source
            .as_database_error()
            .and_then(DatabaseError::code)
            .as_deref()
        {
            Some("28P01" | "28000") => OpenError::Login {
                server,
                user,
                source,
            },
            Some("3D000") => OpenError::NoDatabase { server, database },
            _ => OpenError::Connect { server, source },
        }
    }
}
