//! A scripted tenant: as much of Graph and the token endpoint as the connector asks, answering in Entra's words,
//! with faults on demand. Each fault hits the next matching request, before or after it took effect.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use url::{Url, form_urlencoded};
use uuid::Uuid;

use crate::test_support::serve;

pub(super) const TENANT: &str = "5f0b7c1e-0000-4000-8000-000000000001";
pub(super) const MANAGEMENT_CLIENT: &str = "11111111-1111-4111-8111-111111111111";
pub(super) const MANAGEMENT_SECRET: &str = "m4n~agement.secret";

#[derive(Clone)]
pub(super) struct Tenant {
    state: Arc<Mutex<TenantState>>,
    pub(super) url: String,
}

#[derive(Default)]
pub(super) struct TenantState {
    pub(super) applications: Vec<Application>,
    /// Object id and app id.
    pub(super) principals: Vec<(String, String)>,
    /// Object ids, applications and service principals.
    pub(super) deleted: Vec<String>,
    pub(super) calls: Vec<Call>,
    pub(super) management_roles: Vec<&'static str>,
    pub(super) policy: Option<Value>,
    faults: Vec<Fault>,
    valid_tokens: Vec<String>,
    last_number: u128,
}

#[derive(Clone, Debug)]
pub(super) struct Application {
    pub(super) object_id: String,
    pub(super) app_id: String,
    pub(super) unique_name: Option<String>,
    pub(super) properties: Value,
    pub(super) passwords: Vec<Password>,
}

#[derive(Clone, Debug)]
pub(super) struct Password {
    pub(super) key_id: String,
    pub(super) display_name: String,
    pub(super) secret: String,
    pub(super) end: String,
}

#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) line: String,
    pub(super) client_request_id: String,
    pub(super) body: String,
}

/// One wrong answer.
pub(super) struct Fault {
    pub(super) method: &'static str,
    /// Part of the path.
    pub(super) path: &'static str,
    pub(super) status: u16,
    pub(super) body: String,
    pub(super) retry_after: Option<&'static str>,
    /// The request takes effect; only its answer is wrong.
    pub(super) after_effect: bool,
    pub(super) times: usize,
}

impl Fault {
    pub(super) fn new(method: &'static str, path: &'static str, status: u16, body: Value) -> Self {
        Self {
            method,
            path,
            status,
            body: body.to_string(),
            retry_after: None,
            after_effect: false,
            times: 1,
        }
    }

    /// A front door that gives up while the service goes on.
    pub(super) fn answer_lost(method: &'static str, path: &'static str) -> Self {
        Self {
            body: "<html><body>504 Gateway Time-out</body></html>".to_owned(),
            after_effect: true,
            ..Self::new(method, path, 504, Value::Null)
        }
    }

    pub(super) fn times(self, times: usize) -> Self {
        Self { times, ..self }
    }
}

pub(super) fn graph_error(code: &str, message: &str) -> Value {
    json!({ "error": { "code": code, "message": message, "innerError": {
        "date": "2026-11-23T09:14:28", "request-id": "4c2e0000-0000-4000-8000-000000000000",
        "client-request-id": "a9d00000-0000-4000-8000-000000000000",
    }}})
}

pub(super) fn token_error(error: &str, number: u64, text: &str) -> Value {
    json!({
        "error": error,
        "error_description": format!("AADSTS{number}: {text} Trace ID: 6b0e0000-0000-4000-8000-000000000000 Correlation ID: a9d00000-0000-4000-8000-000000000000 Timestamp: 2026-11-23 09:14:40Z"),
        "error_codes": [number], "timestamp": "2026-11-23 09:14:40Z",
        "trace_id": "6b0e0000-0000-4000-8000-000000000000",
        "correlation_id": "a9d00000-0000-4000-8000-000000000000",
        "error_uri": format!("https://login.microsoftonline.com/error?code={number}"),
    })
}

