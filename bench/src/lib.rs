//! The tools of `cargo xtask bench gateway` and its neighbours: the world that is measured in, its tokens, the load,
//! the upstream, and the gateway library without a proxy before it.
//!
//! Each tool is one process, so that it can be pinned to a core. `xtask` starts them; results are JSON on standard
//! output. `benches/decide.rs` asks the same gateway by [`decision`].

#![expect(
    clippy::print_stdout,
    reason = "a command-line tool talks on standard output"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "a tool outside the product measures real time"
)]
#![expect(
    clippy::cast_precision_loss,
    reason = "counts and nanoseconds of a benchmark are far below 2^52"
)]

mod decide;
pub mod decision;
mod histogram;
mod http_stream;
mod instructions;
mod load;
mod node;
mod prepare;
mod processor;
mod soak;
mod token;
mod upstream;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "What the benchmarks of Claviger are made of")]
struct Arguments {
    #[command(subcommand)]
    tool: Tool,
}

#[derive(Subcommand)]
enum Tool {
    /// Writes keys, tokens, certificates, the snapshot and the peers' maps into a folder.
    Prepare {
        folder: PathBuf,
        /// Kept from an earlier run where there are enough that live for long enough.
        #[arg(long, default_value_t = 10_000)]
        tokens: usize,
    },
    /// Writes the snapshot whose endpoints and key set are at this upstream.
    Snapshot {
        folder: PathBuf,
        upstream: std::net::SocketAddr,
    },
    /// Answers every request with the same body, and `/keys` with the key set.
    Upstream { folder: PathBuf },
    /// Sends requests and measures.
    Load(load::Load),
    /// Watches the processor for a while.
    Watch(processor::Watch),
    /// A gateway without `server`: the library alone.
    Node(node::Node),
    /// How `decide` and memory grow with the world, and how long a change takes.
    Decide(decide::Decide),
    /// A million requests over three fronts, and whether descriptors and memory stay flat.
    Soak(soak::Soak),
    /// A fixed number of decisions, to be counted under callgrind.
    Instructions(instructions::Instructions),
}

/// Does what the command line says.
pub fn run() -> ExitCode {
    let outcome = match Arguments::parse().tool {
        Tool::Prepare { folder, tokens } => prepare::run(&folder, tokens),
        Tool::Snapshot { folder, upstream } => prepare::snapshot(&folder, upstream),
        Tool::Upstream { folder } => upstream::run(&folder),
        Tool::Load(load) => load.run(),
        Tool::Watch(watch) => watch.run(),
        Tool::Node(node) => node.run(),
        Tool::Decide(decide) => decide.run(),
        Tool::Soak(soak) => soak.run(),
        Tool::Instructions(instructions) => instructions.run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            println!("bench: {reason}");
            ExitCode::FAILURE
        }
    }
}
