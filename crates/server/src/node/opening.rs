//! What a node stands on, opened: the data folder, the database, the way out; and the use-cases over them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use connectors::contract::ConnectorEnvironment;
use connectors::http::{OutboundHttp, OutboundHttpConfig, PrivateTargets};
use connectors::registry::Registry;
use control::error::chain;
use control::{Control, Dependencies, GatewayEnvironment, Settings};
use domain::Random;
use store::{OpenError, Store, StoreConfig};
use url::Url;

use crate::config::{Config, Outbound, PrivateTargetsSetting};
use crate::sealing_key;
use crate::system::{SystemClock, SystemRandom};

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

pub(super) async fn open_store(
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

pub(super) fn settings(config: &Config, gateway_url: &str) -> Settings {
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
