//! One running node: store, control plane, gateway, and what carries data between them.

mod backend_jwts;
mod explainer;
mod gateway_config;
pub(crate) mod key_set_source;
pub(crate) mod monitoring;
pub(crate) mod snapshot_carrier;
pub(crate) mod snapshot_copy;
pub(crate) mod token_introspector;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use connectors::contract::ConnectorEnvironment;
use connectors::http::{OutboundHttp, OutboundHttpConfig, PrivateTargets};
use connectors::registry::Registry;
use control::error::chain;
use control::identity::FirstUser;
use control::{Control, Dependencies, GatewayEnvironment, Settings};
use domain::{Clock, Random};
use gateway::{Gateway, GatewayDependencies, Tracing};
use store::{OpenError, Store, StoreConfig};
use tokio::task::JoinHandle;
use url::Url;
use web::{RunningPart, WebSettings};

use self::backend_jwts::BackendKeyWatch;
use self::explainer::GatewayExplainer;
pub(crate) use self::gateway_config::trusted_proxies;
use self::gateway_config::{access_log, gateway_config};
use self::key_set_source::OutboundKeySets;
use self::monitoring::Monitored;
use self::snapshot_carrier::Carrier;
use self::token_introspector::ControlIntrospector;
use crate::config::{Config, Outbound, PrivateTargetsSetting};
use crate::gateway_tls::{GatewayTls, GatewayTlsWatch};
use crate::listener::{Bound, Lasting, base_url};
use crate::sealing_key;
use crate::shutdown::{Shutdown, ShutdownSignal};
use crate::system::{SystemClock, SystemRandom};
use crate::telemetry::span_export::SpanExport;
use crate::tls::{SharedTls, TlsFiles, TlsWatch};

/// How long background work may take to finish at shutdown.
const STOP_LIMIT: Duration = Duration::from_secs(35);
/// While somebody still asks a gateway that is to stop.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(20);

pub(crate) struct Node {
    control_url: String,
    gateway_url: String,
    is_ending: Arc<AtomicBool>,
    /// The REST APIs and the probes.
    control_listener: Lasting,
    gateway: Arc<Gateway>,
    first_users: Vec<FirstUser>,
    span_export: Option<SpanExport>,
    shutdown: Shutdown,
    tasks: Vec<JoinHandle<()>>,
}

impl Node {
    /// Starts everything. An error is a sentence for the operator.
    pub(crate) async fn start(config: &Config) -> Result<Self, String> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let random: Arc<dyn Random> = Arc::new(SystemRandom::new());
        make_folder(&config.data_folder)?;
        let store = open_store(config, &random).await?;
        let http = OutboundHttp::new(outbound(&config.outbound)?).map_err(|error| chain(&error))?;
        let control_files = TlsFiles::named(
            &config.control.tls_certificate_file,
            &config.control.tls_key_file,
        );
        let control_watch = control_files
            .as_ref()
            .map(|files| TlsWatch::new("control plane", files.paths()));
        let tls = control_files
            .as_ref()
            .map(|files| SharedTls::new(&files.load()?))
            .transpose()?;
        let bound = Bound::bind("control plane", config.control.listen, tls.clone()).await?;
        let introspector = ControlIntrospector::new();
        let span_export = SpanExport::start(&config.telemetry, &http, &*random)?;
        let tracing = span_export.as_ref().map(|export| export.tracing(&random));
        let (gateway, watches) = start_gateway(config, &clock, &http, &introspector, tracing)?;

        let gateway_url = public_gateway_url(config, &gateway);
        let has_snapshot = Arc::new(AtomicBool::new(false));
        let is_ending = Arc::new(AtomicBool::new(false));
        let monitored = Monitored {
            store: Some(Arc::clone(&store)),
            gateway: Arc::downgrade(&gateway),
            has_snapshot: Arc::clone(&has_snapshot),
            is_ending: Arc::clone(&is_ending),
        };
        let control = Control::new(Dependencies {
            store,
            connector_types: Arc::new(Registry::standard()),
            environment: ConnectorEnvironment {
                http,
                clock,
                random: Arc::clone(&random),
            },
            settings: settings(config, &gateway_url),
        })
        .with_explainer(Arc::new(GatewayExplainer(Arc::downgrade(&gateway))));
        introspector.connect(control.clone());
        let first_users = control
            .identity()
            .first_start()
            .await
            .map_err(|error| chain(&error))?;

