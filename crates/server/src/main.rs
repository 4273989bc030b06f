//! The binary `claviger`: command line, settings, wiring, telemetry, shutdown. It holds no business rules.

mod check;
mod cli;
mod config;
mod data_plane;
mod demo;
mod file_version;
mod gateway_tls;
mod listener;
mod node;
mod sealing_key;
mod serve;
mod shutdown;
mod system;
mod telemetry;
mod terminal;
mod tls;
mod users;

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use tokio::runtime::Builder;

use crate::cli::{Command, CommandLine, ConfigCommand, Settings};
use crate::config::Config;
use crate::terminal::{complain, say};

const USUAL_SETTINGS_FILE: &str = "claviger.toml";

fn main() -> ExitCode {
    match run(CommandLine::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            complain(&reason);
            ExitCode::FAILURE
        }
    }
}

/// `Err` holds a sentence for the person at the terminal.
fn run(command: Command) -> Result<(), String> {
    match command {
        Command::Config(ConfigCommand::Check(settings)) => {
            check::check(&load(&settings)?)?;
            say("The settings are valid.");
            Ok(())
        }
        Command::Serve(settings) => {
            let config = load(&settings)?;
            telemetry::start(config.log.format, &config.log.filter)?;
            runtime()?.block_on(serve::run(config))
        }
        Command::Gateway(run) => {
            let config = load(&run.settings)?;
            telemetry::start(config.log.format, &config.log.filter)?;
            runtime()?.block_on(data_plane::run(config, run))
        }
        Command::Users(command) => {
            let config = load(command.settings())?;
            telemetry::start(config.log.format, "warn")?;
            runtime()?.block_on(users::run(&command, &config))
        }
        Command::Demo(demo) => {
            telemetry::start(config::LogFormat::Text, "warn")?;
            runtime()?.block_on(demo::run(demo))
        }
    }
}

fn load(settings: &Settings) -> Result<Config, String> {
    let usual = Path::new(USUAL_SETTINGS_FILE);
    let file = settings
        .config
        .as_deref()
        .or_else(|| usual.exists().then_some(usual));
    config::load(file, environment()).map_err(|error| error.to_string())
}

/// The environment, read here and nowhere else. Names and values that are not Unicode cannot be ours.
#[expect(
    clippy::disallowed_methods,
    reason = "server reads the environment, once, here"
)]
fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

fn runtime() -> Result<tokio::runtime::Runtime, String> {
    Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start the event loop: {error}"))
}
