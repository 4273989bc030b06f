//! The gateway's settings. Every one has a default; `server` fills them in from its configuration.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use domain::cors::CorsPolicy;
use http::header::HeaderName;
use ipnet::IpNet;
use url::Url;

use crate::access_log::AccessLogPolicy;

#[derive(Clone, Debug)]
pub struct GatewayConfig {
    /// Port 0 takes any free one.
    pub listen: SocketAddr,
    /// `None` serves plain HTTP.
    pub tls: Option<TlsIdentity>,
    /// Threads; `None` means one a core.
    pub workers: Option<usize>,
    /// Where key sets survive a restart; `None` keeps them in memory only.
    pub key_set_folder: Option<PathBuf>,
    pub upstream_tls: UpstreamTls,
    /// Scheme, host and port (`http://…`) of upstreams that speak HTTP/2 without being asked (RFC 9113 section 3.3).
    pub http2_upstreams: Vec<Url>,
    pub endpoint_health: EndpointHealth,
    pub timeouts: Timeouts,
    pub limits: Limits,
    pub key_sets: KeySetConfig,
    pub introspection: IntrospectionConfig,
    pub client_certificates: ClientCertificates,
    /// `None` tells upstreams nothing about callers.
    pub backend_jwts: Option<BackendJwtConfig>,
    /// Difference between the clocks of gateway and authorization servers that is forgiven.
    pub clock_leeway: Duration,
    /// Bound of the cache of verified tokens, in bytes; 0 turns it off.
    pub token_cache_bytes: u64,
    pub forwarded: ForwardedPolicy,
    /// Which requests have a line in the access log.
    pub access_log: AccessLogPolicy,
    pub trusted_proxies: TrustedProxies,
    /// For APIs without a policy of their own; `None` leaves browsers' questions to them.
    pub cors: Option<CorsPolicy>,
}

/// Certificate chain and private key, PEM.
#[derive(Clone)]
pub struct TlsIdentity {
    pub certificate_chain: String,
    pub private_key: domain::SecretString,
}

/// Whom the gateway believes as an upstream, and who it is to them.
#[derive(Clone, Debug, Default)]
pub struct UpstreamTls {
    /// Certificate authorities (PEM) beside the system's.
    pub authorities: Option<String>,
    /// For upstreams that ask for a client certificate.
    pub identity: Option<TlsIdentity>,
}

/// When an endpoint of several rests, and for how long.
#[derive(Clone, Debug)]
pub struct EndpointHealth {
    /// Answers of status 500 and more, broken ones, and time-outs, in a row. No connection counts as all of them.
    pub bad_answers: u32,
    /// The first rest; the next ones double …
    pub rest: Duration,
    /// … up to this.
    pub longest_rest: Duration,
}

#[derive(Clone, Debug)]
pub struct Timeouts {
    /// For a client to send a whole request head.
    pub request_head: Duration,
    /// For a TCP (and TLS) connection to an upstream.
    pub connect: Duration,
    /// For an upstream's response head after the request was sent.
    pub response_head: Duration,
    /// Without a byte of a body in either direction, a client that does not read included.
    pub body_idle: Duration,
    /// For a whole request, from its head to the last byte of the answer; WebSockets are not bound by it.
    pub total: Duration,
    /// A WebSocket without a byte in either direction is closed after this.
    pub tunnel_idle: Duration,
    /// An unused connection to an upstream is closed after this.
    pub pool_idle: Duration,
    /// For accepted requests to finish, and WebSockets to end, at shutdown.
    pub drain: Duration,
}

#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of a request head.
    pub request_head: usize,
    /// Header lines of a request.
    pub header_count: usize,
    /// Bytes of a request body.
    pub request_body: u64,
    /// Bytes of a token.
    pub token: usize,
    /// Connections of clients, a worker.
    pub connections: usize,
    /// Unused connections kept for an upstream, a worker.
    pub idle_upstream_connections: usize,
    /// HTTP/2 streams of one connection of a client.
    pub concurrent_streams: u32,
    /// HTTP/2 streams of one connection to an upstream; then another is opened.
    pub upstream_streams: usize,
}

/// How key sets are kept fresh. The defaults are Microsoft's rules for key rollover.
#[derive(Clone, Debug)]
pub struct KeySetConfig {
    pub refresh_every: Duration,
    /// How long a key is trusted after the provider last listed it.
    pub keep_keys: Duration,
    /// Unknown key ids cause at most one fetch in this time …
    pub unknown_key_interval: Duration,
    /// … beyond this many at first or after quiet times.
    pub unknown_key_burst: u32,
    pub fetch_timeout: Duration,
    /// How often the clock is looked at.
    pub check_every: Duration,
}

/// How key managers are asked about tokens (RFC 7662).
#[derive(Clone, Debug)]
pub struct IntrospectionConfig {
    /// How long an active token is believed before its key manager is asked again; never past `exp`.
    pub keep_active: Duration,
    /// How long an inactive token is refused without asking again.
    pub keep_inactive: Duration,
    /// For one answer, waiting for a place included.
    pub timeout: Duration,
    /// Questions at a time.
    pub concurrency: usize,
    /// Tokens that are asked about or wait for it; more are refused.
    pub waiting: usize,
}

