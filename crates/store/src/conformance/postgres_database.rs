//! A PostgreSQL database of a test's own, on a server that the test runner names.

use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};
use url::Url;

/// An empty database. It stays until [`PostgresDatabase::remove`].
#[derive(Clone, Debug)]
pub struct PostgresDatabase {
    server: Url,
    name: String,
}

impl PostgresDatabase {
    /// `server` is the address of a role that may create databases, for example
    /// `postgres://postgres@127.0.0.1:5432/postgres`; `prefix` tells whose tests these are, in small letters.
    ///
    /// # Panics
    ///
    /// When the server does not answer or refuses: a test cannot go on without its database.
    pub async fn create(server: &Url, prefix: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let database = Self {
            server: server.clone(),
            name: format!("{prefix}_{}_{number}", std::process::id()),
        };
        let mut connection = connect(server).await;
        // Names must be listed in the same order whatever language a database was set up for, so ask for a
        // language that sorts differently where this server knows one.
        let knows_languages: bool = sqlx::query_scalar(
            "SELECT current_setting('server_version_num')::int >= 150000
                    AND EXISTS (SELECT 1 FROM pg_collation WHERE collprovider = 'i')",
        )
        .fetch_one(&mut connection)
        .await
        .expect("the server says what it can do");
        let language = if knows_languages {
            "LOCALE_PROVIDER icu ICU_LOCALE 'en-US'"
        } else {
            ""
        };
        let name = &database.name;
        run(
            &mut connection,
            format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' {language}"),
        )
        .await;
        database
    }

    /// Where the database is.
    pub fn url(&self) -> Url {
        let mut url = self.server.clone();
        url.set_path(&self.name);
        url
    }

    /// Removes the database, whoever is still connected to it.
    ///
    /// # Panics
    ///
    /// When the server does not answer or refuses.
    pub async fn remove(self) {
        let mut connection = connect(&self.server).await;
        let statement = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        run(&mut connection, statement).await;
    }
}

async fn connect(server: &Url) -> PgConnection {
    PgConnection::connect(server.as_str())
        .await
        .expect("the PostgreSQL server answers")
}

/// The name in it is made above, of letters and numbers.
async fn run(connection: &mut PgConnection, statement: String) {
    connection
        .execute(AssertSqlSafe(statement))
        .await
        .expect("the role may create and remove databases");
}
