//! From the operator's settings to the gateway's own.

use std::fs::{File, OpenOptions};
use std::io::{Write, stderr};
use std::num::NonZeroU32;
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use gateway::{
    AccessLogMode, AccessLogPolicy, EndpointHealth, ForwardedHeader, ForwardedPolicy,
    GatewayConfig, IntrospectionConfig, KeySetConfig, Limits, Timeouts, TrustedProxies,
};

use super::backend_jwts;
use crate::config::{
    AccessLogSetting, ClientAddressHeader, Config, ForwardedSetting, GatewaySettings,
};
use crate::gateway_tls::GatewayTls;

/// An error is a sentence for the operator.
pub(super) fn gateway_config(config: &Config, tls: GatewayTls) -> Result<GatewayConfig, String> {
    let settings = &config.gateway;
    let (timeouts, limits, key_sets) = (&settings.timeouts, &settings.limits, &settings.key_sets);
    let upstreams = &settings.upstreams;
    let seconds = Duration::from_secs;
    let defaults = GatewayConfig::default();
    Ok(GatewayConfig {
        listen: settings.listen,
        tls: tls.identity,
        cors: settings.cors(),
        workers: (settings.workers > 0).then_some(settings.workers),
        key_set_folder: Some(config.data_folder.join("key-sets")),
        upstream_tls: tls.upstream,
        http2_upstreams: upstreams
            .http2
            .iter()
            .filter_map(|text| text.parse().ok())
            .collect(),
        endpoint_health: EndpointHealth {
            bad_answers: upstreams.bad_answers,
            rest: seconds(upstreams.rest_seconds),
            longest_rest: seconds(upstreams.longest_rest_seconds),
        },
        timeouts: Timeouts {
            request_head: seconds(timeouts.request_head_seconds),
            connect: seconds(timeouts.connect_seconds),
            response_head: seconds(timeouts.response_head_seconds),
            body_idle: seconds(timeouts.body_idle_seconds),
            pool_idle: seconds(timeouts.pool_idle_seconds),
            drain: seconds(timeouts.drain_seconds),
            total: seconds(timeouts.total_seconds),
            tunnel_idle: seconds(timeouts.websocket_idle_seconds),
        },
        limits: Limits {
            request_head: limits.request_head_bytes,
            header_count: limits.header_count,
            request_body: limits.request_body_bytes,
            token: limits.token_bytes,
            connections: limits.connections,
            idle_upstream_connections: limits.idle_upstream_connections,
            concurrent_streams: limits.concurrent_streams,
            upstream_streams: limits.upstream_streams,
        },
        key_sets: KeySetConfig {
            refresh_every: seconds(key_sets.refresh_seconds),
            keep_keys: seconds(key_sets.keep_seconds),
            unknown_key_interval: seconds(settings.key_refresh_interval_seconds),
            unknown_key_burst: key_sets.unknown_key_burst,
            fetch_timeout: seconds(key_sets.fetch_timeout_seconds),
            ..defaults.key_sets
        },
        introspection: IntrospectionConfig {
            keep_active: seconds(settings.introspection_cache_seconds),
            ..defaults.introspection
        },
        client_certificates: tls.clients,
        trusted_proxies: trusted_proxies(settings)?,
        backend_jwts: backend_jwts::settings(&settings.backend_jwt, &config.data_folder)?,
        clock_leeway: seconds(settings.clock_leeway_seconds),
        token_cache_bytes: settings.token_cache_bytes,
        forwarded: match settings.forwarded {
            ForwardedSetting::Replace => ForwardedPolicy::Replace,
            ForwardedSetting::Append => ForwardedPolicy::Append,
        },
        access_log: AccessLogPolicy {
            mode: match settings.access_log {
                AccessLogSetting::Full => AccessLogMode::Full,
                AccessLogSetting::Errors => AccessLogMode::Errors,
                AccessLogSetting::Off => AccessLogMode::Off,
            },
            one_in: NonZeroU32::new(settings.access_log_one_in).unwrap_or(NonZeroU32::MIN),
        },
    })
}

/// Where the access log goes: a file that is added to and that only its owner reads, or standard error.
pub(super) fn access_log(config: &Config) -> Result<Box<dyn Write + Send>, String> {
    let file = &config.gateway.access_log_file;
    if file.as_os_str().is_empty() {
        return Ok(Box::new(stderr()));
    }
    let opened: std::io::Result<File> = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(file);
    match opened {
        Ok(file) => Ok(Box::new(file)),
        Err(error) => Err(format!(
            "gateway.access_log_file: {} cannot be written: {error}",
            file.display()
        )),
    }
}

