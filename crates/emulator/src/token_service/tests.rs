//! The token service over its HTTP routes, with a real directory and a clock that stands still.

mod assertions;
mod client_credentials;
mod errors;
mod graph;
mod replication;
mod sign_in;

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::{HeaderMap, Request, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tower::ServiceExt as _;
use uuid::Uuid;

use crate::config::EmulatorConfig;
use crate::directory::{Application, PasswordCredential, ServicePrincipal, Tenant, Transaction};
use crate::state::State;

pub(crate) const BASE: &str = "https://localhost:4711";

/// An emulator without its listener.
pub(crate) struct World {
    pub(crate) state: Arc<State>,
    pub(crate) router: Router,
    pub(crate) tenant: Uuid,
}

/// A client application as a test sees it.
pub(crate) struct TestClient {
    pub(crate) application: Uuid,
    pub(crate) app_id: Uuid,
    pub(crate) principal: Uuid,
    pub(crate) secret: String,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(EmulatorConfig::default())
    }

    pub(crate) fn with(config: EmulatorConfig) -> Self {
        let frozen_at = Some("2026-11-23T09:14:27Z".parse().unwrap());
        let config = EmulatorConfig {
            seed: Some(7),
            frozen_at,
            ..config
        };
        let state = Arc::new(State::open(&config, BASE.to_owned()).unwrap());
        let router = Router::new()
            .merge(super::router())
            .merge(crate::discovery::router())
            .with_state(Arc::clone(&state));
        let tenant = state.administrators()[0].tenant_id;
        Self {
            state,
            router,
            tenant,
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.state.now()
    }

    pub(crate) fn advance(&self, by: SignedDuration) {
        self.state.clock.advance(by);
    }

    pub(crate) fn write<T>(&self, change: impl FnOnce(&mut Transaction<'_>) -> T) -> T {
        self.state.write(change).0
    }

    pub(crate) fn change_application(&self, id: Uuid, change: impl FnOnce(&mut Application)) {
        self.write(|transaction| {
            let mut application = (*transaction.newest::<Application>(id).unwrap()).clone();
            change(&mut application);
            let application = transaction.put(application);
            let view = crate::replica::View {
                place: crate::replica::Place::Primary,
                now: transaction.now(),
            };
            let principal = transaction.directory().service_principal_by_app_id(
                application.tenant_id,
                application.app_id,
                view,
            );
            if let Some(principal) = principal {
                let mut principal = (*principal).clone();
                principal.mirror(&application);
                transaction.put(principal);
            }
        });
    }

    pub(crate) fn change_principal(&self, id: Uuid, change: impl FnOnce(&mut ServicePrincipal)) {
        self.write(|transaction| {
            let mut principal = (*transaction.newest::<ServicePrincipal>(id).unwrap()).clone();
            change(&mut principal);
            transaction.put(principal);
        });
    }

    pub(crate) fn change_tenant(&self, change: impl FnOnce(&mut Tenant)) {
        self.write(|transaction| {
            let mut tenant = (*transaction.newest::<Tenant>(self.tenant).unwrap()).clone();
            change(&mut tenant);
            transaction.put(tenant);
        });
    }

    /// A registration with App ID URI, secret and service principal, whose tokens are V2.
    pub(crate) fn client(&self, name: &str) -> TestClient {
        let random = &self.state.random;
        let (id, app_id, principal_id) = (random.uuid(), random.uuid(), random.uuid());
        let secret = format!("secret-of-{name}~Q8");
        let mut application = Application::new(id, app_id, self.tenant, name);
        application.api.requested_access_token_version = Some(2);
        application.identifier_uris = vec![format!("api://{app_id}")];
        application.password_credentials = vec![self.credential(&secret)];
        self.write(|transaction| {
            let principal = ServicePrincipal::of(&application, principal_id, self.tenant);
            transaction.put(application);
            transaction.put(principal);
        });
        TestClient {
            application: id,
            app_id,
            principal: principal_id,
            secret,
        }
    }

    pub(crate) fn credential(&self, secret: &str) -> PasswordCredential {
        PasswordCredential {
            key_id: self.state.random.uuid(),
            display_name: None,
            hint: Some(secret.chars().take(3).collect()),
            start_date_time: self.now(),
            end_date_time: self
                .now()
                .checked_add(SignedDuration::from_hours(24 * 180))
                .unwrap(),
            secret_hash: PasswordCredential::hash_of(secret),
        }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, 1 << 20).await.unwrap();
        let body = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        Answer {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap())
            .await
    }

    pub(crate) async fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        let request = Request::post(path)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(body))
            .unwrap();
        self.send(request).await
    }

    /// A V2 `client_credentials` request for the client's own audience.
    pub(crate) async fn own_token(&self, client: &TestClient) -> Answer {
        self.token_for(client, &format!("api://{}/.default", client.app_id))
            .await
    }

    pub(crate) async fn token_for(&self, client: &TestClient, scope: &str) -> Answer {
        let app_id = client.app_id.to_string();
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", app_id.as_str()),
            ("client_secret", client.secret.as_str()),
            ("scope", scope),
        ];
        self.post(&self.v2_endpoint(), &form).await
    }

    pub(crate) fn v2_endpoint(&self) -> String {
        format!("/{}/oauth2/v2.0/token", self.tenant)
    }

    pub(crate) fn v1_endpoint(&self) -> String {
        format!("/{}/oauth2/token", self.tenant)
    }
}

impl Answer {
    /// The claims of the access token, which the key ring verifies.
    pub(crate) fn claims(&self, world: &World) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{}", self.body);
        world
            .state
            .keys
            .verify(self.access_token())
            .expect("signed by a published key")
    }

    pub(crate) fn access_token(&self) -> &str {
        self.body["access_token"]
            .as_str()
            .unwrap_or_else(|| panic!("no token: {}", self.body))
    }

    pub(crate) fn jose_header(&self) -> Value {
        let header = self.access_token().split('.').next().unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap()
    }

    /// Asserts the whole shape of an AADSTS error.
    pub(crate) fn assert_refused(&self, status: u16, error: &str, code: u32) {
        assert_eq!(
            (self.status.as_u16(), self.body["error"].as_str()),
            (status, Some(error)),
            "{}",
            self.body
        );
        assert_eq!(
            self.body["error_codes"],
            serde_json::json!([code]),
            "{}",
            self.body
        );
        let description = self.body["error_description"].as_str().unwrap();
        assert!(
            description.starts_with(&format!("AADSTS{code}: ")),
            "{description}"
        );
        for part in ["Trace ID: ", "Correlation ID: ", "Timestamp: "] {
            assert!(description.contains(part), "{description}");
        }
        assert!(Uuid::try_parse(self.body["trace_id"].as_str().unwrap()).is_ok());
        assert!(Uuid::try_parse(self.body["correlation_id"].as_str().unwrap()).is_ok());
        assert_eq!(self.headers["cache-control"], "no-store, no-cache");
        assert_eq!(
            self.headers["x-ms-request-id"],
            self.body["trace_id"].as_str().unwrap()
        );
    }
}

pub(crate) fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

/// The names of the members of a JSON object, sorted.
pub(crate) fn names(value: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    names.sort_unstable();
    names
}
