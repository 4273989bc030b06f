//! What stands around every route: request ids, a time limit, security headers, and a body for panics.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domain::Random;
use http::{HeaderName, HeaderValue, StatusCode, header};
use tokio::time::Instant;
use tower_http::request_id::{MakeRequestId, RequestId};

use crate::problem::Problem;

/// Names a request in logs and in the response.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Portal pages load nothing from elsewhere and run no inline script.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self'; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// The vendored API console sets inline styles.
const CONSOLE_POLICY: &str = "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     script-src 'self'; connect-src 'self'; font-src 'self' data:; base-uri 'none'; frame-ancestors 'none'";

/// 128 random bits in hexadecimal.
#[derive(Clone)]
pub(crate) struct RandomRequestId(pub Arc<dyn Random>);

impl MakeRequestId for RandomRequestId {
    fn make_request_id<B>(&mut self, _request: &http::Request<B>) -> Option<RequestId> {
        HeaderValue::from_str(&self.0.hex::<16>())
            .ok()
            .map(RequestId::new)
    }
}

/// One line a request: no query string and no body, either may hold what a log must not.
pub(crate) async fn access_log(request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let id = request.headers().get(REQUEST_ID).cloned();
    let started = Instant::now();
    let response = next.run(request).await;
    tracing::info!(
        http.method = %method,
        http.path = path,
        http.status = response.status().as_u16(),
        request.id = id.as_ref().and_then(|id| id.to_str().ok()),
        duration.ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        "answered"
    );
    response
}

/// Ends a request that takes longer than `limit`.
pub(crate) async fn time_limit(
    State(limit): State<Duration>,
    request: Request,
    next: Next,
) -> Response {
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::plain(
            StatusCode::SERVICE_UNAVAILABLE,
            "The request took longer than this server allows.",
        )
        .into_response(),
    }
}

/// What comes after the process was told to end belongs to another node.
pub(crate) async fn refuse_while_ending(
    State(is_ending): State<Arc<AtomicBool>>,
    request: Request,
    next: Next,
) -> Response {
    if is_ending.load(Ordering::Acquire) {
        return Problem::plain(
            StatusCode::SERVICE_UNAVAILABLE,
            "This node is ending and takes no more requests.",
        )
        .into_response();
    }
    next.run(request).await
}

pub(crate) async fn security_headers(request: Request, next: Next) -> Response {
    let policy = if request.uri().path().starts_with("/console") {
        CONSOLE_POLICY
    } else {
        PAGE_POLICY
    };
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

/// A panic is a bug of ours; the caller learns only that.
pub(crate) fn panicked(_panic: Box<dyn Any + Send + 'static>) -> Response {
    tracing::error!("a request handler panicked");
    Problem::internal().into_response()
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;
    use tower_http::catch_panic::CatchPanicLayer;

    use super::*;

    async fn body_of(router: Router) -> (StatusCode, String) {
        let request = Request::builder().body(Body::empty()).expect("a request");
        let response = router.oneshot(request).await.expect("an answer");
        let status = response.status();
        let bytes = response.into_body().collect().await.expect("a body");
        let text = String::from_utf8(bytes.to_bytes().into()).expect("text");
        (status, text)
    }

    #[tokio::test]
    async fn a_panic_becomes_an_answer_that_tells_nothing() {
        async fn breaks() -> &'static str {
            assert_eq!("the password", "swordfish");
            ""
        }
        let router = Router::new()
            .route("/", get(breaks))
            .layer(CatchPanicLayer::custom(panicked));
        let (status, body) = body_of(router).await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(body.contains("900967") && !body.contains("swordfish"));
    }

    #[tokio::test]
    async fn a_request_that_never_ends_is_ended() {
        let router = Router::new()
            .route("/", get(std::future::pending::<()>))
            .layer(from_fn_with_state(Duration::from_millis(1), time_limit));
        let (status, body) = body_of(router).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(body.contains("\"code\":503"));
    }
}
