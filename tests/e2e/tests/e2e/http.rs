//! A small HTTP client for tests: an answer is read whole, and every answer is remembered for [`crate::secrecy`].

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Certificate, Client, Method, RequestBuilder};
use serde_json::Value;

/// Longer than the product's own limits, so that theirs are seen.
const PATIENCE: Duration = Duration::from_secs(150);

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    pub(crate) json: Value,
}

impl Reply {
    /// This status, or a panic with the whole answer.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    /// A text at a JSON pointer (RFC 6901).
    #[track_caller]
    pub(crate) fn text_at(&self, pointer: &str) -> String {
        let found = self.json.pointer(pointer).and_then(Value::as_str);
        found
            .unwrap_or_else(|| panic!("no text at {pointer}: {}", self.text))
            .to_owned()
    }

    #[track_caller]
    pub(crate) fn list_at(&self, pointer: &str) -> &[Value] {
        let found = self.json.pointer(pointer).and_then(Value::as_array);
        found.unwrap_or_else(|| panic!("no list at {pointer}: {}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// An answer that was given to somebody, and for what.
#[derive(Clone)]
pub(crate) struct Heard {
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) text: String,
}

#[derive(Clone)]
pub(crate) struct Http {
    client: Client,
    heard: Arc<Mutex<Vec<Heard>>>,
}

impl Http {
    /// `authority`: PEM of a certificate authority to trust beside the system's.
    #[expect(
        clippy::disallowed_methods,
        reason = "a test looks from outside: not through the product's own client"
    )]
    pub(crate) fn new(authority: &str) -> Self {
        let authority = Certificate::from_pem(authority.as_bytes()).expect("the authority is PEM");
        let client = Client::builder()
            .tls_certs_merge([authority])
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(PATIENCE)
            // A program that was killed leaves dead connections behind.
            .pool_max_idle_per_host(0)
            .build()
            .expect("a client");
        Self {
            client,
            heard: Arc::default(),
        }
    }

    pub(crate) fn request(&self, method: Method, url: &str) -> RequestBuilder {
        self.client.request(method, url)
    }

    /// `Err` when there is no answer at all.
    pub(crate) async fn try_send(&self, request: RequestBuilder) -> Result<Reply, String> {
        let request = request.build().expect("a request");
        let (method, url) = (request.method().clone(), request.url().to_string());
        let response = self
            .client
            .execute(request)
            .await
            .map_err(|error| format!("{method} {url}: {error:?}"))?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response
            .text()
            .await
            .map_err(|error| format!("{method} {url}: {error:?}"))?;
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.push(Heard {
            method,
            url,
            text: text.clone(),
        });
        Ok(Reply {
            status,
            headers,
            json: serde_json::from_str(&text).unwrap_or(Value::Null),
            text,
        })
    }

    #[track_caller]
    pub(crate) fn send(
        &self,
        request: RequestBuilder,
    ) -> impl Future<Output = Reply> + Send + 'static {
        let http = self.clone();
        async move {
            match http.try_send(request).await {
                Ok(reply) => reply,
                Err(error) => panic!("no answer: {error}"),
            }
        }
    }

    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.heard
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