impl Tenant {
    pub(super) async fn start() -> Self {
        let state = Arc::new(Mutex::new(TenantState {
            management_roles: vec!["Application.ReadWrite.OwnedBy"],
            ..TenantState::default()
        }));
        let router = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&state));
        let address = serve(router).await;
        Self {
            state,
            url: format!("http://{address}"),
        }
    }

    pub(super) fn token_endpoint(&self) -> Url {
        format!("{}/{TENANT}/oauth2/v2.0/token", self.url)
            .parse()
            .expect("a URL")
    }

    pub(super) fn state(&self) -> MutexGuard<'_, TenantState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn fault(&self, fault: Fault) {
        self.state().faults.push(fault);
    }

    pub(super) fn refuse_all_management_tokens(&self) {
        self.state().valid_tokens.clear();
    }

    /// An application that somebody registered in the portal.
    pub(super) fn register_by_hand(&self, secret: &str) -> Application {
        let mut state = self.state();
        let app_id = state.next_id();
        let application = Application {
            object_id: state.next_id(),
            unique_name: None,
            properties: json!({ "displayName": "by hand", "identifierUris": [format!("api://{app_id}")] }),
            passwords: vec![Password {
                key_id: state.next_id(),
                display_name: "portal".to_owned(),
                secret: secret.to_owned(),
                end: "2027-01-01T00:00:00Z".to_owned(),
            }],
            app_id: app_id.clone(),
        };
        state.applications.push(application.clone());
        let principal = state.next_id();
        state.principals.push((principal, app_id));
        application
    }

    pub(super) fn count_calls(&self, line: &str) -> usize {
        let state = self.state();
        state
            .calls
            .iter()
            .filter(|call| call.line.contains(line))
            .count()
    }
}

impl TenantState {
    fn next_id(&mut self) -> String {
        self.last_number += 1;
        Uuid::from_u128(0xa000_0000_0000_4000_8000_0000_0000_0000 + self.last_number).to_string()
    }

    fn take_fault(
        &mut self,
        method: &Method,
        path: &str,
    ) -> Option<(u16, String, Option<&'static str>, bool)> {
        let index = self
            .faults
            .iter()
            .position(|fault| fault.method == method.as_str() && path.contains(fault.path))?;
        let fault = &mut self.faults[index];
        fault.times -= 1;
        let taken = (
            fault.status,
            fault.body.clone(),
            fault.retry_after,
            fault.after_effect,
        );
        if fault.times == 0 {
            self.faults.remove(index);
        }
        Some(taken)
    }

    fn index_of(&self, object_id: &str) -> Option<usize> {
        let mut applications = self.applications.iter();
        applications.position(|application| application.object_id == object_id)
    }

    fn serve(&mut self, method: &Method, path: &str, body: &Value, prefer: bool) -> Reply {
        let (path, _query) = path.split_once('?').unwrap_or((path, ""));
        let path = path.strip_prefix("/v1.0").unwrap_or(path);
        if path == "/policies/defaultAppManagementPolicy" {
            return match &self.policy {
                Some(policy) => (200, policy.clone()),
                None => (
                    403,
                    graph_error(
                        "Authorization_RequestDenied",
                        "Insufficient privileges to complete the operation.",
                    ),
                ),
            };
        }
        if let Some(id) = path.strip_prefix("/directory/deletedItems/") {
            return self.purge(id);
        }
        if path == "/servicePrincipals" {
            return self.create_principal(&text(body, "appId"));
        }
        if let Some(app_id) = between(path, "/servicePrincipals(appId='", "')") {
            let found = self.principals.iter().find(|(_, of)| *of == app_id);
            return found.map_or_else(|| not_found(&app_id), |(id, _)| (200, json!({ "id": id })));
        }
        if let Some(name) = between(path, "/applications(uniqueName='", "')") {
            return self.by_unique_name(method, name, body, prefer);
        }
        if let Some(app_id) = between(path, "/applications(appId='", "')") {
            let mut applications = self.applications.iter();
            let found = applications.find(|application| application.app_id == app_id);
            return found.map_or_else(|| not_found(&app_id), |found| (200, shown(found)));
        }
        let Some(rest) = path.strip_prefix("/applications/") else {
            return (
                404,
                graph_error("BadRequest", "Resource not found for the segment."),
            );
        };
        let (object_id, action) = rest.split_once('/').unwrap_or((rest, ""));
        let Some(index) = self.index_of(object_id) else {
            return not_found(object_id);
        };
        match (method.as_str(), action) {
            ("GET", "") => (200, shown(&self.applications[index])),
            ("PATCH", "") => {
                merge(&mut self.applications[index].properties, body);
                (204, Value::Null)
            }
            ("DELETE", "") => {
                let gone = self.applications.remove(index);
                self.deleted.push(gone.object_id);
                let (of_it, others) = self
                    .principals
                    .drain(..)
                    .partition(|(_, of)| *of == gone.app_id);
                self.principals = others;
                let of_it: Vec<(String, String)> = of_it;
                self.deleted.extend(of_it.into_iter().map(|(id, _)| id));
                (204, Value::Null)
            }
            ("POST", "addPassword") => self.add_password(index, &body["passwordCredential"]),
            ("POST", "removePassword") => self.remove_password(index, &text(body, "keyId")),
            _ => (
                405,
                graph_error(
                    "Request_BadRequest",
                    "Specified HTTP method is not allowed for the request target.",
                ),
            ),
        }
    }

