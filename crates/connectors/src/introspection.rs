//! Token introspection (RFC 7662): what an authorization server says about a token, asked with our credential.
//!
//! Owns the request and its bounds. What the answer means for a call is the gateway's business.

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use domain::SecretString;
use domain::provider_failure::{FailureClass, ProviderFailure};
use reqwest::Method;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderValue};
use secrecy::ExposeSecret as _;
use url::{Url, form_urlencoded};

use crate::contract::{ConnectorError, Introspection};
use crate::http::OutboundHttp;

const OPERATION: &str = "introspect token";

/// Claims of a token; many groups make it a few kilobytes.
const ANSWER_LIMIT: usize = 64 * 1024;

/// An introspection endpoint, and the client by which we may use it (RFC 6749 section 2.3.1, HTTP Basic).
pub struct IntrospectionEndpoint {
    http: OutboundHttp,
    url: Url,
    client_id: String,
    client_secret: SecretString,
}

impl IntrospectionEndpoint {
    pub fn new(
        http: OutboundHttp,
        url: Url,
        client_id: String,
        client_secret: SecretString,
    ) -> Self {
        Self {
            http,
            url,
            client_id,
            client_secret,
        }
    }

    /// Id and secret are form-encoded before they are joined, so that a colon in the id does no harm.
    fn authorization(&self) -> Option<HeaderValue> {
        let encoded =
            |text: &str| -> String { form_urlencoded::byte_serialize(text.as_bytes()).collect() };
        let pair = format!(
            "{}:{}",
            encoded(&self.client_id),
            encoded(self.client_secret.expose_secret())
        );
        let mut value = HeaderValue::try_from(format!("Basic {}", BASE64.encode(pair))).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

#[async_trait]
impl Introspection for IntrospectionEndpoint {
    async fn introspect(&self, token: &SecretString) -> Result<Vec<u8>, ConnectorError> {
        let mut request = self
            .http
            .request(Method::POST, &self.url)
            .header(ACCEPT, "application/json")
            .form(&[
                ("token", token.expose_secret()),
                ("token_type_hint", "access_token"),
            ]);
        if let Some(authorization) = self.authorization() {
            request = request.header(AUTHORIZATION, authorization);
        }
        let answer = self
            .http
            .send(request, ANSWER_LIMIT)
            .await
            .map_err(|error| error.into_failure(OPERATION))?;
        if answer.status.is_success() {
            return Ok(answer.body);
        }
        let status = answer.status.as_u16();
        let (class, message) = match status {
            401 | 403 => (
                FailureClass::Misconfigured,
                "the introspection endpoint refuses the key manager's credentials",
            ),
            429 => (
                FailureClass::Throttled,
                "the introspection endpoint throttles",
            ),
            408 | 500.. => (FailureClass::Transient, "the introspection endpoint fails"),
            _ => (
                FailureClass::Rejected,
                "the introspection endpoint refuses the request",
            ),
        };
        // The body is left alone: it may hold the token.
        let mut failure = ProviderFailure::new(class, OPERATION, message);
        failure.status = Some(status);
        Err(failure.into())
    }
}

impl std::fmt::Debug for IntrospectionEndpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IntrospectionEndpoint")
            .field("url", &self.url.as_str())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::http::{HeaderMap, StatusCode};
    use axum::routing::post;

    use super::*;
    use crate::http::OutboundHttpConfig;
    use crate::test_support::serve;

    async fn ask(router: Router) -> Result<Vec<u8>, ConnectorError> {
        let address = serve(router).await;
        let endpoint = IntrospectionEndpoint::new(
            OutboundHttp::new(OutboundHttpConfig::default()).expect("a client"),
            format!("http://{address}/introspect")
                .parse()
                .expect("a URL"),
            "gate:way".to_owned(),
            SecretString::from("s&cret %"),
        );
        endpoint
            .introspect(&SecretString::from("a+b=c&token=d"))
            .await
    }

    #[tokio::test]
    async fn the_server_is_asked_about_this_token_by_our_client() {
        let echo = |headers: HeaderMap, body: String| async move {
            let sent = headers["authorization"].to_str().expect("text").to_owned();
            format!("{sent} {body}")
        };
        let answer = ask(Router::new().route("/introspect", post(echo)))
            .await
            .expect("an answer");
        let basic = BASE64.encode("gate%3Away:s%26cret+%25");
        assert_eq!(
            String::from_utf8(answer).expect("text"),
            format!("Basic {basic} token=a%2Bb%3Dc%26token%3Dd&token_type_hint=access_token")
        );
    }

    #[tokio::test]
    async fn refusals_are_told_apart_and_never_quote_the_token() {
        for (status, class) in [
            (401, FailureClass::Misconfigured),
            (429, FailureClass::Throttled),
            (503, FailureClass::Transient),
            (404, FailureClass::Rejected),
        ] {
            let status = StatusCode::from_u16(status).expect("a status");
            let answer = move |body: String| async move { (status, body) };
            let error = ask(Router::new().route("/introspect", post(answer)))
                .await
                .expect_err("refused");
            let ConnectorError::Provider(failure) = error else {
                panic!("the provider's failure")
            };
            assert_eq!(failure.class, class);
            assert_eq!(failure.status, Some(status.as_u16()));
            assert!(!format!("{failure:?}").contains("a+b"), "{failure:?}");
        }
    }

    #[tokio::test]
    async fn an_endless_answer_is_not_read() {
        let long = || async { "x".repeat(ANSWER_LIMIT + 1) };
        assert!(
            ask(Router::new().route("/introspect", post(long)))
                .await
                .is_err()
        );
    }
}
