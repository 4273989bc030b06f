//! The contract over the fake server, with the journal's rules kept.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::provider_failure::{FailureClass, ProviderFailure};
use domain::{Clock, SecretString};
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::server::{FakeClient, FakeSecret, FakeServer, claims, missing};
use crate::contract::{
    ClientReference, ClientSecrets, ClientSpecification, ConnectionFinding, ConnectionReport,
    Connector, ConnectorError, FindingSeverity, FoundClient, Introspection, IssuedSecret,
    IssuedToken, Journal, ListedSecret, ProvisionedClient, SecretSpecification, TokenRequest,
};
use crate::introspection::IntrospectionEndpoint;

const CREATE: &str = "create_client";
const ADD_SECRET: &str = "add_secret";
const DELETE: &str = "delete_client";
const UPDATE: &str = "update_client";

/// Beside the secret that comes with a client.
const FIRST_SECRET: &str = "Consumer secret";

pub(super) struct FakeConnector {
    pub(super) server: Arc<FakeServer>,
    pub(super) issuer: String,
    pub(super) clock: Arc<dyn Clock>,
    /// The one thing that it asks over HTTP: its answers are the test's.
    pub(super) introspection: Option<IntrospectionEndpoint>,
}

impl FakeConnector {
    async fn add_described(
        &self,
        consumer_key: &str,
        description: &str,
        journal: &mut dyn Journal,
    ) -> Result<FakeSecret, ConnectorError> {
        let intent = json!({ "description": description });
        journal.started(ADD_SECRET, intent).await?;
        // The same description replaces what a lost answer left behind.
        let secret = self.server.call("add secret", |clients| {
            clients.add_secret(consumer_key, description)
        })?;
        let facts = json!({ "key_id": secret.key_id });
        journal.finished(ADD_SECRET, facts).await?;
        Ok(secret)
    }

    fn proven(
        &self,
        operation: &'static str,
        consumer_key: &str,
        secret: &SecretString,
    ) -> Result<(), Box<ProviderFailure>> {
        self.server.call(operation, |clients| {
            let known = clients.get(consumer_key).is_some_and(|client| {
                let given = secret.expose_secret();
                client.secrets.iter().any(|known| known.secret == given)
            });
            if known {
                return Ok(());
            }
            let message = "unknown client or wrong secret";
            let mut failure = ProviderFailure::new(FailureClass::Rejected, operation, message);
            failure.code = Some("invalid_client".to_owned());
            failure.status = Some(401);
            Err(Box::new(failure))
        })
    }
}

#[async_trait]
impl Connector for FakeConnector {
    async fn create_client(
        &self,
        wanted: &ClientSpecification,
        journal: &mut dyn Journal,
    ) -> Result<ProvisionedClient, ConnectorError> {
        let known = journal.facts(CREATE);
        let known = known.and_then(|facts| Some(facts.get("consumer_key")?.as_str()?.to_owned()));
        let consumer_key = if let Some(known) = known {
            known
        } else {
            journal.started(CREATE, json!({})).await?;
            let made = self.server.call("create client", |clients| {
                if let Some(existing) = clients.of_mapping(wanted.key_mapping_id) {
                    return Ok(existing);
                }
                let consumer_key = format!("fake-client-{}", clients.next_number());
                let client = FakeClient {
                    key_mapping_id: Some(wanted.key_mapping_id),
                    display_name: wanted.display_name.clone(),
                    secrets: Vec::new(),
                };
                clients.insert(consumer_key.clone(), client);
                Ok(consumer_key)
            })?;
            let facts = json!({ "consumer_key": made });
            journal.finished(CREATE, facts).await?;
            made
        };
        let secret = self
            .add_described(&consumer_key, FIRST_SECRET, journal)
            .await?;
        Ok(ProvisionedClient {
            provider_reference: json!({ "key_id": secret.key_id }),
            consumer_secret: Some(SecretString::from(secret.secret)),
            secret_expires_at: None,
            consumer_key,
        })
    }

    async fn undo_create(
        &self,
        wanted: &ClientSpecification,
        journal: &mut dyn Journal,
    ) -> Result<(), ConnectorError> {
        if journal.intent(CREATE).is_none() {
            return Ok(());
        }
        journal.started(DELETE, json!({})).await?;
        self.server.call("delete client", |clients| {
            if let Some(consumer_key) = clients.of_mapping(wanted.key_mapping_id) {
                clients.remove(&consumer_key);
            }
            Ok(())
        })?;
        journal.finished(DELETE, json!({})).await
    }

