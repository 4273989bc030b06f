//! `claviger serve` as a process of its own, and its REST APIs as its users call them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::entra::Client;
use crate::http::{Http, Reply};
use crate::polling::eventually;
use crate::program::{Running, Transcript, program};

/// What "about a second" may take on a machine that has other things to do.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// Whose token a request carries, and so which API is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Portal {
    Admin,
    Publisher,
    Developer,
}

/// Passwords of the first start, and bearer tokens; they survive restarts.
#[derive(Clone, Debug)]
pub(crate) struct People {
    /// User name and password.
    pub(crate) passwords: Vec<(String, String)>,
    admin: String,
    publisher: String,
    developer: String,
}

impl People {
    pub(crate) fn tokens(&self) -> impl Iterator<Item = &str> {
        [&self.admin, &self.publisher, &self.developer]
            .into_iter()
            .map(String::as_str)
    }
}

pub(crate) struct Claviger {
    running: Option<Running>,
    data: PathBuf,
    settings: Vec<(String, String)>,
    pub(crate) control: String,
    pub(crate) gateway: String,
    http: Http,
    people: Option<People>,
    /// Of all the processes that this one was.
    transcripts: Vec<Transcript>,
    _folder: Option<TempDir>,
}

impl Claviger {
    /// A node with a folder of its own, nobody signed in.
    pub(crate) fn start(http: &Http, settings: &[(&str, String)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut claviger = Self {
            running: None,
            data: folder.path().to_owned(),
            settings: settings
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone()))
                .collect(),
            control: String::new(),
            gateway: String::new(),
            http: http.clone(),
            people: None,
            transcripts: Vec::new(),
            _folder: Some(folder),
        };
        claviger.run();
        claviger
    }

    /// Runs the program over this folder, again.
    pub(crate) fn run(&mut self) {
        assert!(self.running.is_none(), "it runs");
        let running = Running::start(
            program("claviger")
                .arg("serve")
                .current_dir(&self.data)
                .env("CLAVIGER_DATA_FOLDER", &self.data)
                .env("CLAVIGER_CONTROL_LISTEN", "127.0.0.1:0")
                .env("CLAVIGER_GATEWAY_LISTEN", "127.0.0.1:0")
                .env("CLAVIGER_LOG_FILTER", "debug")
                .envs(self.settings.iter().cloned()),
        );
        let ready = running.said().last().expect("it said Ready");
        let address = |after: &str| {
            let (_, rest) = ready.split_once(after).expect("an address");
            let end = rest.find([',', ' ']).unwrap_or(rest.len());
            rest[..end].to_owned()
        };
        self.control = address("Control plane ");
        self.gateway = address("gateway ");
        self.transcripts.push(running.transcript().clone());
        self.running = Some(running);
    }

    pub(crate) fn kill(&mut self) {
        self.running.take().expect("it runs").kill();
    }

    /// SIGTERM without waiting for the end.
    pub(crate) fn ask_to_end(&self) {
        self.running.as_ref().expect("it runs").ask_to_end();
    }

    pub(crate) fn wait_for_end(&mut self) -> std::process::ExitStatus {
        self.running.take().expect("it runs").wait()
    }

    pub(crate) fn said(&self) -> &[String] {
        self.running.as_ref().expect("it runs").said()
    }

    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// The log of all its runs.
    pub(crate) fn log(&self) -> String {
        self.transcripts.iter().map(Transcript::text).collect()
    }

    /// Passwords as the very first start prints them.
    pub(crate) fn first_passwords(&self) -> Vec<(String, String)> {
        let users = self.said().iter().filter_map(|line| {
            let words: Vec<_> = line
                .strip_prefix("First start: user")?
                .split_whitespace()
                .collect();
            let [name, "password", password] = words.as_slice() else {
                panic!("not a user: {line}")
            };
            Some(((*name).to_owned(), (*password).to_owned()))
        });
        users.collect()
    }

    /// Everybody signs in, as scripts do: a client by registration, then a token by password.
    pub(crate) async fn sign_in(&mut self) {
        let passwords = self.first_passwords();
        let mut tokens = Vec::new();
        for (name, scopes) in [
            ("admin", "apim:admin apim:keymanagers_manage"),
            (
                "publisher",
                "apim:api_view apim:api_create apim:api_publish apim:api_manage apim:api_delete apim:subscription_block",
            ),
            (
                "developer",
                "apim:subscribe apim:app_manage apim:sub_manage",
            ),
        ] {
            let (_, password) = passwords
                .iter()
                .find(|(user, _)| user == name)
                .expect("the first start names the user");
            tokens.push(self.token_of(name, password, scopes).await);
        }
        let [admin, publisher, developer] = tokens.try_into().expect("three");
        self.people = Some(People {
            passwords,
            admin,
            publisher,
            developer,
        });
    }

    async fn token_of(&self, name: &str, password: &str, scopes: &str) -> String {
        let client = self.register(name, password).await.expect(200);
        let url = format!("{}/oauth2/token", self.control);
        let (id, secret) = (client.text_at("/clientId"), client.text_at("/clientSecret"));
        let form = [
            ("grant_type", "password"),
            ("username", name),
            ("password", password),
            ("scope", scopes),
        ];
        let request = self
            .http
            .request(Method::POST, &url)
            .basic_auth(id, Some(secret))
            .form(&form);
        self.http
            .send(request)
            .await
            .expect(200)
            .text_at("/access_token")
    }

    /// Dynamic client registration, with which every script begins.
    pub(crate) async fn register(&self, name: &str, password: &str) -> Reply {
        let url = format!("{}/client-registration/v0.17/register", self.control);
        let body = json!({
            "callbackUrl": "www.example.com", "clientName": format!("e2e_{name}"), "owner": name,
            "grantType": "password client_credentials", "saasApp": true
        });
        let request = self.http.request(Method::POST, &url);
        self.http
            .send(request.basic_auth(name, Some(password)).json(&body))
            .await
    }

    /// Another node over the same database: the same people with the same tokens.
    pub(crate) fn knows(&mut self, other: &Self) {
        self.people.clone_from(&other.people);
    }

    pub(crate) fn people(&self) -> &People {
        self.people.as_ref().expect("somebody signed in")
    }

    pub(crate) fn request(
        &self,
        portal: Portal,
        method: Method,
        path: &str,
    ) -> reqwest::RequestBuilder {
        let people = self.people();
        let (base, token) = match portal {
            Portal::Admin => ("/api/am/admin/v4", &people.admin),
            Portal::Publisher => ("/api/am/publisher/v4", &people.publisher),
            Portal::Developer => ("/api/am/devportal/v3", &people.developer),
        };
        let url = format!("{}{base}{path}", self.control);
        self.http.request(method, &url).bearer_auth(token)
    }

    pub(crate) async fn call(
        &self,
        portal: Portal,
        method: Method,
        path: &str,
        body: Value,
    ) -> Reply {
        let mut request = self.request(portal, method, path);
        if !body.is_null() {
            request = request.json(&body);
        }
        self.http.send(request).await
    }

    pub(crate) async fn get(&self, portal: Portal, path: &str) -> Reply {
        self.call(portal, Method::GET, path, Value::Null).await
    }

    /// Multipart, as WSO2's clients send it.
    pub(crate) async fn post_form(
        &self,
        portal: Portal,
        path: &str,
        fields: &[(&'static str, String)],
    ) -> Reply {
        let mut form = reqwest::multipart::Form::new();
        for (name, value) in fields {
            form = form.text(*name, value.clone());
        }
        let request = self.request(portal, Method::POST, path).multipart(form);
        self.http.send(request).await
    }

    pub(crate) async fn create_application(&self, name: &str) -> String {
        let body = json!({ "name": name, "throttlingPolicy": "Unlimited", "tokenType": "JWT" });
        self.call(Portal::Developer, Method::POST, "/applications", body)
            .await
            .expect(201)
            .text_at("/applicationId")
    }

    pub(crate) async fn subscribe(&self, application: &str, api: &str) -> String {
        let body =
            json!({ "applicationId": application, "apiId": api, "throttlingPolicy": "Unlimited" });
        self.call(Portal::Developer, Method::POST, "/subscriptions", body)
            .await
            .expect(201)
            .text_at("/subscriptionId")
    }

    /// "Generate Keys". The request can be awaited, or left alone on a task.
    pub(crate) fn generate_keys(
        &self,
        application: &str,
    ) -> impl Future<Output = Result<Reply, String>> + Send + 'static {
        let body = json!({
            "keyType": "PRODUCTION",
            "keyManager": "Entra",
            "grantTypesToBeSupported": ["client_credentials"],
            "validityTime": 3600,
        });
        let path = format!("/applications/{application}/generate-keys");
        let request = self
            .request(Portal::Developer, Method::POST, &path)
            .json(&body);
        let http = self.http.clone();
        async move { http.try_send(request).await }
    }

    /// Generated, with the secret that is shown this once.
    pub(crate) async fn generated_keys(&self, application: &str) -> (String, Client) {
        let reply = self
            .generate_keys(application)
            .await
            .expect("an answer")
            .expect(200);
        assert_eq!(reply.json["keyState"], "COMPLETED", "{}", reply.text);
        let client = Client {
            id: reply.text_at("/consumerKey"),
            secret: reply.text_at("/consumerSecret"),
        };
        (reply.text_at("/keyMappingId"), client)
    }

    /// The only keys of an application, as the portal lists them.
    pub(crate) async fn keys(&self, application: &str) -> Option<Value> {
        let listed = self
            .get(
                Portal::Developer,
                &format!("/applications/{application}/oauth-keys"),
            )
            .await;
        if listed.status == 404 {
            return None;
        }
        let keys = listed.expect(200);
        let list = keys.list_at("/list");
        assert!(list.len() <= 1, "{}", keys.text);
        list.first().cloned()
    }

    /// Until the keys are in this state.
    pub(crate) async fn until_keys_are(
        &self,
        state: &str,
        application: &str,
        limit: Duration,
    ) -> Value {
        eventually(&format!("keys {state}"), limit, async || {
            self.keys(application)
                .await
                .filter(|keys| keys["keyState"] == state)
        })
        .await
    }

    /// "Generate Access Token" with the stored secret.
    pub(crate) async fn generate_token(&self, application: &str, mapping: &str) -> String {
        let path = format!("/applications/{application}/oauth-keys/{mapping}/generate-token");
        self.call(
            Portal::Developer,
            Method::POST,
            &path,
            json!({ "validityPeriod": 3600 }),
        )
        .await
        .expect(200)
        .text_at("/accessToken")
    }

    /// One call through the gateway.
    pub(crate) async fn call_api(&self, path: &str, token: &str) -> Reply {
        let url = format!("{}/weather/1.0.0{path}", self.gateway);
        let request = self.http.request(Method::GET, &url).bearer_auth(token);
        self.http.send(request).await
    }

    /// Calls until a change has reached the gateway.
    pub(crate) async fn until_answered(&self, status: u16, token: &str) -> Reply {
        let what = format!("{status} at the gateway");
        eventually(&what, SOON, async || {
            let reply = self.call_api("/forecast/Colombo", token).await;
            (reply.status == status).then_some(reply)
        })
        .await
    }
}
