//! The authorization server behind the fake connector: its clients, its calls, and how it fails.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::id::KeyMappingId;
use domain::provider_failure::{FailureClass, ProviderFailure};
use serde_json::{Value, json};

use super::signing::SigningKey;

/// An authorization server in memory.
pub struct FakeServer {
    key: SigningKey,
    state: Mutex<State>,
}

/// A client of the fake server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FakeClient {
    /// `None` for a client that was not made through the connector.
    pub key_mapping_id: Option<KeyMappingId>,
    pub display_name: String,
    pub secrets: Vec<FakeSecret>,
}

/// A secret of a client, in clear: only tests see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FakeSecret {
    pub key_id: String,
    pub description: String,
    pub secret: String,
    pub added_by_claviger: bool,
}

/// How the next call of an operation ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FakeOutcome {
    /// Refused, nothing happened.
    Refused(ProviderFailure),
    /// It happened, but the answer was lost.
    AnswerLost,
}

#[derive(Default)]
struct State {
    clients: BTreeMap<String, FakeClient>,
    calls: Vec<&'static str>,
    scripted: Vec<(&'static str, FakeOutcome)>,
    last_number: u64,
}

impl FakeServer {
    pub fn new() -> Self {
        Self {
            key: SigningKey::generate(),
            state: Mutex::default(),
        }
    }

    /// The next call of `operation` ends so. Several are used up in order. Operations: `create client`, `add secret`,
    /// `update client`, `delete client`, `find client`, `request token`, `remove secret`, `list secrets`, `check`.
    pub fn script(&self, operation: &'static str, outcome: FakeOutcome) {
        self.state().scripted.push((operation, outcome));
    }

    /// Scripts a refusal of this class.
    pub fn fail_next(&self, operation: &'static str, class: FailureClass) {
        let failure = ProviderFailure::new(class, operation, "scripted failure");
        self.script(operation, FakeOutcome::Refused(failure));
    }

    /// A client that somebody registered by hand.
    pub fn register_by_hand(&self, consumer_key: &str, secret: &str) {
        let client = FakeClient {
            key_mapping_id: None,
            display_name: consumer_key.to_owned(),
            secrets: vec![FakeSecret {
                key_id: "by-hand".to_owned(),
                description: "by hand".to_owned(),
                secret: secret.to_owned(),
                added_by_claviger: false,
            }],
        };
        self.state().clients.insert(consumer_key.to_owned(), client);
    }

    /// All clients by consumer key.
    pub fn clients(&self) -> BTreeMap<String, FakeClient> {
        self.state().clients.clone()
    }

    /// Every call in order, failed ones included.
    pub fn calls(&self) -> Vec<&'static str> {
        self.state().calls.clone()
    }

    /// The key set with which its tokens are verified.
    pub fn jwks(&self) -> Value {
        self.key.jwks()
    }

    /// A token with any claims, really signed.
    pub fn sign(&self, claims: &Value) -> String {
        self.key.sign(claims)
    }

    /// Does `effect`, or fails as it was told to.
    pub(super) fn call<T>(
        &self,
        operation: &'static str,
        effect: impl FnOnce(&mut Clients<'_>) -> Result<T, Box<ProviderFailure>>,
    ) -> Result<T, Box<ProviderFailure>> {
        let mut state = self.state();
        state.calls.push(operation);
        let scripted = state.scripted.iter().position(|(of, _)| *of == operation);
        let outcome = scripted.map(|index| state.scripted.remove(index).1);
        if let Some(FakeOutcome::Refused(failure)) = outcome {
            return Err(Box::new(failure));
        }
        let state = &mut *state;
        let result = effect(&mut Clients {
            clients: &mut state.clients,
            last_number: &mut state.last_number,
        });
        if outcome.is_some() {
            let message = "the answer was lost";
            let failure = ProviderFailure::new(FailureClass::Transient, operation, message);
            return Err(Box::new(failure));
        }
        result
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for FakeServer {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for FakeServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FakeServer").finish_non_exhaustive()
    }
}

/// The server's clients while a call is served.
pub(super) struct Clients<'s> {
    clients: &'s mut BTreeMap<String, FakeClient>,
    last_number: &'s mut u64,
}

impl Clients<'_> {
    pub(super) fn next_number(&mut self) -> u64 {
        *self.last_number += 1;
        *self.last_number
    }

    pub(super) fn get(&mut self, consumer_key: &str) -> Option<&mut FakeClient> {
        self.clients.get_mut(consumer_key)
    }

    pub(super) fn of_mapping(&self, id: KeyMappingId) -> Option<String> {
        let found = self
            .clients
            .iter()
            .find(|(_, client)| client.key_mapping_id == Some(id));
        found.map(|(key, _)| key.clone())
    }

    pub(super) fn insert(&mut self, consumer_key: String, client: FakeClient) {
        self.clients.insert(consumer_key, client);
    }

    pub(super) fn remove(&mut self, consumer_key: &str) {
        self.clients.remove(consumer_key);
    }

    /// Adds a secret of Claviger's, whose old ones with the same description go.
    pub(super) fn add_secret(
        &mut self,
        consumer_key: &str,
        description: &str,
    ) -> Result<FakeSecret, Box<ProviderFailure>> {
        let number = self.next_number();
        let secret = FakeSecret {
            key_id: format!("key-{number}"),
            description: description.to_owned(),
            secret: format!("fake-secret-{number}"),
            added_by_claviger: true,
        };
        let Some(client) = self.get(consumer_key) else {
            return Err(missing("add secret"));
        };
        client.secrets.retain(|old| old.description != description);
        client.secrets.push(secret.clone());
        Ok(secret)
    }
}

pub(super) fn missing(operation: &str) -> Box<ProviderFailure> {
    let mut failure =
        ProviderFailure::new(FailureClass::Rejected, operation, "there is no such client");
    failure.code = Some("not_found".to_owned());
    failure.status = Some(404);
    Box::new(failure)
}

/// The claims of a client's token.
pub(super) fn claims(issuer: &str, consumer_key: &str, now: i64, scopes: &[String]) -> Value {
    json!({
        "iss": issuer, "aud": consumer_key, "azp": consumer_key, "sub": consumer_key,
        "iat": now, "nbf": now, "exp": now + 3_600, "scope": scopes.join(" "),
    })
}
