//! The process's gateway, started by the operator's settings, and what notices that its files have changed.

use std::sync::Arc;

use connectors::http::OutboundHttp;
use control::error::chain;
use domain::Clock;
use gateway::{Gateway, GatewayDependencies, Tracing};
use tokio::task::JoinHandle;

use super::backend_jwts::BackendKeyWatch;
use super::gateway_config::{access_log, gateway_config};
use super::key_set_source::OutboundKeySets;
use super::token_introspector::ControlIntrospector;
use crate::config::Config;
use crate::gateway_tls::{GatewayTls, GatewayTlsWatch};
use crate::listener::base_url;
use crate::shutdown::ShutdownSignal;

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
