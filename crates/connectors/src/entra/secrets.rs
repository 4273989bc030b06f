//! A client's secrets: add, remove, list.
//!
//! Entra tells a secret once and cannot be asked again. So each job marks the secrets that it adds with a tag of its
//! own; where an answer was lost, the job adds another and then removes those with its tag that nobody knows.
//! Secrets that others added are never touched.

use std::time::Duration;

use async_trait::async_trait;
use domain::SecretString;
use domain::id::KeyMappingId;
use domain::provider_failure::{FailureClass, ProviderFailure};
use jiff::Timestamp;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::EntraConnector;
use super::classify::{Meaning, Patience, Refusal, Stage};
use super::create::{PROVE_SECRET, incomplete};
use super::graph::{GraphRequest, guid};
use super::polling::Polling;
use crate::contract::{
    ClientReference, ClientSecrets, ConnectorError, IssuedSecret, Journal, ListedSecret,
    SecretSpecification,
};

pub(super) const ADD_SECRET: &str = "add_secret";

/// Begins the part of a secret's display name that says whose it is.
const MARK: &str = "claviger:";

/// A secret to add to an application.
pub(super) struct WantedSecret<'w> {
    pub(super) object_id: &'w str,
    pub(super) key_mapping_id: KeyMappingId,
    pub(super) description: &'w str,
    pub(super) lifetime: Duration,
}

/// `passwordCredential` as Graph lists it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PasswordCredential {
    key_id: String,
    display_name: Option<String>,
    hint: Option<String>,
    start_date_time: Option<Timestamp>,
    end_date_time: Option<Timestamp>,
}

impl PasswordCredential {
    fn carries(&self, mark: &str) -> bool {
        self.display_name
            .as_deref()
            .is_some_and(|name| name.contains(mark))
    }
}

impl EntraConnector {
    /// Adds a secret, exactly one for each journal: whatever an earlier run or a lost answer left behind goes.
    pub(super) async fn add_secret(
        &self,
        wanted: &WantedSecret<'_>,
        stage: Stage,
        journal: &mut dyn Journal,
        polling: &Polling,
    ) -> Result<IssuedSecret, ConnectorError> {
        let earlier_tag = journal
            .intent(ADD_SECRET)
            .and_then(|intent| Some(intent.get("tag")?.as_str()?.to_owned()));
        let mut in_doubt = earlier_tag.is_some();
        let tag = earlier_tag.unwrap_or_else(|| self.random.hex::<6>());
        journal.started(ADD_SECRET, json!({ "tag": tag })).await?;

        let mark = format!("{MARK}{} {tag}", wanted.key_mapping_id);
        let request = self.add_password_request(wanted, &mark);
        let mut delays = polling.delays();
        let short_end = polling.short_end();
        let answer = loop {
            let refusal = match self.graph.call(&request).await {
                Ok(answer) => break answer,
                Err(refusal) => refusal,
            };
            in_doubt |= refusal.ambiguous;
            let end = match refusal.patience(stage) {
                Patience::None => return Err(refusal.into_failure(stage).into()),
                Patience::Short => short_end,
                Patience::Full => polling.deadline(),
            };
            if !polling.pause(&mut delays, &refusal, end).await {
                return Err(refusal.into_failure(stage).into());
            }
        };
        let secret = issued_secret(&answer)
            .ok_or_else(|| incomplete(request.operation, "a secret without its text"))?;
        let facts = json!({ "key_id": secret.key_id, "expires_at": secret.expires_at });
        journal.finished(ADD_SECRET, facts).await?;
        if in_doubt {
            self.remove_doubles(wanted.object_id, &mark, &secret.key_id, polling)
                .await?;
        }
        Ok(secret)
    }

    fn add_password_request(&self, wanted: &WantedSecret<'_>, mark: &str) -> GraphRequest {
        let description: String = wanted.description.chars().take(40).collect();
        let ends_at = self.clock.now().saturating_add(wanted.lifetime);
        let ends_at = ends_at.unwrap_or(Timestamp::MAX);
        let body = json!({ "passwordCredential": {
            "displayName": format!("{description} ({mark})"),
            "endDateTime": format!("{ends_at:.0}"),
        }});
        let path = format!("/applications/{}/addPassword", wanted.object_id);
        GraphRequest::new("add secret", Method::POST, path).with_body(body)
    }

    /// Removes this job's secrets but one. A reader that sees the kept secret sees all that were added before it,
    /// so the first such list without others is proof.
    async fn remove_doubles(
        &self,
        object_id: &str,
        mark: &str,
        kept: &str,
        polling: &Polling,
    ) -> Result<(), ConnectorError> {
        let attempt = || self.remove_listed_doubles(object_id, mark, kept);
        polling.run(Stage::Fresh, attempt).await?;
        Ok(())
    }