pub(crate) fn trusted_proxies(settings: &GatewaySettings) -> Result<TrustedProxies, String> {
    let networks = settings.trusted_proxies.iter().map(|network| {
        // A single address is a network of one.
        let address = network.parse::<std::net::IpAddr>().map(Into::into);
        address.or_else(|_| network.parse()).map_err(|_| {
            format!("gateway.trusted_proxies: {network:?} is not a network such as 10.0.0.0/8")
        })
    });
    let name = &settings.client_certificate_header;
    let certificate_header = gateway::certificate_header(name);
    if !name.is_empty() && certificate_header.is_none() {
        return Err(format!(
            "gateway.client_certificate_header: {name:?} is no header such as Client-Cert, or means something else"
        ));
    }
    if !name.is_empty() && settings.trusted_proxies.is_empty() {
        let reason = "counts from gateway.trusted_proxies only: name them";
        return Err(format!("gateway.client_certificate_header: {reason}"));
    }
    Ok(TrustedProxies {
        networks: networks.collect::<Result<_, _>>()?,
        header: match settings.client_address_header {
            ClientAddressHeader::XForwardedFor => ForwardedHeader::XForwardedFor,
            ClientAddressHeader::Forwarded => ForwardedHeader::Forwarded,
        },
        certificate_header,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(variables: &[(&str, &str)]) -> Config {
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        crate::config::load(None, variables).expect("valid settings")
    }

    #[test]
    fn the_settings_without_a_word_are_the_gateways_own_defaults() {
        let ours = gateway_config(&config(&[]), GatewayTls::default()).expect("usable");
        let own = GatewayConfig {
            key_set_folder: ours.key_set_folder.clone(),
            ..GatewayConfig::default()
        };
        assert_eq!(format!("{ours:?}"), format!("{own:?}"));
    }

    #[test]
    fn what_the_operator_says_reaches_the_gateway() {
        let ours = gateway_config(
            &config(&[
                ("CLAVIGER_GATEWAY_TIMEOUTS_CONNECT_SECONDS", "7"),
                ("CLAVIGER_GATEWAY_LIMITS_REQUEST_BODY_BYTES", "1000"),
                ("CLAVIGER_GATEWAY_KEY_SETS_KEEP_SECONDS", "7200"),
                ("CLAVIGER_GATEWAY_FORWARDED", "append"),
                ("CLAVIGER_GATEWAY_ACCESS_LOG", "errors"),
                ("CLAVIGER_GATEWAY_ACCESS_LOG_ONE_IN", "100"),
            ]),
            GatewayTls::default(),
        )
        .expect("usable");
        assert_eq!(ours.timeouts.connect, Duration::from_secs(7));
        assert_eq!(ours.limits.request_body, 1_000);
        assert_eq!(ours.key_sets.keep_keys, Duration::from_hours(2));
        assert_eq!(ours.forwarded, ForwardedPolicy::Append);
        assert_eq!(ours.access_log.mode, AccessLogMode::Errors);
        assert_eq!(ours.access_log.one_in.get(), 100);
    }

    #[test]
    fn a_file_that_cannot_be_used_is_named_with_its_setting() {
        let unusable = config(&[
            (
                "CLAVIGER_GATEWAY_UPSTREAM_AUTHORITIES_FILE",
                "/no/such/file",
            ),
            ("CLAVIGER_GATEWAY_ACCESS_LOG_FILE", "/no/such/folder/log"),
        ]);
        let error = GatewayTls::load(&unusable.gateway).err().expect("no file");
        assert!(
            error.contains("gateway.upstream_authorities_file"),
            "{error}"
        );
        let error = access_log(&unusable).err().expect("no folder");
        assert!(error.contains("gateway.access_log_file"), "{error}");
    }
    #[test]
    fn a_header_for_certificates_is_one_of_its_own_that_proxies_write() {
        let read = |header, proxies| {
            let config = config(&[
                ("CLAVIGER_GATEWAY_CLIENT_CERTIFICATE_HEADER", header),
                ("CLAVIGER_GATEWAY_TRUSTED_PROXIES", proxies),
            ]);
            trusted_proxies(&config.gateway)
        };
        let header = |name| {
            let trusted = read(name, "10.0.0.0/8").expect("usable");
            trusted.certificate_header.map(|name| name.to_string())
        };
        assert_eq!(header(""), None);
        assert_eq!(header("Client-Cert").as_deref(), Some("client-cert"));
        assert_eq!(header("X-Client-Cert").as_deref(), Some("x-client-cert"));
        for (header, proxies) in [
            ("Client-Cert", ""),
            ("Client Cert", "10.0.0.0/8"),
            ("Client-Cert:", "10.0.0.0/8"),
            (":path", "10.0.0.0/8"),
            ("Authorization", "10.0.0.0/8"),
            ("X-Forwarded-For", "10.0.0.0/8"),
            ("X-JWT-Assertion", "10.0.0.0/8"),
            ("Host", "10.0.0.0/8"),
            ("Client-Cert-Chain", "10.0.0.0/8"),
        ] {
            let error = read(header, proxies).expect_err(header);
            assert!(
                error.contains("gateway.client_certificate_header"),
                "{error}"
            );
        }
    }
}
