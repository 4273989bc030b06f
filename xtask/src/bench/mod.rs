//! Benchmarks: ratios between things measured side by side in one run, never absolute promises.

mod emulator;
mod report;
mod startup;

use clap::ValueEnum;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Bench {
    /// Time to ready and idle memory of emulator, control plane and gateway in one process.
    Startup,
    /// Requests to the emulator that holds ten thousand applications, and its memory.
    Emulator,
}

/// Runs the given benchmarks, or all.
pub(crate) fn run(wanted: &[Bench]) -> Result<(), String> {
    let benches = if wanted.is_empty() {
        Bench::value_variants()
    } else {
        wanted
    };
    for bench in benches {
        let report = match bench {
            Bench::Startup => startup::run()?,
            Bench::Emulator => emulator::run()?,
        };
        report.print();
        report.write()?;
    }
    Ok(())
}
