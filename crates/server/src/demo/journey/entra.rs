//! What happens in Entra: the guide's manual steps through Microsoft Graph, and a look at what Claviger made there.

use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::EntraClient;
use super::application::Keys;
use super::narration::{Outcome, Told};
use super::script::{Script, claims_of, hold};

const GRAPH_APP_ID: &str = "00000003-0000-0000-c000-000000000000";

/// What an app registration by hand results in.
pub(super) struct Registered {
    pub(super) object_id: String,
    pub(super) service_principal_id: String,
    pub(super) client: EntraClient,
}

pub(super) const MANAGEMENT_APP: &str = "KeyManager Client";

/// Steps 1 to 3 of the guide's "Configure AzureAD".
pub(super) async fn register_management_app(script: &Script) -> Outcome<EntraClient> {
    let token = administrator_token(script).await?;
    let app = register(script, &token, MANAGEMENT_APP, &json!({})).await?;
    let graph = eventually(
        script,
        &token,
        &format!("/servicePrincipals(appId='{GRAPH_APP_ID}')"),
    )
    .await?;
    let role = graph
        .pointer("/appRoles")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .find(|role| role["value"] == "Application.ReadWrite.OwnedBy")
        .and_then(|role| role["id"].as_str())
        .ok_or("Microsoft Graph offers no role Application.ReadWrite.OwnedBy")?;
    let grant = json!({
        "principalId": app.service_principal_id,
        "resourceId": graph["id"],
        "appRoleId": role
    });
    let path = format!(
        "/servicePrincipals/{}/appRoleAssignedTo",
        graph["id"].as_str().unwrap_or_default()
    );
    until_visible(script, &token, Method::POST, &path, &grant, 201).await?;
    until_role_in_token(script, &app.client, "Application.ReadWrite.OwnedBy").await?;
    let sentence = format!(
        "\"{MANAGEMENT_APP}\": client id {}, object id {}, permission granted",
        app.client.client_id, app.object_id
    );
    Ok(Told::new(app.client, sentence))
}

/// The page's green check mark: the permission is in the app's own tokens.
async fn until_role_in_token(
    script: &Script,
    client: &EntraClient,
    role: &str,
) -> Result<(), String> {
    let scope = format!("{}/.default", script.places.entra);
    for wait in waits() {
        let token = token_with_scope(script, client, &scope).await?;
        let roles = &claims_of(&token)?["roles"];
        if roles
            .as_array()
            .is_some_and(|roles| roles.iter().any(|held| held == role))
        {
            return Ok(());
        }
        tokio::time::sleep(wait).await;
    }
    Err(format!("the app's tokens never carried {role}"))
}

/// A new app registration with a secret and a service principal, as the portal makes it.
pub(super) async fn register(
    script: &Script,
    token: &SecretString,
    name: &str,
    properties: &Value,
) -> Result<Registered, String> {
    let mut body = json!({ "displayName": name, "signInAudience": "AzureADMyOrg" });
    for (property, value) in properties.as_object().into_iter().flatten() {
        body[property] = value.clone();
    }
    let created = script
        .graph(token, Method::POST, "/applications", Some(&body))
        .await?
        .expect(201, "New registration")?;
    let (object_id, client_id) = (created.text_at("/id")?, created.text_at("/appId")?);
    let secret = until_visible(
        script,
        token,
        Method::POST,
        &format!("/applications/{object_id}/addPassword"),
        &json!({ "passwordCredential": { "displayName": "made by hand" } }),
        200,
    )
    .await?;
    let principal = until_visible(
        script,
        token,
        Method::POST,
        "/servicePrincipals",
        &json!({ "appId": client_id }),
        201,
    )
    .await?;
    Ok(Registered {
        object_id,
        service_principal_id: text(&principal, "id")?,
        client: EntraClient {
            client_id,
            client_secret: text(&secret, "secretText")?.into(),
        },
    })
}

/// Sets the Application ID URI to its default, `api://{appId}`.
pub(super) async fn set_app_id_uri(
    script: &Script,
    token: &SecretString,
    app: &Registered,
) -> Result<(), String> {
    let body = json!({ "identifierUris": [format!("api://{}", app.client.client_id)] });
    let path = format!("/applications/{}", app.object_id);
    until_visible(script, token, Method::PATCH, &path, &body, 204)
        .await
        .map(|_| ())
}

