//! The data plane: decides over every request by an immutable snapshot, and carries it to the API's endpoint.
//!
//! Owns `decide` and everything it needs (routes, key sets, verified tokens), `explain`, and the proxy around it.
//! Knows nothing of databases, control plane or connectors: `server` brings snapshots, a clock and an HTTP client
//! for key sets.

mod access_log;
mod api;
mod application;
mod authenticate;
mod backend_jwt;
mod blocking_condition;
mod certificate_binding;
mod check;
mod claims;
mod client_certificate;
mod config;
mod consumers;
mod cors;
mod credential;
mod decide;
mod decision;
mod engine;
mod explain;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod gateway;
mod identity;
mod introspection;
mod key_manager;
mod key_manager_choice;
mod key_set;
mod mediation;
mod metrics;
mod origin;
mod proxy;
mod rate_limit;
mod refusal;
mod request_path;
mod resource;
mod revocation;
mod route;
mod sharded_map;
mod snapshot;
mod span;
mod subscription;
mod throttling;
mod throttling_policy;
mod token;
mod token_cache;
mod trace_context;
mod upstream;
mod verify;

pub use access_log::{AccessLogMode, AccessLogPolicy};
pub use backend_jwt::BackendJwtError;
pub use client_certificate::{certificate_header, escaped_certificate};
pub use config::{
    BackendJwtAlgorithm, BackendJwtConfig, BackendJwtEncoding, ClientCertificates, EndpointHealth,
    ForwardedHeader, ForwardedPolicy, GatewayConfig, IntrospectionConfig, KeySetConfig, Limits,
    Timeouts, TlsIdentity, TrustedProxies, UpstreamTls,
};
pub use explain::{ExplainRequest, ExplainTarget};
pub use gateway::{Gateway, GatewayDependencies, GatewayStatus, KeyManagerKeys, StartError};
pub use introspection::{LARGEST_INTROSPECTION, TokenIntrospector, TokenIntrospectorError};
pub use key_set::LARGEST_KEY_SET;
pub use key_set::refresh::{KeySetSource, KeySetSourceError};
pub use proxy::TlsError;
pub use proxy::verdict::{DescribedRequest, Forwarding, UpstreamTarget, Verdict};
pub use refusal::{Reason, Refusal};
pub use snapshot::OutOfOrder;
pub use span::{RequestSpan, SpanId, SpanSink, TraceId, Tracing, UpstreamSpan};
