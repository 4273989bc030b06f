//! `cargo xtask test`, `cargo xtask bench` and `cargo xtask fuzz`: what people and CI run.
//!
//! Does its own set-up (PostgreSQL, Envoy, packages), and says plainly what is missing where it cannot.

#![expect(
    clippy::print_stdout,
    reason = "a command-line tool talks on standard output"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "a tool outside the product measures real time and reads its environment"
)]

mod bench;
mod command;
mod envoy;
mod fuzz;
mod instructions;
mod interop;
mod packages;
mod postgres;
mod soak;
mod suite;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::bench::{Bench, Options};
use crate::fuzz::Fuzz;
use crate::suite::Suite;

#[derive(Parser)]
#[command(about = "Tests and benchmarks of Claviger")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Runs test suites; all of them without a name.
    Test {
        suites: Vec<Suite>,
        /// Commits the instruction counts that are found instead of comparing them.
        #[arg(long)]
        accept: bool,
    },
    /// Runs benchmarks; all of them without a name. Results go to target/bench/NAME.json.
    Bench {
        benches: Vec<Bench>,
        #[command(flatten)]
        options: Options,
    },
    /// Runs fuzz targets; all of them without a name.
    Fuzz(Fuzz),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().task {
        Task::Test { suites, accept } => suite::run(&suites, accept),
        Task::Bench { benches, options } => bench::run(&benches, &options),
        Task::Fuzz(fuzz) => fuzz::run(&fuzz),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            println!("\nxtask: {reason}");
            ExitCode::FAILURE
        }
    }
}
