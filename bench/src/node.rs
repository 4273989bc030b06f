//! A gateway from the library alone: a quick build to measure with, and changes published while it serves.

use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use clap::Args;
use domain::id::KeyManagerId;
use domain::snapshot::{SnapshotRevision, SnapshotUpdate};
use domain::{Clock, SecretString};
use gateway::{
    AccessLogMode, Gateway, GatewayConfig, GatewayDependencies, KeySetSource, KeySetSourceError,
    TlsIdentity, TokenIntrospector, TokenIntrospectorError,
};
use jiff::Timestamp;
use url::Url;

use crate::world::World;

#[derive(Args)]
pub(crate) struct Node {
    /// Where `prepare` and `snapshot` wrote.
    folder: PathBuf,
    /// The access log; none is written without it.
    #[arg(long)]
    log: Option<PathBuf>,
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Answers over TLS, with the certificate of `prepare`.
    #[arg(long)]
    tls: bool,
    /// Changes a second that are published while it serves.
    #[arg(long, default_value_t = 0)]
    changes: u32,
}

pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::try_from(SystemTime::now()).unwrap_or_default()
    }
}

/// The key set that `prepare` wrote, whatever the address.
pub(crate) struct KeySetFile(pub(crate) PathBuf);

#[async_trait::async_trait]
impl KeySetSource for KeySetFile {
    async fn fetch(&self, _: &Url) -> Result<Vec<u8>, KeySetSourceError> {
        fs::read(&self.0).map_err(|error| KeySetSourceError(error.to_string()))
    }
}

/// The world has no key manager that would be asked about tokens.
struct NobodyToAsk;

#[async_trait::async_trait]
impl TokenIntrospector for NobodyToAsk {
    async fn introspect(
        &self,
        _: KeyManagerId,
        _: &SecretString,
    ) -> Result<Vec<u8>, TokenIntrospectorError> {
        Err(TokenIntrospectorError::Unsupported)
    }
}

/// A gateway with one worker and the keys of the folder; without `log` it has no access log.
pub(crate) fn start(
    folder: &Path,
    log: Option<Box<dyn Write + Send>>,
    config: GatewayConfig,
) -> Result<Gateway, String> {
    let mut config = GatewayConfig {
        workers: Some(1),
        ..config
    };
    if log.is_none() {
        config.access_log.mode = AccessLogMode::Off;
    }
    let dependencies = GatewayDependencies {
        clock: Arc::new(SystemClock),
        key_set_source: Arc::new(KeySetFile(folder.join("keys.json"))),
        token_introspector: Arc::new(NobodyToAsk),
        access_log: log.unwrap_or_else(|| Box::new(io::sink())),
        tracing: None,
    };
    Gateway::start(config, dependencies).map_err(|error| error.to_string())
}

/// Waits for the first key set.
pub(crate) fn wait_for_keys(gateway: &Gateway) -> Result<(), String> {
    for _ in 0..5_000 {
        let keys = gateway.key_set_status();
        if keys.iter().any(|one| !one.key_ids.is_empty()) {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Err("the key set did not arrive".to_owned())
}

impl Node {
    pub(crate) fn run(&self) -> Result<(), String> {
        let log = self.log.as_ref().map(|log| {
            let file = fs::File::create(log).map_err(|error| format!("{}: {error}", log.display()));
            file.map(|file| Box::new(file) as Box<dyn Write + Send>)
        });
        let config = GatewayConfig {
            listen: self.listen,
            tls: self.tls.then(|| self.identity()).transpose()?,
            ..GatewayConfig::default()
        };
        let gateway = start(&self.folder, log.transpose()?, config)?;
        let file = self.folder.join("snapshot.json");
        let text = fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        let update: SnapshotUpdate =
            serde_json::from_slice(&text).map_err(|error| error.to_string())?;
        gateway.apply(update).map_err(|error| error.to_string())?;
        wait_for_keys(&gateway)?;
        let scheme = if self.tls { "https" } else { "http" };
        println!("Ready. Gateway {scheme}://{}", gateway.local_addr());
        publish(&gateway, self.changes)
    }

    fn identity(&self) -> Result<TlsIdentity, String> {
        let read = |name: &str| {
            let file = self.folder.join(name);
            fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))
        };
        Ok(TlsIdentity {
            certificate_chain: read("tls.pem")?,
            private_key: SecretString::from(read("tls.key")?),
        })
    }
}

/// Publishes until the process is ended.
fn publish(gateway: &Gateway, changes: u32) -> Result<(), String> {
    let Some(interval) = Duration::from_secs(1).checked_div(changes) else {
        loop {
            std::thread::park();
        }
    };
    let world = World::STANDARD;
    let mut revision = gateway.revision();
    let mut due = Instant::now();
    let mut client = 0;
    loop {
        due += interval;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let next = SnapshotRevision(revision.0 + 1);
        let mut changes = world.subscriptions_of(client)?;
        changes.truncate(1);
        gateway
            .apply(SnapshotUpdate {
                base: Some(revision),
                revision: next,
                changes,
            })
            .map_err(|error| error.to_string())?;
        (revision, client) = (next, (client + 1) % world.clients);
    }
}
