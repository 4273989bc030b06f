//! The developer's part: application, subscription, keys and tokens.

use reqwest::Method;
use secrecy::SecretString;
use serde_json::json;

use super::EntraClient;
use super::narration::{Outcome, Told};
use super::publication::PublishedApi;
use super::script::{Portal, Script, hold};

pub(super) const SUBSCRIBED: &str = "Weather App";
pub(super) const STRANGER: &str = "Tides App";
pub(super) const MAPPED: &str = "Legacy App";
pub(super) const VERSION_1: &str = "Version 1 App";
pub(super) const VERSION_2: &str = "Version 2 App";

/// Production keys of an application.
pub(super) struct Keys {
    pub(super) mapping_id: String,
    pub(super) client: EntraClient,
}

/// An application with a subscription; gives its id.
pub(super) async fn create_subscribed(
    script: &Script,
    name: &str,
    api: &PublishedApi,
) -> Outcome<String> {
    let id = create(script, name).await?;
    subscribe(script, &id, api).await?;
    Ok(Told::new(id.clone(), format!("\"{name}\", id {id}")))
}

pub(super) async fn create(script: &Script, name: &str) -> Result<String, String> {
    let body = json!({ "name": name, "throttlingPolicy": "Unlimited", "description": "Made by the demo", "tokenType": "JWT" });
    script
        .call(
            Portal::Developer,
            Method::POST,
            "/applications",
            Some(&body),
        )
        .await?
        .expect(201, "Add New Application")?
        .text_at("/applicationId")
}

pub(super) async fn subscribe(
    script: &Script,
    application: &str,
    api: &PublishedApi,
) -> Result<(), String> {
    let body =
        json!({ "applicationId": application, "apiId": api.id, "throttlingPolicy": "Unlimited" });
    script
        .call(
            Portal::Developer,
            Method::POST,
            "/subscriptions",
            Some(&body),
        )
        .await?
        .expect(201, "subscribe")
        .map(|_| ())
}

/// "Generate Keys" in the Production Keys section.
pub(super) async fn generate_keys(
    script: &Script,
    application: &str,
    key_manager: &str,
) -> Outcome<Keys> {
    let body = json!({
        "keyType": "PRODUCTION",
        "keyManager": key_manager,
        "grantTypesToBeSupported": ["client_credentials"],
        "callbackUrl": "",
        "scopes": ["default"],
        "validityTime": 3600,
        "additionalProperties": {}
    });
    let path = format!("/applications/{application}/generate-keys");
    let reply = script
        .call(Portal::Developer, Method::POST, &path, Some(&body))
        .await?
        .expect(200, "Generate Keys")?;
    hold(reply.json["keyState"] == "COMPLETED", || {
        format!("keyState {}", reply.json["keyState"])
    })?;
    let client = EntraClient {
        client_id: reply.text_at("/consumerKey")?,
        client_secret: reply.text_at("/consumerSecret")?.into(),
    };
    let mapping_id = reply.text_at("/keyMappingId")?;
    let sentence = format!(
        "consumer key {}; the secret is shown this once",
        client.client_id
    );
    Ok(Told::new(Keys { mapping_id, client }, sentence))
}

/// "Generate Access Token".
pub(super) async fn generate_token(script: &Script, application: &str, keys: &Keys) -> Outcome<()> {
    let body = json!({ "additionalProperties": {}, "revokeToken": null, "scopes": [], "validityPeriod": 3600 });
    let path = format!(
        "/applications/{application}/oauth-keys/{}/generate-token",
        keys.mapping_id
    );
    let reply = script
        .call(Portal::Developer, Method::POST, &path, Some(&body))
        .await?
        .expect(200, "generate-token")?;
    let token: SecretString = reply.text_at("/accessToken")?.into();
    drop(token);
    Ok(Told::new(
        (),
        format!("valid for {} s", reply.json["validityTime"]),
    ))
}
