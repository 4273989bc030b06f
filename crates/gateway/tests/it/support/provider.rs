//! An authorization server's key-set endpoint, and the gateway's way to it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use gateway::{KeySetSource, KeySetSourceError};
use http::{Request, Response, StatusCode};
use serde_json::{Value, json};
use tokio::sync::watch;
use url::Url;

use super::http::{full, send, serve};

#[derive(Clone)]
pub(crate) struct Provider {
    pub(crate) url: Url,
    state: Arc<Mutex<State>>,
    /// While it is false nobody gets an answer.
    is_open: Arc<watch::Sender<bool>>,
}

struct State {
    document: Vec<u8>,
    status: StatusCode,
    fetches: usize,
}

impl Provider {
    pub(crate) async fn start(keys: &[Value]) -> Self {
        let state = Arc::new(Mutex::new(State {
            document: json!({"keys": keys}).to_string().into_bytes(),
            status: StatusCode::OK,
            fetches: 0,
        }));
        let is_open = Arc::new(watch::Sender::new(true));
        let (served, waiting) = (Arc::clone(&state), Arc::clone(&is_open));
        let address = serve(move |_| {
            let (state, mut is_open) = (Arc::clone(&served), waiting.subscribe());
            async move {
                state.lock().expect("a lock").fetches += 1;
                is_open
                    .wait_for(|is_open| *is_open)
                    .await
                    .expect("a test that runs");
                let state = state.lock().expect("a lock");
                let mut response = Response::new(full(state.document.clone()));
                *response.status_mut() = state.status;
                response
            }
        })
        .await;
        let url = format!("http://{address}/keys").parse().expect("a URL");
        Self {
            url,
            state,
            is_open,
        }
    }

    pub(crate) fn publishes(&self, keys: &[Value]) {
        self.answers(
            StatusCode::OK,
            json!({"keys": keys}).to_string().into_bytes(),
        );
    }

    pub(crate) fn answers(&self, status: StatusCode, document: Vec<u8>) {
        let mut state = self.state.lock().expect("a lock");
        state.status = status;
        state.document = document;
    }

    pub(crate) fn is_down(&self) {
        self.answers(StatusCode::SERVICE_UNAVAILABLE, b"down".to_vec());
    }

    pub(crate) fn fetches(&self) -> usize {
        self.state.lock().expect("a lock").fetches
    }

    /// Lets nobody have an answer until [`Self::opens`].
    pub(crate) fn closes(&self) {
        self.is_open.send_replace(false);
    }

    pub(crate) fn opens(&self) {
        self.is_open.send_replace(true);
    }
}

/// Fetches over HTTP, as the server's client would.
pub(crate) struct OverHttp;

#[async_trait]
impl KeySetSource for OverHttp {
    async fn fetch(&self, url: &Url) -> Result<Vec<u8>, KeySetSourceError> {
        let host = url.host_str().unwrap_or_default();
        let address: SocketAddr = format!("{host}:{}", url.port().unwrap_or(80))
            .parse()
            .map_err(|_| KeySetSourceError("not a loopback address".to_owned()))?;
        let request = Request::get(url.path())
            .header("host", host)
            .body(full(""))
            .expect("a request");
        let answer = send(address, request)
            .await
            .map_err(|error| KeySetSourceError(error.to_string()))?;
        if answer.status != StatusCode::OK {
            return Err(KeySetSourceError(format!("status {}", answer.status)));
        }
        Ok(answer.body.to_vec())
    }
}
