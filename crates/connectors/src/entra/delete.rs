//! Removes a client for good: delete, then purge from the deleted items, where it would hold its App ID URI, its
//! name and the tenant's quota for 30 days.
//!
//! "Not found" is the aim and yet no proof: a replica may not have heard of a young application. So absence is
//! believed only after waiting: for as long as the creation's own budget when undoing, shortly otherwise.

use domain::provider_failure::ProviderFailure;
use reqwest::Method;
use serde_json::{Value, json};

use super::classify::{Meaning, Patience, Refusal, Stage};
use super::create::{
    CREATE_SERVICE_PRINCIPAL, Registration, creation_is_in_doubt, known_registration,
    known_service_principal, unique_name,
};
use super::graph::{GraphRequest, guid};
use super::polling::Polling;
use super::{EntraConnector, ProviderReference};
use crate::contract::{ClientReference, ClientSpecification, ConnectorError, Journal};

const DELETE_APPLICATION: &str = "delete_application";
const PURGE_APPLICATION: &str = "purge_application";

/// What is to go.
struct Doomed {
    object_id: String,
    service_principal_id: Option<String>,
    /// How young it is.
    stage: Stage,
    /// Whether it also leaves the deleted items.
    purged: bool,
}

impl EntraConnector {
    pub(super) async fn undo(
        &self,
        wanted: &ClientSpecification,
        journal: &mut dyn Journal,
    ) -> Result<(), ConnectorError> {
        let polling = self.polling();
        let registration = match known_registration(journal) {
            Some(registration) => Some(registration),
            // The answer was lost: what was made can be found by its name.
            None if creation_is_in_doubt(journal) => {
                let key = format!("uniqueName='{}'", unique_name(wanted));
                self.registration(&key, &polling).await?
            }
            None => None,
        };
        let Some(registration) = registration else {
            return Ok(());
        };
        let doomed = Doomed {
            object_id: registration.object_id,
            service_principal_id: self
                .principal_to_undo(&registration.app_id, journal, &polling)
                .await?,
            stage: Stage::Fresh,
            // Nobody has used it, and its name is wanted again by the next attempt.
            purged: true,
        };
        self.remove_application(&doomed, journal, &polling).await
    }

    pub(super) async fn delete(
        &self,
        client: &ClientReference,
        journal: &mut dyn Journal,
    ) -> Result<(), ConnectorError> {
        let polling = self.polling();
        let reference = ProviderReference::of(client);
        let object_id = match reference.object_id.as_deref().and_then(guid) {
            Some(object_id) => Some(object_id),
            None => self.object_id_by_consumer_key(client, &polling).await?,
        };
        let Some(object_id) = object_id else {
            return Ok(());
        };
        let doomed = Doomed {
            object_id,
            service_principal_id: reference.service_principal_id.as_deref().and_then(guid),
            stage: Stage::Settled,
            purged: self.settings.purge_deleted,
        };
        self.remove_application(&doomed, journal, &polling).await
    }

    async fn remove_application(
        &self,
        doomed: &Doomed,
        journal: &mut dyn Journal,
        polling: &Polling,
    ) -> Result<(), ConnectorError> {
        let object_id = doomed.object_id.as_str();
        let was_there = if let Some(facts) = journal.facts(DELETE_APPLICATION) {
            facts.get("was_there") == Some(&json!(true))
        } else {
            let intent = json!({ "object_id": object_id });
            journal.started(DELETE_APPLICATION, intent).await?;
            let was_there = self
                .delete_application(object_id, doomed.stage, polling)
                .await?;
            let facts = json!({ "object_id": object_id, "was_there": was_there });
            journal.finished(DELETE_APPLICATION, facts).await?;
            was_there
        };
        if !doomed.purged || journal.facts(PURGE_APPLICATION).is_some() {
            return Ok(());
        }
        // What was deleted a moment ago will appear among the deleted items, unless an earlier run has purged it.
        let patience = match (was_there, journal.intent(PURGE_APPLICATION)) {
            (true, None) => Patience::Full,
            _ => Patience::Short,
        };
        let intent = json!({ "object_id": object_id });
        journal.started(PURGE_APPLICATION, intent.clone()).await?;
        // The application goes first: while it is there, its service principal is wanted.
        self.purge(object_id, patience, polling).await?;
        // Usually it has gone with its application by now.
        if let Some(principal) = &doomed.service_principal_id {
            self.purge(principal, Patience::None, polling).await?;
        }
        journal.finished(PURGE_APPLICATION, intent).await?;
        Ok(())
    }

