//! Redirect URIs: which are registered, and how an answer travels back to one.

use axum::response::{Html, IntoResponse, Redirect, Response};
use url::Url;

use super::sign_ins::Platform;
use crate::directory::Application;

/// How the answer is carried (OAuth 2.0 Multiple Response Types section 2.1; Form Post).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ResponseMode {
    Query,
    Fragment,
    FormPost,
}

impl ResponseMode {
    pub(super) fn parse(text: Option<&str>) -> Option<Self> {
        match text {
            None | Some("query") => Some(Self::Query),
            Some("fragment") => Some(Self::Fragment),
            Some("form_post") => Some(Self::FormPost),
            Some(_) => None,
        }
    }
}

/// Where `uri` is registered with `application`; loopback URIs of public clients match on any port.
pub(super) fn platform(application: &Application, uri: &str) -> Option<Platform> {
    let has = |uris: &[String]| uris.iter().any(|known| known == uri);
    if has(&application.web.redirect_uris) {
        return Some(Platform::Web);
    }
    if has(&application.spa.redirect_uris) {
        return Some(Platform::SinglePage);
    }
    let is_known = has(&application.public_client.redirect_uris)
        || application
            .public_client
            .redirect_uris
            .iter()
            .any(|known| is_same_loopback(known, uri));
    is_known.then_some(Platform::Public)
}

/// RFC 8252 section 7.3: the port of a loopback redirect is chosen at run time.
fn is_same_loopback(known: &str, uri: &str) -> bool {
    let (Ok(known), Ok(uri)) = (Url::parse(known), Url::parse(uri)) else {
        return false;
    };
    let is_loopback =
        matches!(known.host_str(), Some("localhost" | "127.0.0.1")) && known.scheme() == "http";
    is_loopback
        && known.scheme() == uri.scheme()
        && known.host_str() == uri.host_str()
        && known.path() == uri.path()
}

/// Sends `parameters` to `uri`, which has been found registered.
pub(super) fn send(uri: &str, mode: ResponseMode, parameters: &[(&str, String)]) -> Response {
    let Ok(mut target) = Url::parse(uri) else {
        return http::StatusCode::BAD_REQUEST.into_response();
    };
    match mode {
        ResponseMode::Query => {
            target.query_pairs_mut().extend_pairs(parameters);
            Redirect::to(target.as_str()).into_response()
        }
        ResponseMode::Fragment => {
            let fragment = url::form_urlencoded::Serializer::new(String::new())
                .extend_pairs(parameters)
                .finish();
            target.set_fragment(Some(&fragment));
            Redirect::to(target.as_str()).into_response()
        }
        ResponseMode::FormPost => form_post(target.as_str(), parameters),
    }
}

fn form_post(action: &str, parameters: &[(&str, String)]) -> Response {
    use std::fmt::Write as _;
    let mut fields = String::new();
    for (name, value) in parameters {
        // Writing to a string cannot fail.
        let _ = write!(
            fields,
            "<input type=\"hidden\" name=\"{}\" value=\"{}\">",
            escape(name),
            escape(value)
        );
    }
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><title>Working...</title></head><body onload=\"document.forms[0].submit()\"><form method=\"post\" action=\"{}\">{fields}<button>Continue</button></form></body></html>",
        escape(action)
    );
    ([(http::header::CACHE_CONTROL, "no-store")], Html(html)).into_response()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('"', "&quot;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_redirects_match_on_any_port_and_nothing_else_does() {
        assert!(is_same_loopback(
            "http://localhost",
            "http://localhost:5000"
        ));
        assert!(is_same_loopback(
            "http://127.0.0.1/back",
            "http://127.0.0.1:1/back"
        ));
        assert!(!is_same_loopback(
            "http://localhost/back",
            "http://localhost:1/other"
        ));
        assert!(!is_same_loopback(
            "https://app.example",
            "https://app.example:444"
        ));
        assert!(!is_same_loopback(
            "http://localhost",
            "http://localhost.evil.example"
        ));
    }
}