    fn by_unique_name(
        &mut self,
        method: &Method,
        name: String,
        body: &Value,
        prefer: bool,
    ) -> Reply {
        let mut applications = self.applications.iter_mut();
        let found =
            applications.find(|application| application.unique_name.as_ref() == Some(&name));
        match (method.as_str(), found) {
            ("GET", Some(found)) => (200, shown(found)),
            ("PATCH", Some(found)) => {
                merge(&mut found.properties, body);
                (204, Value::Null)
            }
            ("PATCH", None) if prefer => {
                let application = Application {
                    object_id: self.next_id(),
                    app_id: self.next_id(),
                    unique_name: Some(name),
                    properties: body.clone(),
                    passwords: Vec::new(),
                };
                let shown = shown(&application);
                self.applications.push(application);
                (201, shown)
            }
            _ => not_found(&name),
        }
    }

    fn create_principal(&mut self, app_id: &str) -> Reply {
        if !self
            .applications
            .iter()
            .any(|application| application.app_id == app_id)
        {
            return (
                400,
                graph_error(
                    "Request_BadRequest",
                    &format!(
                        "The appId '{app_id}' of the service principal does not reference a valid application object."
                    ),
                ),
            );
        }
        if self.principals.iter().any(|(_, of)| of == app_id) {
            return (
                409,
                graph_error(
                    "Request_MultipleObjectsWithSameKeyValue",
                    &format!(
                        "The service principal cannot be created, updated, or restored because the service principal name {app_id} is already in use."
                    ),
                ),
            );
        }
        let id = self.next_id();
        self.principals.push((id.clone(), app_id.to_owned()));
        (201, json!({ "id": id, "appId": app_id }))
    }

    fn add_password(&mut self, index: usize, wanted: &Value) -> Reply {
        let number = self.last_number;
        let password = Password {
            key_id: self.next_id(),
            display_name: text(wanted, "displayName"),
            secret: format!("k{number}V8Q~{number}"),
            end: text(wanted, "endDateTime"),
        };
        let answer = json!({
            "customKeyIdentifier": null, "displayName": password.display_name,
            "endDateTime": password.end, "hint": password.secret[..3], "keyId": password.key_id,
            "secretText": password.secret, "startDateTime": "2026-11-23T09:00:00Z",
        });
        self.applications[index].passwords.push(password);
        (200, answer)
    }

    fn remove_password(&mut self, index: usize, key_id: &str) -> Reply {
        let passwords = &mut self.applications[index].passwords;
        let before = passwords.len();
        passwords.retain(|password| password.key_id != key_id);
        if passwords.len() == before {
            return (
                400,
                graph_error(
                    "Request_BadRequest",
                    &format!("No password credential found with keyId '{key_id}'."),
                ),
            );
        }
        (204, Value::Null)
    }

    /// A purged application takes its service principal along.
    fn purge(&mut self, id: &str) -> Reply {
        let before = self.deleted.len();
        self.deleted.retain(|deleted| deleted != id);
        if self.deleted.len() == before {
            return not_found(id);
        }
        (204, Value::Null)
    }

