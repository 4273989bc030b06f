//! The sample API behind the gateway: small, real, and honest about what reached it.

use axum::extract::Path;
use axum::http::HeaderMap;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

pub(super) fn router() -> Router {
    Router::new()
        .route("/forecast/{city}", get(forecast))
        .route("/health", get(|| async { Json(json!({ "status": "up" })) }))
}

/// Echoes what a person wants to check: that the credential stayed at the gateway.
async fn forecast(Path(city): Path<String>, headers: HeaderMap) -> Json<Value> {
    let header = |name: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned)
    };
    Json(json!({
        "city": city,
        "forecast": "sunny",
        "celsius": 31,
        "authorization": header("authorization"),
        "forwardedFor": header("x-forwarded-for")
    }))
}
