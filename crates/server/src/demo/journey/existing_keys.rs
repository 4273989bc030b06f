//! "Provide Existing OAuth Keys": a client that was registered by hand.

use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::application::{MAPPED, create, subscribe};
use super::narration::{Outcome, Told};
use super::publication::PublishedApi;
use super::script::{Portal, Script, hold};
use super::{EntraClient, calls, entra};

pub(super) const HAND_MADE_APP: &str = "Made by hand";

pub(super) async fn provide(script: &Script, api: &PublishedApi) -> Outcome<EntraClient> {
    let administrator = entra::administrator_token(script).await?;
    let properties = json!({ "api": { "requestedAccessTokenVersion": 2 } });
    let app = entra::register(script, &administrator, HAND_MADE_APP, &properties).await?;
    entra::set_app_id_uri(script, &administrator, &app).await?;
    let application = create(script, MAPPED).await?;
    subscribe(script, &application, api).await?;
    map_keys(script, &application, "AzureAD", &app.client).await?;

    let shown = script
        .call(
            Portal::Developer,
            Method::GET,
            &format!("/applications/{application}/oauth-keys"),
            None,
        )
        .await?
        .expect(200, "reading the keys")?;
    hold(
        !shown
            .text
            .contains(app.client.client_secret.expose_secret()),
        || "the secret is shown".to_owned(),
    )?;
    hold(shown.json["list"][0]["mode"] == "MAPPED", || {
        format!("mode {}", shown.json["list"][0]["mode"])
    })?;

    let token = entra::request_token(script, &app.client).await?.value;
    calls::passing(script, api, &token).await?;
    let sentence = format!("\"{HAND_MADE_APP}\", {}: 200", app.client.client_id);
    Ok(Told::new(app.client, sentence))
}

/// Maps a client, trying again while its new secret has not reached the token service.
pub(super) async fn map_keys(
    script: &Script,
    application: &str,
    key_manager: &str,
    client: &EntraClient,
) -> Result<Value, String> {
    let body = json!({
        "consumerKey": client.client_id,
        "consumerSecret": client.client_secret.expose_secret(),
        "keyType": "PRODUCTION",
        "keyManager": key_manager
    });
    let path = format!("/applications/{application}/map-keys");
    for wait in entra::waits() {
        let reply = script
            .call(Portal::Developer, Method::POST, &path, Some(&body))
            .await?;
        if reply.status == 200 {
            hold(
                reply.json["consumerSecret"]
                    .as_str()
                    .unwrap_or_default()
                    .is_empty(),
                || "the secret is shown".to_owned(),
            )?;
            return Ok(reply.json);
        }
        tokio::time::sleep(wait).await;
    }
    script
        .call(Portal::Developer, Method::POST, &path, Some(&body))
        .await?
        .expect(200, "Provide Existing OAuth Keys")
        .map(|reply| reply.json)
}
