//! The test suites, in the order in which they run.

use std::time::Instant;

use clap::ValueEnum;

use crate::command::{Cases, cargo, run_program, run_tests};
use crate::postgres::Postgres;
use crate::{envoy, instructions, interop, soak};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Suite {
    /// Format, lints, documentation.
    Lint,
    /// Every crate's own tests, on SQLite, and the architecture's invariants.
    Unit,
    /// The store's contract and the use-cases on a PostgreSQL of our own.
    Pg,
    /// Instructions of a decision under callgrind, against the committed figures.
    Instructions,
    /// Microsoft's own clients against the emulator, and the gateway against an authorization server of others.
    Interop,
    /// The real Envoy with Claviger deciding, against the same table as the built-in proxy.
    Envoy,
    /// The real binaries over their public faces, on SQLite and on PostgreSQL.
    E2e,
    /// A million requests over HTTP/1.1, TLS and HTTP/2: descriptors and memory stay flat.
    Soak,
}

/// Runs the given suites, or all.
pub(crate) fn run(wanted: &[Suite], accept: bool) -> Result<(), String> {
    let suites = if wanted.is_empty() {
        Suite::value_variants()
    } else {
        wanted
    };
    let mut total = Cases::default();
    let mut summary = Vec::new();
    for suite in suites {
        let started = Instant::now();
        let cases = suite
            .run(accept)
            .map_err(|reason| format!("suite {}: {reason}", suite.name()))?;
        let seconds = started.elapsed().as_secs();
        summary.push(format!(
            "{:<8} {:>5} cases {seconds:>5} s",
            suite.name(),
            cases.passed
        ));
        total += cases;
    }
    println!("\n{}\n", summary.join("\n"));
    println!("{} passed, {} failed", total.passed, total.failed);
    Ok(())
}

impl Suite {
    fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }

    fn run(self, accept: bool) -> Result<Cases, String> {
        match self {
            Self::Lint => lint(),
            Self::Unit => run_tests(
                "cargo test of every crate, on SQLite",
                &mut cargo(&[
                    "test",
                    "--workspace",
                    "--exclude",
                    "e2e",
                    "--exclude",
                    "oidc_provider",
                    "--no-fail-fast",
                ]),
            ),
            Self::Pg => {
                let postgres = Postgres::start()?;
                run_tests(
                    "the store's contract and the use-cases on PostgreSQL",
                    cargo(&["test", "-p", "store", "--test", "postgres"])
                        .args(["-p", "control", "--test", "use_cases", "--no-fail-fast"])
                        .env("TEST_POSTGRES_URL", postgres.url())
                        .env("CLAVIGER_REQUIRE_POSTGRES", "1"),
                )
            }
            Self::Instructions => instructions::run(accept),
            Self::Interop => interop::run(),
            Self::Envoy => envoy::run(),
            Self::Soak => soak::run(),
            Self::E2e => {
                let postgres = Postgres::start()?;
                run_program(
                    "build of the binaries under test",
                    &mut cargo(&["build", "-p", "server", "-p", "emulator"]),
                )?;
                run_tests(
                    "the real binaries, end to end",
                    cargo(&["test", "-p", "e2e"])
                        .env("TEST_POSTGRES_URL", postgres.url())
                        .env("CLAVIGER_REQUIRE_POSTGRES", "1"),
                )
            }
        }
    }
}

/// Three cases: each either holds for the whole tree or fails the suite.
fn lint() -> Result<Cases, String> {
    run_program("format", &mut cargo(&["fmt", "--all", "--check"]))?;
    run_program(
        "lints",
        &mut cargo(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ]),
    )?;
    run_program(
        "documentation",
        cargo(&[
            "doc",
            "--workspace",
            "--no-deps",
            "--document-private-items",
            "--quiet",
        ])
        .env(
            "RUSTDOCFLAGS",
            "-D warnings -A rustdoc::private_intra_doc_links",
        ),
    )?;
    Ok(Cases {
        passed: 3,
        failed: 0,
    })
}
