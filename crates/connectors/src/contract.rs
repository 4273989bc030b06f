//! The contract between Claviger and an authorization server that holds OAuth clients on its behalf.
//!
//! Operations that change something are written to be repeated: the same call with the same journal never
//! makes a second client or a second secret, and [`Connector::undo_create`] removes whatever the journal
//! says was made.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::connector_descriptor::ConnectorDescriptor;
use domain::id::KeyMappingId;
use domain::key_manager::KeyManagerSettings;
use domain::key_mapping::KeyType;
use domain::provider_failure::ProviderFailure;
use domain::token_profile::TokenProfile;
use domain::{Clock, Invalid, Random, SecretString};
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::http::OutboundHttp;

/// One type of key manager: its form, and how to open it.
pub trait ConnectorType: Send + Sync {
    fn descriptor(&self) -> &ConnectorDescriptor;

    /// How gateways recognise the tokens of a key manager with these settings. Pure.
    fn token_profile(&self, settings: &KeyManagerSettings) -> Result<TokenProfile, Invalid>;

    /// Checks the type's own settings (beyond what the descriptor says) and opens the connector.
    /// Makes no network call.
    fn open(
        &self,
        settings: &KeyManagerSettings,
        environment: &ConnectorEnvironment,
    ) -> Result<Arc<dyn Connector>, Invalid>;
}

/// What every connector is given.
#[derive(Clone)]
pub struct ConnectorEnvironment {
    pub http: OutboundHttp,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
}

/// An open key manager.
#[async_trait]
pub trait Connector: Send + Sync {
    /// Makes the client, or finishes what an interrupted call began, and proves that its credential works.
    async fn create_client(
        &self,
        wanted: &ClientSpecification,
        journal: &mut dyn Journal,
    ) -> Result<ProvisionedClient, ConnectorError>;

    /// Removes everything that `create_client` made according to the journal. Absent counts as removed.
    async fn undo_create(
        &self,
        wanted: &ClientSpecification,
        journal: &mut dyn Journal,
    ) -> Result<(), ConnectorError>;

    /// Brings name and properties in line with `wanted`. Never makes a secret.
    async fn update_client(
        &self,
        client: &ClientReference,
        wanted: &ClientSpecification,
        journal: &mut dyn Journal,
    ) -> Result<(), ConnectorError>;

    /// Deletes a client that we created, leaving nothing behind. Absent counts as deleted.
    async fn delete_client(
        &self,
        client: &ClientReference,
        journal: &mut dyn Journal,
    ) -> Result<(), ConnectorError>;

    /// Looks a client up by its exact consumer key.
    async fn find_client(&self, consumer_key: &str) -> Result<Option<FoundClient>, ConnectorError>;

    /// Proves that a secret works by obtaining a token with it (and forgetting the token).
    async fn prove_secret(
        &self,
        consumer_key: &str,
        secret: &SecretString,
    ) -> Result<(), ConnectorError>;

    /// Obtains an access token for a client by client credentials (RFC 6749 section 4.4).
    async fn request_token(&self, request: &TokenRequest) -> Result<IssuedToken, ConnectorError>;

    /// "Test connection": does Claviger's own credential work, and does it carry what is needed?
    async fn check(&self) -> Result<ConnectionReport, ConnectorError>;

    /// `None` where a client's secrets cannot be added and removed.
    fn secrets(&self) -> Option<&dyn ClientSecrets> {
        None
    }

    /// `None` where gateways cannot ask about tokens.
    fn introspection(&self) -> Option<&dyn Introspection> {
        None
    }

    /// The form parameters that a developer's own token request needs beside id, secret and grant type,
    /// for example `scope=api://{clientId}/.default`.
    fn token_request_parameters(&self, _consumer_key: &str) -> Vec<(&'static str, String)> {
        Vec::new()
    }
}

/// Optional: key managers whose clients may have several secrets at a time.
#[async_trait]
pub trait ClientSecrets: Send + Sync {
    /// Adds a secret and proves it. Repeatable with the same journal, like `create_client`.
    async fn add(
        &self,
        client: &ClientReference,
        wanted: &SecretSpecification,
        journal: &mut dyn Journal,
    ) -> Result<IssuedSecret, ConnectorError>;

    /// Absent counts as removed. Only secrets that Claviger added may be named.
    async fn remove(&self, client: &ClientReference, key_id: &str) -> Result<(), ConnectorError>;

    async fn list(&self, client: &ClientReference) -> Result<Vec<ListedSecret>, ConnectorError>;
}

