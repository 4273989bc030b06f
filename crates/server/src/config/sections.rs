//! The settings, section by section. An empty string or list means "not set".

use std::net::SocketAddr;
use std::path::PathBuf;

use domain::cors::{AllowedOrigins, CorsPolicy};
use serde::{Deserialize, Serialize};

use super::gateway::{AccessLogSetting, ForwardedSetting, KeySets, Limits, Timeouts, Upstreams};

/// All settings of one node.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// Where the database file, the sealing key and the gateway's kept key sets live.
    pub(crate) data_folder: PathBuf,
    pub(crate) database: Database,
    pub(crate) sealing: Sealing,
    pub(crate) control: Control,
    pub(crate) gateway: Gateway,
    pub(crate) outbound: Outbound,
    pub(crate) log: Log,
    pub(crate) telemetry: Telemetry,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Database {
    /// `sqlite:PATH` or `postgres://…`; empty means SQLite in the data folder. A secret: may hold a password.
    pub(crate) url: String,
    pub(crate) url_file: PathBuf,
    /// Most connections at a time.
    pub(crate) connections: u32,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Sealing {
    /// 64 hexadecimal characters; empty means: made at first start and kept in the data folder. A secret.
    pub(crate) key: String,
    pub(crate) key_file: PathBuf,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Control {
    /// REST APIs, console and probes.
    pub(crate) listen: SocketAddr,
    /// PEM files; both or neither. Without them plain HTTP is served.
    pub(crate) tls_certificate_file: PathBuf,
    pub(crate) tls_key_file: PathBuf,
    /// How long a request waits for provisioning before it answers that it goes on.
    pub(crate) request_patience_seconds: u64,
    /// Lifetime of access tokens of the REST APIs.
    pub(crate) access_token_lifetime_seconds: u64,
    /// How long an old client secret keeps working after its successor was delivered; at most a year.
    pub(crate) secret_grace_period_seconds: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Gateway {
    /// API traffic.
    pub(crate) listen: SocketAddr,
    /// PEM files; both or neither. Without them plain HTTP is served.
    pub(crate) tls_certificate_file: PathBuf,
    pub(crate) tls_key_file: PathBuf,
    /// Probes and figures of a gateway that runs without control plane (`claviger gateway`).
    pub(crate) monitoring_listen: SocketAddr,
    /// Event-loop threads; 0 means one a core.
    pub(crate) workers: usize,
    /// Name of this gateway's environment, to which revisions are deployed.
    pub(crate) environment: String,
    /// Host name of that environment, as publishers see it in deployments.
    pub(crate) vhost: String,
    /// Address that developers are shown; empty means: from `listen`.
    pub(crate) public_url: String,
    /// Clock difference to key managers that is tolerated.
    pub(crate) clock_leeway_seconds: u64,
    /// An unknown key id makes the gateway ask a key manager again at most this often; at most a day.
    pub(crate) key_refresh_interval_seconds: u64,
    /// Origins whose pages may call APIs that have no CORS policy of their own; `*` for any, empty for none.
    pub(crate) cors_origins: Vec<String>,
    /// Request headers that those pages may send.
    pub(crate) cors_headers: Vec<String>,
    /// Response headers that they may read.
    pub(crate) cors_exposed_headers: Vec<String>,
    /// They may send cookies; not together with `*`.
    pub(crate) cors_credentials: bool,
    /// How long browsers may remember the answer; at most a day.
    pub(crate) cors_max_age_seconds: u32,
    /// How long an introspected token is believed before its key manager is asked again; at most an hour.
    pub(crate) introspection_cache_seconds: u64,
    /// `ask` asks clients for a TLS certificate, which tokens may be bound to (RFC 8705); nobody must have one.
    pub(crate) client_certificates: ClientCertificatesSetting,
    /// PEM file: only certificates of these authorities are taken; empty means any whose key the client holds.
    pub(crate) client_certificate_authorities_file: PathBuf,
    /// Bound of the cache of verified tokens; 0 turns it off.
    pub(crate) token_cache_bytes: u64,
    /// What becomes of `Forwarded` and `X-Forwarded-*` that a client sends.
    pub(crate) forwarded: ForwardedSetting,
    /// PEM file with certification authorities that upstreams may use beside the system's.
    pub(crate) upstream_authorities_file: PathBuf,
    pub(crate) access_log: AccessLogSetting,
    /// Of the requests that went well, one in so many has a line.
    pub(crate) access_log_one_in: u32,
    /// Empty means standard error.
    pub(crate) access_log_file: PathBuf,
    pub(crate) timeouts: Timeouts,
    pub(crate) limits: Limits,
    pub(crate) key_sets: KeySets,
    /// Networks (CIDR) of the proxies before this gateway whose word about the client's address is taken.
    pub(crate) trusted_proxies: Vec<String>,
    /// The header in which they name it.
    pub(crate) client_address_header: ClientAddressHeader,
    /// The header in which they hand on the client's TLS certificate; empty looks at none.
    pub(crate) client_certificate_header: String,
    pub(crate) upstreams: Upstreams,
    pub(crate) backend_jwt: BackendJwt,
}

/// The gateway's signed word to upstreams about who calls.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct BackendJwt {
    pub(crate) enabled: bool,
    pub(crate) header: String,
    /// Stands before the names of the gateway's own claims.
    pub(crate) dialect: String,
    pub(crate) issuer: String,
    pub(crate) algorithm: BackendJwtAlgorithm,
    pub(crate) encoding: BackendJwtEncoding,
    /// 60 to 86400.
    pub(crate) lifetime_seconds: u64,
    /// PEM, PKCS #8; empty means: made at first start and kept in the data folder.
    pub(crate) key_file: PathBuf,
    /// The key before it, so that upstreams can still verify its tokens.
    pub(crate) previous_key_file: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum BackendJwtAlgorithm {
    RS256,
    ES256,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum BackendJwtEncoding {
    Base64Url,
    Base64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ClientCertificatesSetting {
    Off,
    Ask,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ClientAddressHeader {
    XForwardedFor,
    Forwarded,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Outbound {
    /// Proxy for requests to key managers; empty means none. A secret: may hold a password.
    pub(crate) proxy: String,
    pub(crate) proxy_file: PathBuf,
    /// Hosts that are reached without the proxy.
    pub(crate) no_proxy: Vec<String>,
    /// PEM files with further certification authorities.
    pub(crate) extra_ca_files: Vec<PathBuf>,
    /// Whether an address that a person types in (Import) may be private, link-local or loopback.
    pub(crate) private_targets: PrivateTargetsSetting,
    /// Networks (CIDR) that are reachable all the same when `private_targets` is `refused`.
    pub(crate) allowed_networks: Vec<String>,
    pub(crate) connect_timeout_seconds: u64,
    pub(crate) timeout_seconds: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PrivateTargetsSetting {
    Refused,
    Allowed,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Log {
    pub(crate) format: LogFormat,
    /// Directives of the `tracing` crate's filter, for example `info,gateway=debug`.
    pub(crate) filter: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    Json,
    Text,
}

/// Traces of the gateway's requests.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Telemetry {
    /// Base address of a collector that takes OTLP over HTTP; `/v1/traces` is added. Empty means no traces.
    pub(crate) otlp_endpoint: String,
    /// Share of the requests without a caller's trace that is traced, 0 to 1. A caller's decision is honoured.
    pub(crate) sample_ratio: f64,
    /// What traces call this service.
    pub(crate) service_name: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_folder: PathBuf::from("data"),
            database: Database::default(),
            sealing: Sealing::default(),
            control: Control::default(),
            gateway: Gateway::default(),
            outbound: Outbound::default(),
            log: Log::default(),
            telemetry: Telemetry::default(),
        }
    }
}

impl Default for Database {
    fn default() -> Self {
        Self {
            url: String::new(),
            url_file: PathBuf::new(),
            connections: 16,
        }
    }
}

impl Default for Sealing {
    fn default() -> Self {
        Self {
            key: String::new(),
            key_file: PathBuf::new(),
        }
    }
}

impl Default for Control {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 9080)),
            tls_certificate_file: PathBuf::new(),
            tls_key_file: PathBuf::new(),
            request_patience_seconds: 60,
            access_token_lifetime_seconds: 3_600,
            secret_grace_period_seconds: 24 * 3_600,
        }
    }
}

impl Default for Gateway {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8280)),
            tls_certificate_file: PathBuf::new(),
            tls_key_file: PathBuf::new(),
            monitoring_listen: SocketAddr::from(([127, 0, 0, 1], 8281)),
            workers: 0,
            environment: "Default".to_owned(),
            vhost: "localhost".to_owned(),
            public_url: String::new(),
            clock_leeway_seconds: 60,
            key_refresh_interval_seconds: 300,
            cors_origins: Vec::new(),
            cors_headers: CorsPolicy::default().headers,
            cors_exposed_headers: Vec::new(),
            cors_credentials: false,
            cors_max_age_seconds: CorsPolicy::default().max_age_seconds,
            introspection_cache_seconds: 900,
            client_certificates: ClientCertificatesSetting::Off,
            client_certificate_authorities_file: PathBuf::new(),
            token_cache_bytes: 64 * 1024 * 1024,
            forwarded: ForwardedSetting::Replace,
            upstream_authorities_file: PathBuf::new(),
            access_log: AccessLogSetting::Full,
            access_log_one_in: 1,
            access_log_file: PathBuf::new(),
            timeouts: Timeouts::default(),
            limits: Limits::default(),
            key_sets: KeySets::default(),
            trusted_proxies: Vec::new(),
            client_address_header: ClientAddressHeader::XForwardedFor,
            client_certificate_header: String::new(),
            upstreams: Upstreams::default(),
            backend_jwt: BackendJwt::default(),
        }
    }
}

