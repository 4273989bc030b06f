//! "Generate Keys": a client of our own making at the key manager.

use connectors::contract::IssuedToken;
use domain::SecretString;
use domain::id::{ApplicationId, KeyMappingId};
use domain::key_manager::KeyManager;
use domain::key_mapping::{CreateMode, KeyMapping, KeyMappingState, KeyType};
use domain::provisioning::{JobKind, JobState, ProvisioningJob};
use domain::user::Actor;
use serde_json::{Value, json};
use store::StoreError;

use super::request::{self, ClientSettings};
use super::token::request_token;
use super::{
    GenerateKeys, GeneratedKeys, KEYS, KeyMappings, key_manager_of, steps_of, without_secret,
};
use crate::application::find_approved;
use crate::error::{NotPossible, Noun};
use crate::identity::authorization::require;
use crate::key_manager::resolve_for;
use crate::open_connectors::connector_type;
use crate::provisioning::{new_job, schedule_last, wait_for_outcome};
use crate::transaction::repeat_when_overtaken;
use crate::{Control, Error, Transaction};

impl KeyMappings<'_> {
    /// Makes a client and waits for it as long as the configured patience lasts; then the job goes on without
    /// the request. `Error::KeyManager` when the key manager refused for good: what had been made is removed,
    /// and asking again starts afresh.
    pub async fn generate(
        &self,
        actor: &Actor,
        application: ApplicationId,
        wanted: GenerateKeys,
    ) -> Result<GeneratedKeys, Error> {
        require(actor, KEYS)?;
        let scopes = request::scopes(wanted.scopes.clone())?;
        let (id, job) =
            repeat_when_overtaken(|| self.begin_generation(actor, application, wanted.clone()))
                .await?;
        wait_for_outcome(self.control, job.id).await?;

        let mut tx = self.control.store().read().await?;
        let Some(mapping) = tx.key_mappings().find(id).await? else {
            // Deleted while we waited.
            return Err(Error::NotFound(Noun::KeyMapping));
        };
        let key_manager = key_manager_of(&mut *tx, &mapping).await?;
        let steps = steps_of(&mut *tx, id).await?;
        drop(tx);
        if let KeyMappingState::Failed(failure) = mapping.state {
            return Err(Error::KeyManager(Box::new(failure)));
        }
        let secret = mapping.consumer_secret.clone();
        let token = self
            .first_token(&key_manager, &mapping, secret.as_ref(), scopes)
            .await;
        Ok(GeneratedKeys {
            mapping: without_secret(mapping),
            secret,
            key_manager,
            token,
            steps,
        })
    }

    /// One transaction: the mapping, its job, the audit entry. What still cleans up after an earlier attempt may
    /// overtake it.
    async fn begin_generation(
        &self,
        actor: &Actor,
        application: ApplicationId,
        wanted: GenerateKeys,
    ) -> Result<(KeyMappingId, ProvisioningJob), Error> {
        let control = self.control;
        let mut tx = control.begin().await?;
        let application = find_approved(&mut *tx, actor, application).await?;
        let key_manager = resolve_for(&mut *tx, actor, &wanted.key_manager).await?;
        if !key_manager.settings.capabilities.oauth_app_creation {
            return Err(NotPossible::AppCreationDisabled.into());
        }
        let connector_type =
            connector_type(control.dependencies(), &key_manager.settings.connector_type)?;
        let settings = request::validated(
            connector_type.descriptor(),
            wanted.grant_types,
            wanted.callback_url,
            wanted.additional_properties,
        )?;
        let mapping = blank(
            control,
            application.id,
            &key_manager,
            wanted.key_type,
            settings,
        );
        let mapping = take_place(&mut tx, mapping).await?;
        let job = new_job(control, JobKind::CreateClient, &mapping, &actor.username);
        let job = schedule_last(&mut tx, job).await?;
        let details = json!({
            "application": application.id,
            "keyManager": key_manager.settings.name,
            "keyType": mapping.key_type,
        });
        tx.record_audit(&actor.username, "key_mapping.generate", mapping.id, details)
            .await?;
        tx.commit().await?;
        Ok((mapping.id, job))
    }

    /// As WSO2 does: an access token comes with the keys where the client may ask for one. Keys without a token
    /// are still good keys, so a refusal is only logged.
    async fn first_token(
        &self,
        key_manager: &KeyManager,
        mapping: &KeyMapping,
        secret: Option<&SecretString>,
        scopes: Vec<String>,
    ) -> Option<IssuedToken> {
        let is_wanted = mapping.state.is_live()
            && key_manager.settings.capabilities.token_generation
            && mapping
                .grant_types
                .iter()
                .any(|grant| grant == "client_credentials");
        if !is_wanted {
            return None;
        }
        let (consumer_key, secret) = (mapping.consumer_key.as_deref()?, secret?);
        match request_token(self.control, key_manager, consumer_key, secret, scopes).await {
            Ok(token) => Some(token),
            Err(error) => {
                tracing::warn!(
                    key_mapping.id = %mapping.id, error = %crate::error::chain(&error),
                    "no first access token"
                );
                None
            }
        }
    }
}

