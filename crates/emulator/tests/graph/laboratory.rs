//! An emulator to experiment with, and clients that talk to it.

use emulator::{Emulator, EmulatorConfig, RunningEmulator};
use reqwest::{Method, StatusCode, header::HeaderMap};
use serde_json::{Value, json};

/// A running emulator and its administrator.
pub(crate) struct Laboratory {
    pub(crate) running: RunningEmulator,
    pub(crate) http: reqwest::Client,
    pub(crate) administrator: Caller,
}

/// Somebody who calls Graph.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) token: String,
    pub(crate) app_id: String,
    pub(crate) principal_id: String,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Reply {
    pub(crate) fn text(&self, pointer: &str) -> String {
        self.body
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    }

    pub(crate) fn code(&self) -> String {
        self.text("/error/code")
    }

    pub(crate) fn message(&self) -> String {
        self.text("/error/message")
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        self
    }

    /// Fails unless this is the error of the catalogue.
    #[track_caller]
    pub(crate) fn refuses(self, status: u16, code: &str, message: &str) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        assert_eq!(self.code(), code, "{}", self.body);
        assert!(self.message().contains(message), "{}", self.body);
        assert!(
            self.body.pointer("/error/innerError/request-id").is_some(),
            "{}",
            self.body
        );
        self
    }
}

pub(crate) fn configuration() -> EmulatorConfig {
    EmulatorConfig {
        seed: Some(42),
        ..EmulatorConfig::default()
    }
}

impl Laboratory {
    pub(crate) async fn start() -> Self {
        Self::with(configuration()).await
    }

    pub(crate) async fn with(config: EmulatorConfig) -> Self {
        let running = Emulator::start(config).await.unwrap();
        let http = client(&running);
        let (id, secret) = {
            let administrator = running.administrator();
            (
                administrator.client_id.to_string(),
                administrator.expose_secret().to_owned(),
            )
        };
        let mut laboratory = Self {
            http,
            administrator: Caller {
                token: String::new(),
                app_id: id.clone(),
                principal_id: String::new(),
            },
            running,
        };
        laboratory.administrator.token = laboratory.graph_token(&id, &secret).await;
        laboratory
    }

    /// Asks the token service, whatever it says.
    pub(crate) async fn token(&self, id: &str, secret: &str, scope: &str) -> Reply {
        let url = format!(
            "{}/{}/oauth2/v2.0/token",
            self.running.base_url(),
            self.running.tenant_id()
        );
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", id),
            ("client_secret", secret),
            ("scope", scope),
        ];
        reply(self.http.post(url).form(&form).send().await.unwrap()).await
    }

    pub(crate) async fn graph_token(&self, id: &str, secret: &str) -> String {
        let reply = self
            .token(id, secret, "https://graph.microsoft.com/.default")
            .await;
        reply.expect(200).text("/access_token")
    }

    pub(crate) async fn call_with(
        &self,
        caller: &Caller,
        method: Method,
        target: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Reply {
        let url = if target.starts_with("https:") {
            target.to_owned()
        } else {
            format!("{}/v1.0{target}", self.running.base_url())
        };
        let mut request = self.http.request(method, url).bearer_auth(&caller.token);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        reply(request.send().await.unwrap()).await
    }

    pub(crate) async fn get(&self, target: &str) -> Reply {
        self.call_with(&self.administrator, Method::GET, target, &[], None)
            .await
    }

    pub(crate) async fn advanced(&self, target: &str) -> Reply {
        let headers = [("ConsistencyLevel", "eventual")];
        self.call_with(&self.administrator, Method::GET, target, &headers, None)
            .await
    }

    pub(crate) async fn post(&self, target: &str, body: Value) -> Reply {
        self.call_with(&self.administrator, Method::POST, target, &[], Some(body))
            .await
    }

    pub(crate) async fn patch(&self, target: &str, body: Value) -> Reply {
        self.call_with(&self.administrator, Method::PATCH, target, &[], Some(body))
            .await
    }

    pub(crate) async fn upsert(&self, target: &str, body: Value) -> Reply {
        let headers = [("Prefer", "create-if-missing")];
        self.call_with(
            &self.administrator,
            Method::PATCH,
            target,
            &headers,
            Some(body),
        )
        .await
    }

    pub(crate) async fn delete(&self, target: &str) -> Reply {
        self.call_with(&self.administrator, Method::DELETE, target, &[], None)
            .await
    }

    /// The control API.
    pub(crate) async fn control(&self, method: Method, path: &str, body: Option<Value>) -> Reply {
        let mut request = self.http.request(
            method,
            format!("{}/_emulator{path}", self.running.base_url()),
        );
        if let Some(body) = body {
            request = request.json(&body);
        }
        reply(request.send().await.unwrap()).await
    }

    pub(crate) async fn application(&self, name: &str) -> Value {
        self.post("/applications", json!({ "displayName": name }))
            .await
            .expect(201)
            .body
    }

    /// The service principal of Graph.
    pub(crate) async fn graph_principal(&self) -> Value {
        self.get("/servicePrincipals(appId='00000003-0000-0000-c000-000000000000')")
            .await
            .expect(200)
            .body
    }

    /// An application with a secret and these Graph permissions, ready to call.
    pub(crate) async fn caller(&self, permissions: &[&str]) -> Caller {
        let application = self
            .post(
                "/applications",
                json!({ "displayName": "caller", "passwordCredentials": [{ "displayName": "s" }] }),
            )
            .await
            .expect(201);
        let app_id = application.text("/appId");
        let principal = self
            .post("/servicePrincipals", json!({ "appId": app_id }))
            .await
            .expect(201);
        let principal_id = principal.text("/id");
        let graph = self.graph_principal().await;
        for permission in permissions {
            let role = graph["appRoles"]
                .as_array()
                .unwrap()
                .iter()
                .find(|role| role["value"] == *permission)
                .unwrap_or_else(|| panic!("{permission} is a role of Graph"));
            let target = format!(
                "/servicePrincipals/{}/appRoleAssignedTo",
                graph["id"].as_str().unwrap()
            );
            let body = json!({
                "principalId": principal_id, "resourceId": graph["id"], "appRoleId": role["id"],
            });
            self.post(&target, body).await.expect(201);
        }
        let secret = application.text("/passwordCredentials/0/secretText");
        Caller {
            token: self.graph_token(&app_id, &secret).await,
            app_id,
            principal_id,
        }
    }
}

/// A client that trusts the emulator's CA and finds Graph's own host there.
#[expect(
    clippy::disallowed_methods,
    reason = "a test's client, which trusts the test's CA"
)]
pub(crate) fn client(running: &RunningEmulator) -> reqwest::Client {
    let certificate = reqwest::Certificate::from_pem(running.ca_pem().as_bytes()).unwrap();
    reqwest::Client::builder()
        .no_proxy()
        .resolve("graph.microsoft.com", running.address())
        .tls_certs_only([certificate])
        .build()
        .unwrap()
}

async fn reply(response: reqwest::Response) -> Reply {
    let (status, headers) = (response.status(), response.headers().clone());
    let text = response.text().await.unwrap();
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Reply {
        status,
        headers,
        body,
    }
}
