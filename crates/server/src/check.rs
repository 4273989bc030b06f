//! `claviger config check`: what `serve` would stumble over, found without binding a port or opening the database.

use connectors::http::OutboundHttp;
use control::error::chain;

use crate::config::Config;
use crate::tls::TlsFiles;
use crate::{node, telemetry};

/// `Err` holds a sentence that names the setting, and never the value of a secret one.
pub(crate) fn check(config: &Config) -> Result<(), String> {
    telemetry::check_filter(&config.log.filter)?;
    OutboundHttp::new(node::outbound(&config.outbound)?)
        .map_err(|error| format!("outbound: {}", chain(&error)))?;
    telemetry::span_export::traces_url(&config.telemetry)?;
    node::trusted_proxies(&config.gateway)?;
    for (section, certificate, key) in [
        (
            "control",
            &config.control.tls_certificate_file,
            &config.control.tls_key_file,
        ),
        (
            "gateway",
            &config.gateway.tls_certificate_file,
            &config.gateway.tls_key_file,
        ),
    ] {
        if let Some(files) = TlsFiles::named(certificate, key) {
            files
                .load()
                .and_then(|identity| identity.server_config())
                .map_err(|reason| format!("{section}.tls_certificate_file: {reason}"))?;
        }
    }
    Ok(())
}