/// A token for Microsoft Graph as the tenant's administrator.
pub(super) async fn administrator_token(script: &Script) -> Result<SecretString, String> {
    let administrator = &script.cast.entra_administrator;
    let scope = format!("{}/.default", script.places.entra);
    token_with_scope(script, administrator, &scope).await
}

/// The page's curl: client credentials with `scope=api://{client id}/.default`.
pub(super) async fn request_token(script: &Script, client: &EntraClient) -> Outcome<SecretString> {
    let token = token_with_scope(
        script,
        client,
        &format!("api://{}/.default", client.client_id),
    )
    .await?;
    let sentence = format!("a token of {} characters", token.expose_secret().len());
    Ok(Told::new(token, sentence))
}

/// Asks until a new client, secret or URI has reached the token service.
async fn token_with_scope(
    script: &Script,
    client: &EntraClient,
    scope: &str,
) -> Result<SecretString, String> {
    let form = [
        ("client_id", client.client_id.as_str()),
        ("client_secret", client.client_secret.expose_secret()),
        ("grant_type", "client_credentials"),
        ("scope", scope),
    ];
    let url = script.token_endpoint();
    for wait in waits() {
        let reply = script.post_form(&url, &form).await?;
        if reply.status == 200 {
            return reply.text_at("/access_token").map(SecretString::from);
        }
        if !reply.text.contains("AADSTS") {
            return Err(format!("token endpoint: {}: {}", reply.status, reply.text));
        }
        tokio::time::sleep(wait).await;
    }
    script
        .post_form(&url, &form)
        .await?
        .expect(200, "asking Entra for a token")
        .map(|_| SecretString::default())
}

/// Entra shows what Claviger made: four things, on our least permission.
pub(super) async fn shows_client(script: &Script, keys: &Keys) -> Outcome<()> {
    let token = administrator_token(script).await?;
    let client_id = &keys.client.client_id;
    let app = eventually(
        script,
        &token,
        &format!("/applications(appId='{client_id}')"),
    )
    .await?;
    hold(
        app["identifierUris"] == json!([format!("api://{client_id}")]),
        || format!("App ID URI: {}", app["identifierUris"]),
    )?;
    hold(app["signInAudience"] == "AzureADMyOrg", || {
        format!("audience: {}", app["signInAudience"])
    })?;
    hold(app["api"]["requestedAccessTokenVersion"] == 2, || {
        format!("token version: {}", app["api"])
    })?;
    let secrets = app["passwordCredentials"].as_array().map_or(0, Vec::len);
    hold(secrets == 1, || format!("{secrets} secrets instead of one"))?;
    let principal = eventually(
        script,
        &token,
        &format!("/servicePrincipals(appId='{client_id}')"),
    )
    .await?;
    Ok(Told::new(
        (),
        format!(
            "application {}, api://{client_id}, service principal {}, one secret ending {}",
            app["displayName"], principal["id"], app["passwordCredentials"][0]["endDateTime"]
        ),
    ))
}

/// GET until the object is visible.
pub(super) async fn eventually(
    script: &Script,
    token: &SecretString,
    path: &str,
) -> Result<Value, String> {
    until_visible(script, token, Method::GET, path, &Value::Null, 200).await
}

/// Repeats a request while Entra answers as it does before a change is visible everywhere.
async fn until_visible(
    script: &Script,
    token: &SecretString,
    method: Method,
    path: &str,
    body: &Value,
    status: u16,
) -> Result<Value, String> {
    let body = (!body.is_null()).then_some(body);
    for wait in waits() {
        let reply = script.graph(token, method.clone(), path, body).await?;
        if reply.status == status {
            return Ok(reply.json);
        }
        if !matches!(reply.status, 400 | 403 | 404 | 409) {
            return Err(format!("{method} {path}: {}: {}", reply.status, reply.text));
        }
        tokio::time::sleep(wait).await;
    }
    script
        .graph(token, method.clone(), path, body)
        .await?
        .expect(status, &format!("{method} {path}"))
        .map(|reply| reply.json)
}

/// About 25 s in all.
pub(super) fn waits() -> impl Iterator<Item = std::time::Duration> {
    [50, 100, 200, 400, 800, 1_600]
        .into_iter()
        .chain(std::iter::repeat_n(2_000, 11))
        .map(std::time::Duration::from_millis)
}

fn text(value: &Value, name: &str) -> Result<String, String> {
    value[name]
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| format!("no {name} in the answer"))
}