impl Gateway {
    /// The policy of APIs without one of their own.
    pub(crate) fn cors(&self) -> Option<CorsPolicy> {
        (!self.cors_origins.is_empty()).then(|| CorsPolicy {
            origins: AllowedOrigins::from_names(self.cors_origins.clone()),
            credentials: self.cors_credentials,
            headers: self.cors_headers.clone(),
            exposed_headers: self.cors_exposed_headers.clone(),
            max_age_seconds: self.cors_max_age_seconds,
            ..CorsPolicy::default()
        })
    }
}

impl Default for BackendJwt {
    fn default() -> Self {
        Self {
            enabled: false,
            header: "X-JWT-Assertion".to_owned(),
            dialect: "http://wso2.org/claims".to_owned(),
            issuer: "wso2.org/products/am".to_owned(),
            algorithm: BackendJwtAlgorithm::RS256,
            encoding: BackendJwtEncoding::Base64Url,
            lifetime_seconds: 900,
            key_file: PathBuf::new(),
            previous_key_file: PathBuf::new(),
        }
    }
}

impl Default for Outbound {
    fn default() -> Self {
        Self {
            proxy: String::new(),
            proxy_file: PathBuf::new(),
            no_proxy: Vec::new(),
            extra_ca_files: Vec::new(),
            private_targets: PrivateTargetsSetting::Refused,
            allowed_networks: Vec::new(),
            connect_timeout_seconds: 5,
            timeout_seconds: 30,
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self {
            format: LogFormat::Text,
            filter: "info".to_owned(),
        }
    }
}

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            otlp_endpoint: String::new(),
            sample_ratio: 0.1,
            service_name: "claviger".to_owned(),
        }
    }
}

/// Sections that may hold a secret show themselves without it.
macro_rules! debug_without_secrets {
    ($($section:ident),*) => {$(
        impl std::fmt::Debug for $section {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($section)).finish_non_exhaustive()
            }
        }
    )*};
}

debug_without_secrets!(Database, Sealing, Outbound);
