//! REST APIs over the use-cases of `control`: WSO2's admin, publisher and developer portal APIs, dynamic client
//! registration and the token endpoint, their OpenAPI documents, the API console, and the page at `/`.
//!
//! A handler translates in, calls one use-case, translates out. Rules live in `control`, tables in the store;
//! status codes, WSO2's numbers and JSON live here and nowhere else.

#![expect(
    unused_qualifications,
    reason = "utoipa's macros name query structures by a path that is not needed"
)]

mod api;
mod authentication;
mod form;
mod json;
mod layers;
mod oauth;
pub mod openapi;
mod pages;
mod paging;
mod problem;
mod query;
mod scope;
mod secret;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use control::Control;
use domain::Random;
use http::{Method, StatusCode, Uri};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::request_id::{PropagateRequestIdLayer, SetRequestIdLayer};
use utoipa_swagger_ui::{SwaggerUi, Url};

pub use pages::home::RunningPart;

use crate::api::Api;
use crate::layers::{REQUEST_ID, RandomRequestId};
use crate::problem::Problem;
use crate::scope::{Guard, guard};

/// Largest request body where an operation does not say otherwise: 1 MiB.
const BODY_LIMIT: usize = 1024 * 1024;

/// What an operator may tune, and what the page at `/` tells.
#[derive(Clone)]
pub struct WebSettings {
    /// Names requests.
    pub random: Arc<dyn Random>,
    /// After this a request is answered with 503; longer than `control`'s request patience. Default 120 s.
    pub request_timeout: Duration,
    /// What runs in this process, for the page at `/`.
    pub running: Vec<RunningPart>,
    /// Set once the process only finishes what it has accepted: further requests are answered with 503.
    pub is_ending: Arc<AtomicBool>,
}

impl WebSettings {
    pub fn new(random: Arc<dyn Random>) -> Self {
        Self {
            random,
            request_timeout: Duration::from_mins(2),
            running: Vec::new(),
            is_ending: Arc::default(),
        }
    }
}

/// Everything that is served on the control plane's listener. Where the server knows the peer's address
/// (`into_make_service_with_connect_info::<SocketAddr>`), failed logins are slowed by address as well.
pub fn router(control: Control, settings: WebSettings) -> Router {
    let mut router = Router::new();
    let mut documents = Vec::new();
    for api in Api::ALL {
        let document = api.document();
        let guarded = api
            .routes()
            .split_for_parts()
            .0
            .route_layer(from_fn_with_state(
                Guard::new(control.clone(), api.base(), &document),
                guard,
            ));
        router = if api.base().is_empty() {
            router.merge(guarded)
        } else {
            router.nest(api.base(), guarded)
        };
        documents.push((Url::new(api.title(), api.document_path()), document));
    }
    router
        .with_state(control)
        .merge(SwaggerUi::new("/console").urls(documents))
        .merge(pages::routes(settings.running))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(from_fn_with_state(
            settings.request_timeout,
            layers::time_limit,
        ))
        .layer(from_fn_with_state(
            settings.is_ending,
            layers::refuse_while_ending,
        ))
        .layer(CatchPanicLayer::custom(layers::panicked))
        .layer(from_fn(layers::security_headers))
        .layer(from_fn(layers::access_log))
        .layer(PropagateRequestIdLayer::new(REQUEST_ID))
        .layer(SetRequestIdLayer::new(
            REQUEST_ID,
            RandomRequestId(settings.random),
        ))
}

async fn not_found() -> Problem {
    Problem::plain(
        StatusCode::NOT_FOUND,
        "The requested resource is not available.",
    )
}

async fn method_not_allowed(method: Method, uri: Uri) -> Problem {
    Problem::plain(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("{method} is not an operation of {}.", uri.path()),
    )
}
