//! The routes of the gRPC server. Everything else is answered as gRPC demands: UNIMPLEMENTED.

use std::sync::{Arc, Weak};

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use gateway::Gateway;
use tonic::server::Grpc;
use tonic_prost::ProstCodec;

use crate::authorization::Check;
use crate::health::{Health, Listener};
use crate::message::{CheckRequest, CheckResponse, HealthRequest, HealthResponse};

/// Room for a request head as large as the gateway takes, twice over for Envoy's other attributes.
const LARGEST_CHECK: usize = 256 * 1024;
const LARGEST_HEALTH_QUESTION: usize = 1024;

/// To be served over HTTP/2. Does not keep the gateway alive.
pub fn router(gateway: &Arc<Gateway>, health: &Health) -> Router {
    let authorization = Router::new()
        .route("/envoy.service.auth.v3.Authorization/Check", post(check))
        .with_state(Arc::downgrade(gateway));
    let health = Router::new()
        .route("/grpc.health.v1.Health/Check", post(health_check))
        .route("/grpc.health.v1.Health/Watch", post(health_watch))
        .with_state(health.listener());
    authorization.merge(health).fallback(unimplemented)
}

async fn check(
    State(gateway): State<Weak<Gateway>>,
    request: axum::extract::Request,
) -> http::Response<tonic::body::Body> {
    Grpc::new(ProstCodec::<CheckResponse, CheckRequest>::new())
        .max_decoding_message_size(LARGEST_CHECK)
        .unary(Check(gateway), request)
        .await
}

async fn health_check(
    State(listener): State<Listener>,
    request: axum::extract::Request,
) -> http::Response<tonic::body::Body> {
    Grpc::new(ProstCodec::<HealthResponse, HealthRequest>::new())
        .max_decoding_message_size(LARGEST_HEALTH_QUESTION)
        .unary(listener, request)
        .await
}

async fn health_watch(
    State(listener): State<Listener>,
    request: axum::extract::Request,
) -> http::Response<tonic::body::Body> {
    Grpc::new(ProstCodec::<HealthResponse, HealthRequest>::new())
        .max_decoding_message_size(LARGEST_HEALTH_QUESTION)
        .server_streaming(listener, request)
        .await
}

async fn unimplemented() -> http::Response<tonic::body::Body> {
    tonic::Status::unimplemented("there is no such method").into_http()
}
