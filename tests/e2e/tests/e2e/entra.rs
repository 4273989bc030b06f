//! The emulated Entra ID as a process of its own, looked at and steered from outside.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http::{Http, Reply};
use crate::polling::eventually;
use crate::program::{Running, program, run};

/// Longer than any replication delay that tests set.
const REPLICATED: Duration = Duration::from_secs(40);
const GRAPH_APP_ID: &str = "00000003-0000-0000-c000-000000000000";

/// An OAuth client.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) id: String,
    pub(crate) secret: String,
}

pub(crate) struct Entra {
    running: Option<Running>,
    pub(crate) folder: TempDir,
    pub(crate) base: String,
    pub(crate) tenant: String,
    pub(crate) administrator: Client,
    pub(crate) authority: String,
    pub(crate) http: Http,
}

impl Entra {
    /// Starts with changes that become visible late, as in the real one, but within seconds.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let authority = run(program("entra-emulator")
            .arg("ca")
            .arg("--data")
            .arg(folder.path()));
        assert!(authority.status.success(), "{}", authority.complaint);
        let running = launch(&folder, 0);
        let said = |word: &str| {
            let line = running.said().iter().find(|line| line.contains(word));
            let line = line.unwrap_or_else(|| panic!("no {word}: {:?}", running.said()));
            line.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let base = said("emulator on").pop().expect("an address");
        let token_endpoint = said("/oauth2/v2.0/token").pop().expect("an address");
        let tenant = token_endpoint
            .strip_prefix(&format!("{base}/"))
            .and_then(|rest| rest.split('/').next())
            .expect("a tenant in the address")
            .to_owned();
        let administrator = said("Administrator");
        let [_, id, secret] = administrator.as_slice() else {
            panic!("no administrator: {administrator:?}")
        };
        Self {
            administrator: Client {
                id: id.clone(),
                secret: secret.clone(),
            },
            http: Http::new(&authority.output),
            authority: authority.output,
            base,
            tenant,
            folder,
            running: Some(running),
        }
    }

    /// The tenant is out of reach from now on.
    pub(crate) fn go_down(&mut self) {
        self.running.take().expect("it was up").kill();
    }

    /// Back at its address with all it knew. Changes are visible at once.
    pub(crate) fn come_back(&mut self) {
        let (_, port) = self.base.rsplit_once(':').expect("an address with a port");
        let port = port.parse().expect("a port");
        self.running = Some(launch(&self.folder, port));
    }

    pub(crate) fn log(&self) -> String {
        self.running
            .as_ref()
            .map(|running| running.transcript().text())
            .unwrap_or_default()
    }

    /// A call of the control API.
    pub(crate) async fn steer(&self, method: Method, path: &str, body: Option<Value>) -> Reply {
        let mut request = self
            .http
            .request(method, &format!("{}/_emulator{path}", self.base));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let reply = self.http.send(request).await;
        assert!(
            reply.status < 300,
            "{path}: {} {}",
            reply.status,
            reply.text
        );
        reply
    }

    pub(crate) async fn add_fault(&self, rule: Value) -> String {
        self.steer(Method::POST, "/faults", Some(rule))
            .await
            .text_at("/id")
    }

    pub(crate) async fn clear_faults(&self) {
        self.steer(Method::DELETE, "/faults", None).await;
    }

    /// Until a rule has acted on a request that came in (it may still be under way).
    pub(crate) async fn until_fault_acts(&self, id: &str) {
        eventually("the fault acts", REPLICATED, async || {
            let rules = self.steer(Method::GET, "/faults", None).await;
            let rule = rules
                .json
                .as_array()?
                .iter()
                .find(|rule| rule["id"] == id)?;
            (rule["hits"].as_u64()? > 0).then_some(())
        })
        .await;
    }

    /// Until a request has ended that fits the query, which is one of the audit's; gives the first.
    pub(crate) async fn until_recorded(&self, query: &str) -> Value {
        eventually(query, REPLICATED, async || {
            self.recorded(query).await.into_iter().next()
        })
        .await
    }

    pub(crate) async fn recorded(&self, query: &str) -> Vec<Value> {
        let audit = self
            .steer(Method::GET, &format!("/audit?{query}"), None)
            .await;
        audit.json.as_array().expect("a list").clone()
    }

    /// The number of the newest entry of the audit.
    pub(crate) async fn now(&self) -> u64 {
        let all = self.recorded("").await;
        all.last()
            .and_then(|entry| entry["number"].as_u64())
            .unwrap_or(0)
    }

    /// Objects of a kind as they truly are, whoever can see them yet.
    pub(crate) async fn objects(&self, kind: &str) -> Vec<Value> {
        let listed = self
            .steer(Method::GET, &format!("/objects?kind={kind}"), None)
            .await;
        let objects = listed.json.as_array().expect("a list").iter();
        objects.map(|object| object["object"].clone()).collect()
    }

    /// The application registrations that Claviger made.
    pub(crate) async fn made_by_claviger(&self) -> Vec<Value> {
        let mut applications = self.objects("application").await;
        applications.retain(is_ours);
        applications
    }

    /// Whatever is left of Claviger's clients: registrations, service principals, deleted items.
    pub(crate) async fn remains(&self, client_ids: &[String]) -> Vec<Value> {
        let mut remains = self.made_by_claviger().await;
        for principal in self.objects("servicePrincipal").await {
            if client_ids
                .iter()
                .any(|id| principal["appId"] == *id.as_str())
            {
                remains.push(principal);
            }
        }
        for item in self.objects("deletedItem").await {
            let is_known = client_ids.iter().any(|id| item.to_string().contains(id));
            if is_known || is_ours(&item["application"]) {
                remains.push(item);
            }
        }
        remains
    }

    pub(crate) fn token_endpoint(&self) -> String {
        format!("{}/{}/oauth2/v2.0/token", self.base, self.tenant)
    }

    /// One attempt, as curl would make it.
    pub(crate) async fn try_token(&self, client: &Client, scope: &str) -> Result<String, String> {
        let request = self
            .http
            .request(Method::POST, &self.token_endpoint())
            .form(&[
                ("client_id", client.id.as_str()),
                ("client_secret", client.secret.as_str()),
                ("grant_type", "client_credentials"),
                ("scope", scope),
            ]);
        let reply = self.http.send(request).await;
        if reply.status == 200 {
            Ok(reply.text_at("/access_token"))
        } else {
            Err(reply.text)
        }
    }

    /// A token of the client for itself, once Entra knows the client everywhere.
    pub(crate) async fn token(&self, client: &Client) -> String {
        let scope = format!("api://{}/.default", client.id);
        eventually("a token", REPLICATED, async || {
            self.try_token(client, &scope).await.ok()
        })
        .await
    }

    /// The page's manual steps: an app with a secret and `Application.ReadWrite.OwnedBy`.
    pub(crate) async fn register_management_app(&self) -> Client {
        let scope = format!("{}/.default", self.base);
        let token = self
            .try_token(&self.administrator, &scope)
            .await
            .expect("the administrator's token");
        let application = self
            .graph(
                &token,
                Method::POST,
                "/applications",
                json!({ "displayName": "Claviger" }),
                201,
            )
            .await;
        let client_id = application.text_at("/appId");
        let path = format!("/applications/{}/addPassword", application.text_at("/id"));
        let password = json!({ "passwordCredential": { "displayName": "e2e" } });
        let secret = self.graph(&token, Method::POST, &path, password, 200).await;
        let principal = self
            .graph(
                &token,
                Method::POST,
                "/servicePrincipals",
                json!({ "appId": client_id }),
                201,
            )
            .await;
        let path = format!("/servicePrincipals(appId='{GRAPH_APP_ID}')");
        let graph = self
            .graph(&token, Method::GET, &path, Value::Null, 200)
            .await;
        let role = graph
            .list_at("/appRoles")
            .iter()
            .find(|role| role["value"] == "Application.ReadWrite.OwnedBy")
            .expect("Graph offers the role")["id"]
            .clone();
        let grant = json!({
            "principalId": principal.text_at("/id"),
            "resourceId": graph.text_at("/id"),
            "appRoleId": role
        });
        let path = format!(
            "/servicePrincipals/{}/appRoleAssignedTo",
            graph.text_at("/id")
        );
        self.graph(&token, Method::POST, &path, grant, 201).await;
        Client {
            id: client_id,
            secret: secret.text_at("/secretText"),
        }
    }

    async fn graph(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: Value,
        status: u16,
    ) -> Reply {
        let url = format!("{}/v1.0{path}", self.base);
        let mut request = self.http.request(method, &url).bearer_auth(token);
        if !body.is_null() {
            request = request.json(&body);
        }
        self.http.send(request).await.expect(status)
    }

    /// Changes become visible late from now on; until then at once.
    pub(crate) async fn begin_to_replicate(&self) {
        self.steer(Method::PUT, "/replication", Some(visible_late()))
            .await;
    }
}

fn launch(folder: &TempDir, port: u16) -> Running {
    Running::start_until(
        program("entra-emulator")
            .args(["--port", &port.to_string(), "--data"])
            .arg(folder.path()),
        "Administrator",
    )
}

fn is_ours(application: &Value) -> bool {
    let name = application["uniqueName"].as_str();
    name.is_some_and(|name| name.starts_with("claviger-"))
}

fn visible_late() -> Value {
    json!({
        "replicas": 2,
        "create": [100, 600],
        "update": [50, 300],
        "delete": [50, 300],
        "list": [100, 600],
        "search": [300, 900],
        "tokenService": {
            "application": [200, 800],
            "servicePrincipal": [200, 800],
            "credential": [300, 1200],
            "uri": [200, 800],
            "role": [200, 800]
        }
    })
}
