//! A control plane with a job runner and an authorization server, which can be stopped and started again over
//! the same database.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use connectors::contract::ConnectorEnvironment;
use connectors::fake::{Fake, FakeServer};
use connectors::http::{OutboundHttp, OutboundHttpConfig};
use connectors::registry::Registry;
use control::key_mapping::GenerateKeys;
use control::{Control, Dependencies, Settings};
use domain::SecretString;
use domain::application::Application;
use domain::certificate::Certificates;
use domain::key_manager::{
    Capabilities, Endpoints, KeyManager, KeyManagerSettings, Permissions, TokenType,
};
use domain::key_mapping::KeyType;
use domain::user::Actor;
use store::SealingKey;
use tokio::task::JoinHandle;

use crate::database::TestDatabase;
use crate::interruption::{Interrupted, Interruption};
use crate::support::{SeededRandom, TurnedClock, admin, application_settings};

pub(crate) struct Installation {
    pub(crate) control: Control,
    pub(crate) server: Arc<FakeServer>,
    pub(crate) interruption: Arc<Interruption>,
    pub(crate) clock: Arc<TurnedClock>,
    dependencies: Dependencies,
    runner: Option<JoinHandle<()>>,
    _database: TestDatabase,
}

impl Installation {
    /// With a job runner at work.
    pub(crate) async fn start() -> Self {
        let mut installation = Self::with(Settings::default()).await;
        let control = installation.control.clone();
        installation.runner = Some(tokio::spawn(async move {
            control.jobs().run(std::future::pending()).await;
        }));
        installation
    }

    /// Jobs are carried out only when a test says so, and requests do not wait for them.
    pub(crate) async fn without_runner() -> Self {
        Self::with(Settings {
            request_patience: Duration::ZERO,
            ..Settings::default()
        })
        .await
    }

    async fn with(settings: Settings) -> Self {
        let database = TestDatabase::create().await;
        let clock = Arc::new(TurnedClock::standing());
        let random = Arc::new(SeededRandom::seeded());
        let store = store::open(
            &database.config(),
            SealingKey::from_bytes([7; 32]),
            Arc::clone(&random) as Arc<_>,
        )
        .await
        .unwrap();
        let server = Arc::new(FakeServer::new());
        let interruption = Arc::new(Interruption::default());
        let fake = Interrupted {
            fake: Fake::new(Arc::clone(&server)),
            interruption: Arc::clone(&interruption),
        };
        let dependencies = Dependencies {
            store,
            connector_types: Arc::new(Registry::of([Arc::new(fake) as Arc<_>])),
            environment: ConnectorEnvironment {
                http: OutboundHttp::new(OutboundHttpConfig::default()).unwrap(),
                clock: Arc::clone(&clock) as Arc<_>,
                random,
            },
            settings,
        };
        Self {
            control: Control::new(dependencies.clone()),
            server,
            interruption,
            clock,
            dependencies,
            runner: None,
            _database: database,
        }
    }

    /// Carries out jobs until the process dies where the interruption says, and starts it again. Some time
    /// passes meanwhile, longer than a lease.
    pub(crate) async fn die_and_restart(&mut self) {
        let control = self.control.clone();
        let dying = tokio::spawn(async move { control.jobs().run_due().await.map(|_| ()) });
        self.interruption.happened.notified().await;
        dying.abort();
        assert!(dying.await.unwrap_err().is_cancelled());
        self.interruption.never();
        self.control = Control::new(self.dependencies.clone());
        self.clock.advance_seconds(60);
    }

    /// Another control plane over the same database.
    pub(crate) fn another_process(&self) -> Control {
        Control::new(self.dependencies.clone())
    }

    /// Carries out everything that is due now.
    pub(crate) async fn work(&self) -> usize {
        self.control.jobs().run_due().await.unwrap()
    }

    pub(crate) async fn creates_key_manager(&self, name: &str) -> KeyManager {
        let key_managers = self.control.key_managers();
        key_managers
            .create(&admin(), key_manager_settings(name))
            .await
            .unwrap()
    }

    pub(crate) async fn creates_application(&self, owner: &Actor) -> Application {
        let applications = self.control.applications();
        applications
            .create(owner, application_settings("weather"))
            .await
            .unwrap()
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        if let Some(runner) = &self.runner {
            runner.abort();
        }
    }
}

/// A key manager of the fake type, as an administrator's form sends it.
pub(crate) fn key_manager_settings(name: &str) -> KeyManagerSettings {
    KeyManagerSettings {
        name: name.to_owned(),
        display_name: String::new(),
        connector_type: "Fake".to_owned(),
        description: String::new(),
        enabled: true,
        endpoints: Endpoints {
            token: Some("https://login.example/token".parse().unwrap()),
            ..Endpoints::default()
        },
        issuer: "https://login.example/".to_owned(),
        alias: None,
        certificates: Some(Certificates::Jwks(
            "https://login.example/keys".parse().unwrap(),
        )),
        consumer_key_claim: String::new(),
        scopes_claim: String::new(),
        claim_mappings: Vec::new(),
        available_grant_types: vec!["client_credentials".to_owned()],
        capabilities: Capabilities::default(),
        token_validation: Vec::new(),
        token_type: TokenType::Direct,
        permissions: Permissions::Public,
        allowed_organizations: Vec::new(),
        global: false,
        configuration: BTreeMap::new(),
        secrets: BTreeMap::from([(
            "fake_secret".to_owned(),
            SecretString::from("the-management-secret"),
        )]),
    }
}

/// What the developer portal's button sends.
pub(crate) fn production_keys(key_manager: &str) -> GenerateKeys {
    GenerateKeys {
        key_type: KeyType::Production,
        key_manager: key_manager.to_owned(),
        grant_types: vec!["client_credentials".to_owned()],
        callback_url: None,
        scopes: vec!["default".to_owned()],
        validity_time: Some(3_600),
        additional_properties: BTreeMap::new(),
    }
}
