//! What a job is about, read anew for every run: the mapping, its application and its key manager.

use connectors::contract::{ClientReference, ClientSpecification};
use domain::application::Application;
use domain::key_manager::KeyManager;
use domain::key_mapping::KeyMapping;
use domain::provisioning::ProvisioningJob;

use crate::{Control, Error};

pub(super) struct Subject {
    pub(super) mapping: KeyMapping,
    pub(super) application: Application,
    pub(super) key_manager: KeyManager,
}

impl Subject {
    /// `None` when there is nothing left that the job could be about.
    pub(super) async fn load(
        control: &Control,
        job: &ProvisioningJob,
    ) -> Result<Option<Self>, Error> {
        let mut tx = control.store().read().await?;
        let Some(mapping) = tx.key_mappings().find(job.key_mapping_id).await? else {
            return Ok(None);
        };
        let application = tx.applications().find(mapping.application_id).await?;
        let key_manager = tx.key_managers().find(mapping.key_manager_id).await?;
        let (Some(application), Some(key_manager)) = (application, key_manager) else {
            return Ok(None);
        };
        Ok(Some(Self {
            mapping,
            application,
            key_manager,
        }))
    }

    /// The client that the mapping wants.
    pub(super) fn specification(&self) -> ClientSpecification {
        let (mapping, application) = (&self.mapping, &self.application);
        ClientSpecification {
            key_mapping_id: mapping.id,
            display_name: format!(
                "{}_{}_{}",
                application.owner,
                application.settings.name,
                mapping.key_type.as_str()
            ),
            application_name: application.settings.name.clone(),
            owner: application.owner.clone(),
            key_type: mapping.key_type,
            grant_types: mapping.grant_types.clone(),
            callback_url: mapping.callback_url.clone(),
            additional_properties: mapping.additional_properties.clone().into_iter().collect(),
        }
    }

    /// The client as it exists; `None` before it was made.
    pub(super) fn reference(&self) -> Option<ClientReference> {
        let consumer_key = self.mapping.consumer_key.clone()?;
        Some(ClientReference {
            key_mapping_id: self.mapping.id,
            consumer_key,
            provider_reference: self.mapping.provider_reference.clone(),
        })
    }
}
