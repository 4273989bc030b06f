//! A control plane in a temporary folder.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use connectors::contract::ConnectorEnvironment;
use connectors::http::{OutboundHttp, OutboundHttpConfig};
use connectors::registry::Registry;
use control::identity::authorization::{local_operator, scopes_of};
use control::{Control, Dependencies, Settings};
use domain::api::Api;
use domain::application::{Application, ApplicationSettings};
use domain::snapshot::{SnapshotChange, SnapshotUpdate};
use domain::throttling_policy::BUILT_IN;
use domain::user::Actor;
use domain::{Clock, Random, SecretString};
use jiff::{SignedDuration, Timestamp};
use store::{SealingKey, Store};

use crate::database::TestDatabase;

pub(crate) const PIZZA: &str = r#"{
    "openapi": "3.0.3",
    "info": { "title": "Pizza", "version": "1.0.0", "description": "Orders pizza." },
    "servers": [{ "url": "https://backend.example.com/pizza" }],
    "security": [{ "company": ["order:read"] }],
    "paths": {
        "/menu": { "get": { "security": [] } },
        "/order/{id}": { "get": {}, "delete": { "security": [{ "company": ["order:write"] }] } }
    },
    "components": { "securitySchemes": { "company": {
        "type": "oauth2",
        "flows": { "clientCredentials": {
            "tokenUrl": "https://login.example.com/token",
            "scopes": { "order:read": "Look", "order:write": "Change" }
        } }
    } } }
}"#;

/// A control plane over a database that goes when the test ends.
pub(crate) struct World {
    pub(crate) control: Control,
    pub(crate) clock: Arc<TurnedClock>,
    /// For what would take a use-case too long.
    pub(crate) store: Arc<dyn Store>,
    _database: TestDatabase,
}

impl World {
    pub(crate) async fn start() -> Self {
        let database = TestDatabase::create().await;
        let clock = Arc::new(TurnedClock::standing());
        let random = Arc::new(SeededRandom::seeded());
        let sealing_key = SealingKey::from_bytes([7; 32]);
        let store = store::open(
            &database.config(),
            sealing_key,
            Arc::clone(&random) as Arc<dyn Random>,
        )
        .await
        .unwrap();
        let control = Control::new(Dependencies {
            store: Arc::clone(&store),
            connector_types: Arc::new(Registry::standard()),
            environment: ConnectorEnvironment {
                http: OutboundHttp::new(OutboundHttpConfig::default()).unwrap(),
                clock: Arc::clone(&clock) as Arc<dyn Clock>,
                random,
            },
            settings: Settings::default(),
        });
        Self {
            control,
            clock,
            store,
            _database: database,
        }
    }

    pub(crate) async fn imports_pizza(&self) -> Api {
        let definition = PIZZA.to_owned();
        let apis = self.control.apis();
        let overrides = control::api::ImportApi::default();
        apis.import(&publisher(), definition, overrides)
            .await
            .unwrap()
    }

    pub(crate) async fn publishes_pizza(&self) -> Api {
        let api = self.imports_pizza().await;
        let apis = self.control.apis();
        apis.change_lifecycle(&publisher(), api.id, "Publish")
            .await
            .unwrap();
        apis.get(&publisher(), api.id).await.unwrap()
    }

    pub(crate) async fn creates_application(&self, owner: &Actor, name: &str) -> Application {
        let applications = self.control.applications();
        applications
            .create(owner, application_settings(name))
            .await
            .unwrap()
    }

    /// The actions in the audit log, newest first.
    pub(crate) async fn audited(&self) -> Vec<String> {
        let entries = self
            .control
            .audit()
            .list(&local_operator(), "", "", store::Page::FIRST)
            .await
            .unwrap();
        entries.items.into_iter().map(|one| one.action).collect()
    }
}

pub(crate) fn application_settings(name: &str) -> ApplicationSettings {
    ApplicationSettings {
        name: name.to_owned(),
        throttling_policy: "Unlimited".to_owned(),
        description: String::new(),
        token_type: "JWT".to_owned(),
        attributes: BTreeMap::new(),
        groups: Vec::new(),
        visibility: "PRIVATE".to_owned(),
    }
}

pub(crate) fn actor(username: &str, roles: &[&str]) -> Actor {
    let roles: Vec<String> = roles.iter().map(|&role| role.to_owned()).collect();
    Actor {
        username: username.to_owned(),
        scopes: scopes_of(&roles),
        roles,
    }
}

pub(crate) fn ann() -> Actor {
    actor("ann", &["subscriber"])
}

pub(crate) fn bob() -> Actor {
    actor("bob", &["subscriber"])
}

pub(crate) fn publisher() -> Actor {
    actor("paula", &["publisher"])
}

pub(crate) fn admin() -> Actor {
    actor("root", &["admin"])
}

pub(crate) fn secret(text: &str) -> SecretString {
    SecretString::from(text.to_owned())
}

/// A clock that stands until a test turns it.
pub(crate) struct TurnedClock(Mutex<Timestamp>);

impl TurnedClock {
    pub(crate) fn standing() -> Self {
        Self(Mutex::new(Timestamp::from_second(1_767_225_600).unwrap()))
    }

    pub(crate) fn advance_seconds(&self, seconds: i64) {
        let mut now = self.0.lock().unwrap();
        *now += SignedDuration::from_secs(seconds);
    }
}

impl Clock for TurnedClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

/// SplitMix64: the same bytes in every run.
pub(crate) struct SeededRandom(Mutex<u64>);

impl SeededRandom {
    pub(crate) fn seeded() -> Self {
        Self(Mutex::new(7))
    }
}

impl Random for SeededRandom {
    fn fill(&self, buffer: &mut [u8]) {
        let mut state = self.0.lock().unwrap();
        for chunk in buffer.chunks_mut(8) {
            *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = *state;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^= mixed >> 31;
            chunk.copy_from_slice(&mixed.to_le_bytes()[..chunk.len()]);
        }
    }
}

/// A whole snapshot without the policies that every installation begins with.
pub(crate) fn besides_built_in_policies(whole: &SnapshotUpdate) -> Vec<&SnapshotChange> {
    let is_policy =
        |change: &&SnapshotChange| matches!(change, SnapshotChange::PutThrottlingPolicy(_));
    let (policies, others): (Vec<_>, Vec<_>) = whole.changes.iter().partition(is_policy);
    assert_eq!(policies.len(), BUILT_IN.len());
    others
}