    fn issue_token(&mut self, body: &str, url: &str) -> Reply {
        let form: std::collections::BTreeMap<String, String> =
            form_urlencoded::parse(body.as_bytes())
                .into_owned()
                .collect();
        let field = |name: &str| form.get(name).cloned().unwrap_or_default();
        if field("grant_type") != "client_credentials" {
            return (
                400,
                token_error(
                    "unsupported_grant_type",
                    70_003,
                    "The app requested an unsupported grant type.",
                ),
            );
        }
        let (client_id, secret, scope) =
            (field("client_id"), field("client_secret"), field("scope"));
        if client_id == MANAGEMENT_CLIENT {
            if secret != MANAGEMENT_SECRET {
                return (
                    401,
                    token_error(
                        "invalid_client",
                        7_000_215,
                        "Invalid client secret provided.",
                    ),
                );
            }
            assert_eq!(scope, format!("{url}/.default"));
            let number = self.last_number;
            self.last_number += 1;
            let claims = json!({ "roles": self.management_roles, "uti": number });
            let token = format!("e30.{}.c2ln", base64_url(&claims.to_string()));
            self.valid_tokens.push(token.clone());
            return (
                200,
                json!({ "token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": token }),
            );
        }
        let mut applications = self.applications.iter();
        let Some(application) = applications.find(|application| application.app_id == client_id)
        else {
            return (
                400,
                token_error(
                    "unauthorized_client",
                    700_016,
                    &format!(
                        "Application with identifier '{client_id}' was not found in the directory."
                    ),
                ),
            );
        };
        if !self.principals.iter().any(|(_, of)| *of == client_id) {
            return (
                401,
                token_error(
                    "invalid_client",
                    7_000_229,
                    "The client application is missing service principal in the tenant.",
                ),
            );
        }
        if !application
            .passwords
            .iter()
            .any(|password| password.secret == secret)
        {
            return (
                401,
                token_error(
                    "invalid_client",
                    7_000_215,
                    "Invalid client secret provided.",
                ),
            );
        }
        let uris = application.properties["identifierUris"].to_string();
        let resource = scope.trim_end_matches("/.default");
        if !uris.contains(resource) {
            return (
                400,
                token_error(
                    "invalid_resource",
                    500_011,
                    &format!(
                        "The resource principal named {resource} was not found in the tenant."
                    ),
                ),
            );
        }
        (
            200,
            json!({ "token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": format!("token-of-{client_id}") }),
        )
    }
}

type Reply = (u16, Value);

async fn answer(
    State(state): State<Arc<Mutex<TenantState>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    let path = uri
        .path_and_query()
        .map_or("", |path| path.as_str())
        .to_owned();
    let header = |name: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let body = String::from_utf8_lossy(&body).into_owned();
    state.calls.push(Call {
        line: format!("{method} {path}"),
        client_request_id: header("client-request-id"),
        body: body.clone(),
    });
    let fault = state.take_fault(&method, &path);
    if let Some((status, body, retry_after, false)) = &fault {
        return respond(*status, body.clone(), *retry_after);
    }
    let (status, value) = if path.ends_with("/oauth2/v2.0/token") {
        state.issue_token(&body, &format!("http://{}", header("host")))
    } else if state
        .valid_tokens
        .iter()
        .any(|token| header("authorization") == format!("Bearer {token}"))
    {
        let json = serde_json::from_str(&body).unwrap_or_default();
        state.serve(
            &method,
            &path,
            &json,
            header("prefer") == "create-if-missing",
        )
    } else {
        (
            401,
            graph_error(
                "InvalidAuthenticationToken",
                "Access token has expired or is not yet valid.",
            ),
        )
    };
    if let Some((status, body, retry_after, _)) = fault {
        return respond(status, body, retry_after);
    }
    let text = if value.is_null() {
        String::new()
    } else {
        value.to_string()
    };
    respond(status, text, None)
}

fn respond(status: u16, body: String, retry_after: Option<&'static str>) -> Response {
    let status = StatusCode::from_u16(status).expect("a status");
    let mut headers = HeaderMap::new();
    headers.insert(
        "request-id",
        "4c2e0000-0000-4000-8000-000000000000"
            .parse()
            .expect("a header"),
    );
    if let Some(seconds) = retry_after {
        headers.insert("retry-after", seconds.parse().expect("a header"));
    }
    (status, headers, body).into_response()
}

fn not_found(id: &str) -> Reply {
    let message = format!(
        "Resource '{id}' does not exist or one of its queried reference-property objects are not present."
    );
    (404, graph_error("Request_ResourceNotFound", &message))
}

fn shown(application: &Application) -> Value {
    let passwords: Vec<Value> = application
        .passwords
        .iter()
        .map(|password| {
            json!({
                "customKeyIdentifier": null, "displayName": password.display_name,
                "endDateTime": password.end, "hint": password.secret[..3], "keyId": password.key_id,
                "secretText": null, "startDateTime": "2026-11-23T09:00:00Z",
            })
        })
        .collect();
    let mut shown = application.properties.clone();
    merge(
        &mut shown,
        &json!({
            "id": application.object_id, "appId": application.app_id,
            "uniqueName": application.unique_name, "passwordCredentials": passwords,
        }),
    );
    shown
}

fn merge(target: &mut Value, changes: &Value) {
    for (name, value) in changes.as_object().into_iter().flatten() {
        target[name] = value.clone();
    }
}

fn text(object: &Value, name: &str) -> String {
    object[name].as_str().unwrap_or_default().to_owned()
}

fn between(path: &str, start: &str, end: &str) -> Option<String> {
    Some(path.strip_prefix(start)?.strip_suffix(end)?.to_owned())
}

fn base64_url(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text)
}
