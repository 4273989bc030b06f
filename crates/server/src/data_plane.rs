//! `claviger gateway`: a gateway without control plane, until it is told to stop.
//!
//! Owns the wiring of that process. Where its snapshots come from is `snapshot_file`'s business, or that of the
//! carrier which a whole node has too.

mod snapshot_file;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use connectors::http::OutboundHttp;
use control::error::chain;
use domain::{Clock, Random};
use ext_authz::{Health, Serving};
use gateway::Gateway;
use tokio::task::JoinHandle;

use self::snapshot_file::SnapshotFile;
use crate::cli::GatewayRun;
use crate::config::Config;
use crate::listener::{Bound, Lasting};
use crate::node::monitoring::{self, Monitored};
use crate::node::snapshot_carrier::Carrier;
use crate::node::snapshot_copy::SnapshotCopy;
use crate::node::token_introspector::ControlIntrospector;
use crate::node::{self, NotOpened};
use crate::shutdown::{Shutdown, ShutdownSignal, StopSignals};
use crate::system::{SystemClock, SystemRandom};
use crate::telemetry::span_export::SpanExport;
use crate::terminal::say;

/// How soon the health service says that the first snapshot is there.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Runs until SIGINT or SIGTERM. An error is a sentence for the operator.
pub(crate) async fn run(config: Config, run: GatewayRun) -> Result<(), String> {
    let stop = StopSignals::listen()?;
    let data_plane = DataPlane::start(&config, run).await?;
    say(&data_plane.ready);
    stop.wait().await;
    tracing::info!("stopping");
    data_plane.health.set(Serving::Ending);
    data_plane.is_ending.store(true, Ordering::Release);
    node::stop(
        data_plane.shutdown,
        data_plane.tasks,
        data_plane.gateway,
        data_plane.span_export,
    )
    .await;
    // Last: whoever asks meanwhile whether to send requests here is told not to.
    data_plane.monitoring.end().await;
    Ok(())
}

struct DataPlane {
    /// For the person at the terminal: where everything is.
    ready: String,
    /// What gRPC's health service says, where it is served.
    health: Health,
    is_ending: Arc<AtomicBool>,
    monitoring: Lasting,
    gateway: Arc<Gateway>,
    span_export: Option<SpanExport>,
    shutdown: Shutdown,
    tasks: Vec<JoinHandle<()>>,
}

impl DataPlane {
    async fn start(config: &Config, run: GatewayRun) -> Result<Self, String> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        node::make_folder(&config.data_folder)?;
        let http =
            OutboundHttp::new(node::outbound(&config.outbound)?).map_err(|error| chain(&error))?;
        let monitoring = Bound::bind("monitoring", config.gateway.monitoring_listen, None).await?;
        let ext_authz = match run.ext_authz {
            Some(address) => Some(Bound::bind("ext_authz", address, None).await?),
            None => None,
        };
        let introspector = ControlIntrospector::new();
        let random: Arc<dyn Random> = Arc::new(SystemRandom::new());
        let span_export = SpanExport::start(&config.telemetry, &http, &*random)?;
        let tracing = span_export.as_ref().map(|export| export.tracing(&random));
        let (gateway, watches) =
            node::start_gateway(config, &clock, &http, &introspector, tracing)?;
        let has_snapshot = Arc::new(AtomicBool::new(false));
        let (shutdown, signal) = Shutdown::new();
        let monitored = Monitored {
            store: None,
            gateway: Arc::downgrade(&gateway),
            has_snapshot: Arc::clone(&has_snapshot),
            is_ending: Arc::default(),
        };
        let is_ending = Arc::clone(&monitored.is_ending);
        let health = Health::new();
        let carrying = if let Some(file) = run.snapshot {
            let file = SnapshotFile::open(file, &gateway, &has_snapshot).await?;
            tokio::spawn(file.watch(signal.clone()))
        } else {
            let copy = SnapshotCopy::new(&config.data_folder, &config.gateway.environment);
            let carrier = Carrier::new(&gateway, &has_snapshot).keeping(copy);
            carry_from_database(config, carrier, introspector, signal.clone()).await?
        };
        let mut ready = format!(
            "Ready. Gateway {}, monitoring {}",
            node::public_gateway_url(config, &gateway),
            monitoring.url()
        );
        let monitoring = monitoring.serve_until_ended(monitoring::router(monitored));
        let mut tasks = vec![carrying];
        tasks.extend(watches.run(&gateway, &signal));
        if let Some(bound) = ext_authz {
            ready = format!("{ready}, ext_authz {}", bound.url());
            let router = ext_authz::router(&gateway, &health);
            tasks.push(tokio::spawn(announce(
                Arc::clone(&has_snapshot),
                health.clone(),
                signal.clone(),
            )));
            tasks.push(bound.serve(router, signal));
        }
        Ok(Self {
            ready,
            health,
            is_ending,
            monitoring,
            gateway,
            span_export,
            shutdown,
            tasks,
        })
    }
}

/// A database that is out of reach keeps a gateway from starting only when there is no kept snapshot.
async fn carry_from_database(
    config: &Config,
    mut carrier: Carrier,
    introspector: ControlIntrospector,
    signal: ShutdownSignal,
) -> Result<JoinHandle<()>, String> {
    match node::open_control(config).await {
        Ok(control) => {
            introspector.connect(control.clone());
            Ok(tokio::spawn(carrier.carry(control, signal)))
        }
        Err(NotOpened::Unreachable(reason)) if carrier.restore().await => {
            tracing::warn!(reason, "the database cannot be opened");
            let config = config.clone();
            Ok(tokio::spawn(async move {
                let open = || async {
                    let control = node::open_control(&config).await?;
                    introspector.connect(control.clone());
                    Ok(control)
                };
                carrier.carry_once_opened(open, signal).await;
            }))
        }
        Err(reason) => Err(reason.into()),
    }
}

/// Has the health service say so once there is a snapshot.
async fn announce(has_snapshot: Arc<AtomicBool>, health: Health, shutdown: ShutdownSignal) {
    let mut stop = std::pin::pin!(shutdown.wait());
    while !has_snapshot.load(Ordering::Acquire) {
        tokio::select! {
            () = &mut stop => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
    health.set(Serving::Yes);
}
