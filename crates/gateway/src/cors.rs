//! Cross-origin requests of browsers (Fetch standard, "CORS protocol"): answered before authentication, because a
//! preflight carries no credential.
//!
//! Owns the header lines, made ready when a policy is taken. Which verbs a path offers is `resource`'s business.

use std::collections::{BTreeSet, HashSet};

use bytes::Bytes;
use domain::api::Verb;
use domain::cors::{AllowedOrigins, CorsPolicy};
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

/// A policy with its header lines.
#[derive(Debug)]
pub(crate) struct Cors {
    /// `None` allows any.
    origins: Option<HashSet<Box<[u8]>>>,
    credentials: bool,
    verbs: BTreeSet<Verb>,
    headers: Option<HeaderValue>,
    exposed_headers: Option<HeaderValue>,
    max_age: HeaderValue,
}

/// Whether a browser asks for permission, and says for what.
pub(crate) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    *method == Method::OPTIONS
        && headers.contains_key(ORIGIN)
        && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

impl Cors {
    pub(crate) fn compile(policy: &CorsPolicy) -> Self {
        let origins = match &policy.origins {
            AllowedOrigins::Any => None,
            AllowedOrigins::Only(origins) => {
                Some(origins.iter().map(|one| one.as_bytes().into()).collect())
            }
        };
        Self {
            // Saved policies never say both; one that does all the same is not believed.
            credentials: policy.credentials && origins.is_some(),
            origins,
            verbs: policy.verbs.clone(),
            headers: list(policy.headers.iter().map(String::as_str)),
            exposed_headers: list(policy.exposed_headers.iter().map(String::as_str)),
            max_age: policy.max_age_seconds.into(),
        }
    }

    /// The answer to a preflight for a path that offers `verbs`. For an origin that is not allowed it allows
    /// nothing: the browser then refuses.
    pub(crate) fn preflight(
        &self,
        origin: Option<&HeaderValue>,
        verbs: &BTreeSet<Verb>,
    ) -> Response<Bytes> {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        if !self.allow(origin, headers) {
            return response;
        }
        let is_allowed = |verb: &&Verb| self.verbs.is_empty() || self.verbs.contains(*verb);
        let verbs = list(verbs.iter().filter(is_allowed).map(|verb| verb.as_str()));
        for (name, value) in [
            (ACCESS_CONTROL_ALLOW_METHODS, &verbs),
            (ACCESS_CONTROL_ALLOW_HEADERS, &self.headers),
        ] {
            if let Some(value) = value {
                headers.insert(name, value.clone());
            }
        }
        headers.insert(ACCESS_CONTROL_MAX_AGE, self.max_age.clone());
        response
    }

    /// Lets the page behind `origin` read a response, a refusal too. What the upstream says about it counts for
    /// nothing: one voice.
    pub(crate) fn decorate(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
        for name in [
            ACCESS_CONTROL_ALLOW_ORIGIN,
            ACCESS_CONTROL_ALLOW_CREDENTIALS,
            ACCESS_CONTROL_EXPOSE_HEADERS,
        ] {
            headers.remove(name);
        }
        if self.allow(origin, headers)
            && let Some(exposed) = &self.exposed_headers
        {
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed.clone());
        }
    }

    fn allow(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) -> bool {
        let Some(allowed) = &self.origins else {
            if origin.is_some() {
                headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            }
            return origin.is_some();
        };
        // Caches must not hand one origin's answer to another, nor the answer to nobody's page to a page.
        headers.append(VARY, HeaderValue::from_static("Origin"));
        let Some(origin) = origin.filter(|origin| allowed.contains(origin.as_bytes())) else {
            return false;
        };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        if self.credentials {
            let yes = HeaderValue::from_static("true");
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
        }
        true
    }
}

/// `None` for an empty list, which has no line.
fn list<'n>(names: impl Iterator<Item = &'n str>) -> Option<HeaderValue> {
    let names: Vec<_> = names.collect();
    if names.is_empty() {
        return None;
    }
    HeaderValue::from_str(&names.join(", ")).ok()
}