    async fn update_client(
        &self,
        client: &ClientReference,
        wanted: &ClientSpecification,
        journal: &mut dyn Journal,
    ) -> Result<(), ConnectorError> {
        journal.started(UPDATE, json!({})).await?;
        self.server.call("update client", |clients| {
            let found = clients.get(&client.consumer_key);
            let found = found.ok_or_else(|| missing("update client"))?;
            found.display_name.clone_from(&wanted.display_name);
            Ok(())
        })?;
        journal.finished(UPDATE, json!({})).await
    }

    async fn delete_client(
        &self,
        client: &ClientReference,
        journal: &mut dyn Journal,
    ) -> Result<(), ConnectorError> {
        journal.started(DELETE, json!({})).await?;
        self.server.call("delete client", |clients| {
            clients.remove(&client.consumer_key);
            Ok(())
        })?;
        journal.finished(DELETE, json!({})).await
    }

    async fn find_client(&self, consumer_key: &str) -> Result<Option<FoundClient>, ConnectorError> {
        let found = self.server.call("find client", |clients| {
            Ok(clients.get(consumer_key).map(|client| FoundClient {
                consumer_key: consumer_key.to_owned(),
                display_name: client.display_name.clone(),
                provider_reference: json!({}),
            }))
        })?;
        Ok(found)
    }

    async fn prove_secret(
        &self,
        consumer_key: &str,
        secret: &SecretString,
    ) -> Result<(), ConnectorError> {
        self.proven("request token", consumer_key, secret)?;
        Ok(())
    }

    async fn request_token(&self, request: &TokenRequest) -> Result<IssuedToken, ConnectorError> {
        self.proven(
            "request token",
            &request.consumer_key,
            &request.consumer_secret,
        )?;
        let now = self.clock.now().as_second();
        let claims = claims(&self.issuer, &request.consumer_key, now, &request.scopes);
        Ok(IssuedToken {
            access_token: SecretString::from(self.server.sign(&claims)),
            expires_in: Duration::from_hours(1),
            scopes: request.scopes.clone(),
        })
    }

    async fn check(&self) -> Result<ConnectionReport, ConnectorError> {
        self.server.call("check", |_| Ok(()))?;
        Ok(ConnectionReport {
            findings: vec![ConnectionFinding {
                severity: FindingSeverity::Good,
                check: "credential",
                message: "The fake server answers.".to_owned(),
            }],
        })
    }

    fn secrets(&self) -> Option<&dyn ClientSecrets> {
        Some(self)
    }

    fn introspection(&self) -> Option<&dyn Introspection> {
        let endpoint = self.introspection.as_ref()?;
        Some(endpoint)
    }
}

#[async_trait]
impl ClientSecrets for FakeConnector {
    async fn add(
        &self,
        client: &ClientReference,
        wanted: &SecretSpecification,
        journal: &mut dyn Journal,
    ) -> Result<IssuedSecret, ConnectorError> {
        // A job's own description, so that the secrets of other jobs stay.
        let earlier = journal.intent(ADD_SECRET);
        let earlier =
            earlier.and_then(|intent| Some(intent.get("description")?.as_str()?.to_owned()));
        let description = if let Some(earlier) = earlier {
            earlier
        } else {
            let number = self
                .server
                .call("list secrets", |clients| Ok(clients.next_number()))?;
            format!("{} ({number})", wanted.description)
        };
        let secret = self
            .add_described(&client.consumer_key, &description, journal)
            .await?;
        Ok(IssuedSecret {
            key_id: secret.key_id,
            secret: SecretString::from(secret.secret),
            expires_at: None,
        })
    }

    async fn remove(&self, client: &ClientReference, key_id: &str) -> Result<(), ConnectorError> {
        self.server.call("remove secret", |clients| {
            let Some(found) = clients.get(&client.consumer_key) else {
                return Err(missing("remove secret"));
            };
            found
                .secrets
                .retain(|secret| secret.key_id != key_id || !secret.added_by_claviger);
            Ok(())
        })?;
        Ok(())
    }

    async fn list(&self, client: &ClientReference) -> Result<Vec<ListedSecret>, ConnectorError> {
        let listed = self.server.call("list secrets", |clients| {
            let found = clients.get(&client.consumer_key);
            let found = found.ok_or_else(|| missing("list secrets"))?;
            Ok(found
                .secrets
                .iter()
                .map(|secret| ListedSecret {
                    key_id: secret.key_id.clone(),
                    description: secret.description.clone(),
                    hint: secret.secret.get(..3).map(str::to_owned),
                    starts_at: None,
                    expires_at: None,
                    added_by_claviger: secret.added_by_claviger,
                })
                .collect())
        })?;
        Ok(listed)
    }
}
