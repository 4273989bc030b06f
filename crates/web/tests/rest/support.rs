//! What every test needs: an installation of its own, and people who send requests to it.

mod answer;
mod person;
mod system;

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use connectors::contract::ConnectorEnvironment;
use connectors::fake::{Fake, FakeServer};
use connectors::http::{OutboundHttp, OutboundHttpConfig};
use connectors::registry::Registry;
use control::explanation::{Explainer, Question};
use control::identity::NewUser;
use control::identity::authorization::local_operator;
use control::{Control, Dependencies, Settings};
use domain::explanation::{CheckOutcome, ExplainedCheck, Explanation};
use domain::{Clock, Random, SecretString};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use store::{SealingKey, StoreConfig};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use web::{RunningPart, WebSettings};

pub(crate) use answer::Answer;
pub(crate) use person::{Credential, Person, multipart};
pub(crate) use system::{SeededRandom, TurnedClock};

pub(crate) const ADMIN: &str = "/api/am/admin/v4";
pub(crate) const PUBLISHER: &str = "/api/am/publisher/v4";
pub(crate) const DEVPORTAL: &str = "/api/am/devportal/v3";

const PASSWORD: &str = "correct horse battery staple";

/// An installation in a temporary folder.
pub(crate) struct TestApp {
    pub(crate) router: Router,
    pub(crate) server: Arc<FakeServer>,
    pub(crate) clock: Arc<TurnedClock>,
    runner: JoinHandle<()>,
    _folder: TempDir,
}

impl TestApp {
    pub(crate) async fn start() -> Self {
        Self::start_with(OutboundHttpConfig::default()).await
    }

    /// With another way out than the default one.
    pub(crate) async fn start_with(way_out: OutboundHttpConfig) -> Self {
        let folder = TempDir::new().unwrap();
        let clock = Arc::new(TurnedClock::default());
        let random = Arc::new(SeededRandom::default()) as Arc<dyn Random>;
        let server = Arc::new(FakeServer::new());
        let config = StoreConfig::new(format!("sqlite:{}/test.db", folder.path().display()));
        let sealing_key = SealingKey::from_bytes([7; 32]);
        let store = store::open(&config, sealing_key, Arc::clone(&random))
            .await
            .unwrap();
        let fake = Arc::new(Fake::new(Arc::clone(&server)));
        let control = Control::new(Dependencies {
            store,
            connector_types: Arc::new(Registry::standard().with(fake)),
            environment: ConnectorEnvironment {
                http: OutboundHttp::new(way_out).unwrap(),
                clock: Arc::clone(&clock) as Arc<dyn Clock>,
                random: Arc::clone(&random),
            },
            settings: Settings::default(),
        })
        .with_explainer(Arc::new(IssuerOnly));
        for (username, role) in [
            ("ada", "admin"),
            ("paul", "publisher"),
            ("ann", "subscriber"),
            ("bob", "subscriber"),
        ] {
            let new = NewUser {
                username: username.to_owned(),
                password: SecretString::from(PASSWORD),
                roles: vec![role.to_owned()],
            };
            let identity = control.identity();
            identity.create_user(&local_operator(), new).await.unwrap();
        }
        let settings = WebSettings {
            running: vec![RunningPart {
                name: "Gateway".to_owned(),
                description: "Lets <subscribed> applications through.".to_owned(),
                address: Some("http://127.0.0.1:8280".to_owned()),
            }],
            ..WebSettings::new(random)
        };
        let router = web::router(control.clone(), settings);
        let runner = tokio::spawn(async move {
            control.jobs().run(std::future::pending()).await;
        });
        Self {
            router,
            server,
            clock,
            runner,
            _folder: folder,
        }
    }

    /// Whoever has not signed in.
    pub(crate) fn nobody(&self) -> Person {
        Person::new(self.router.clone(), Credential::None)
    }

    pub(crate) fn with_password(&self, username: &str, password: &str) -> Person {
        let credential = Credential::Basic(username.to_owned(), password.to_owned());
        Person::new(self.router.clone(), credential)
    }

    /// The administrator, signed in as scripts do: a registered client and a bearer token.
    pub(crate) async fn admin(&self) -> Person {
        self.signs_in("ada", "apim:admin apim:admin_settings apim:role_manage")
            .await
    }

    pub(crate) async fn publisher(&self) -> Person {
        let scopes = "apim:api_view apim:api_create apim:api_publish apim:api_manage apim:api_delete \
             apim:subscription_manage apim:publisher_settings";
        self.signs_in("paul", scopes).await
    }

    /// The developer `ann` or `bob`.
    pub(crate) async fn developer(&self, username: &str) -> Person {
        self.signs_in(
            username,
            "apim:subscribe apim:app_manage apim:store_settings",
        )
        .await
    }

    /// A token with the scopes of this list that the user may have.
    pub(crate) async fn signs_in(&self, username: &str, scopes: &str) -> Person {
        let client = self.registers_client(username).await;
        let answer = self
            .asks_token(
                &client,
                &format!(
                    "grant_type=password&username={username}&password={PASSWORD}&scope={scopes}"
                ),
            )
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        Person::new(
            self.router.clone(),
            Credential::Bearer(answer.string("access_token")),
        )
    }

