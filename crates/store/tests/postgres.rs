//! The conformance suite on PostgreSQL, each case in a database of its own.
//!
//! `TEST_POSTGRES_URL` names a server and a role that may create databases, for example
//! `postgres://postgres@127.0.0.1:5432/postgres`. Without it every case prints that it was skipped, or fails when
//! `CLAVIGER_REQUIRE_POSTGRES=1` demands the engine.

use std::str::FromStr as _;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};
use store::conformance::Bench;

struct Database {
    bench: Bench,
    name: String,
    server: String,
}

impl Database {
    async fn remove(self) {
        self.bench.close().await;
        execute(&self.server, format!("DROP DATABASE {}", self.name)).await;
    }
}

#[expect(clippy::disallowed_methods, reason = "the test's own settings, which no configuration file holds")]
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// `None` when there is no server to run on and nobody demands one.
async fn database() -> Option<Database> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let Some(server) = setting("TEST_POSTGRES_URL") else {
        assert!(
            setting("CLAVIGER_REQUIRE_POSTGRES").as_deref() != Some("1"),
            "CLAVIGER_REQUIRE_POSTGRES=1, and TEST_POSTGRES_URL does not say where PostgreSQL is"
        );
        println!("SKIPPED: TEST_POSTGRES_URL does not say where PostgreSQL is");
        return None;
    };
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("claviger_test_{}_{number}", std::process::id());
    // A database's own language must not change the order of names: ask for one that would.
    execute(&server, format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")).await;
    let mut url = url_of(&server);
    url.set_path(&name);
    let bench = Bench::open(url.as_str()).await.expect("an empty database opens");
    Some(Database { bench, name, server })
}
