//! A database of its own for each test, on the server that `cargo xtask test` started.

use std::process::Command;

/// Its address; `None` (and a line that says so) when there is no server and none is demanded.
#[expect(clippy::print_stdout, reason = "a skipped test says so")]
#[expect(
    clippy::disallowed_methods,
    reason = "the test runner says by environment where its PostgreSQL is"
)]
pub(crate) fn new_database(name: &str) -> Option<String> {
    let Ok(server) = std::env::var("TEST_POSTGRES_URL") else {
        assert!(
            std::env::var_os("CLAVIGER_REQUIRE_POSTGRES").is_none(),
            "TEST_POSTGRES_URL is not set; run `cargo xtask test e2e`"
        );
        println!(
            "skipped: TEST_POSTGRES_URL is not set; `cargo xtask test e2e` starts a PostgreSQL"
        );
        return None;
    };
    let database = format!("claviger_e2e_{name}_{}", std::process::id());
    let status = Command::new("psql")
        .args([
            "--quiet",
            "--no-psqlrc",
            "--command",
            &format!("CREATE DATABASE {database}"),
            &server,
        ])
        .status()
        .expect("psql runs (Debian: postgresql-client)");
    assert!(status.success(), "the database is created");
    let (base, _) = server.rsplit_once('/').expect("an address with a database");
    Some(format!("{base}/{database}"))
}

/// Host and port of such an address.
pub(crate) fn address(url: &str) -> (String, u16) {
    let (_, rest) = url.split_once('@').expect("a user in the address");
    let (authority, _) = rest.split_once('/').expect("a database in the address");
    let (host, port) = authority.rsplit_once(':').expect("a port in the address");
    (host.to_owned(), port.parse().expect("a port"))
}
