//! A process that dies in the middle of a job: a connector whose journal stops dead at a chosen call.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use connectors::contract::{
    ClientReference, ClientSecrets, ClientSpecification, ConnectionReport, ConnectorEnvironment,
    FoundClient, Introspection, IssuedSecret, IssuedToken, ListedSecret, ProvisionedClient,
    SecretSpecification, TokenRequest,
};
use connectors::fake::Fake;
use connectors::{Connector, ConnectorError, ConnectorType, Journal};
use domain::connector_descriptor::ConnectorDescriptor;
use domain::key_manager::KeyManagerSettings;
use domain::token_profile::TokenProfile;
use domain::{Invalid, SecretString};
use serde_json::Value;
use tokio::sync::Notify;

/// When the process dies, counted in journal calls of connectors.
#[derive(Default)]
pub(crate) struct Interruption {
    calls_left: Mutex<Option<u32>>,
    /// The process is as good as dead.
    pub(crate) happened: Notify,
    resumed: Notify,
}

impl Interruption {
    /// So many journal calls are still made; the next one never returns and writes nothing.
    pub(crate) fn after_journal_calls(&self, calls: u32) {
        *self.calls_left.lock().unwrap() = Some(calls);
    }

    pub(crate) fn never(&self) {
        *self.calls_left.lock().unwrap() = None;
    }

    /// It was only a long pause: the process goes on where it stood.
    pub(crate) fn end(&self) {
        self.never();
        self.resumed.notify_one();
    }

    async fn pass(&self) {
        let stops = {
            let mut left = self.calls_left.lock().unwrap();
            match &mut *left {
                None => false,
                Some(0) => true,
                Some(calls) => {
                    *calls -= 1;
                    false
                }
            }
        };
        if stops {
            self.happened.notify_one();
            self.resumed.notified().await;
        }
    }
}

/// The fake connector type, interrupted.
pub(crate) struct Interrupted {
    pub(crate) fake: Fake,
    pub(crate) interruption: Arc<Interruption>,
}

impl ConnectorType for Interrupted {
    fn descriptor(&self) -> &ConnectorDescriptor {
        self.fake.descriptor()
    }

    fn token_profile(&self, settings: &KeyManagerSettings) -> Result<TokenProfile, Invalid> {
        self.fake.token_profile(settings)
    }

    fn open(
        &self,
        settings: &KeyManagerSettings,
        environment: &ConnectorEnvironment,
    ) -> Result<Arc<dyn Connector>, Invalid> {
        Ok(Arc::new(InterruptedConnector {
            fake: self.fake.open(settings, environment)?,
            interruption: Arc::clone(&self.interruption),
        }))
    }
}

struct InterruptedConnector {
    fake: Arc<dyn Connector>,
    interruption: Arc<Interruption>,
}

impl InterruptedConnector {
    fn journal<'a>(&'a self, journal: &'a mut dyn Journal) -> InterruptedJournal<'a> {
        InterruptedJournal {
            journal,
            interruption: &self.interruption,
        }
    }

    fn fake_secrets(&self) -> &dyn ClientSecrets {
        self.fake.secrets().unwrap()
    }
}

struct InterruptedJournal<'a> {
    journal: &'a mut dyn Journal,
    interruption: &'a Interruption,
}

#[async_trait]
impl Journal for InterruptedJournal<'_> {
    async fn started(&mut self, step: &'static str, intent: Value) -> Result<(), ConnectorError> {
        self.interruption.pass().await;
        self.journal.started(step, intent).await
    }

    async fn finished(&mut self, step: &'static str, facts: Value) -> Result<(), ConnectorError> {
        self.interruption.pass().await;
        self.journal.finished(step, facts).await
    }

    fn intent(&self, step: &str) -> Option<Value> {
        self.journal.intent(step)
    }

    fn facts(&self, step: &str) -> Option<Value> {
        self.journal.facts(step)
    }
}

#[async_trait]
impl Connector for InterruptedConnector {
    async fn create_client(
        &self,
        wanted: &ClientSpecification,
        journal: &mut dyn Journal,
    ) -> Result<ProvisionedClient, ConnectorError> {
        let made = self
            .fake
            .create_client(wanted, &mut self.journal(journal))
            .await?;
        self.interruption.pass().await;
        Ok(made)
    }

    async fn undo_create(
        &self,
        wanted: &ClientSpecification,
        journal: &mut dyn Journal,
    ) -> Result<(), ConnectorError> {
        self.fake
            .undo_create(wanted, &mut self.journal(journal))
            .await
    }

    async fn update_client(
        &self,
        client: &ClientReference,
        wanted: &ClientSpecification,
        journal: &mut dyn Journal,
    ) -> Result<(), ConnectorError> {
        self.fake
            .update_client(client, wanted, &mut self.journal(journal))
            .await
    }

    async fn delete_client(
        &self,
        client: &ClientReference,
        journal: &mut dyn Journal,
    ) -> Result<(), ConnectorError> {
        self.fake
            .delete_client(client, &mut self.journal(journal))
            .await
    }

    async fn find_client(&self, consumer_key: &str) -> Result<Option<FoundClient>, ConnectorError> {
        self.fake.find_client(consumer_key).await
    }

    async fn prove_secret(
        &self,
        consumer_key: &str,
        secret: &SecretString,
    ) -> Result<(), ConnectorError> {
        self.fake.prove_secret(consumer_key, secret).await
    }

    async fn request_token(&self, request: &TokenRequest) -> Result<IssuedToken, ConnectorError> {
        self.fake.request_token(request).await
    }

    async fn check(&self) -> Result<ConnectionReport, ConnectorError> {
        self.fake.check().await
    }

    fn secrets(&self) -> Option<&dyn ClientSecrets> {
        Some(self)
    }

    fn introspection(&self) -> Option<&dyn Introspection> {
        self.fake.introspection()
    }
}

#[async_trait]
impl ClientSecrets for InterruptedConnector {
    async fn add(
        &self,
        client: &ClientReference,
        wanted: &SecretSpecification,
        journal: &mut dyn Journal,
    ) -> Result<IssuedSecret, ConnectorError> {
        let added = self
            .fake_secrets()
            .add(client, wanted, &mut self.journal(journal))
            .await?;
        self.interruption.pass().await;
        Ok(added)
    }

    async fn remove(&self, client: &ClientReference, key_id: &str) -> Result<(), ConnectorError> {
        self.fake_secrets().remove(client, key_id).await
    }

    async fn list(&self, client: &ClientReference) -> Result<Vec<ListedSecret>, ConnectorError> {
        self.fake_secrets().list(client).await
    }
}
