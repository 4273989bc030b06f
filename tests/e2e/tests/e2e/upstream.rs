//! The API behind the gateway: answers at once, or when the test lets it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

pub(crate) const DEFINITION: &str = r#"{
  "openapi": "3.0.3",
  "info": { "title": "Weather", "version": "1.0.0" },
  "paths": {
    "/forecast/{city}": { "get": {
      "parameters": [{ "name": "city", "in": "path", "required": true, "schema": { "type": "string" } }],
      "responses": { "200": { "description": "The weather" } }
    } },
    "/slow": { "get": { "responses": { "200": { "description": "When it is ready" } } } }
  }
}"#;

#[derive(Clone)]
pub(crate) struct Upstream {
    pub(crate) url: String,
    gate: Arc<Gate>,
}

struct Gate {
    waiting: AtomicUsize,
    answered: AtomicUsize,
    leave: Semaphore,
}

impl Upstream {
    pub(crate) async fn start() -> Self {
        let gate = Arc::new(Gate {
            waiting: AtomicUsize::new(0),
            answered: AtomicUsize::new(0),
            leave: Semaphore::new(0),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let router = Router::new()
            .route("/forecast/{city}", get(forecast))
            .route("/slow", get(slow))
            .with_state(Arc::clone(&gate));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, gate }
    }

    /// Requests that have reached `/slow` and wait.
    pub(crate) fn waiting(&self) -> usize {
        self.gate.waiting.load(Ordering::SeqCst)
    }

    /// Forecasts that were asked for.
    pub(crate) fn answered(&self) -> usize {
        self.gate.answered.load(Ordering::SeqCst)
    }

    /// Lets one request to `/slow` be answered.
    pub(crate) fn let_one_go(&self) {
        self.gate.leave.add_permits(1);
    }
}

async fn forecast(State(gate): State<Arc<Gate>>, Path(city): Path<String>) -> Json<Value> {
    gate.answered.fetch_add(1, Ordering::SeqCst);
    Json(json!({ "city": city }))
}

async fn slow(State(gate): State<Arc<Gate>>) -> Json<Value> {
    gate.waiting.fetch_add(1, Ordering::SeqCst);
    let leave = gate.leave.acquire().await.expect("never closed");
    leave.forget();
    Json(json!({ "answer": "late" }))
}
