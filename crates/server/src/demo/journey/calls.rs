//! Calls through the gateway: the one that passes, and those that are refused with the right code.

use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::EntraClient;
use super::entra;
use super::narration::{Outcome, Told};
use super::publication::PublishedApi;
use super::script::{Portal, Reply, Script, hold};

pub(super) const RESOURCE: &str = "/forecast/Colombo";

pub(super) async fn passes(
    script: &Script,
    api: &PublishedApi,
    token: &SecretString,
) -> Outcome<()> {
    let reply = passing(script, api, token).await?;
    Ok(Told::new((), format!("200: {}", reply.text.trim())))
}

/// Calls until a change that was just committed has reached the gateway (well under a second).
pub(super) async fn passing(
    script: &Script,
    api: &PublishedApi,
    token: &SecretString,
) -> Result<Reply, String> {
    let reply = eventual_status(script, api, Some(token), 200).await?;
    hold(reply.json["city"] == "Colombo", || {
        format!("not the API's answer: {}", reply.text)
    })?;
    hold(reply.json["authorization"] == Value::Null, || {
        "the credential reached the API".to_owned()
    })?;
    Ok(reply)
}

pub(super) async fn without_token(script: &Script, api: &PublishedApi) -> Outcome<()> {
    let reply = refused(script, api, None, 401, "900902").await?;
    let challenge = reply
        .headers
        .get("www-authenticate")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    hold(challenge.contains("Bearer"), || {
        format!("WWW-Authenticate: {challenge}")
    })?;
    Ok(Told::new((), reply.text.trim().to_owned()))
}

pub(super) async fn without_subscription(
    script: &Script,
    api: &PublishedApi,
    client: &EntraClient,
) -> Outcome<()> {
    let token = entra::request_token(script, client).await?.value;
    let reply = refused(script, api, Some(&token), 403, "900908").await?;
    Ok(Told::new((), reply.text.trim().to_owned()))
}

/// One character of the payload is another one.
pub(super) async fn tampered(
    script: &Script,
    api: &PublishedApi,
    token: &SecretString,
) -> Outcome<()> {
    let text = token.expose_secret();
    let position = text.find('.').ok_or("the token has no dot")? + 40;
    let other = if text.as_bytes()[position] == b'A' {
        "B"
    } else {
        "A"
    };
    let tampered = SecretString::from(format!(
        "{}{other}{}",
        &text[..position],
        &text[position + 1..]
    ));
    let reply = refused(script, api, Some(&tampered), 401, "900901").await?;
    Ok(Told::new((), reply.text.trim().to_owned()))
}

/// Refused with this status and code.
pub(super) async fn refused(
    script: &Script,
    api: &PublishedApi,
    token: Option<&SecretString>,
    status: u16,
    code: &str,
) -> Result<Reply, String> {
    let reply = eventual_status(script, api, token, status).await?;
    hold(reply.json["code"] == code, || {
        format!("code {} instead of {code}", reply.json["code"])
    })?;
    Ok(reply)
}

async fn eventual_status(
    script: &Script,
    api: &PublishedApi,
    token: Option<&SecretString>,
    status: u16,
) -> Result<Reply, String> {
    let url = script.api_url(api, RESOURCE);
    for wait in entra::waits().take(6) {
        let reply = script.get(&url, token).await?;
        if reply.status == status {
            return Ok(reply);
        }
        tokio::time::sleep(wait).await;
    }
    script.get(&url, token).await?.expect(status, "the call")
}

/// Asks the developer portal why a token is refused.
pub(super) async fn explain(
    script: &Script,
    api: &PublishedApi,
    token: &SecretString,
) -> Result<Reply, String> {
    let body = serde_json::json!({
        "token": token.expose_secret(),
        "apiId": api.id,
        "verb": "GET",
        "path": RESOURCE
    });
    script
        .call(
            Portal::Developer,
            Method::POST,
            "/tokens/explain",
            Some(&body),
        )
        .await?
        .expect(200, "explain")
}
