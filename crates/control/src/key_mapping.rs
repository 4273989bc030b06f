//! Key mappings: an application's consumer keys at its key managers, as a developer obtains and tends them.
//!
//! A use-case checks, writes, and waits; what is done at a key manager is [`crate::provisioning`]'s. Answers
//! carry a consumer secret only where one was just made.

mod change;
mod generate;
mod map;
mod request;
mod token;

use std::collections::BTreeMap;

use connectors::contract::{ClientReference, IssuedToken, ListedSecret};
use domain::SecretString;
use domain::application::Application;
use domain::id::{ApplicationId, KeyMappingId};
use domain::key_manager::KeyManager;
use domain::key_mapping::{KeyMapping, KeyType};
use domain::user::Actor;
use serde_json::Value;
use store::Tx;

use crate::application::{find_approved, find_owned};
use crate::error::{NotPossible, Noun};
use crate::identity::authorization::require;
use crate::{Control, Error};

pub use crate::provisioning::{Deletion, JobSteps};

/// REST scopes that may see and tend an application's keys (WSO2 developer portal API).
pub(crate) const KEYS: &[&str] = &[
    "apim:subscribe",
    "apim:app_manage",
    "apim:app_import_export",
];

/// What a developer asks for when pressing "Generate Keys".
#[derive(Clone, Debug)]
pub struct GenerateKeys {
    pub key_type: KeyType,
    /// Id or name.
    pub key_manager: String,
    pub grant_types: Vec<String>,
    /// Empty means none.
    pub callback_url: Option<String>,
    /// For the first access token. WSO2's `default` stands for the key manager's default scope.
    pub scopes: Vec<String>,
    /// Seconds. Taken for WSO2's clients; the authorization server alone decides how long its tokens last.
    pub validity_time: Option<u64>,
    pub additional_properties: BTreeMap<String, Value>,
}

/// The outcome of "Generate Keys".
#[derive(Debug)]
pub struct GeneratedKeys {
    /// Still `Provisioning` when the job outlasted the request's patience.
    pub mapping: KeyMapping,
    /// The consumer secret, here and never again.
    pub secret: Option<SecretString>,
    pub key_manager: KeyManager,
    /// A first access token, where the key manager gave one.
    pub token: Option<IssuedToken>,
    pub steps: Vec<JobSteps>,
}

/// An existing client that a developer brings ("Provide Existing OAuth Keys").
#[derive(Clone, Debug)]
pub struct MapKeys {
    pub key_type: KeyType,
    /// Id or name.
    pub key_manager: String,
    pub consumer_key: String,
    /// Proven at the key manager and then forgotten.
    pub consumer_secret: Option<SecretString>,
}

/// What can be changed about keys.
#[derive(Clone, Debug)]
pub struct UpdateKeys {
    pub grant_types: Vec<String>,
    pub callback_url: Option<String>,
    pub additional_properties: BTreeMap<String, Value>,
}

/// A request for an access token with an application's own credentials.
#[derive(Clone, Debug)]
pub struct GenerateToken {
    /// Needed where the secret is not kept here (mapped clients).
    pub consumer_secret: Option<SecretString>,
    pub scopes: Vec<String>,
    /// Seconds. Taken for WSO2's clients, see [`GenerateKeys::validity_time`].
    pub validity: Option<u64>,
}

#[derive(Clone, Copy)]
pub struct KeyMappings<'a> {
    control: &'a Control,
}

impl<'a> KeyMappings<'a> {
    pub(crate) const fn new(control: &'a Control) -> Self {
        Self { control }
    }

    /// All keys of an application, from our own tables: no key manager is asked.
    pub async fn list(
        &self,
        actor: &Actor,
        application: ApplicationId,
    ) -> Result<Vec<(KeyMapping, KeyManager)>, Error> {
        require(actor, KEYS)?;
        let mut tx = self.control.store().read().await?;
        find_owned(&mut *tx, actor, application).await?;
        let mut listed = Vec::new();
        for mapping in tx.key_mappings().list_of(application).await? {
            let key_manager = key_manager_of(&mut *tx, &mapping).await?;
            listed.push((without_secret(mapping), key_manager));
        }
        Ok(listed)
    }

