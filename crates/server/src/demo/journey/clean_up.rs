//! Deleting: the application of the journey's end, and what an earlier journey over the same folder left.

use reqwest::Method;
use secrecy::SecretString;
use serde_json::Value;

use super::EntraClient;
use super::application::{Keys, MAPPED, STRANGER, SUBSCRIBED, VERSION_1, VERSION_2};
use super::entra::{self, MANAGEMENT_APP, waits};
use super::existing_keys::HAND_MADE_APP;
use super::narration::{Outcome, Told};
use super::publication::{EITHER_VERSION, TIDES, VERSIONS, WEATHER};
use super::script::{Portal, Script, hold};
use super::token_versions::{KEY_MANAGER_BOTH, KEY_MANAGER_V1, KEY_MANAGER_V2};

/// Application, keys, client, service principal: all gone, from the deleted items too; what we did not make stays.
pub(super) async fn deleted(
    script: &Script,
    application: &str,
    keys: &Keys,
    mapped: &EntraClient,
) -> Outcome<()> {
    let reply = script
        .call(
            Portal::Developer,
            Method::DELETE,
            &format!("/applications/{application}"),
            None,
        )
        .await?;
    hold(matches!(reply.status, 200 | 202), || {
        format!("deleting: {}: {}", reply.status, reply.text)
    })?;
    let token = entra::administrator_token(script).await?;
    let client_id = &keys.client.client_id;
    for path in [
        format!("/applications(appId='{client_id}')"),
        format!("/servicePrincipals(appId='{client_id}')"),
    ] {
        until_gone(script, &token, &path).await?;
    }
    until_purged(script, &token, client_id).await?;
    entra::eventually(
        script,
        &token,
        &format!("/applications(appId='{}')", mapped.client_id),
    )
    .await?;
    Ok(Told::new(
        (),
        format!("{client_id} is gone; {} is there", mapped.client_id),
    ))
}

/// The deleted items are an index like any other: they forget a little late.
async fn until_purged(
    script: &Script,
    token: &SecretString,
    client_id: &str,
) -> Result<(), String> {
    let path = "/directory/deletedItems/microsoft.graph.application?$top=999";
    for wait in waits() {
        let bin = script
            .graph(token, Method::GET, path, None)
            .await?
            .expect(200, "reading the deleted items")?;
        if !bin.text.contains(client_id) {
            return Ok(());
        }
        tokio::time::sleep(wait).await;
    }
    Err(format!("{client_id} is still among the deleted items"))
}

async fn until_gone(script: &Script, token: &SecretString, path: &str) -> Result<(), String> {
    for wait in waits() {
        if script.graph(token, Method::GET, path, None).await?.status == 404 {
            return Ok(());
        }
        tokio::time::sleep(wait).await;
    }
    Err(format!("{path} is still there"))
}

/// A journey leaves things to look at; the next one begins without them.
pub(super) async fn tidy(script: &Script) -> Outcome<()> {
    let mut removed = 0;
    for name in [SUBSCRIBED, STRANGER, MAPPED, VERSION_1, VERSION_2] {
        removed += delete_application_named(script, name).await?;
    }
    for api in [WEATHER, TIDES, VERSIONS, EITHER_VERSION] {
        removed += delete_api_named(script, api.name).await?;
    }
    for name in ["AzureAD", KEY_MANAGER_V1, KEY_MANAGER_V2, KEY_MANAGER_BOTH] {
        removed += delete_key_manager_named(script, name).await?;
    }
    let administrator = entra::administrator_token(script).await?;
    for name in [MANAGEMENT_APP, HAND_MADE_APP, VERSION_1, VERSION_2] {
        removed += delete_registrations_named(script, &administrator, name).await?;
    }
    Ok(Told::new((), format!("{removed} things removed")))
}

/// Deletes the developer's application of this name, and waits until it is gone.
pub(super) async fn delete_application_named(script: &Script, name: &str) -> Result<usize, String> {
    let Some(id) = id_of(
        script,
        Portal::Developer,
        "/applications?limit=1000",
        name,
        "applicationId",
    )
    .await?
    else {
        return Ok(0);
    };
    let path = format!("/applications/{id}");
    let reply = script
        .call(Portal::Developer, Method::DELETE, &path, None)
        .await?;
    hold(matches!(reply.status, 200 | 202), || {
        format!("deleting {name}: {}: {}", reply.status, reply.text)
    })?;
    for wait in waits() {
        if script
            .call(Portal::Developer, Method::GET, &path, None)
            .await?
            .status
            == 404
        {
            return Ok(1);
        }
        tokio::time::sleep(wait).await;
    }
    Err(format!("the application {name} does not go away"))
}

async fn delete_api_named(script: &Script, name: &str) -> Result<usize, String> {
    let Some(id) = id_of(script, Portal::Publisher, "/apis?limit=1000", name, "id").await? else {
        return Ok(0);
    };
    script
        .call(
            Portal::Publisher,
            Method::DELETE,
            &format!("/apis/{id}"),
            None,
        )
        .await?
        .expect(200, "deleting an API")?;
    Ok(1)
}

async fn delete_key_manager_named(script: &Script, name: &str) -> Result<usize, String> {
    let Some(id) = id_of(script, Portal::Admin, "/key-managers", name, "id").await? else {
        return Ok(0);
    };
    script
        .call(
            Portal::Admin,
            Method::DELETE,
            &format!("/key-managers/{id}"),
            None,
        )
        .await?
        .expect(200, "deleting a key manager")?;
    Ok(1)
}

async fn delete_registrations_named(
    script: &Script,
    token: &SecretString,
    name: &str,
) -> Result<usize, String> {
    let path = format!("/applications?$filter=displayName eq '{name}'");
    let found = script
        .graph(token, Method::GET, &path.replace(' ', "%20"), None)
        .await?
        .expect(200, "finding registrations")?;
    let ids: Vec<String> = found
        .list_at("/value")?
        .iter()
        .filter_map(|app| app["id"].as_str().map(str::to_owned))
        .collect();
    for id in &ids {
        let reply = script
            .graph(token, Method::DELETE, &format!("/applications/{id}"), None)
            .await?;
        hold(matches!(reply.status, 204 | 404), || {
            format!("deleting {name}: {}: {}", reply.status, reply.text)
        })?;
    }
    Ok(ids.len())
}

async fn id_of(
    script: &Script,
    portal: Portal,
    path: &str,
    name: &str,
    field: &str,
) -> Result<Option<String>, String> {
    let list = script
        .call(portal, Method::GET, path, None)
        .await?
        .expect(200, path)?;
    let found = list
        .list_at("/list")?
        .iter()
        .find(|item| item["name"] == name);
    Ok(found
        .and_then(|item| item[field].as_str().or_else(|| item["id"].as_str()))
        .map(str::to_owned)
        .or_else(|| found.map(|item: &Value| item["id"].to_string())))
}
