//! The use-cases: what an administrator, a publisher and a developer can do, and who may do it.
//!
//! One file a noun. A use-case checks the actor beside the data action, writes one transaction (the change, its
//! audit entry, its job, the nouns that gateways must look at again) and makes no network call inside it.
//! Knows nothing of HTTP or HTML, and nothing of gateways: it publishes snapshots to whoever subscribes.

pub mod api;
pub mod application;
pub mod audit;
pub mod blocking_condition;
pub mod error;
pub mod explanation;
pub mod identity;
pub mod key_manager;
pub mod key_mapping;
pub mod provisioning;
pub mod revocation;
pub mod snapshot;
pub mod subscription;
pub mod throttling_policy;

mod blocking;
mod open_connectors;
mod signals;
mod transaction;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use connectors::contract::ConnectorEnvironment;
use connectors::registry::Registry;
use domain::{Clock, Random};
use store::Store;

use crate::api::Apis;
use crate::application::Applications;
use crate::audit::Audit;
use crate::blocking_condition::BlockingConditions;
use crate::explanation::{Explainer, Explanations};
use crate::identity::{Identity, IdentityState};
use crate::key_manager::KeyManagers;
use crate::key_mapping::KeyMappings;
use crate::open_connectors::OpenConnectors;
use crate::provisioning::Jobs;
use crate::revocation::Revocations;
use crate::signals::Signals;
use crate::snapshot::Snapshots;
use crate::subscription::Subscriptions;
use crate::throttling_policy::ThrottlingPolicies;

pub use connectors::contract::{
    ConnectionFinding, ConnectionReport, FindingSeverity, IssuedToken, ListedSecret,
};
pub use connectors::discovery::DiscoveredKeyManager;
pub use error::Error;
pub use store::api::ApiQuery;
pub use store::application::{ApplicationQuery, ApplicationSort};
pub use store::{Listed, Page, SortOrder};

pub(crate) use transaction::Transaction;

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
            request_patience: Duration::from_mins(1),
            access_token_lifetime: Duration::from_hours(1),
            secret_grace_period: Duration::from_hours(24),
            environments: vec![GatewayEnvironment {
                name: "Default".to_owned(),
                vhost: "localhost".to_owned(),
                base_url: "http://localhost:8280".to_owned(),
            }],
        }
    }
}

/// All use-cases, one accessor a noun. Cheap to clone; every clone is the same control plane.
#[derive(Clone)]
pub struct Control(Arc<Inner>);

struct Inner {
    dependencies: Dependencies,
    connectors: OpenConnectors,
    signals: Signals,
    identity: IdentityState,
    explainer: OnceLock<Arc<dyn Explainer>>,
}

impl Control {
    pub fn new(dependencies: Dependencies) -> Self {
        Self(Arc::new(Inner {
            dependencies,
            connectors: OpenConnectors::default(),
            signals: Signals::default(),
            identity: IdentityState::default(),
            explainer: OnceLock::new(),
        }))
    }

    /// Names who can say what a gateway makes of a token. The first one stands.
    pub fn with_explainer(self, explainer: Arc<dyn Explainer>) -> Self {
        // Set twice only by mistake in the wiring; the first explainer keeps working.
        let _ = self.0.explainer.set(explainer);
        self
    }

    pub const fn key_managers(&self) -> KeyManagers<'_> {
        KeyManagers::new(self)
    }

    pub const fn key_mappings(&self) -> KeyMappings<'_> {
        KeyMappings::new(self)
    }

    pub const fn jobs(&self) -> Jobs<'_> {
        Jobs::new(self)
    }

    pub const fn snapshots(&self) -> Snapshots<'_> {
        Snapshots::new(self)
    }

    pub const fn explanations(&self) -> Explanations<'_> {
        Explanations::new(self)
    }

    pub const fn applications(&self) -> Applications<'_> {
        Applications::new(self)
    }

    pub const fn apis(&self) -> Apis<'_> {
        Apis::new(self)
    }

    pub const fn subscriptions(&self) -> Subscriptions<'_> {
        Subscriptions::new(self)
    }

    pub const fn identity(&self) -> Identity<'_> {
        Identity::new(self)
    }

    pub const fn audit(&self) -> Audit<'_> {
        Audit::new(self)
    }

    pub const fn blocking_conditions(&self) -> BlockingConditions<'_> {
        BlockingConditions::new(self)
    }

    pub const fn revocations(&self) -> Revocations<'_> {
        Revocations::new(self)
    }

    pub const fn policies(&self) -> ThrottlingPolicies<'_> {
        ThrottlingPolicies::new(self)
    }

    /// What an operator configured.
    pub fn settings(&self) -> &Settings {
        &self.0.dependencies.settings
    }

    pub(crate) fn dependencies(&self) -> &Dependencies {
        &self.0.dependencies
    }

    pub(crate) fn store(&self) -> &dyn Store {
        &*self.0.dependencies.store
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        self.0.dependencies.clock()
    }

    pub(crate) fn random(&self) -> &dyn Random {
        self.0.dependencies.random()
    }

    pub(crate) fn connectors(&self) -> &OpenConnectors {
        &self.0.connectors
    }

    pub(crate) fn signals(&self) -> &Signals {
        &self.0.signals
    }

    pub(crate) fn identity_state(&self) -> &IdentityState {
        &self.0.identity
    }

    pub(crate) fn explainer(&self) -> Option<&Arc<dyn Explainer>> {
        self.0.explainer.get()
    }

    /// Begins a unit of work that will write. See [`Transaction`].
    pub(crate) async fn begin(&self) -> Result<Transaction<'_>, Error> {
        Transaction::begin(self).await
    }
}
