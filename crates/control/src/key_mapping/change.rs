//! What happens to keys after they were made: new settings, a new secret, removal.

use domain::SecretString;
use domain::id::{ApplicationId, JobId, KeyMappingId};
use domain::key_manager::KeyManager;
use domain::key_mapping::{CreateMode, KeyMapping, KeyMappingState};
use domain::provisioning::{JobKind, JobState};
use domain::user::Actor;
use serde_json::json;

use super::{KeyMappings, UpdateKeys, find, key_manager_of, request, without_secret};
use crate::application::find_owned;
use crate::error::{NotPossible, Noun};
use crate::key_manager::check_usable;
use crate::open_connectors::connector_type;
use crate::provisioning::{Deletion, new_job, schedule_removal, wait_for_jobs};
use crate::transaction::repeat_when_overtaken;
use crate::{Control, Error};

impl KeyMappings<'_> {
    /// Changes grant types, callback and the connector's own fields; never makes a secret. Of a mapped client
    /// only our own record changes. `Error::KeyManager` when the key manager refused for good.
    pub async fn update(
        &self,
        actor: &Actor,
        application: ApplicationId,
        id: KeyMappingId,
        wanted: UpdateKeys,
    ) -> Result<(KeyMapping, KeyManager), Error> {
        let mut tx = self.control.begin().await?;
        let (_, mapping) = self.tended(&mut *tx, actor, application, id).await?;
        let key_manager = key_manager_of(&mut *tx, &mapping).await?;
        check_usable(actor, &key_manager)?;
        check_complete(&mapping)?;
        let connector_type = connector_type(
            self.control.dependencies(),
            &key_manager.settings.connector_type,
        )?;
        let settings = request::validated(
            connector_type.descriptor(),
            wanted.grant_types,
            wanted.callback_url,
            wanted.additional_properties,
        )?;
        let updated = KeyMapping {
            grant_types: settings.grant_types,
            callback_url: settings.callback_url,
            additional_properties: settings.additional_properties,
            updated_at: self.control.clock().now(),
            ..mapping
        };
        tx.key_mappings().update(&updated).await?;
        let details = json!({
            "grantTypes": updated.grant_types,
            "callbackUrl": updated.callback_url,
        });
        tx.record_audit(&actor.username, "key_mapping.update", id, details)
            .await?;
        let job = new_job(
            self.control,
            JobKind::UpdateClient,
            &updated,
            &actor.username,
        );
        let is_ours = updated.mode == CreateMode::Created;
        if is_ours {
            tx.schedule(&job).await?;
        }
        tx.commit().await?;
        if is_ours {
            wait_for_success(self.control, job.id).await?;
        }
        self.get(actor, application, id).await
    }

    /// Adds a new secret and proves it; the one before keeps working for the configured grace period. The answer
    /// holds the new secret, here and never again. `InUse` when the patience ended first: the job goes on, and
    /// pressing again waits for nothing but makes another secret.
    pub async fn regenerate_secret(
        &self,
        actor: &Actor,
        application: ApplicationId,
        id: KeyMappingId,
    ) -> Result<(KeyMapping, SecretString), Error> {
        let mut tx = self.control.begin().await?;
        let (_, mapping) = self.tended(&mut *tx, actor, application, id).await?;
        let key_manager = key_manager_of(&mut *tx, &mapping).await?;
        check_usable(actor, &key_manager)?;
        check_complete(&mapping)?;
        if mapping.mode == CreateMode::Mapped {
            return Err(Error::Forbidden(
                "only secrets of clients that were created here can be regenerated",
            ));
        }
        let connector = self
            .control
            .connectors()
            .of(self.control.dependencies(), &key_manager)?;
        if connector.secrets().is_none() {
            return Err(NotPossible::NotImplementedByConnector("regenerate secret").into());
        }
        let job = new_job(
            self.control,
            JobKind::RotateSecret,
            &mapping,
            &actor.username,
        );
        tx.schedule(&job).await?;
        let details = json!({ "consumerKey": mapping.consumer_key });
        tx.record_audit(
            &actor.username,
            "key_mapping.regenerate_secret",
            id,
            details,
        )
        .await?;
        tx.commit().await?;
        if !wait_for_success(self.control, job.id).await? {
            return Err(Error::InUse {
                noun: Noun::KeyMapping,
                reason: "The new secret is still being made; its steps tell how far it is."
                    .to_owned(),
            });
        }
        let mut tx = self.control.store().read().await?;
        let rotated = find(&mut *tx, application, id).await?;
        // A removal meanwhile ends the job as needless: the secret that is stored is then the old one.
        check_complete(&rotated)?;
        let Some(secret) = rotated.consumer_secret.clone() else {
            return Err(NotPossible::SecretNotStored.into());
        };
        Ok((without_secret(rotated), secret))
    }

    /// Removes keys. A client that was created here goes at its key manager too; a mapped one stays untouched.
    pub async fn delete(
        &self,
        actor: &Actor,
        application: ApplicationId,
        id: KeyMappingId,
    ) -> Result<Deletion, Error> {
        self.remove(actor, application, id, "key_mapping.delete")
            .await
    }

    /// Removes keys that never came to be, with whatever had been made of them. `InUse` for keys that work.
    pub async fn clean_up(
        &self,
        actor: &Actor,
        application: ApplicationId,
        id: KeyMappingId,
    ) -> Result<Deletion, Error> {
        let mut tx = self.control.store().read().await?;
        let (_, mapping) = self.tended(&mut *tx, actor, application, id).await?;
        drop(tx);
        if mapping.state.is_live() {
            return Err(Error::InUse {
                noun: Noun::KeyMapping,
                reason: "These keys are complete; delete them instead.".to_owned(),
            });
        }
        self.remove(actor, application, id, "key_mapping.clean_up")
            .await
    }

    async fn remove(
        &self,
        actor: &Actor,
        application: ApplicationId,
        id: KeyMappingId,
        action: &'static str,
    ) -> Result<Deletion, Error> {
        crate::identity::authorization::require(actor, super::KEYS)?;
        let job =
            repeat_when_overtaken(|| self.begin_removal(actor, application, id, action)).await?;
        let Some(job) = job else {
            return Ok(Deletion::Done);
        };
        wait_for_jobs(self.control, &[job]).await?;
        let mut tx = self.control.store().read().await?;
        Ok(match tx.key_mappings().find(id).await? {
            None => Deletion::Done,
            Some(_) => Deletion::Pending,
        })
    }

    /// One unit of work; the job to wait for.
    async fn begin_removal(
        &self,
        actor: &Actor,
        application: ApplicationId,
        id: KeyMappingId,
        action: &'static str,
    ) -> Result<Option<JobId>, Error> {
        let mut tx = self.control.begin().await?;
        find_owned(&mut *tx, actor, application).await?;
        let mapping = find(&mut *tx, application, id).await?;
        let details = json!({ "consumerKey": mapping.consumer_key, "mode": mapping.mode });
        tx.record_audit(&actor.username, action, id, details)
            .await?;
        let job = schedule_removal(&mut tx, mapping, &actor.username).await?;
        tx.commit().await?;
        Ok(job)
    }
}

/// True when the job succeeded, false when it still goes on; its failure as an error.
async fn wait_for_success(control: &Control, job: JobId) -> Result<bool, Error> {
    if !wait_for_jobs(control, &[job]).await? {
        return Ok(false);
    }
    let mut tx = control.store().read().await?;
    let Some(job) = tx.jobs().find(job).await? else {
        return Err(Error::NotFound(Noun::KeyMapping));
    };
    match (job.state, job.last_failure) {
        (JobState::Failed, Some(failure)) => Err(Error::KeyManager(Box::new(failure))),
        _ => Ok(true),
    }
}

fn check_complete(mapping: &KeyMapping) -> Result<(), Error> {
    let reason = match &mapping.state {
        KeyMappingState::Completed => return Ok(()),
        KeyMappingState::Provisioning => "These keys are still being made.",
        KeyMappingState::Failed(_) => "These keys could not be made; generate them again.",
        KeyMappingState::Deprovisioning => "These keys are being removed.",
    };
    Err(Error::InUse {
        noun: Noun::KeyMapping,
        reason: reason.to_owned(),
    })
}
