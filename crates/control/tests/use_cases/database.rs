//! The database of one test: SQLite in a folder of its own; or, where `TEST_POSTGRES_URL` names a server and a role
//! that may create databases, a database of its own there.

use store::StoreConfig;
use store::conformance::PostgresDatabase;
use tempfile::TempDir;

/// Goes when it is dropped, after everything that is connected to it.
pub(crate) enum TestDatabase {
    Sqlite(TempDir),
    Postgres(PostgresDatabase),
}

impl TestDatabase {
    pub(crate) async fn create() -> Self {
        let server = setting("TEST_POSTGRES_URL");
        assert!(
            server.is_some() || setting("CLAVIGER_REQUIRE_POSTGRES").as_deref() != Some("1"),
            "CLAVIGER_REQUIRE_POSTGRES=1, and TEST_POSTGRES_URL does not say where PostgreSQL is"
        );
        let Some(server) = server else {
            return Self::Sqlite(TempDir::new().unwrap());
        };
        let server = server.parse().expect("TEST_POSTGRES_URL is a URL");
        Self::Postgres(PostgresDatabase::create(&server, "claviger_control").await)
    }

    pub(crate) fn config(&self) -> StoreConfig {
        match self {
            Self::Sqlite(folder) => {
                StoreConfig::new(format!("sqlite:{}/test.db", folder.path().display()))
            }
            Self::Postgres(database) => StoreConfig {
                max_connections: 5,
                ..StoreConfig::new(database.url())
            },
        }
    }
}

impl Drop for TestDatabase {
    /// On a thread of its own: the test's runtime is busy with this very drop.
    fn drop(&mut self) {
        let Self::Postgres(database) = self else {
            return;
        };
        let database = database.clone();
        let removal = std::thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap()
                .block_on(database.remove());
        });
        let removed = removal.join();
        assert!(removed.is_ok() || std::thread::panicking());
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "what the test runner says to the tests, not a setting of the product"
)]
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