        let (shutdown, signal) = Shutdown::new();
        let control_url = bound.url();
        let web_settings = WebSettings {
            is_ending: Arc::clone(&is_ending),
            ..web_settings(config, &random, &gateway_url)
        };
        let router =
            web::router(control.clone(), web_settings).merge(monitoring::router(monitored));
        let control_listener = bound.serve_until_ended(router);
        let mut tasks = vec![
            tokio::spawn(
                Carrier::new(&gateway, &has_snapshot).carry(control.clone(), signal.clone()),
            ),
            tokio::spawn({
                let (control, signal) = (control.clone(), signal.clone());
                async move { control.revocations().run(signal.wait()).await }
            }),
            tokio::spawn({
                let (control, signal) = (control.clone(), signal.clone());
                async move { control.jobs().run(signal.wait()).await }
            }),
        ];
        if let (Some(files), Some(watch), Some(tls)) = (control_files, control_watch, tls) {
            let reload = move || tls.replace(&files.load()?);
            tasks.push(tokio::spawn(watch.run(reload, signal.clone())));
        }
        tasks.extend(watches.run(&gateway, &signal));
        let node = Self {
            control_url,
            gateway_url,
            is_ending,
            control_listener,
            gateway,
            first_users: first_users.unwrap_or_default(),
            span_export,
            shutdown,
            tasks,
        };
        Ok(node)
    }

    pub(crate) fn control_url(&self) -> &str {
        &self.control_url
    }

    pub(crate) fn gateway_url(&self) -> &str {
        &self.gateway_url
    }

    /// Users with generated passwords, at the very first start; the passwords are not kept anywhere else.
    pub(crate) fn first_users(&self) -> &[FirstUser] {
        &self.first_users
    }

    /// Lets accepted requests and running steps finish, within bounds; says meanwhile that it is not ready.
    pub(crate) async fn stop(self) {
        self.is_ending.store(true, Ordering::Release);
        stop(self.shutdown, self.tasks, self.gateway, self.span_export).await;
        self.control_listener.end().await;
    }
}

/// Tells everything to finish, waits for it within bounds: the gateway after the tasks, and its spans last.
pub(crate) async fn stop(
    shutdown: Shutdown,
    tasks: Vec<JoinHandle<()>>,
    gateway: Arc<Gateway>,
    span_export: Option<SpanExport>,
) {
    shutdown.begin();
    for task in tasks {
        if tokio::time::timeout(STOP_LIMIT, task).await.is_err() {
            tracing::warn!("a task did not finish in time");
        }
    }
    if let Ok(gateway) = tokio::time::timeout(STOP_LIMIT, sole(gateway)).await {
        gateway.stop().await;
    } else {
        tracing::warn!("the gateway is still in use and ends with the process");
    }
    if let Some(export) = span_export {
        export.finish().await;
    }
}

/// Waits for those who are just asking the gateway something.
async fn sole(mut gateway: Arc<Gateway>) -> Gateway {
    loop {
        match Arc::try_unwrap(gateway) {
            Ok(gateway) => return gateway,
            Err(shared) => gateway = shared,
        }
        tokio::time::sleep(LOOK_AGAIN_AFTER).await;
    }
}

/// The folder exists and is writable, or a sentence that says why not.
pub(crate) fn make_folder(folder: &Path) -> Result<(), String> {
    let unusable = |error: std::io::Error| {
        format!(
            "the data folder {} cannot be used: {error}; choose another or change its owner",
            folder.display()
        )
    };
    std::fs::create_dir_all(folder).map_err(unusable)?;
    let probe = folder.join(".writable");
    std::fs::write(&probe, b"")
        .and_then(|()| std::fs::remove_file(&probe))
        .map_err(unusable)
}

/// Why a database cannot be worked with: a sentence for the operator.
pub(crate) enum NotOpened {
    /// It may answer later.
    Unreachable(String),
    Unusable(String),
}

impl From<String> for NotOpened {
    fn from(reason: String) -> Self {
        Self::Unusable(reason)
    }
}

impl From<NotOpened> for String {
    fn from(error: NotOpened) -> Self {
        match error {
            NotOpened::Unreachable(reason) | NotOpened::Unusable(reason) => reason,
        }
    }
}

async fn open_store(
    config: &Config,
    random: &Arc<dyn Random>,
) -> Result<Arc<dyn Store>, NotOpened> {
    let url = if config.database.url.is_empty() {
        format!(
            "sqlite:{}",
            config.data_folder.join("claviger.db").display()
        )
    } else {
        config.database.url.clone()
    };
    let store_config = StoreConfig {
        max_connections: config.database.connections,
        ..StoreConfig::new(url)
    };
    let key = sealing_key::obtain(&config.sealing.key, &config.data_folder, &**random)?;
    store::open(&store_config, key, Arc::clone(random))
        .await
        .map_err(|error| match &error {
            OpenError::Connect { .. } => NotOpened::Unreachable(chain(&error)),
            _ => NotOpened::Unusable(chain(&error)),
        })
}

