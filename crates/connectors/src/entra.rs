//! Microsoft Entra ID (type `AzureAD`): clients are app registrations, made and removed through Microsoft Graph.
//!
//! One file a concern. `classify` holds what is known about Entra's answers as tables, `polling` how long lag is
//! waited for; the operations (`create`, `update`, `delete`, `secrets`, `token`, `lookup`, `check`) read as steps.

mod check;
mod classify;
mod cloud;
mod create;
mod delete;
mod descriptor;
mod graph;
mod lookup;
mod management_token;
mod polling;
mod secrets;
mod settings;
mod token;
mod token_endpoint;
mod token_profile;
mod update;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use domain::connector_descriptor::ConnectorDescriptor;
use domain::key_manager::KeyManagerSettings;
use domain::token_profile::TokenProfile;
use domain::{Clock, Invalid, Random, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::contract::{
    ClientReference, ClientSecrets, ClientSpecification, ConnectionReport, Connector,
    ConnectorEnvironment, ConnectorError, ConnectorType, FoundClient, IssuedToken, Journal,
    ProvisionedClient, TokenRequest,
};
use graph::Graph;
use management_token::ManagementToken;
use polling::Polling;
use settings::EntraSettings;
use token_endpoint::TokenEndpoint;

/// The connector type `AzureAD`.
#[derive(Debug)]
pub struct AzureAd {
    descriptor: ConnectorDescriptor,
}

impl AzureAd {
    pub fn new() -> Self {
        Self {
            descriptor: descriptor::descriptor(),
        }
    }
}

impl Default for AzureAd {
    fn default() -> Self {
        Self::new()
    }
}

impl ConnectorType for AzureAd {
    fn descriptor(&self) -> &ConnectorDescriptor {
        &self.descriptor
    }

    fn token_profile(&self, settings: &KeyManagerSettings) -> Result<TokenProfile, Invalid> {
        token_profile::token_profile(settings)
    }

    fn open(
        &self,
        settings: &KeyManagerSettings,
        environment: &ConnectorEnvironment,
    ) -> Result<Arc<dyn Connector>, Invalid> {
        token_profile::token_profile(settings)?;
        let settings = EntraSettings::parse(settings)?;
        Ok(Arc::new(EntraConnector::new(settings, environment)))
    }
}

/// An open Entra tenant. Keeps its management token for as long as it lives.
struct EntraConnector {
    settings: EntraSettings,
    graph: Graph,
    token_endpoint: TokenEndpoint,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl EntraConnector {
    fn new(settings: EntraSettings, environment: &ConnectorEnvironment) -> Self {
        let token_endpoint = TokenEndpoint::new(
            environment.http.clone(),
            settings.token_endpoint.clone(),
            Arc::clone(&environment.random),
        );
        let management_token = ManagementToken::new(
            token_endpoint.clone(),
            &settings,
            Arc::clone(&environment.clock),
        );
        let graph = Graph::new(
            environment.http.clone(),
            settings.graph_base.clone(),
            management_token,
            Arc::clone(&environment.random),
        );
        Self {
            settings,
            graph,
            token_endpoint,
            clock: Arc::clone(&environment.clock),
            random: Arc::clone(&environment.random),
        }
    }

    /// Starts the clock of one operation's waiting.
    fn polling(&self) -> Polling {
        Polling::begin(self.settings.polling, Arc::clone(&self.random))
    }
}

#[async_trait]
impl Connector for EntraConnector {
    async fn create_client(
        &self,
        wanted: &ClientSpecification,
        journal: &mut dyn Journal,
    ) -> Result<ProvisionedClient, ConnectorError> {
        self.create(wanted, journal).await
    }

    async fn undo_create(
        &self,
        wanted: &ClientSpecification,
        journal: &mut dyn Journal,
    ) -> Result<(), ConnectorError> {
        self.undo(wanted, journal).await
    }

    async fn update_client(
        &self,
        client: &ClientReference,
        wanted: &ClientSpecification,
        journal: &mut dyn Journal,
    ) -> Result<(), ConnectorError> {
        self.update(client, wanted, journal).await
    }

    async fn delete_client(
        &self,
        client: &ClientReference,
        journal: &mut dyn Journal,
    ) -> Result<(), ConnectorError> {
        self.delete(client, journal).await
    }

    async fn find_client(&self, consumer_key: &str) -> Result<Option<FoundClient>, ConnectorError> {
        self.find(consumer_key).await
    }

    async fn prove_secret(
        &self,
        consumer_key: &str,
        secret: &SecretString,
    ) -> Result<(), ConnectorError> {
        self.prove(consumer_key, secret).await
    }

    async fn request_token(&self, request: &TokenRequest) -> Result<IssuedToken, ConnectorError> {
        self.issue_token(request).await
    }

    async fn check(&self) -> Result<ConnectionReport, ConnectorError> {
        Ok(self.report().await)
    }

    fn secrets(&self) -> Option<&dyn ClientSecrets> {
        Some(self)
    }

    fn token_request_parameters(&self, consumer_key: &str) -> Vec<(&'static str, String)> {
        vec![("scope", token::own_scope(consumer_key))]
    }
}

/// The handles that a key mapping keeps on its app registration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::struct_field_names,
    reason = "three different ids of one client; their names are how Entra calls them"
)]
struct ProviderReference {
    /// `application.id`, not the client id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    object_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    service_principal_id: Option<String>,
    /// The credential that was delivered with the client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key_id: Option<String>,
}

impl ProviderReference {
    /// A reference that cannot be read holds nothing that is needed: all can be looked up again.
    fn of(client: &ClientReference) -> Self {
        serde_json::from_value(client.provider_reference.clone()).unwrap_or_default()
    }

    fn into_value(self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}
