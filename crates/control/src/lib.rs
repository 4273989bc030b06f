//! The use-cases: what an administrator, a publisher and a developer can do, and who may do it.
//!
//! One file a noun. A use-case checks the actor beside the data action, writes one transaction (the change, its
//! audit entry, its job, the nouns that gateways must look at again) and makes no network call inside it.
//! Knows nothing of HTTP or HTML, and nothing of gateways: it publishes snapshots to whoever subscribes.

pub mod error;

use std::sync::Arc;
use std::time::Duration;

use connectors::contract::ConnectorEnvironment;
use connectors::registry::Registry;
use domain::{Clock, Random};
use store::Store;

pub use error::Error;

/// What the use-cases need.
#[derive(Clone)]
pub struct Dependencies {
    pub store: Arc<dyn Store>,
    pub connector_types: Arc<Registry>,
    /// For connectors and discovery; holds the clock and the random source as well.
    pub environment: ConnectorEnvironment,
    pub settings: Settings,
}

impl Dependencies {
    pub fn clock(&self) -> &dyn Clock {
        &*self.environment.clock
    }

    pub fn random(&self) -> &dyn Random {
        &*self.environment.random
    }
}

/// What an operator may tune.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long a request waits for its provisioning job before it answers that the job goes on. Default 60 s.
    pub request_patience: Duration,
    /// Lifetime of access tokens of the REST APIs. Default 1 h.
    pub access_token_lifetime: Duration,
    /// How long an old client secret keeps working after a new one was delivered. Default 24 h.
    pub secret_grace_period: Duration,
    /// Gateway environments that revisions may be deployed to: name and virtual host. Default one, `Default`.
    pub environments: Vec<GatewayEnvironment>,
}

/// A place that revisions are deployed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayEnvironment {
    pub name: String,
    pub vhost: String,
    /// Base address that developers call, for example `https://localhost:8243`.
    pub base_url: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            request_patience: Duration::from_secs(60),
            access_token_lifetime: Duration::from_secs(3_600),
            secret_grace_period: Duration::from_secs(24 * 3_600),
            environments: vec![GatewayEnvironment {
                name: "Default".to_owned(),
                vhost: "localhost".to_owned(),
                base_url: "http://localhost:8280".to_owned(),
            }],
        }
    }
}
