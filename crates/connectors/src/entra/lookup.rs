//! Finds app registrations by their exact client id. Never by search, whose index is late and matches parts.

use domain::provider_failure::{FailureClass, ProviderFailure};
use reqwest::Method;
use serde_json::Value;

use super::classify::{Patience, Stage};
use super::create::Registration;
use super::graph::{GraphRequest, guid};
use super::polling::Polling;
use super::{EntraConnector, ProviderReference};
use crate::contract::{ClientReference, ConnectorError, FoundClient};

impl EntraConnector {
    pub(super) async fn find(
        &self,
        consumer_key: &str,
    ) -> Result<Option<FoundClient>, ConnectorError> {
        // Entra's client ids are GUIDs; nothing else is there to be found.
        let Some(app_id) = guid(consumer_key) else {
            return Ok(None);
        };
        let path = format!("/applications(appId='{app_id}')?$select=id,appId,displayName");
        let request = GraphRequest::new("find application", Method::GET, path);
        let patience = |refusal: &super::classify::Refusal| {
            if refusal.is_not_found() {
                Patience::None
            } else {
                refusal.patience(Stage::Settled)
            }
        };
        let found = self
            .polling()
            .until(|| self.graph.call(&request), patience)
            .await;
        let application = match found {
            Ok(application) => application,
            Err(refusal) if refusal.is_not_found() => return Ok(None),
            Err(refusal) => return Err(refusal.into_failure(Stage::Settled).into()),
        };
        let Some(registration) = Registration::from_application(&application) else {
            return Ok(None);
        };
        let display_name = application.get("displayName").and_then(Value::as_str);
        Ok(Some(FoundClient {
            consumer_key: registration.app_id,
            display_name: display_name.unwrap_or_default().to_owned(),
            provider_reference: ProviderReference {
                object_id: Some(registration.object_id),
                ..ProviderReference::default()
            }
            .into_value(),
        }))
    }

    /// The object id that the mapping remembers, else the one that Graph finds.
    pub(super) async fn object_id_of(
        &self,
        client: &ClientReference,
        polling: &Polling,
    ) -> Result<String, ConnectorError> {
        let remembered = ProviderReference::of(client).object_id;
        if let Some(object_id) = remembered.as_deref().and_then(guid) {
            return Ok(object_id);
        }
        let found = self.object_id_by_consumer_key(client, polling).await?;
        found.ok_or_else(|| {
            let mut failure = ProviderFailure::new(
                FailureClass::Rejected,
                "find application",
                "the tenant has no application with this client id",
            );
            failure.advice = Some("Check whether the application was deleted in Entra.".to_owned());
            failure.into()
        })
    }
}