/// Optional: key managers that say what a token is worth (RFC 7662), asked with the connector's own credentials.
#[async_trait]
pub trait Introspection: Send + Sync {
    /// The body of the introspection response, unjudged. Errors never hold the token.
    async fn introspect(&self, token: &SecretString) -> Result<Vec<u8>, ConnectorError>;
}

/// The client that a key mapping wants.
#[derive(Clone, Debug)]
pub struct ClientSpecification {
    /// Stable for the life of the mapping: what makes repeated creation find the first client.
    pub key_mapping_id: KeyMappingId,
    /// Shown to administrators of the authorization server, for example `alice_weather_PRODUCTION`.
    pub display_name: String,
    pub application_name: String,
    pub owner: String,
    pub key_type: KeyType,
    pub grant_types: Vec<String>,
    pub callback_url: Option<String>,
    /// The connector's per-application fields.
    pub additional_properties: Map<String, Value>,
}

/// What `create_client` made.
#[derive(Clone, Debug)]
pub struct ProvisionedClient {
    pub consumer_key: String,
    pub consumer_secret: Option<SecretString>,
    /// When the secret ends, where the provider says so.
    pub secret_expires_at: Option<Timestamp>,
    /// The connector's handles on the client; given back in [`ClientReference`]. No secrets.
    pub provider_reference: Value,
}

/// A client that exists, as a key mapping remembers it.
#[derive(Clone, Debug)]
pub struct ClientReference {
    pub key_mapping_id: KeyMappingId,
    pub consumer_key: String,
    pub provider_reference: Value,
}

/// A client that was looked up.
#[derive(Clone, Debug)]
pub struct FoundClient {
    pub consumer_key: String,
    pub display_name: String,
    pub provider_reference: Value,
}

#[derive(Clone, Debug)]
pub struct SecretSpecification {
    /// Shown beside the secret at the provider.
    pub description: String,
    /// `None` means the key manager's configured lifetime.
    pub lifetime: Option<Duration>,
}

#[derive(Clone, Debug)]
pub struct IssuedSecret {
    /// The provider's id of the credential, by which it can be removed.
    pub key_id: String,
    pub secret: SecretString,
    pub expires_at: Option<Timestamp>,
}

/// A secret as it can be shown after creation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedSecret {
    pub key_id: String,
    pub description: String,
    /// The first characters, where the provider tells them.
    pub hint: Option<String>,
    pub starts_at: Option<Timestamp>,
    pub expires_at: Option<Timestamp>,
    /// False for secrets that somebody else added; those are never removed.
    pub added_by_claviger: bool,
}

#[derive(Clone, Debug)]
pub struct TokenRequest {
    pub consumer_key: String,
    pub consumer_secret: SecretString,
    /// Empty means the connector's default scope.
    pub scopes: Vec<String>,
}

/// An access token as the provider issued it.
#[derive(Clone, Debug)]
pub struct IssuedToken {
    pub access_token: SecretString,
    pub expires_in: Duration,
    pub scopes: Vec<String>,
}

/// The outcome of "Test connection".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionReport {
    pub findings: Vec<ConnectionFinding>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionFinding {
    pub severity: FindingSeverity,
    /// What was checked, for example `permissions`.
    pub check: &'static str,
    /// What was found, one sentence.
    pub message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FindingSeverity {
    Good,
    Warning,
    Problem,
}

/// A job's memory of its own steps. Entries are durable before a call returns.
#[async_trait]
pub trait Journal: Send {
    /// Call before touching the provider. `intent` is what is needed to recognise the effect later; no secrets.
    async fn started(&mut self, step: &'static str, intent: Value) -> Result<(), ConnectorError>;

    /// Call after. `facts` is what later steps and the clean-up need; no secrets.
    async fn finished(&mut self, step: &'static str, facts: Value) -> Result<(), ConnectorError>;

    /// The newest intent of a step that was started, in this run or an earlier one.
    fn intent(&self, step: &str) -> Option<Value>;

    /// The newest facts of a step that was finished, in this run or an earlier one.
    fn facts(&self, step: &str) -> Option<Value>;
}

/// Why an operation did not succeed. The caller acts on the failure's class.
#[derive(Debug, thiserror::Error)]
pub enum ConnectorError {
    #[error("the key manager refused or failed")]
    Provider(#[from] ProviderFailure),
    /// The journal could not be written; nothing more may be done at the provider.
    #[error("the job's journal could not be written")]
    Journal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<Box<ProviderFailure>> for ConnectorError {
    fn from(failure: Box<ProviderFailure>) -> Self {
        Self::Provider(*failure)
    }
}
