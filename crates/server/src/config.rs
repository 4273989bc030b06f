//! Settings: every one has a default; `claviger.toml` overrides it, and a `CLAVIGER_…` variable that.
//!
//! The shape below is the whole truth: its default values name every setting that exists, so anything else in
//! the file or the environment is refused, with a suggestion. Secrets may also be given as `NAME_file`.

mod gateway;
mod load;
mod sections;

pub(crate) use gateway::{AccessLogSetting, ForwardedSetting};
pub(crate) use load::load;
pub(crate) use sections::{
    BackendJwt, BackendJwtAlgorithm, BackendJwtEncoding, ClientAddressHeader,
    ClientCertificatesSetting, Config, Gateway as GatewaySettings, LogFormat, Outbound,
    PrivateTargetsSetting, Telemetry,
};