/// The gateway's signed word to upstreams about who calls (WSO2's backend JWT).
#[derive(Clone, Debug)]
pub struct BackendJwtConfig {
    pub header: String,
    /// Stands before the names of the gateway's own claims.
    pub dialect: String,
    pub issuer: String,
    pub algorithm: BackendJwtAlgorithm,
    /// A token is made anew when a fifth of this, at most a minute, is left.
    pub lifetime: Duration,
    pub encoding: BackendJwtEncoding,
    /// PKCS #8, PEM.
    pub key: domain::SecretString,
    /// The key before it, whose tokens upstreams shall still be able to verify.
    pub previous_key: Option<domain::SecretString>,
    /// Bound of the tokens that are remembered, in bytes.
    pub cache_bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackendJwtAlgorithm {
    RS256,
    ES256,
}

/// How the parts of a backend JWT are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackendJwtEncoding {
    /// RFC 7515.
    Base64Url,
    /// With padding, as WSO2 did before it followed the RFC.
    Base64,
}

/// Whether clients are asked for a TLS certificate. None is ever demanded: only tokens that are bound to one need it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ClientCertificates {
    #[default]
    Off,
    /// Any certificate whose key the client holds, also a self-signed one: what it says about its owner counts for
    /// nothing, tokens name it by its digest.
    Any,
    /// Only those that these authorities (PEM) have signed; a client with another is not served.
    SignedBy(String),
}

/// What becomes of `Forwarded` and `X-Forwarded-*` that a client sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardedPolicy {
    /// Clients are not believed: theirs are replaced.
    #[default]
    Replace,
    /// A trusted proxy stands before the gateway: its words are kept and added to.
    Append,
}

/// Proxies before the gateway whose word about the client is taken, and added to for upstreams.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies {
    /// Empty: nobody is trusted, the peer is the client.
    pub networks: Vec<IpNet>,
    pub header: ForwardedHeader,
    /// In which header they hand on the client's TLS certificate (RFC 9440, or escaped PEM). From others it counts for
    /// nothing; upstreams never see it. `None` looks at no header, and touches none.
    pub certificate_header: Option<HeaderName>,
}

/// In which header trusted proxies name the client. One only: a proxy that writes the one passes on what a client
/// wrote into the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardedHeader {
    #[default]
    XForwardedFor,
    /// RFC 7239.
    Forwarded,
}

impl TrustedProxies {
    /// `address` in canonical form.
    pub(crate) fn contain(&self, address: IpAddr) -> bool {
        self.networks
            .iter()
            .any(|network| network.contains(&address))
    }
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8280)),
            tls: None,
            workers: None,
            key_set_folder: None,
            upstream_tls: UpstreamTls::default(),
            http2_upstreams: Vec::new(),
            endpoint_health: EndpointHealth::default(),
            timeouts: Timeouts::default(),
            limits: Limits::default(),
            key_sets: KeySetConfig::default(),
            introspection: IntrospectionConfig::default(),
            client_certificates: ClientCertificates::default(),
            backend_jwts: None,
            clock_leeway: Duration::from_mins(1),
            token_cache_bytes: 64 * 1024 * 1024,
            forwarded: ForwardedPolicy::default(),
            access_log: AccessLogPolicy::default(),
            trusted_proxies: TrustedProxies::default(),
            cors: None,
        }
    }
}

impl Default for EndpointHealth {
    fn default() -> Self {
        Self {
            bad_answers: 5,
            rest: Duration::from_secs(5),
            longest_rest: Duration::from_mins(2),
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            request_head: Duration::from_secs(30),
            connect: Duration::from_secs(5),
            response_head: Duration::from_mins(1),
            body_idle: Duration::from_mins(1),
            total: Duration::from_hours(1),
            tunnel_idle: Duration::from_mins(15),
            pool_idle: Duration::from_secs(50),
            drain: Duration::from_secs(30),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_head: 64 * 1024,
            header_count: 128,
            request_body: 100 * 1024 * 1024,
            token: 16 * 1024,
            connections: 10_000,
            idle_upstream_connections: 128,
            concurrent_streams: 128,
            upstream_streams: 100,
        }
    }
}

impl Default for KeySetConfig {
    fn default() -> Self {
        Self {
            refresh_every: Duration::from_hours(1),
            keep_keys: Duration::from_hours(24),
            unknown_key_interval: Duration::from_mins(5),
            unknown_key_burst: 3,
            fetch_timeout: Duration::from_secs(10),
            check_every: Duration::from_secs(1),
        }
    }
}

impl Default for IntrospectionConfig {
    fn default() -> Self {
        Self {
            keep_active: Duration::from_mins(15),
            keep_inactive: Duration::from_secs(30),
            timeout: Duration::from_secs(5),
            concurrency: 64,
            waiting: 1_024,
        }
    }
}

impl std::fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsIdentity")
    }
}
