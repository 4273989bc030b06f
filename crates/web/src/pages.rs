//! Server-rendered pages and the files that they load.

pub(crate) mod home;

use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;

use self::home::RunningPart;

/// Embedded, so that the binary serves its pages without a folder beside it.
const STYLESHEET: &str = include_str!("../assets/claviger.css");
const ICON: &str = include_str!("../assets/claviger.svg");

pub(crate) fn routes(running: Vec<RunningPart>) -> Router {
    Router::new()
        .route("/", get(async move || home::page(running.clone())))
        .route(
            "/assets/claviger.css",
            get(async || asset("text/css", STYLESHEET)),
        )
        .route(
            "/assets/claviger.svg",
            get(async || asset("image/svg+xml", ICON)),
        )
}

fn asset(content_type: &'static str, content: &'static str) -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, "public, max-age=3600"),
    ];
    (headers, content)
}
