//! The program of the benchmarks' tools; everything is in the library beside it.

use std::process::ExitCode;

fn main() -> ExitCode {
    bench::run()
}