    pub async fn get(
        &self,
        actor: &Actor,
        application: ApplicationId,
        id: KeyMappingId,
    ) -> Result<(KeyMapping, KeyManager), Error> {
        require(actor, KEYS)?;
        let mut tx = self.control.store().read().await?;
        find_owned(&mut *tx, actor, application).await?;
        let mapping = find(&mut *tx, application, id).await?;
        let key_manager = key_manager_of(&mut *tx, &mapping).await?;
        Ok((without_secret(mapping), key_manager))
    }

    /// What the jobs of these keys did so far, newest job first.
    pub async fn steps(
        &self,
        actor: &Actor,
        application: ApplicationId,
        id: KeyMappingId,
    ) -> Result<Vec<JobSteps>, Error> {
        require(actor, KEYS)?;
        let mut tx = self.control.store().read().await?;
        find_owned(&mut *tx, actor, application).await?;
        find(&mut *tx, application, id).await?;
        steps_of(&mut *tx, id).await
    }

    /// The client's secrets as its key manager lists them: hints and dates, never a secret. Asks the key manager.
    pub async fn secrets(
        &self,
        actor: &Actor,
        application: ApplicationId,
        id: KeyMappingId,
    ) -> Result<Vec<ListedSecret>, Error> {
        let (mapping, key_manager) = self.get(actor, application, id).await?;
        let connector = self
            .control
            .connectors()
            .of(self.control.dependencies(), &key_manager)?;
        let Some(secrets) = connector.secrets() else {
            return Err(NotPossible::NotImplementedByConnector("list secrets").into());
        };
        let Some(consumer_key) = mapping.consumer_key else {
            return Ok(Vec::new());
        };
        let client = ClientReference {
            key_mapping_id: mapping.id,
            consumer_key,
            provider_reference: mapping.provider_reference,
        };
        Ok(secrets.list(&client).await?)
    }

    /// What a developer's own token request needs beside id, secret and grant type, for the curl snippet.
    pub async fn token_request_parameters(
        &self,
        actor: &Actor,
        application: ApplicationId,
        id: KeyMappingId,
    ) -> Result<Vec<(&'static str, String)>, Error> {
        let (mapping, key_manager) = self.get(actor, application, id).await?;
        let Some(consumer_key) = &mapping.consumer_key else {
            return Ok(Vec::new());
        };
        let connector = self
            .control
            .connectors()
            .of(self.control.dependencies(), &key_manager)?;
        Ok(connector.token_request_parameters(consumer_key))
    }

    /// An application of the actor that is open to change, and one of its mappings.
    async fn tended(
        &self,
        tx: &mut dyn Tx,
        actor: &Actor,
        application: ApplicationId,
        id: KeyMappingId,
    ) -> Result<(Application, KeyMapping), Error> {
        require(actor, KEYS)?;
        let application = find_approved(tx, actor, application).await?;
        let mapping = find(tx, application.id, id).await?;
        Ok((application, mapping))
    }
}

/// A mapping as it may leave this module.
fn without_secret(mapping: KeyMapping) -> KeyMapping {
    KeyMapping {
        consumer_secret: None,
        ..mapping
    }
}

async fn find(
    tx: &mut dyn Tx,
    application: ApplicationId,
    id: KeyMappingId,
) -> Result<KeyMapping, Error> {
    let found = tx.key_mappings().find_in(application, id).await?;
    found.ok_or(Error::NotFound(Noun::KeyMapping))
}

async fn key_manager_of(tx: &mut dyn Tx, mapping: &KeyMapping) -> Result<KeyManager, Error> {
    let found = tx.key_managers().find(mapping.key_manager_id).await?;
    found.ok_or(Error::NotFound(Noun::KeyManager))
}

async fn steps_of(tx: &mut dyn Tx, id: KeyMappingId) -> Result<Vec<JobSteps>, Error> {
    let mut steps = Vec::new();
    for job in tx.jobs().list_of(id).await? {
        let journal = tx.jobs().journal(job.id).await?;
        steps.push(JobSteps { job, journal });
    }
    Ok(steps)
}