pub(crate) fn outbound(settings: &Outbound) -> Result<OutboundHttpConfig, String> {
    let proxy = match settings.proxy.as_str() {
        "" => None,
        text => Some(
            Url::parse(text).map_err(|error| format!("outbound.proxy is not a URL: {error}"))?,
        ),
    };
    let mut extra_ca_pem = Vec::new();
    for file in &settings.extra_ca_files {
        extra_ca_pem.push(
            std::fs::read_to_string(file)
                .map_err(|error| format!("{}: {error}", file.display()))?,
        );
    }
    let mut networks = Vec::new();
    for network in &settings.allowed_networks {
        networks.push(network.parse().map_err(|_| {
            format!("outbound.allowed_networks: {network:?} is not a network such as 10.0.0.0/8")
        })?);
    }
    Ok(OutboundHttpConfig {
        proxy,
        no_proxy: settings.no_proxy.clone(),
        extra_ca_pem,
        connect_timeout: Duration::from_secs(settings.connect_timeout_seconds),
        timeout: Duration::from_secs(settings.timeout_seconds),
        allow_private_targets: match settings.private_targets {
            PrivateTargetsSetting::Allowed => PrivateTargets::Allowed,
            PrivateTargetsSetting::Refused if networks.is_empty() => PrivateTargets::Refused,
            PrivateTargetsSetting::Refused => PrivateTargets::AllowedNetworks(networks),
        },
    })
}

/// The use-cases over the node's database, for the command line: nothing listens and nothing runs behind.
pub(crate) async fn open_control(config: &Config) -> Result<Control, NotOpened> {
    let random: Arc<dyn Random> = Arc::new(SystemRandom::new());
    make_folder(&config.data_folder)?;
    Ok(Control::new(Dependencies {
        store: open_store(config, &random).await?,
        connector_types: Arc::new(Registry::standard()),
        environment: ConnectorEnvironment {
            http: OutboundHttp::new(outbound(&config.outbound)?).map_err(|error| chain(&error))?,
            clock: Arc::new(SystemClock),
            random,
        },
        settings: settings(config, &config.gateway.public_url),
    }))
}

pub(crate) fn start_gateway(
    config: &Config,
    clock: &Arc<dyn Clock>,
    http: &OutboundHttp,
    introspector: &ControlIntrospector,
    tracing: Option<Tracing>,
) -> Result<(Arc<Gateway>, GatewayWatches), String> {
    let (tls, tls_watch) = GatewayTls::load(&config.gateway)?;
    let backend_keys = BackendKeyWatch::new(&config.gateway.backend_jwt, &config.data_folder);
    let watches = GatewayWatches {
        tls: tls_watch,
        backend_keys,
    };
    let gateway_config = gateway_config(config, tls)?;
    let dependencies = GatewayDependencies {
        clock: Arc::clone(clock),
        key_set_source: Arc::new(OutboundKeySets(http.clone())),
        token_introspector: Arc::new(introspector.clone()),
        access_log: access_log(config)?,
        tracing,
    };
    let gateway = Gateway::start(gateway_config, dependencies).map_err(|error| chain(&error))?;
    Ok((Arc::new(gateway), watches))
}

/// What notices that files of the gateway have changed.
pub(crate) struct GatewayWatches {
    tls: GatewayTlsWatch,
    backend_keys: Option<BackendKeyWatch>,
}

impl GatewayWatches {
    /// Until shutdown.
    pub(crate) fn run(
        self,
        gateway: &Arc<Gateway>,
        signal: &ShutdownSignal,
    ) -> Vec<JoinHandle<()>> {
        let mut tasks = self.tls.run(gateway, signal);
        if let Some(watch) = self.backend_keys {
            tasks.push(tokio::spawn(watch.run(Arc::clone(gateway), signal.clone())));
        }
        tasks
    }
}

pub(crate) fn public_gateway_url(config: &Config, gateway: &Gateway) -> String {
    if !config.gateway.public_url.is_empty() {
        return config.gateway.public_url.trim_end_matches('/').to_owned();
    }
    let scheme = if config.gateway.tls_certificate_file.as_os_str().is_empty() {
        "http"
    } else {
        "https"
    };
    base_url(scheme, gateway.local_addr())
}

fn web_settings(config: &Config, random: &Arc<dyn Random>, gateway_url: &str) -> WebSettings {
    let patience = Duration::from_secs(config.control.request_patience_seconds);
    WebSettings {
        request_timeout: patience + Duration::from_mins(1),
        running: vec![RunningPart {
            name: "Gateway".to_owned(),
            description: "Validates access tokens and lets subscribed applications through."
                .to_owned(),
            address: Some(gateway_url.to_owned()),
        }],
        ..WebSettings::new(Arc::clone(random))
    }
}

fn settings(config: &Config, gateway_url: &str) -> Settings {
    Settings {
        request_patience: Duration::from_secs(config.control.request_patience_seconds),
        access_token_lifetime: Duration::from_secs(config.control.access_token_lifetime_seconds),
        secret_grace_period: Duration::from_secs(config.control.secret_grace_period_seconds),
        environments: vec![GatewayEnvironment {
            name: config.gateway.environment.clone(),
            vhost: config.gateway.vhost.clone(),
            base_url: gateway_url.to_owned(),
        }],
    }
}
