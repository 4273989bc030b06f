//! Signing in as scripts do: dynamic client registration with HTTP Basic, then a token by password.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::narration::{Outcome, Told};
use super::script::{Script, parse};

/// A local user's name and password.
#[derive(Clone)]
pub(crate) struct Login {
    pub(crate) username: String,
    pub(crate) password: SecretString,
}

pub(super) async fn sign_in(script: &mut Script) -> Outcome<()> {
    script.sessions.administrator = Some(
        session(
            script,
            &script.cast.administrator,
            "apim:admin apim:keymanagers_manage",
        )
        .await?,
    );
    script.sessions.publisher = Some(
        session(
            script,
            &script.cast.publisher,
            "apim:api_view apim:api_create apim:api_publish apim:api_manage apim:api_delete",
        )
        .await?,
    );
    script.sessions.developer = Some(
        session(
            script,
            &script.cast.developer,
            "apim:subscribe apim:app_manage apim:sub_manage",
        )
        .await?,
    );
    let names = [
        &script.cast.administrator,
        &script.cast.publisher,
        &script.cast.developer,
    ]
    .map(|login| login.username.as_str());
    Ok(Told::new((), format!("signed in: {}", names.join(", "))))
}

async fn session(script: &Script, login: &Login, scopes: &str) -> Result<SecretString, String> {
    let registration = json!({
        "callbackUrl": "www.example.com",
        "clientName": format!("demo_{}", login.username),
        "owner": login.username,
        "grantType": "password client_credentials",
        "saasApp": true
    });
    let url = parse(&format!(
        "{}/client-registration/v0.17/register",
        script.places.control
    ))?;
    let request = script
        .http
        .request(Method::POST, &url)
        .basic_auth(&login.username, Some(login.password.expose_secret()))
        .json(&registration);
    let client = script
        .send(request)
        .await?
        .expect(200, "registering a client")?;
    let (id, secret) = (
        client.text_at("/clientId")?,
        client.text_at("/clientSecret")?,
    );

    let url = parse(&format!("{}/oauth2/token", script.places.control))?;
    let request = script
        .http
        .request(Method::POST, &url)
        .header(
            "Authorization",
            format!("Basic {}", STANDARD.encode(format!("{id}:{secret}"))),
        )
        .form(&[
            ("grant_type", "password"),
            ("username", &login.username),
            ("password", login.password.expose_secret()),
            ("scope", scopes),
        ]);
    let token = script
        .send(request)
        .await?
        .expect(200, "asking for a token")?;
    token.text_at("/access_token").map(SecretString::from)
}
