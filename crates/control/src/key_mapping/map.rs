//! "Provide Existing OAuth Keys": a client that somebody else made. It is looked at, never changed.

use std::collections::BTreeMap;

use domain::application::Application;
use domain::id::{ApplicationId, KeyMappingId};
use domain::key_manager::KeyManager;
use domain::key_mapping::{CreateMode, KeyMapping, KeyMappingState};
use domain::user::Actor;
use domain::validation::Check;
use serde_json::{Value, json};
use store::Tx;
use store::snapshot_change::ChangedNoun;

use super::generate::take_place;
use super::{KEYS, KeyMappings, MapKeys};
use crate::Error;
use crate::application::find_approved;
use crate::error::NotPossible;
use crate::identity::authorization::require;
use crate::key_manager::resolve_for;

impl KeyMappings<'_> {
    /// Maps an existing client. The client must exist where the key manager is set to check that; a secret, if
    /// given, must work, and is then forgotten.
    pub async fn map(
        &self,
        actor: &Actor,
        application: ApplicationId,
        wanted: MapKeys,
    ) -> Result<(KeyMapping, KeyManager), Error> {
        require(actor, KEYS)?;
        let wanted = MapKeys {
            consumer_key: wanted.consumer_key.trim().to_owned(),
            ..wanted
        };
        let mut check = Check::default();
        check
            .length("consumerKey", &wanted.consumer_key, 1, 512)
            .that(
                !wanted.consumer_key.contains(char::is_control),
                "consumerKey",
                "must not contain control characters",
            );
        check.finish()?;

        // Asked twice: before the key manager is bothered, and again in the transaction that writes.
        let mut tx = self.control.store().read().await?;
        let (_, key_manager) = mappable(&mut *tx, actor, application, &wanted).await?;
        drop(tx);
        let provider_reference = self.look_up(&key_manager, &wanted).await?;

        let mut tx = self.control.begin().await?;
        let (application, key_manager) = mappable(&mut *tx, actor, application, &wanted).await?;
        let now = self.control.clock().now();
        let mapping = KeyMapping {
            id: KeyMappingId::generate(self.control.clock(), self.control.random()),
            application_id: application.id,
            key_manager_id: key_manager.id,
            key_type: wanted.key_type,
            mode: CreateMode::Mapped,
            state: KeyMappingState::Completed,
            consumer_key: Some(wanted.consumer_key),
            consumer_secret: None,
            provider_reference,
            grant_types: Vec::new(),
            callback_url: None,
            additional_properties: BTreeMap::new(),
            created_at: now,
            updated_at: now,
            version: 1,
        };
        let mapping = take_place(&mut tx, mapping).await?;
        tx.changed(ChangedNoun::KeyMapping(mapping.id));
        let details = json!({
            "application": application.id,
            "keyManager": key_manager.settings.name,
            "keyType": mapping.key_type,
            "consumerKey": mapping.consumer_key,
        });
        tx.record_audit(&actor.username, "key_mapping.map", mapping.id, details)
            .await?;
        tx.commit().await?;
        Ok((mapping, key_manager))
    }

    /// The connector's handles on the client, where it was looked up.
    async fn look_up(&self, key_manager: &KeyManager, wanted: &MapKeys) -> Result<Value, Error> {
        let connector = self
            .control
            .connectors()
            .of(self.control.dependencies(), key_manager)?;
        let mut provider_reference = Value::Null;
        if key_manager.settings.capabilities.provisioned_app_validation {
            let found = connector.find_client(&wanted.consumer_key).await?;
            let found = found.filter(|client| client.consumer_key == wanted.consumer_key);
            provider_reference = found.ok_or(NotPossible::ClientNotFound)?.provider_reference;
        }
        if let Some(secret) = &wanted.consumer_secret {
            connector.prove_secret(&wanted.consumer_key, secret).await?;
        }
        Ok(provider_reference)
    }
}

async fn mappable(
    tx: &mut dyn Tx,
    actor: &Actor,
    application: ApplicationId,
    wanted: &MapKeys,
) -> Result<(Application, KeyManager), Error> {
    let application = find_approved(tx, actor, application).await?;
    let key_manager = resolve_for(tx, actor, &wanted.key_manager).await?;
    if !key_manager.settings.capabilities.map_oauth_consumer_apps {
        return Err(NotPossible::AppMappingDisabled.into());
    }
    let existing = tx
        .key_mappings()
        .find_for(application.id, wanted.key_type, key_manager.id)
        .await?;
    if existing.is_some_and(|mapping| !matches!(mapping.state, KeyMappingState::Failed(_))) {
        return Err(NotPossible::KeyMappingExists.into());
    }
    let taken = tx
        .key_mappings()
        .find_by_consumer_key(key_manager.id, &wanted.consumer_key)
        .await?;
    if taken.is_some() {
        return Err(NotPossible::ConsumerKeyTaken.into());
    }
    Ok((application, key_manager))
}
