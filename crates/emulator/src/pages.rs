//! Pages for people, in the manner of the Entra admin center: the page's manual steps by hand.
//!
//! Server-rendered and working without JavaScript. Owns rendering, the stylesheet and the check
//! that a form was sent by one of our own pages; what a form does is done to the directory.

use std::sync::Arc;

use askama::Template;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use url::Url;

use crate::state::State;

/// Nothing but our own stylesheet is loaded, nobody frames us.
const CONTENT_POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src 'self'; frame-ancestors 'none'; base-uri 'none'";

/// Renders a page with the headers that all pages have.
pub(crate) fn page(status: StatusCode, template: &impl Template) -> Response {
    let Ok(html) = template.render() else {
        return (StatusCode::BAD_REQUEST, "the page could not be shown\n").into_response();
    };
    let mut response = (status, axum::response::Html(html)).into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(CONTENT_POLICY),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("same-origin"),
    );
    response
}

/// Whether a form was sent by a page of ours: browsers say so, and scripts that say nothing are
/// not browsers that somebody else's page could abuse.
pub(crate) fn is_same_origin(headers: &HeaderMap, state: &State) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin" || site == "none";
    }
    let Some(origin) = headers.get(header::ORIGIN) else {
        return true;
    };
    let Some(origin) = origin.to_str().ok().and_then(|text| Url::parse(text).ok()) else {
        return false;
    };
    let own = Url::parse(state.base_url());
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    own.is_ok_and(|own| own.origin() == origin.origin())
        || (origin.scheme() == "https" && host.is_some_and(|host| origin.authority() == host))
}

/// The shared state, as handlers take it.
pub(crate) type Shared = axum::extract::State<Arc<State>>;
