//! The program `entra-emulator`.

use std::process::ExitCode;

mod cli;

fn main() -> ExitCode {
    cli::run()
}
