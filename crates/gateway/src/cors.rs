//! Cross-origin requests of browsers (Fetch standard, "CORS protocol"): answered before authentication, because a
//! preflight carries no credential.
//!
//! Owns the policy and its header lines. Which verbs a path offers is `resource`'s business.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use domain::api::Verb;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

/// Which pages of other origins may call the APIs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorsPolicy {
    pub origins: AllowedOrigins,
    /// Request headers beside those that need no permission.
    pub headers: Vec<String>,
    /// Response headers that pages may read.
    pub exposed_headers: Vec<String>,
    /// Pages may send cookies and read what comes back. Without effect for [`AllowedOrigins::Any`].
    pub credentials: bool,
    /// How long a browser may remember the answer.
    pub max_age: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedOrigins {
    Any,
    /// Scheme, host and port as browsers write them, compared exactly.
    Only(Vec<String>),
}

impl Default for CorsPolicy {
    /// WSO2's defaults: any origin, the headers of its own clients, no credentials.
    fn default() -> Self {
        let headers = ["authorization", "Content-Type", "SOAPAction", "apikey"];
        Self {
            origins: AllowedOrigins::Any,
            headers: headers.map(str::to_owned).to_vec(),
            exposed_headers: Vec::new(),
            credentials: false,
            max_age: Duration::from_mins(10),
        }
    }
}

/// Whether a browser asks for permission, and says for what.
pub(crate) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    *method == Method::OPTIONS
        && headers.contains_key(ORIGIN)
        && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

impl CorsPolicy {
    /// The answer to a preflight for a path that offers `verbs`. For an origin that is not allowed it allows
    /// nothing: the browser then refuses.
    pub(crate) fn preflight(
        &self,
        origin: &HeaderValue,
        verbs: &BTreeSet<Verb>,
    ) -> Response<Bytes> {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::NO_CONTENT;
        if !self.allow(origin, response.headers_mut()) {
            return response;
        }
        let headers = response.headers_mut();
        let verbs: Vec<_> = verbs.iter().map(|verb| verb.as_str()).collect();
        set(headers, ACCESS_CONTROL_ALLOW_METHODS, &verbs.join(", "));
        set(
            headers,
            ACCESS_CONTROL_ALLOW_HEADERS,
            &self.headers.join(", "),
        );
        headers.insert(
            ACCESS_CONTROL_MAX_AGE,
            HeaderValue::from(self.max_age.as_secs()),
        );
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
        if let Some(origin) = origin
            && self.allow(origin, headers)
        {
            set(
                headers,
                ACCESS_CONTROL_EXPOSE_HEADERS,
                &self.exposed_headers.join(", "),
            );
        }
    }

    fn allow(&self, origin: &HeaderValue, headers: &mut HeaderMap) -> bool {
        let AllowedOrigins::Only(allowed) = &self.origins else {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            return true;
        };
        // Caches must not hand one origin's answer to another.
        headers.append(VARY, HeaderValue::from_static("Origin"));
        if !allowed
            .iter()
            .any(|one| one.as_bytes() == origin.as_bytes())
        {
            return false;
        }
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        if self.credentials {
            let yes = HeaderValue::from_static("true");
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
        }
        true
    }
}

fn set(headers: &mut HeaderMap, name: http::HeaderName, value: &str) {
    if !value.is_empty()
        && let Ok(value) = HeaderValue::from_str(value)
    {
        headers.insert(name, value);
    }
}
