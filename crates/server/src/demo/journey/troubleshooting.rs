//! The page's troubleshooting: the issuer of the key manager is not the token's.

use reqwest::Method;
use secrecy::SecretString;
use serde_json::{Value, json};

use super::calls;
use super::narration::{Outcome, Told};
use super::publication::PublishedApi;
use super::script::{Portal, Script, hold};

pub(super) async fn wrong_issuer(
    script: &Script,
    key_manager: &str,
    api: &PublishedApi,
    token: &SecretString,
) -> Outcome<()> {
    set_issuer(script, key_manager, &script.issuer_v1()).await?;
    let reply = calls::refused(script, api, Some(token), 401, "900901").await?;
    let expected = json!({
        "code": "900901",
        "message": "Invalid Credentials",
        "description": "Access failure for API: /exampleapi/1.0.0, version: 1.0.0 status: (900901) - Invalid Credentials. Make sure you have provided the correct security credentials."
    });
    hold(reply.json == expected, || {
        format!("not the guide's body: {}", reply.text)
    })?;
    Ok(Told::new((), reply.text.trim().to_owned()))
}

pub(super) async fn explained(
    script: &Script,
    api: &PublishedApi,
    token: &SecretString,
) -> Outcome<()> {
    let reply = calls::explain(script, api, token).await?;
    hold(reply.json["accepted"] == false, || {
        "explain says that it would pass".to_owned()
    })?;
    let failed = reply
        .list_at("/checks")?
        .iter()
        .find(|check| check["outcome"] == "failed")
        .ok_or("explain names no failed check")?;
    hold(
        failed["seen"]
            .as_str()
            .is_some_and(|seen| seen.contains(&script.issuer_v2())),
        || format!("seen {}", failed["seen"]),
    )?;
    Ok(Told::new(
        (),
        format!(
            "reason {}: seen {}, expected {}\nfix: {}",
            reply.json["reason"], failed["seen"], failed["expected"], failed["fix"]
        ),
    ))
}

pub(super) async fn corrected(
    script: &Script,
    key_manager: &str,
    api: &PublishedApi,
    token: &SecretString,
) -> Outcome<()> {
    set_issuer(script, key_manager, &script.issuer_v2()).await?;
    calls::passing(script, api, token).await?;
    Ok(Told::new((), "200"))
}

/// What the admin portal does: read, change one field, save. The masked secret goes back as it came.
async fn set_issuer(script: &Script, key_manager: &str, issuer: &str) -> Result<(), String> {
    let path = format!("/key-managers/{key_manager}");
    let mut settings: Value = script
        .call(Portal::Admin, Method::GET, &path, None)
        .await?
        .expect(200, "reading the key manager")?
        .json;
    settings["issuer"] = json!(issuer);
    script
        .call(Portal::Admin, Method::PUT, &path, Some(&settings))
        .await?
        .expect(200, "saving the key manager")
        .map(|_| ())
}
