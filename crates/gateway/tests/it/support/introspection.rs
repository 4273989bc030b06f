//! An authorization server's introspection endpoint, and the gateway's way to it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::SecretString;
use domain::id::KeyManagerId;
use gateway::{TokenIntrospector, TokenIntrospectorError};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tokio::sync::watch;
use url::form_urlencoded;

use super::http::{full, send, serve};

const CLIENT: &str = "gateway:secret";

#[derive(Clone)]
pub(crate) struct Introspection {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    /// While it is false nobody gets an answer.
    is_open: Arc<watch::Sender<bool>>,
}

#[derive(Default)]
struct State {
    tokens: HashMap<String, Vec<u8>>,
    status: StatusCode,
    asked: Vec<String>,
    /// Key managers that can be asked.
    known: Vec<KeyManagerId>,
}

impl Introspection {
    pub(crate) async fn start() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let is_open = Arc::new(watch::Sender::new(true));
        let (served, waiting) = (Arc::clone(&state), Arc::clone(&is_open));
        let address = serve(move |request| {
            let (state, mut is_open) = (Arc::clone(&served), waiting.subscribe());
            async move {
                let authorization = request.headers().get("authorization").cloned();
                let form = request.into_body().collect().await.expect("a form");
                let form = form.to_bytes();
                let token = form_urlencoded::parse(&form)
                    .find(|(name, _)| name == "token")
                    .map(|(_, token)| token.into_owned())
                    .expect("a token");
                state.lock().expect("a lock").asked.push(token.clone());
                is_open
                    .wait_for(|is_open| *is_open)
                    .await
                    .expect("a test that runs");
                let state = state.lock().expect("a lock");
                let known = state.tokens.get(&token).cloned();
                let body = known.unwrap_or_else(|| json!({"active": false}).to_string().into());
                let mut response = Response::new(full(body));
                *response.status_mut() = state.status;
                let expected = format!("Basic {}", STANDARD.encode(CLIENT));
                if authorization.is_none_or(|sent| sent != expected.as_str()) {
                    *response.status_mut() = StatusCode::UNAUTHORIZED;
                }
                response
            }
        })
        .await;
        Self {
            address,
            state,
            is_open,
        }
    }

    /// The key manager has this introspection endpoint.
    pub(crate) fn serves(&self, key_manager: KeyManagerId) {
        self.state.lock().expect("a lock").known.push(key_manager);
    }

    pub(crate) fn says(&self, token: &str, answer: &Value) {
        self.says_bytes(token, answer.to_string().into_bytes());
    }

    pub(crate) fn says_bytes(&self, token: &str, answer: Vec<u8>) {
        let mut state = self.state.lock().expect("a lock");
        state.tokens.insert(token.to_owned(), answer);
    }

    pub(crate) fn answers_with(&self, status: StatusCode) {
        self.state.lock().expect("a lock").status = status;
    }

    /// Tokens in the order in which they were asked about.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.state.lock().expect("a lock").asked.clone()
    }

    pub(crate) fn closes(&self) {
        self.is_open.send_replace(false);
    }

    pub(crate) fn opens(&self) {
        self.is_open.send_replace(true);
    }
}

#[async_trait]
impl TokenIntrospector for Introspection {
    async fn introspect(
        &self,
        key_manager: KeyManagerId,
        token: &SecretString,
    ) -> Result<Vec<u8>, TokenIntrospectorError> {
        if !self
            .state
            .lock()
            .expect("a lock")
            .known
            .contains(&key_manager)
        {
            return Err(TokenIntrospectorError::Unsupported);
        }
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("token", token.expose_secret())
            .finish();
        let request = Request::post("/introspect")
            .header("host", "idp.example")
            .header(
                "authorization",
                format!("Basic {}", STANDARD.encode(CLIENT)),
            )
            .body(full(form))
            .expect("a request");
        let failed = |text: String| TokenIntrospectorError::Failed(text);
        let answer = send(self.address, request)
            .await
            .map_err(|error| failed(error.to_string()))?;
        if answer.status != StatusCode::OK {
            return Err(failed(format!("status {}", answer.status)));
        }
        Ok(answer.body.to_vec())
    }
}
