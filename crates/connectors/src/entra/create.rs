//! Makes a client: application, App ID URI, service principal, secret, proof.
//!
//! Repeatable by construction: the application is made under a name of our own (`uniqueName`), so that a repeated
//! request finds it; the URI is set, not added; a second service principal is refused by Entra; the secret carries
//! the job's tag (`secrets`). The journal only saves requests.

use domain::SecretString;
use domain::provider_failure::{FailureClass, ProviderFailure};
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::classify::{Meaning, Refusal, Stage};
use super::graph::{GraphRequest, guid};
use super::polling::Polling;
use super::secrets::WantedSecret;
use super::token::own_scope;
use super::token_endpoint::Grant;
use super::{EntraConnector, ProviderReference};
use crate::contract::{
    ClientSpecification, ConnectorError, IssuedSecret, Journal, ProvisionedClient,
};

pub(super) const CREATE_APPLICATION: &str = "create_application";
pub(super) const SET_IDENTIFIER_URI: &str = "set_identifier_uri";
pub(super) const CREATE_SERVICE_PRINCIPAL: &str = "create_service_principal";
pub(super) const PROVE_SECRET: &str = "prove_secret";

/// What makes a repeated creation find the first application.
pub(super) fn unique_name(wanted: &ClientSpecification) -> String {
    format!("claviger-{}", wanted.key_mapping_id)
}

/// An application registration's two identities.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Registration {
    /// `application.id`.
    pub(super) object_id: String,
    /// `application.appId`: the client id.
    pub(super) app_id: String,
}

impl Registration {
    pub(super) fn from_application(application: &Value) -> Option<Self> {
        let id = |name: &str| guid(application.get(name)?.as_str()?);
        Some(Self {
            object_id: id("id")?,
            app_id: id("appId")?,
        })
    }
}

impl EntraConnector {
    pub(super) async fn create(
        &self,
        wanted: &ClientSpecification,
        journal: &mut dyn Journal,
    ) -> Result<ProvisionedClient, ConnectorError> {
        let polling = self.polling();
        let registration = self.ensure_application(wanted, journal, &polling).await?;

        // The service principal needs only the application: it is made beside URI and secret.
        let known_principal = known_service_principal(journal);
        if known_principal.is_none() {
            let intent = json!({ "app_id": registration.app_id });
            journal.started(CREATE_SERVICE_PRINCIPAL, intent).await?;
        }
        let principal =
            self.ensure_service_principal(known_principal.clone(), &registration.app_id, &polling);
        let credential = self.set_up_credential(wanted, &registration, journal, &polling);
        let (service_principal_id, secret) = tokio::try_join!(principal, credential)?;
        if known_principal.is_none() {
            let facts = json!({ "service_principal_id": service_principal_id });
            journal.finished(CREATE_SERVICE_PRINCIPAL, facts).await?;
        }

        journal
            .started(PROVE_SECRET, json!({ "key_id": secret.key_id }))
            .await?;
        self.prove_new_secret(&registration.app_id, &secret.secret, &polling)
            .await?;
        journal
            .finished(PROVE_SECRET, json!({ "key_id": secret.key_id }))
            .await?;

        Ok(ProvisionedClient {
            consumer_key: registration.app_id,
            consumer_secret: Some(secret.secret),
            secret_expires_at: secret.expires_at,
            provider_reference: ProviderReference {
                object_id: Some(registration.object_id),
                service_principal_id: Some(service_principal_id),
                key_id: Some(secret.key_id),
            }
            .into_value(),
        })
    }

    async fn ensure_application(
        &self,
        wanted: &ClientSpecification,
        journal: &mut dyn Journal,
        polling: &Polling,
    ) -> Result<Registration, ConnectorError> {
        if let Some(known) = known_registration(journal) {
            return Ok(known);
        }
        let unique_name = unique_name(wanted);
        let mut in_doubt = creation_is_in_doubt(journal);
        let run = self.random.hex::<6>();
        let intent = json!({ "unique_name": unique_name, "run": run });
        journal.started(CREATE_APPLICATION, intent).await?;
        let path = format!("/applications(uniqueName='{unique_name}')");
        let request = GraphRequest::new("create application", Method::PATCH, path.clone())
            .with_body(self.application_body(wanted))
            .creating_if_missing();
        let patience = |refusal: &Refusal| {
            in_doubt |= refusal.ambiguous;
            refusal.patience(Stage::First)
        };
        let outcome = polling.until(|| self.graph.call(&request), patience).await;
        let mut application = match outcome {
            Ok(application) => application,
            Err(refusal) => {
                if !in_doubt {
                    // Then there is nothing to undo, even where undoing would fail for the same reason.
                    let facts = json!({ "refused": true, "run": run });
                    journal.finished(CREATE_APPLICATION, facts).await?;
                }
                return Err(refusal.into_failure(Stage::First).into());
            }
        };
        if application.is_null() {
            // 204: an earlier call had made it.
            let path = format!("{path}?$select=id,appId");
            let request = GraphRequest::new("read application", Method::GET, path);
            application = polling
                .run(Stage::Fresh, || self.graph.call(&request))
                .await?;
        }
        let registration = Registration::from_application(&application)
            .ok_or_else(|| incomplete("create application", "an application without its ids"))?;
        let facts = json!(registration);
        journal.finished(CREATE_APPLICATION, facts).await?;
        Ok(registration)
    }

