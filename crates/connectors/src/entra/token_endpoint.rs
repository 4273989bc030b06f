//! Entra's token endpoint: client credentials by secret (RFC 6749 sections 2.3.1, 4.4) and its errors.

use std::sync::Arc;
use std::time::Duration;

use domain::provider_failure::ProviderFailure;
use domain::{Random, SecretString};
use jiff::Timestamp;
use reqwest::Method;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use url::Url;

use super::classify::{Meaning, Refusal, token_meaning};
use super::graph::{new_request_id, retry_after, server_date};
use crate::http::{Answer, FetchError, OutboundHttp};

/// A token answer is a few kilobytes; with many roles it may be more.
const ANSWER_LIMIT: usize = 256 * 1024;

#[derive(Clone)]
pub(super) struct TokenEndpoint {
    http: OutboundHttp,
    url: Url,
    random: Arc<dyn Random>,
}

/// What one client asks for.
pub(super) struct Grant<'g> {
    pub(super) operation: &'static str,
    pub(super) client_id: &'g str,
    pub(super) client_secret: &'g SecretString,
    pub(super) scope: &'g str,
}

pub(super) struct TokenAnswer {
    pub(super) access_token: SecretString,
    pub(super) expires_in: Duration,
    /// The server's clock.
    pub(super) date: Option<Timestamp>,
}

impl TokenEndpoint {
    pub(super) fn new(http: OutboundHttp, url: Url, random: Arc<dyn Random>) -> Self {
        Self { http, url, random }
    }

    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// The older endpoint, which a version 1 discovery document names, asks for a resource instead of a scope.
    fn is_version_1(&self) -> bool {
        self.url.path().ends_with("/oauth2/token")
    }

    /// One attempt.
    pub(super) async fn client_credentials(
        &self,
        grant: &Grant<'_>,
    ) -> Result<TokenAnswer, Refusal> {
        let request_id = new_request_id(&*self.random);
        let mut form = vec![
            ("grant_type", "client_credentials"),
            ("client_id", grant.client_id),
            ("client_secret", grant.client_secret.expose_secret()),
            ("scope", grant.scope),
        ];
        if self.is_version_1() {
            let resource = grant.scope.strip_suffix("/.default");
            form.push(("resource", resource.unwrap_or(grant.scope)));
        }
        let request = self
            .http
            .request(Method::POST, &self.url)
            .header("client-request-id", &request_id)
            .header("accept", "application/json")
            .form(&form);
        let sent = self.http.send(request, ANSWER_LIMIT).await;
        let outcome = match sent {
            Ok(answer) if answer.status.is_success() => token_of(grant.operation, &answer),
            Ok(answer) => Err(refusal(grant.operation, &answer)),
            Err(error) => Err(transport_refusal(grant.operation, error)),
        };
        if let Err(refusal) = &outcome {
            tracing::info!(
                operation = grant.operation,
                client_request_id = request_id,
                request_id = refusal.failure.request_id,
                status = refusal.failure.status,
                code = refusal.failure.code,
                "token endpoint refused"
            );
        }
        outcome
    }
}

/// No answer: it may or may not have taken effect.
pub(super) fn transport_refusal(operation: &str, error: FetchError) -> Refusal {
    let meaning = if error.is_transient() {
        Meaning::ServerTrouble
    } else {
        Meaning::Rejected
    };
    let mut refusal = Refusal::new(meaning, error.into_failure(operation));
    refusal.ambiguous = true;
    refusal
}

fn token_of(operation: &str, answer: &Answer) -> Result<TokenAnswer, Refusal> {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let token = body.get("access_token").and_then(Value::as_str);
    let Some(token) = token.filter(|token| !token.is_empty()) else {
        let mut failure = ProviderFailure::new(
            domain::provider_failure::FailureClass::Misconfigured,
            operation,
            "the token endpoint answered without an access token",
        );
        failure.status = Some(answer.status.as_u16());
        failure.advice = Some("Check that the token endpoint's address is right.".to_owned());
        return Err(Refusal::new(Meaning::Misconfigured, failure));
    };
    // Version 1 of the endpoint answers numbers as texts.
    let seconds = match body.get("expires_in") {
        Some(Value::Number(number)) => number.as_u64(),
        Some(Value::String(text)) => text.parse().ok(),
        _ => None,
    };
    Ok(TokenAnswer {
        access_token: SecretString::from(token),
        expires_in: Duration::from_secs(seconds.unwrap_or(0)),
        date: server_date(answer),
    })
}

fn refusal(operation: &str, answer: &Answer) -> Refusal {
    let status = answer.status.as_u16();
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let description = text("error_description").unwrap_or_default();
    let number = body
        .pointer("/error_codes/0")
        .and_then(Value::as_u64)
        .or_else(|| number_in(description));
    let (meaning, advice) = token_meaning(status, number);
    let message = match (description, text("error")) {
        ("", Some(error)) => error.to_owned(),
        ("", None) => format!("the token endpoint answered with status {status}"),
        (description, _) => description.to_owned(),
    };
    let mut failure = ProviderFailure::new(
        domain::provider_failure::FailureClass::Rejected,
        operation,
        message,
    );
    failure.status = Some(status);
    failure.code = number
        .map(|number| format!("AADSTS{number}"))
        .or_else(|| text("error").map(str::to_owned));
    failure.request_id = text("trace_id").map(str::to_owned).or_else(|| {
        let header = answer.headers.get("x-ms-request-id")?;
        Some(header.to_str().ok()?.to_owned())
    });
    failure.advice = advice.map(str::to_owned);
    failure.retry_after = retry_after(answer);
    Refusal::new(meaning, failure)
}

/// `AADSTS7000215: …` → 7000215.
fn number_in(description: &str) -> Option<u64> {
    let (_, rest) = description.split_once("AADSTS")?;
    let end = rest
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(rest.len());
    rest[..end].parse().ok()
}