    async fn remove_listed_doubles(
        &self,
        object_id: &str,
        mark: &str,
        kept: &str,
    ) -> Result<(), Refusal> {
        let listed = self.password_credentials(object_id).await?;
        let (kept, others): (Vec<_>, Vec<_>) = listed
            .into_iter()
            .filter(|credential| credential.carries(mark))
            .partition(|credential| credential.key_id == kept);
        if kept.is_empty() {
            return Err(not_yet("the new secret is not yet listed"));
        }
        if others.is_empty() {
            return Ok(());
        }
        for double in &others {
            self.remove_password(object_id, &double.key_id).await?;
        }
        Err(not_yet("a secret that was removed is still listed"))
    }

    /// Absent counts as removed.
    async fn remove_password(&self, object_id: &str, key_id: &str) -> Result<(), Refusal> {
        let path = format!("/applications/{object_id}/removePassword");
        let request = GraphRequest::new("remove secret", Method::POST, path)
            .with_body(json!({ "keyId": key_id }));
        match self.graph.call(&request).await {
            Err(refusal) if refusal.meaning == Meaning::AlreadyDone => Ok(()),
            other => other.map(|_| ()),
        }
    }

    async fn password_credentials(
        &self,
        object_id: &str,
    ) -> Result<Vec<PasswordCredential>, Refusal> {
        let path = format!("/applications/{object_id}?$select=id,passwordCredentials");
        let request = GraphRequest::new("list secrets", Method::GET, path);
        let application = self.graph.call(&request).await?;
        let listed = application.get("passwordCredentials").cloned();
        serde_json::from_value(listed.unwrap_or_else(|| json!([]))).map_err(|_| {
            let failure = incomplete(request.operation, "secrets of an unknown form");
            Refusal::new(Meaning::ServerTrouble, failure)
        })
    }
}

#[async_trait]
impl ClientSecrets for EntraConnector {
    async fn add(
        &self,
        client: &ClientReference,
        wanted: &SecretSpecification,
        journal: &mut dyn Journal,
    ) -> Result<IssuedSecret, ConnectorError> {
        let polling = self.polling();
        let object_id = self.object_id_of(client, &polling).await?;
        let wanted = WantedSecret {
            object_id: &object_id,
            key_mapping_id: client.key_mapping_id,
            description: &wanted.description,
            lifetime: wanted.lifetime.unwrap_or(self.settings.secret_lifetime),
        };
        let secret = self
            .add_secret(&wanted, Stage::Settled, journal, &polling)
            .await?;
        let facts = json!({ "key_id": secret.key_id });
        journal.started(PROVE_SECRET, facts.clone()).await?;
        self.prove_new_secret(&client.consumer_key, &secret.secret, &polling)
            .await?;
        journal.finished(PROVE_SECRET, facts).await?;
        Ok(secret)
    }

    async fn remove(&self, client: &ClientReference, key_id: &str) -> Result<(), ConnectorError> {
        let polling = self.polling();
        let Some(key_id) = guid(key_id) else {
            return Ok(());
        };
        let object_id = self.object_id_of(client, &polling).await?;
        let (object_id, key_id) = (object_id.as_str(), key_id.as_str());
        let listed = polling
            .run(Stage::Settled, || self.password_credentials(object_id))
            .await?;
        let own_mark = format!("{MARK}{}", client.key_mapping_id);
        let is_foreign = listed
            .iter()
            .any(|credential| credential.key_id == key_id && !credential.carries(&own_mark));
        if is_foreign {
            return Err(ProviderFailure::new(
                FailureClass::Rejected,
                "remove secret",
                "this secret was not added by Claviger and is left alone",
            )
            .into());
        }
        polling
            .run(Stage::Settled, || self.remove_password(object_id, key_id))
            .await?;
        Ok(())
    }

    async fn list(&self, client: &ClientReference) -> Result<Vec<ListedSecret>, ConnectorError> {
        let polling = self.polling();
        let object_id = self.object_id_of(client, &polling).await?;
        let listed = polling
            .run(Stage::Settled, || self.password_credentials(&object_id))
            .await?;
        let own_mark = format!("{MARK}{}", client.key_mapping_id);
        Ok(listed
            .into_iter()
            .map(|credential| ListedSecret {
                added_by_claviger: credential.carries(&own_mark),
                description: credential.display_name.unwrap_or_default(),
                key_id: credential.key_id,
                hint: credential.hint,
                starts_at: credential.start_date_time,
                expires_at: credential.end_date_time,
            })
            .collect())
    }
}

fn issued_secret(answer: &Value) -> Option<IssuedSecret> {
    let text = |name: &str| answer.get(name).and_then(Value::as_str);
    Some(IssuedSecret {
        key_id: guid(text("keyId")?)?,
        secret: SecretString::from(text("secretText").filter(|text| !text.is_empty())?),
        expires_at: text("endDateTime").and_then(|time| time.parse().ok()),
    })
}

fn not_yet(message: &str) -> Refusal {
    let failure = ProviderFailure::new(FailureClass::Transient, "list secrets", message);
    Refusal::new(Meaning::ReplicationLag, failure)
}