    /// App ID URI, then secret: two writes to one object, which Graph wants one after the other.
    async fn set_up_credential(
        &self,
        wanted: &ClientSpecification,
        registration: &Registration,
        journal: &mut dyn Journal,
        polling: &Polling,
    ) -> Result<IssuedSecret, ConnectorError> {
        if journal.facts(SET_IDENTIFIER_URI).is_none() {
            let uri = format!("api://{}", registration.app_id);
            let body = json!({ "identifierUris": [uri] });
            journal.started(SET_IDENTIFIER_URI, body.clone()).await?;
            let path = format!("/applications/{}", registration.object_id);
            let request =
                GraphRequest::new("set App ID URI", Method::PATCH, path).with_body(body.clone());
            polling
                .run(Stage::Fresh, || self.graph.call(&request))
                .await?;
            journal.finished(SET_IDENTIFIER_URI, body).await?;
        }
        let wanted_secret = WantedSecret {
            object_id: &registration.object_id,
            key_mapping_id: wanted.key_mapping_id,
            description: "Consumer secret",
            lifetime: self.settings.secret_lifetime,
        };
        self.add_secret(&wanted_secret, Stage::Fresh, journal, polling)
            .await
    }

    /// The object id of the application's service principal, made where it is missing.
    async fn ensure_service_principal(
        &self,
        known: Option<String>,
        app_id: &str,
        polling: &Polling,
    ) -> Result<String, ConnectorError> {
        if let Some(known) = known {
            return Ok(known);
        }
        let create = GraphRequest::new(
            "create service principal",
            Method::POST,
            "/servicePrincipals".to_owned(),
        )
        .with_body(json!({ "appId": app_id, "tags": ["claviger"] }));
        let path = format!("/servicePrincipals(appId='{app_id}')?$select=id");
        let read = GraphRequest::new("read service principal", Method::GET, path);
        let principal = polling
            .run(Stage::Fresh, || self.create_or_read(&create, &read))
            .await?;
        let id = principal.get("id").and_then(Value::as_str).and_then(guid);
        id.ok_or_else(|| {
            incomplete(
                "create service principal",
                "a service principal without its id",
            )
            .into()
        })
    }

    async fn create_or_read(
        &self,
        create: &GraphRequest,
        read: &GraphRequest,
    ) -> Result<Value, Refusal> {
        match self.graph.call(create).await {
            // A lost answer, or an earlier run: it is there already.
            Err(refusal) if refusal.meaning == Meaning::AlreadyDone => self.graph.call(read).await,
            other => other,
        }
    }

    /// Proves a secret that this operation has added.
    pub(super) async fn prove_new_secret(
        &self,
        app_id: &str,
        secret: &SecretString,
        polling: &Polling,
    ) -> Result<(), ConnectorError> {
        let scope = own_scope(app_id);
        let grant = Grant {
            operation: "prove the new secret",
            client_id: app_id,
            client_secret: secret,
            scope: &scope,
        };
        polling
            .run(Stage::Fresh, || {
                self.token_endpoint.client_credentials(&grant)
            })
            .await?;
        Ok(())
    }

    fn application_body(&self, wanted: &ClientSpecification) -> Value {
        let mut body = descriptive_properties(wanted);
        body["signInAudience"] = json!("AzureADMyOrg");
        body["api"] = json!({ "requestedAccessTokenVersion": self.settings.token_version });
        body
    }
}

/// Name and marks, by which people and programs in the tenant see whose application it is.
pub(super) fn descriptive_properties(wanted: &ClientSpecification) -> Value {
    let shortened = |text: &str, limit: usize| text.chars().take(limit).collect::<String>();
    json!({
        // Microsoft's validation table: at most 120 characters.
        "displayName": shortened(&wanted.display_name, 120),
        "tags": [
            "claviger",
            format!("claviger-key-mapping:{}", wanted.key_mapping_id),
            format!("claviger-key-type:{}", wanted.key_type.as_str()),
        ],
        "notes": shortened(
            &format!(
                "Managed by Claviger for the application {} of {}. Changes made here may be overwritten.",
                wanted.application_name, wanted.owner,
            ),
            1_000,
        ),
    })
}

pub(super) fn known_registration(journal: &dyn Journal) -> Option<Registration> {
    serde_json::from_value(journal.facts(CREATE_APPLICATION)?).ok()
}

/// Whether an application may have been made without its ids being known.
pub(super) fn creation_is_in_doubt(journal: &dyn Journal) -> bool {
    let Some(intent) = journal.intent(CREATE_APPLICATION) else {
        return false;
    };
    let was_refused = journal.facts(CREATE_APPLICATION).is_some_and(|facts| {
        facts.get("refused") == Some(&json!(true)) && facts.get("run") == intent.get("run")
    });
    !was_refused
}

pub(super) fn known_service_principal(journal: &dyn Journal) -> Option<String> {
    let facts = journal.facts(CREATE_SERVICE_PRINCIPAL)?;
    guid(facts.get("service_principal_id")?.as_str()?)
}

/// Graph answered well and yet without what it always answers.
pub(super) fn incomplete(operation: &str, what: &str) -> ProviderFailure {
    let message = format!("Microsoft Graph answered with {what}");
    ProviderFailure::new(FailureClass::Transient, operation, message)
}