    /// Client id and secret.
    pub(crate) async fn registers_client(&self, username: &str) -> (String, String) {
        let body = json!({
            "callbackUrl": "www.example.com", "clientName": "rest_api", "owner": username,
            "grantType": "client_credentials password refresh_token", "saasApp": true
        });
        let answer = self
            .with_password(username, PASSWORD)
            .post("/client-registration/v0.17/register", &body)
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        (answer.string("clientId"), answer.string("clientSecret"))
    }

    pub(crate) async fn asks_token(&self, client: &(String, String), form: &str) -> Answer {
        let credential = Credential::Basic(client.0.clone(), client.1.clone());
        Person::new(self.router.clone(), credential)
            .post_form("/oauth2/token", form)
            .await
    }

    /// A key manager that everybody may use; its id.
    pub(crate) async fn key_manager(&self, name: &str) -> String {
        let created = self
            .admin()
            .await
            .post(&format!("{ADMIN}/key-managers"), &key_manager(name))
            .await;
        assert_eq!(created.status, 201, "{}", created.text);
        created.string("id")
    }

    /// An API that is deployed and published; its id.
    pub(crate) async fn published_api(&self, name: &str) -> String {
        let publisher = self.publisher().await;
        let api = publisher
            .post(&format!("{PUBLISHER}/apis"), &api(name))
            .await;
        assert_eq!(api.status, 201, "{}", api.text);
        let id = api.string("id");
        let revision = publisher
            .post(&format!("{PUBLISHER}/apis/{id}/revisions"), &json!({}))
            .await
            .string("id");
        let deployed = publisher
            .post(
                &format!("{PUBLISHER}/apis/{id}/deploy-revision?revisionId={revision}"),
                &json!([{"name": "Default", "vhost": "localhost", "displayOnDevportal": true}]),
            )
            .await;
        assert_eq!(deployed.status, 201, "{}", deployed.text);
        let published = publisher
            .post(
                &format!("{PUBLISHER}/apis/change-lifecycle?apiId={id}&action=Publish"),
                &Value::Null,
            )
            .await;
        assert_eq!(published.status, 200, "{}", published.text);
        id
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.runner.abort();
    }
}

impl Person {
    /// Creates an application; its id.
    pub(crate) async fn creates_application(&self, name: &str) -> String {
        let body = json!({"name": name, "throttlingPolicy": "Unlimited"});
        let created = self.post(&format!("{DEVPORTAL}/applications"), &body).await;
        assert_eq!(created.status, 201, "{}", created.text);
        created.string("applicationId")
    }

    pub(crate) async fn generates_keys(&self, application: &str, key_manager: &str) -> Answer {
        let body = json!({
            "keyType": "PRODUCTION", "keyManager": key_manager,
            "grantTypesToBeSupported": ["client_credentials"], "callbackUrl": "",
            "scopes": ["default"], "validityTime": 3600, "additionalProperties": {}
        });
        self.post(
            &format!("{DEVPORTAL}/applications/{application}/generate-keys"),
            &body,
        )
        .await
    }
}

/// A body that creates a key manager of the in-memory type.
pub(crate) fn key_manager(name: &str) -> Value {
    json!({
        "name": name, "displayName": "Company login", "type": "Fake", "description": "",
        "issuer": "https://login.example/", "tokenEndpoint": "https://login.example/token",
        "revokeEndpoint": "", "certificates": {"type": "JWKS", "value": "https://login.example/keys"},
        "consumerKeyClaim": "azp", "scopesClaim": "scope", "availableGrantTypes": ["client_credentials"],
        "enableTokenGeneration": true, "enableMapOAuthConsumerApps": true, "enableOAuthAppCreation": true,
        "enableSelfValidationJWT": true, "claimMapping": [], "enabled": true, "tokenType": "DIRECT",
        "tokenValidation": [{"type": "REFERENCE", "value": {}, "enable": false}],
        "permissions": {"permissionType": "PUBLIC", "roles": []}, "allowedOrganizations": ["ALL"],
        "additionalProperties": {"fake_secret": "the-management-secret"}
    })
}

/// A body that creates an API.
pub(crate) fn api(name: &str) -> Value {
    json!({
        "name": name, "context": format!("/{}", name.to_lowercase()), "version": "1.0.0",
        "policies": ["Unlimited", "Bronze"],
        "endpointConfig": {"endpoint_type": "http", "production_endpoints": {"url": "https://backend.example/"}},
        "operations": [{"target": "/menu", "verb": "GET", "authType": "Any"}],
        "gatewayType": "wso2/synapse", "transport": ["http", "https"]
    })
}

/// Stands in for a gateway, which this crate cannot see: looks at the issuer alone.
struct IssuerOnly;

#[async_trait]
impl Explainer for IssuerOnly {
    async fn explain(&self, question: &Question) -> Explanation {
        let accepted = question.token.expose_secret() == "a-good-token";
        Explanation {
            accepted,
            code: (!accepted).then(|| "900901".to_owned()),
            reason: (!accepted).then(|| "issuer_unknown".to_owned()),
            checks: vec![ExplainedCheck {
                name: "issuer".to_owned(),
                outcome: if accepted {
                    CheckOutcome::Passed
                } else {
                    CheckOutcome::Failed
                },
                seen: None,
                expected: Some("https://login.example/".to_owned()),
                fix: None,
            }],
            application: None,
        }
    }
}
