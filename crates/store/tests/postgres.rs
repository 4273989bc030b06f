//! The conformance suite on PostgreSQL, each case in a database of its own.
//!
//! `TEST_POSTGRES_URL` names a server and a role that may create databases, for example
//! `postgres://postgres@127.0.0.1:5432/postgres`. Without it every case prints that it was skipped, or fails when
//! `CLAVIGER_REQUIRE_POSTGRES=1` demands the engine.

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};
use store::conformance::{Bench, PostgresDatabase};
use url::Url;

struct Database {
    bench: Bench,
    postgres: PostgresDatabase,
}

impl Database {
    async fn remove(self) {
        self.bench.close().await;
        self.postgres.remove().await;
    }
}

/// `None` when there is no server to run on and nobody demands one.
async fn database() -> Option<Database> {
    let server = server()?;
    let postgres = PostgresDatabase::create(&server, "claviger_test").await;
    let bench = Bench::open(postgres.url())
        .await
        .expect("an empty database opens");
    Some(Database { bench, postgres })
}

fn server() -> Option<Url> {
    if let Some(server) = setting("TEST_POSTGRES_URL") {
        return Some(server.parse().expect("TEST_POSTGRES_URL is a URL"));
    }
    assert!(
        setting("CLAVIGER_REQUIRE_POSTGRES").as_deref() != Some("1"),
        "CLAVIGER_REQUIRE_POSTGRES=1, and TEST_POSTGRES_URL does not say where PostgreSQL is"
    );
    // Past the test harness, which shows only what failing tests print.
    let notice = "SKIPPED: TEST_POSTGRES_URL does not say where PostgreSQL is\n";
    std::io::Write::write_all(&mut std::io::stderr(), notice.as_bytes()).expect("stderr is open");
    None
}

#[expect(
    clippy::disallowed_methods,
    reason = "what the test runner says to the tests, not a setting of the product"
)]
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

async fn connect(server: &Url) -> PgConnection {
    PgConnection::connect(server.as_str())
        .await
        .expect("TEST_POSTGRES_URL answers")
}

/// The name in it is made above, of letters and numbers.
async fn run(connection: &mut PgConnection, statement: String) {
    connection
        .execute(AssertSqlSafe(statement))
        .await
        .expect("the role may create databases");
}

store::conformance_tests!(crate::database);

#[tokio::test]
async fn a_wrong_password_is_told_by_server_and_user_and_never_printed() {
    let Some(mut server) = server() else { return };
    server
        .set_username("claviger_nobody")
        .expect("a PostgreSQL URL has a user");
    server
        .set_password(Some("hunter2"))
        .expect("a PostgreSQL URL has a user");
    let error = Bench::open(server.as_str())
        .await
        .err()
        .expect("nobody of that name may enter");
    // 28000: the role does not exist, 28P01: its password is wrong. Either way the operator looks there.
    assert!(matches!(error, store::OpenError::Login { .. }), "{error:?}");
    assert!(
        error.to_string().contains("refuses user claviger_nobody"),
        "{error}"
    );
    assert!(!format!("{error:?} {error}").contains("hunter2"));
}

#[tokio::test]
async fn a_database_that_is_missing_is_told_by_name() {
    let Some(mut server) = server() else { return };
    server.set_path("claviger_never_created");
    let error = Bench::open(server.as_str())
        .await
        .err()
        .expect("there is no such database");
    assert!(
        matches!(error, store::OpenError::NoDatabase { .. }),
        "{error:?}"
    );
    assert!(
        error.to_string().contains("claviger_never_created"),
        "{error}"
    );
}

#[tokio::test]
async fn nodes_that_start_together_bring_the_tables_up_to_date_once() {
    let Some(database) = database().await else {
        return;
    };
    let url = database.postgres.url();
    // A new start on tables that stand, and two at once on none.
    Bench::open(url.as_str())
        .await
        .expect("it opens again")
        .close()
        .await;
    let mut connection = connect(&url).await;
    run(&mut connection, "DROP SCHEMA public CASCADE".to_owned()).await;
    run(&mut connection, "CREATE SCHEMA public".to_owned()).await;
    drop(connection);
    let (one, other) = tokio::join!(Bench::open(url.as_str()), Bench::open(url.as_str()));
    one.expect("the first node opens").close().await;
    other.expect("the second node opens").close().await;
    database.remove().await;
}
