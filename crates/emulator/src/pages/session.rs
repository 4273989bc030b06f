//! The portal's hands: what a page does, it does through Graph, signed in as an administrator.
//!
//! So the rules are Graph's, and the audit shows what happened. Pages read the newest state of the
//! directory themselves, because people should see what they have just done.

use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, header};
use axum::response::Response;
use serde_json::{Value, json};
use tower::ServiceExt as _;
use uuid::{Uuid, uuid};

use crate::audit::AuditNote;
use crate::directory::{Effect, Tenant, User};
use crate::state::State;
use crate::token_service::sign_portal_token;

/// The client id of Microsoft's portal.
pub(crate) const PORTAL_APP_ID: Uuid = uuid!("c44b4083-3bb0-49c1-b47d-974e53cbdf3c");
const MOST_ANSWER: usize = 4 << 20;

/// An administrator of a tenant at work.
pub(super) struct Session {
    pub(super) state: Arc<State>,
    pub(super) tenant: Arc<Tenant>,
    pub(super) user: Arc<User>,
    effects: Mutex<Vec<Effect>>,
}

impl Session {
    /// A session in `tenant`, as its first administrator; `None` if it has none.
    pub(super) fn open(state: Arc<State>, tenant: Arc<Tenant>) -> Option<Self> {
        let user = {
            let directory = state.directory();
            directory
                .table::<User>()
                .list_newest(tenant.id)
                .find(|user| user.account_enabled && user.administers_applications())
                .cloned()
        }?;
        Some(Self {
            state,
            tenant,
            user,
            effects: Mutex::default(),
        })
    }

    /// Calls Graph. `Ok` is the body of a success, `Err` Graph's words.
    pub(super) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Value, String> {
        let token = sign_portal_token(&self.state, &self.tenant, &self.user, PORTAL_APP_ID)
            .ok_or("The portal could not sign in.")?;
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/v1.0{path}"))
            .header(header::AUTHORIZATION, format!("Bearer {token}"));
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let request = request.body(body).map_err(|error| error.to_string())?;
        let graph = crate::graph::router().with_state(Arc::clone(&self.state));
        let Ok(response) = graph.oneshot(request).await;
        if let Some(note) = response.extensions().get::<AuditNote>() {
            let mut effects = self.effects.lock().unwrap_or_else(PoisonError::into_inner);
            effects.extend(note.effects.iter().copied());
        }
        let status = response.status();
        let bytes = to_bytes(response.into_body(), MOST_ANSWER)
            .await
            .map_err(|_| "Graph's answer broke off.")?;
        let value: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        if status.is_success() {
            return Ok(value);
        }
        let error = &value["error"];
        let code = error["code"].as_str().unwrap_or("UnknownError");
        let message = error["message"].as_str().unwrap_or("Graph gave no reason.");
        Err(format!("{} {code}: {message}", status.as_u16()))
    }

    /// Posts to Graph.
    pub(super) async fn post(&self, path: &str, body: Value) -> Result<Value, String> {
        self.call(Method::POST, path, Some(body)).await
    }

    /// Patches at Graph.
    pub(super) async fn patch(&self, path: &str, body: Value) -> Result<Value, String> {
        self.call(Method::PATCH, path, Some(body)).await
    }

    /// Deletes at Graph.
    pub(super) async fn delete(&self, path: &str) -> Result<Value, String> {
        self.call(Method::DELETE, path, None).await
    }

    /// Tells the audit what this session changed.
    pub(super) fn note(&self, mut response: Response) -> Response {
        let effects =
            std::mem::take(&mut *self.effects.lock().unwrap_or_else(PoisonError::into_inner));
        let note = response
            .extensions_mut()
            .get_or_insert_default::<AuditNote>();
        note.effects.extend(effects);
        note.caller_app_id = Some(PORTAL_APP_ID);
        note.tenant_id = Some(self.tenant.id);
        response
    }

    /// Makes the service principal of an application unless there is one; returns its object id.
    pub(super) async fn ensure_principal(&self, app_id: Uuid) -> Result<Uuid, String> {
        let view = self.state.view(crate::replica::Place::Primary);
        let known =
            self.state
                .directory()
                .service_principal_by_app_id(self.tenant.id, app_id, view);
        if let Some(known) = known {
            return Ok(known.id);
        }
        let made = self
            .post("/servicePrincipals", json!({ "appId": app_id }))
            .await?;
        made["id"]
            .as_str()
            .and_then(|id| Uuid::try_parse(id).ok())
            .ok_or_else(|| "Graph's answer has no id.".to_owned())
    }
}
