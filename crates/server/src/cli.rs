//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// API management's key-manager plane and gateway in one binary.
#[derive(Debug, Parser)]
#[command(name = "claviger", version, about, disable_help_subcommand = true)]
pub(crate) struct CommandLine {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs the whole journey against an offline Entra ID, prints it, and stays up.
    Demo(Demo),
    /// Runs the control plane and the gateway.
    Serve(Settings),
    /// Runs a gateway alone: it takes its snapshot from the database that control planes share, or from a file.
    Gateway(GatewayRun),
    /// Looks at the settings.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Lists and changes the accounts that sign in, beside a running node or without one.
    #[command(subcommand)]
    Users(UsersCommand),
}

#[derive(Debug, Subcommand)]
pub(crate) enum UsersCommand {
    /// Names every user, whether the user may sign in, and the roles.
    List {
        #[command(flatten)]
        settings: Settings,
    },
    /// Adds a user; a generated password is printed once.
    Add {
        name: String,
        /// `admin`, `publisher`, `subscriber`, or a label that permissions name; may be given several times.
        #[arg(long = "role", value_name = "ROLE", required = true)]
        roles: Vec<String>,
        #[command(flatten)]
        password: PasswordSource,
        #[command(flatten)]
        settings: Settings,
    },
    /// Replaces a password and ends the tokens that came of the old one; a generated one is printed once.
    SetPassword {
        name: String,
        #[command(flatten)]
        password: PasswordSource,
        #[command(flatten)]
        settings: Settings,
    },
    /// Lets a user sign in again.
    Enable {
        name: String,
        #[command(flatten)]
        settings: Settings,
    },
    /// Keeps a user out; open tokens end at once.
    Disable {
        name: String,
        #[command(flatten)]
        settings: Settings,
    },
}

impl UsersCommand {
    pub(crate) const fn settings(&self) -> &Settings {
        match self {
            Self::List { settings }
            | Self::Add { settings, .. }
            | Self::SetPassword { settings, .. }
            | Self::Enable { settings, .. }
            | Self::Disable { settings, .. } => settings,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct PasswordSource {
    /// Reads the password from the first line of standard input instead of generating one.
    #[arg(long)]
    pub(crate) password_stdin: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Says whether the settings are valid, and what is wrong with them.
    Check(Settings),
}

#[derive(Debug, Args)]
pub(crate) struct Settings {
    /// Settings file; `claviger.toml` in the working folder is read when it exists.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct GatewayRun {
    /// Decides by this snapshot (JSON) instead of the database. The file is taken up again when it changes, and at
    /// SIGHUP; one that cannot be used leaves the old snapshot in use.
    #[arg(long, value_name = "FILE")]
    pub(crate) snapshot: Option<PathBuf>,
    /// Decides for Envoy too: serves its external authorization over gRPC. Plain HTTP/2, for loopback or a private
    /// network.
    #[arg(
        long,
        value_name = "ADDRESS",
        num_args = 0..=1,
        default_missing_value = "127.0.0.1:8282"
    )]
    pub(crate) ext_authz: Option<SocketAddr>,
    #[command(flatten)]
    pub(crate) settings: Settings,
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Ends after the journey: status 0 when every step held, 1 with the failing step named.
    #[arg(long, conflicts_with = "no_journey")]
    pub(crate) exit: bool,
    /// Starts everything but performs no journey.
    #[arg(long)]
    pub(crate) no_journey: bool,
    /// Where everything is kept; a second start over the same folder goes on from there.
    #[arg(long, value_name = "FOLDER", default_value = "data/demo")]
    pub(crate) data: PathBuf,
    /// Takes free ports instead of the usual ones (control 9080, gateway 8280, Entra 8443, sample API 9180), and the
    /// same again at the next start over the same folder.
    #[arg(long)]
    pub(crate) any_port: bool,
    /// PostgreSQL instead of SQLite in the data folder.
    #[arg(long, value_name = "URL")]
    pub(crate) database_url: Option<String>,
}
