//! Pages for people, in the manner of the Entra admin center: the manual steps by hand.
//!
//! Server-rendered and working without JavaScript. Owns rendering, the stylesheet and the check
//! that a form was sent by one of our own pages; what a form does is done through Graph.

mod application;
mod consent;
mod credentials;
mod enterprise;
mod form;
mod frame;
mod permission_choice;
mod permissions;
mod registrations;
mod session;
mod tenant;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State as Shared};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use jiff::Timestamp;
use url::Url;

use crate::state::State;

/// Nothing but our own stylesheet is loaded, nobody frames us.
const CONTENT_POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src 'self'; frame-ancestors 'none'; base-uri 'none'";
const STYLESHEET: &str = include_str!("../assets/portal.css");

/// A page that says one thing.
#[derive(Template)]
#[template(path = "sign_in/message.html")]
pub(crate) struct MessagePage<'a> {
    pub(crate) heading: &'a str,
    pub(crate) text: &'a str,
}

/// The routes of the pages; `state` is the one that the router will get.
pub(crate) fn router(state: &Arc<State>) -> Router<Arc<State>> {
    let application = Router::new()
        .route("/overview", get(application::overview))
        .route("/delete", post(application::delete))
        .route("/principal", post(application::create_principal))
        .route(
            "/expose",
            get(application::show_expose).post(application::expose),
        )
        .route(
            "/manifest",
            get(application::show_manifest).post(application::save_manifest),
        )
        .route("/credentials", get(credentials::show))
        .route("/secrets", post(credentials::add_secret))
        .route("/secrets/{key}/delete", post(credentials::delete_secret))
        .route("/certificates", post(credentials::add_certificate))
        .route("/permissions", get(permissions::show))
        .route(
            "/permissions/add",
            get(permission_choice::show).post(permission_choice::add),
        )
        .route("/permissions/remove", post(permissions::remove))
        .route("/permissions/consent", post(consent::grant));
    let pages = Router::new()
        .route("/_portal/", get(tenant::list))
        .route("/_portal/{tenant}/", get(tenant::overview))
        .route("/_portal/{tenant}/endpoints", get(tenant::endpoints))
        .route(
            "/_portal/{tenant}/app-registrations",
            get(registrations::list),
        )
        .route(
            "/_portal/{tenant}/app-registrations/new",
            get(registrations::show_new).post(registrations::register),
        )
        .route(
            "/_portal/{tenant}/deleted/{id}",
            post(registrations::decide_deleted),
        )
        .route(
            "/_portal/{tenant}/enterprise-applications",
            get(enterprise::list),
        )
        .route(
            "/_portal/{tenant}/enterprise-applications/{id}",
            get(enterprise::show).post(enterprise::save),
        )
        .nest("/_portal/{tenant}/apps/{id}", application)
        .layer(DefaultBodyLimit::max(form::LONGEST_FORM))
        .layer(from_fn_with_state(Arc::clone(state), only_own_forms));
    Router::new()
        .route("/", get(home))
        .route("/_portal", get(home))
        .route("/_portal/style.css", get(stylesheet))
        .merge(pages)
}

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

/// Whether a form was sent by a page of ours. Browsers say where a form comes from; a sender that
/// says nothing is not a browser that somebody else's page could abuse.
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
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    Url::parse(state.base_url()).is_ok_and(|own| own.origin() == origin.origin())
        || (origin.scheme() == "https" && host.is_some_and(|host| origin.authority() == host))
}

/// A day as pages show it.
fn day(instant: Timestamp) -> String {
    instant.strftime("%Y-%m-%d").to_string()
}

async fn home() -> Redirect {
    Redirect::to("/_portal/")
}

async fn stylesheet() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/css; charset=utf-8"),
        (header::CACHE_CONTROL, "max-age=3600"),
    ];
    (headers, STYLESHEET).into_response()
}

async fn only_own_forms(
    Shared(state): Shared<Arc<State>>,
    request: Request,
    next: Next,
) -> Response {
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    if changes && !is_same_origin(request.headers(), &state) {
        let text = "The form was not sent by a page of this emulator.";
        return page(
            StatusCode::FORBIDDEN,
            &MessagePage {
                heading: "Not accepted",
                text,
            },
        );
    }
    next.run(request).await
}
