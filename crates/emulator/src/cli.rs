//! The command line: serve (the default), print the CA, export and import a directory.

use std::{
    fs, io,
    io::Write as _,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use emulator::{Clock, DevelopmentAuthority, Emulator, EmulatorConfig, RunningEmulator};

/// An offline Microsoft Entra ID and Microsoft Graph.
#[derive(Parser)]
#[command(name = "entra-emulator", version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: Serve,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until interrupted (the default).
    Serve(Serve),
    /// Print the development CA's certificate, making it when there is none.
    Ca {
        /// The data folder.
        #[arg(long, default_value = "entra-emulator-data")]
        data: PathBuf,
    },
    /// Print a data folder's directory as JSON.
    Export {
        /// The data folder.
        #[arg(long, default_value = "entra-emulator-data")]
        data: PathBuf,
    },
    /// Put a directory that was exported into a data folder.
    Import {
        /// The data folder.
        #[arg(long, default_value = "entra-emulator-data")]
        data: PathBuf,
        /// The exported JSON; standard input without.
        file: Option<PathBuf>,
    },
}

#[derive(clap::Args)]
struct Serve {
    /// The address to listen on. Whoever reaches it controls the emulator.
    #[arg(long)]
    address: Option<IpAddr>,
    /// The port; 0 takes a free one.
    #[arg(long)]
    port: Option<u16>,
    /// Keep the directory, keys and CA in this folder; without it nothing is kept.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Start-up file: JSON with the settings of the documentation.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Make identifiers, secrets, replication and faults reproducible.
    #[arg(long)]
    seed: Option<u64>,
}

const DEFAULT_PORT: u16 = 8443;

/// Runs the program.
pub(crate) fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.command {
        None => serve(arguments.serve),
        Some(Command::Serve(serve_arguments)) => serve(serve_arguments),
        Some(Command::Ca { data }) => print_ca(&data),
        Some(Command::Export { data }) => export(&data),
        Some(Command::Import { data, file }) => import(&data, file.as_deref()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to tell when even standard error is closed.
            let _ = writeln!(io::stderr(), "entra-emulator: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(arguments: Serve) -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_env_filter("warn")
        .init();
    let mut config = match &arguments.config {
        Some(file) => {
            let text = fs::read(file)
                .map_err(|error| format!("cannot read {}: {error}", file.display()))?;
            serde_json::from_slice::<EmulatorConfig>(&text)
                .map_err(|error| format!("{} is not a start-up file: {error}", file.display()))?
        }
        None => EmulatorConfig {
            listen: SocketAddr::from(([127, 0, 0, 1], DEFAULT_PORT)),
            ..EmulatorConfig::default()
        },
    };
    if let Some(address) = arguments.address {
        config.listen.set_ip(address);
    }
    if let Some(port) = arguments.port {
        config.listen.set_port(port);
    }
    config.data_folder = arguments.data.or(config.data_folder);
    config.seed = arguments.seed.or(config.seed);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let running = Emulator::start(config).await?;
        announce(&running)?;
        interrupted().await?;
        running.stop().await;
        Ok(())
    })
}

fn announce(running: &RunningEmulator) -> io::Result<()> {
    let (base, tenant) = (running.base_url(), running.tenant_id());
    let administrator = running.administrator();
    let mut out = io::stdout().lock();
    writeln!(out, "Entra ID emulator on {base}")?;
    writeln!(out, "  Microsoft Graph      {base}/v1.0")?;
    writeln!(
        out,
        "  Token endpoint       {base}/{tenant}/oauth2/v2.0/token"
    )?;
    writeln!(
        out,
        "  Discovery            {base}/{tenant}/v2.0/.well-known/openid-configuration"
    )?;
    writeln!(out, "  Control API          {base}/_emulator")?;
    writeln!(out, "  Pages                {base}/_portal/")?;
    writeln!(
        out,
        "  Administrator        {} {}",
        administrator.client_id,
        administrator.expose_secret()
    )?;
    for person in running.people() {
        writeln!(
            out,
            "  Person               {} {}",
            person.user_principal_name,
            person.expose_password()
        )?;
    }
    out.flush()
}

async fn interrupted() -> io::Result<()> {
    #[cfg(unix)]
    {
        let mut terminated =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            interrupt = tokio::signal::ctrl_c() => interrupt,
            _ = terminated.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}

fn print_ca(data: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let authority = DevelopmentAuthority::open(data, Clock::system().now())?;
    io::stdout().write_all(authority.certificate_pem().as_bytes())?;
    Ok(())
}

fn export(data: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let text = emulator::export_folder(data)?;
    writeln!(io::stdout(), "{text}")?;
    Ok(())
}

fn import(data: &Path, file: Option<&Path>) -> Result<(), Box<dyn std::error::Error>> {
    let text = match file {
        Some(file) => fs::read_to_string(file)
            .map_err(|error| format!("cannot read {}: {error}", file.display()))?,
        None => io::read_to_string(io::stdin())?,
    };
    let imported = emulator::import_folder(data, &text)?;
    writeln!(io::stdout(), "{imported} objects imported")?;
    Ok(())
}
