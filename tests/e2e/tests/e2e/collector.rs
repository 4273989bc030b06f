//! A collector of traces: takes what OTLP over HTTP sends, and reads the protobuf in it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

#[derive(Clone, Default)]
pub(crate) struct Collector {
    pub(crate) url: String,
    heard: Arc<Mutex<Vec<ExportTraceServiceRequest>>>,
    /// Messages that are still to be refused, because it has too much to do.
    pub(crate) refusing: Arc<AtomicUsize>,
}

impl Collector {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port");
        let collector = Self {
            url: format!("http://{}", listener.local_addr().expect("an address")),
            ..Self::default()
        };
        let router = Router::new()
            .route("/v1/traces", post(take))
            .with_state(collector.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        collector
    }

    fn heard(&self) -> Vec<ExportTraceServiceRequest> {
        self.heard
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Of all messages, in their order.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let parts = self
            .heard()
            .into_iter()
            .flat_map(|request| request.resource_spans);
        parts
            .flat_map(|part| part.scope_spans)
            .flat_map(|scope| scope.spans)
            .collect()
    }

    /// The value of this attribute of the sender, the same in every message.
    pub(crate) fn resource(&self, key: &str) -> Option<String> {
        let parts = self
            .heard()
            .into_iter()
            .flat_map(|request| request.resource_spans);
        let mut values: Vec<_> = parts
            .map(|part| attribute(&part.resource.expect("a resource").attributes, key))
            .collect();
        values.dedup();
        assert!(values.len() <= 1, "{key}: {values:?}");
        values.pop().flatten()
    }
}

/// As text, whatever its type.
pub(crate) fn attribute(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        other => panic!("{key}: {other:?}"),
    }
}

async fn take(State(collector): State<Collector>, headers: HeaderMap, body: Bytes) -> Response {
    assert_eq!(headers["content-type"], "application/x-protobuf");
    let left = |refusing: usize| refusing.checked_sub(1);
    let refusing = &collector.refusing;
    if refusing
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, left)
        .is_ok()
    {
        return (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "0")]).into_response();
    }
    let request = ExportTraceServiceRequest::decode(body).expect("a message of OTLP");
    collector
        .heard
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(request);
    let answer = ExportTraceServiceResponse::default();
    answer.encode_to_vec().into_response()
}
