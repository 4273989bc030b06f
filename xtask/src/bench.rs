//! Benchmarks: ratios between things measured side by side in one run, never absolute promises.

mod decide;
mod emulator;
mod gateway;
mod report;
mod startup;

use clap::ValueEnum;

pub(crate) use self::gateway::Options;
pub(crate) use self::gateway::place::tools;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Bench {
    /// Time to ready and idle memory of emulator, control plane and gateway in one process.
    Startup,
    /// Requests to the emulator that holds ten thousand applications, and its memory.
    Emulator,
    /// A decision in small and large worlds, and how soon a change is effective.
    Decide,
    /// The gateway beside nginx, haproxy and Envoy.
    Gateway,
}

/// Runs the given benchmarks, or all.
pub(crate) fn run(wanted: &[Bench], options: &Options) -> Result<(), String> {
    let benches = if wanted.is_empty() {
        Bench::value_variants()
    } else {
        wanted
    };
    for bench in benches {
        let report = match bench {
            Bench::Startup => startup::run()?,
            Bench::Emulator => emulator::run()?,
            Bench::Decide => decide::run()?,
            Bench::Gateway => {
                gateway::run(options)?;
                continue;
            }
        };
        report.print();
        report.write()?;
    }
    Ok(())
}