    /// Whether it was there to be deleted.
    async fn delete_application(
        &self,
        object_id: &str,
        stage: Stage,
        polling: &Polling,
    ) -> Result<bool, ProviderFailure> {
        let path = format!("/applications/{object_id}");
        let request = GraphRequest::new("delete application", Method::DELETE, path);
        let outcome = polling
            .until(
                || self.graph.call(&request),
                |refusal| refusal.patience(stage),
            )
            .await;
        match outcome {
            Ok(_) => Ok(true),
            Err(refusal) if refusal.is_not_found() => Ok(false),
            Err(refusal) => Err(refusal.into_failure(stage)),
        }
    }

    /// Removes an object from the deleted items. One that was deleted a moment ago appears there late:
    /// `until_it_appears` says how long that is waited for.
    async fn purge(
        &self,
        object_id: &str,
        until_it_appears: Patience,
        polling: &Polling,
    ) -> Result<(), ProviderFailure> {
        let path = format!("/directory/deletedItems/{object_id}");
        let request = GraphRequest::new("purge deleted application", Method::DELETE, path);
        let mut in_doubt = false;
        let patience = |refusal: &Refusal| {
            in_doubt |= refusal.ambiguous;
            match refusal.meaning {
                // An attempt whose answer was lost has done it.
                Meaning::ReplicationLag if in_doubt => Patience::None,
                Meaning::ReplicationLag => until_it_appears,
                _ => refusal.patience(Stage::Settled),
            }
        };
        match polling.until(|| self.graph.call(&request), patience).await {
            Ok(_) => Ok(()),
            Err(refusal) if refusal.is_not_found() => Ok(()),
            Err(refusal) => Err(refusal.into_failure(Stage::Settled)),
        }
    }

    async fn principal_to_undo(
        &self,
        app_id: &str,
        journal: &mut dyn Journal,
        polling: &Polling,
    ) -> Result<Option<String>, ConnectorError> {
        let known = known_service_principal(journal);
        if known.is_some() || journal.intent(CREATE_SERVICE_PRINCIPAL).is_none() {
            return Ok(known);
        }
        let path = format!("/servicePrincipals(appId='{app_id}')?$select=id");
        let request = GraphRequest::new("read service principal", Method::GET, path);
        let found = polling
            .until(
                || self.graph.call(&request),
                |refusal| refusal.patience(Stage::Settled),
            )
            .await;
        match found {
            Ok(principal) => Ok(principal.get("id").and_then(Value::as_str).and_then(guid)),
            Err(refusal) if refusal.is_not_found() => Ok(None),
            Err(refusal) => Err(refusal.into_failure(Stage::Settled).into()),
        }
    }

    /// The registration under an alternate key; absent only after a short wait.
    async fn registration(
        &self,
        key: &str,
        polling: &Polling,
    ) -> Result<Option<Registration>, ConnectorError> {
        let path = format!("/applications({key})?$select=id,appId");
        let request = GraphRequest::new("read application", Method::GET, path);
        let found = polling
            .until(
                || self.graph.call(&request),
                |refusal| refusal.patience(Stage::Settled),
            )
            .await;
        match found {
            Ok(application) => Ok(Registration::from_application(&application)),
            Err(refusal) if refusal.is_not_found() => Ok(None),
            Err(refusal) => Err(refusal.into_failure(Stage::Settled).into()),
        }
    }

    pub(super) async fn object_id_by_consumer_key(
        &self,
        client: &ClientReference,
        polling: &Polling,
    ) -> Result<Option<String>, ConnectorError> {
        let Some(app_id) = guid(&client.consumer_key) else {
            return Ok(None);
        };
        let key = format!("appId='{app_id}'");
        let found = self.registration(&key, polling).await?;
        Ok(found.map(|registration| registration.object_id))
    }
}
