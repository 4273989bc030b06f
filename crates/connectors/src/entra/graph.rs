//! Microsoft Graph: one request with its headers, its error envelope and what to quote to Microsoft's support.
//! Makes one attempt (two where its own token had to be renewed); repeating is `polling`'s business.

use std::sync::Arc;

use domain::Random;
use domain::provider_failure::{FailureClass, ProviderFailure};
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use url::Url;
use uuid::Uuid;

use super::classify::{GraphError, Meaning, Refusal, graph_meaning};
use super::management_token::ManagementToken;
use super::token_endpoint::transport_refusal;
use crate::http::{Answer, OutboundHttp};

/// An app with a thousand credentials stays below this.
const ANSWER_LIMIT: usize = 4 * 1024 * 1024;

/// The longest wait that is believed, in seconds.
const LONGEST_RETRY_AFTER: f64 = 3_600.0;

pub(super) struct Graph {
    http: OutboundHttp,
    base: String,
    token: ManagementToken,
    random: Arc<dyn Random>,
}

/// One request. The path begins with a slash and is already safe for a URL.
pub(super) struct GraphRequest {
    pub(super) operation: &'static str,
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) body: Option<Value>,
    pub(super) creates_if_missing: bool,
}

impl GraphRequest {
    pub(super) fn new(operation: &'static str, method: Method, path: String) -> Self {
        Self {
            operation,
            method,
            path,
            body: None,
            creates_if_missing: false,
        }
    }

    pub(super) fn with_body(self, body: Value) -> Self {
        Self {
            body: Some(body),
            ..self
        }
    }

    /// `Prefer: create-if-missing`: a PATCH by a key of our own creates what is not there.
    pub(super) fn creating_if_missing(self) -> Self {
        Self {
            creates_if_missing: true,
            ..self
        }
    }
}

impl Graph {
    pub(super) fn new(
        http: OutboundHttp,
        base: String,
        token: ManagementToken,
        random: Arc<dyn Random>,
    ) -> Self {
        Self {
            http,
            base,
            token,
            random,
        }
    }

    pub(super) fn token(&self) -> &ManagementToken {
        &self.token
    }

    /// The answer's JSON; `Null` where the answer has no body.
    pub(super) async fn call(&self, request: &GraphRequest) -> Result<Value, Refusal> {
        let token = self.token.get().await?;
        let first = self.attempt(request, &token.token).await;
        match first {
            Err(refusal) if refusal.meaning == Meaning::TokenRefused => {
                self.token.forget(&token).await;
                let renewed = self.token.get().await?;
                self.attempt(request, &renewed.token).await
            }
            other => other,
        }
    }

    async fn attempt(
        &self,
        request: &GraphRequest,
        token: &domain::SecretString,
    ) -> Result<Value, Refusal> {
        let url = self.url(request)?;
        let client_request_id = new_request_id(&*self.random);
        let mut outgoing = self
            .http
            .request(request.method.clone(), &url)
            .bearer_auth(token.expose_secret())
            .header("client-request-id", &client_request_id)
            .header("return-client-request-id", "true")
            .header("accept", "application/json");
        if request.creates_if_missing {
            outgoing = outgoing.header("prefer", "create-if-missing");
        }
        if let Some(body) = &request.body {
            outgoing = outgoing.json(body);
        }
        let answer = match self.http.send(outgoing, ANSWER_LIMIT).await {
            Ok(answer) => answer,
            Err(error) => {
                tracing::info!(
                    operation = request.operation,
                    client_request_id,
                    error = %error,
                    "Microsoft Graph gave no answer"
                );
                return Err(transport_refusal(request.operation, error));
            }
        };
        let request_id = header(&answer, "request-id");
        if answer.status.is_success() {
            tracing::debug!(
                operation = request.operation,
                client_request_id,
                request_id,
                status = answer.status.as_u16(),
                "Microsoft Graph answered"
            );
            return Ok(serde_json::from_slice(&answer.body).unwrap_or_default());
        }
        let refusal = refusal(request.operation, &answer);
        tracing::info!(
            operation = request.operation,
            client_request_id,
            request_id = refusal.failure.request_id,
            status = answer.status.as_u16(),
            code = refusal.failure.code,
            "Microsoft Graph refused"
        );
        Err(refusal)
    }

    fn url(&self, request: &GraphRequest) -> Result<Url, Refusal> {
        Url::parse(&format!("{}{}", self.base, request.path)).map_err(|_| {
            let failure = ProviderFailure::new(
                FailureClass::Misconfigured,
                request.operation,
                "the Microsoft Graph endpoint is not a URL",
            );
            Refusal::new(Meaning::Misconfigured, failure)
        })
    }
}

/// A name for one attempt, which Microsoft's logs keep (UUID version 4).
pub(super) fn new_request_id(random: &dyn Random) -> String {
    let mut bytes = [0; 16];
    random.fill(&mut bytes);
    uuid::Builder::from_random_bytes(bytes)
        .into_uuid()
        .to_string()
}

/// A GUID as Entra writes it; `None` for anything else, which then never reaches a URL.
pub(super) fn guid(text: &str) -> Option<String> {
    Uuid::parse_str(text).ok().map(|uuid| uuid.to_string())
}

/// Seconds, which Graph may write with a fraction, rounded up to milliseconds.
pub(super) fn retry_after(answer: &Answer) -> Option<SignedDuration> {
    let seconds: f64 = header(answer, "retry-after")?.trim().parse().ok()?;
    if !seconds.is_finite() || seconds < 0.0 {
        return None;
    }
    SignedDuration::try_from_secs_f64(seconds.min(LONGEST_RETRY_AFTER)).ok()
}

/// The server's clock (`Date`, RFC 9110 section 6.6.1).
pub(super) fn server_date(answer: &Answer) -> Option<Timestamp> {
    let date = header(answer, "date")?;
    let parsed = jiff::fmt::rfc2822::parse(&date).ok()?;
    Some(parsed.timestamp())
}

fn header(answer: &Answer, name: &str) -> Option<String> {
    let value = answer.headers.get(name)?.to_str().ok()?;
    Some(value.to_owned())
}

/// Front doors answer HTML or nothing: the status then speaks alone.
fn refusal(operation: &str, answer: &Answer) -> Refusal {
    let status = answer.status.as_u16();
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let envelope = body.get("error").cloned().unwrap_or_default();
    let error = GraphError {
        code: text(&envelope, "code"),
        message: text(&envelope, "message"),
        details: details(&envelope),
    };
    let (meaning, advice) = graph_meaning(status, &error);
    let message = if error.message.is_empty() {
        format!("Microsoft Graph answered with status {status}")
    } else {
        error.message
    };
    let mut failure = ProviderFailure::new(FailureClass::Rejected, operation, message);
    failure.status = Some(status);
    failure.code = (!error.code.is_empty()).then_some(error.code);
    failure.request_id = header(answer, "request-id").or_else(|| {
        let id = envelope.pointer("/innerError/request-id")?.as_str()?;
        Some(id.to_owned())
    });
    failure.advice = advice.map(str::to_owned);
    failure.retry_after = retry_after(answer);
    Refusal::new(meaning, failure)
}

/// A member's text; old services wrap it as `{lang, value}`.
fn text(object: &Value, name: &str) -> String {
    match object.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(wrapped) => wrapped
            .get("value")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned(),
        None => String::new(),
    }
}

fn details(envelope: &Value) -> Vec<(String, String)> {
    let listed = envelope.get("details").and_then(Value::as_array);
    listed
        .into_iter()
        .flatten()
        .map(|detail| (text(detail, "code"), text(detail, "message")))
        .collect()
}