fn blank(
    control: &Control,
    application_id: ApplicationId,
    key_manager: &KeyManager,
    key_type: KeyType,
    settings: ClientSettings,
) -> KeyMapping {
    let now = control.clock().now();
    KeyMapping {
        id: KeyMappingId::generate(control.clock(), control.random()),
        application_id,
        key_manager_id: key_manager.id,
        key_type,
        mode: CreateMode::Created,
        state: KeyMappingState::Provisioning,
        consumer_key: None,
        consumer_secret: None,
        provider_reference: Value::Null,
        grant_types: settings.grant_types,
        callback_url: settings.callback_url,
        additional_properties: settings.additional_properties,
        created_at: now,
        updated_at: now,
        version: 1,
    }
}

/// Stores a new mapping; one that failed makes room for it.
pub(super) async fn take_place(
    tx: &mut Transaction<'_>,
    wanted: KeyMapping,
) -> Result<KeyMapping, Error> {
    let existing = tx
        .key_mappings()
        .find_for(
            wanted.application_id,
            wanted.key_type,
            wanted.key_manager_id,
        )
        .await?;
    let Some(existing) = existing else {
        insert(tx, &wanted).await?;
        return Ok(wanted);
    };
    if !matches!(existing.state, KeyMappingState::Failed(_)) {
        return Err(NotPossible::KeyMappingExists.into());
    }
    let jobs = tx.jobs().list_of(existing.id).await?;
    let undoing = jobs.into_iter().find(|job| !job.state.is_finished());
    let Some(undoing) = undoing else {
        tx.key_mappings().delete(existing.id).await?;
        insert(tx, &wanted).await?;
        return Ok(wanted);
    };
    if wanted.mode == CreateMode::Mapped {
        return Err(Error::InUse {
            noun: Noun::KeyMapping,
            reason: "What an earlier attempt made is still being removed; try again in a moment."
                .to_owned(),
        });
    }
    // The row stays with the job that still cleans up; the new job runs after that one.
    let again = KeyMapping {
        id: existing.id,
        created_at: existing.created_at,
        version: existing.version,
        ..wanted
    };
    tx.key_mappings().update(&again).await?;
    if undoing.state == JobState::Compensating && undoing.leased_until.is_none() {
        let now = tx.control().clock().now();
        let hurried = ProvisioningJob {
            due_at: undoing.due_at.min(now),
            ..undoing
        };
        tx.jobs().update(&hurried).await?;
    }
    Ok(again)
}

async fn insert(tx: &mut Transaction<'_>, mapping: &KeyMapping) -> Result<(), Error> {
    let inserted = tx.key_mappings().insert(mapping).await;
    inserted.map_err(|error| match error {
        StoreError::Duplicate {
            key: "consumer key",
            ..
        } => NotPossible::ConsumerKeyTaken.into(),
        StoreError::Duplicate { .. } => NotPossible::KeyMappingExists.into(),
        other => other.into(),
    })
}
