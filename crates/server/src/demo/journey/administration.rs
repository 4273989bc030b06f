//! The page's "Configure API manager", step 1: the key manager.

use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::EntraClient;
use super::narration::{Outcome, Told};
use super::script::{Portal, Script, hold};

/// "Import": what the well-known document says.
pub(super) async fn import(script: &Script) -> Outcome<Value> {
    let url = well_known_url(script);
    let form = reqwest::multipart::Form::new()
        .text("url", url.clone())
        .text("type", "AzureAD");
    let request = script
        .request(Portal::Admin, Method::POST, "/key-managers/discover")?
        .multipart(form);
    let reply = script.send(request).await?.expect(200, "Import")?;
    hold(reply.json["valid"] == true, || {
        format!("not valid: {}", reply.text)
    })?;
    let issuer = reply.text_at("/value/issuer")?;
    hold(issuer == script.issuer_v2(), || format!("issuer {issuer}"))?;
    Ok(Told::new(
        reply.json["value"].clone(),
        format!("{url}\nissuer {issuer}"),
    ))
}

/// Every field of the guide's two tables.
pub(super) async fn add_key_manager(
    script: &Script,
    discovered: &Value,
    management: &EntraClient,
) -> Outcome<String> {
    let mut body = key_manager(
        script,
        discovered,
        management,
        "AzureAD",
        "Azure AD Key Manager",
    );
    body["consumerKeyClaim"] = json!("appid");
    let id = add(script, &body).await?;
    let saved = script
        .call(
            Portal::Admin,
            Method::GET,
            &format!("/key-managers/{id}"),
            None,
        )
        .await?
        .expect(200, "reading it back")?;
    let secret = &saved.json["additionalProperties"]["azure_ad_client_secret"];
    hold(secret == "*****", || {
        "the client secret is not masked".to_owned()
    })?;
    Ok(Told::new(
        id.clone(),
        format!("\"AzureAD\", id {id}; its client secret reads *****"),
    ))
}

/// Posts a key manager; gives its id.
pub(super) async fn add(script: &Script, body: &Value) -> Result<String, String> {
    script
        .call(Portal::Admin, Method::POST, "/key-managers", Some(body))
        .await?
        .expect(201, "Add key manager")?
        .text_at("/id")
}

/// A key manager as the guide's tables fill it in.
pub(super) fn key_manager(
    script: &Script,
    discovered: &Value,
    management: &EntraClient,
    name: &str,
    display_name: &str,
) -> Value {
    let entra = &script.places.entra;
    let token_endpoint = script.token_endpoint();
    json!({
        "name": name,
        "displayName": display_name,
        "description": "The company's Entra ID tenant",
        "type": "AzureAD",
        "enabled": true,
        "wellKnownEndpoint": well_known_url(script),
        "issuer": script.issuer_v2(),
        "clientRegistrationEndpoint": entra,
        "introspectionEndpoint": token_endpoint,
        "tokenEndpoint": token_endpoint,
        "displayTokenEndpoint": token_endpoint,
        "revokeEndpoint": token_endpoint,
        "displayRevokeEndpoint": token_endpoint,
        "userInfoEndpoint": discovered["userInfoEndpoint"],
        "authorizeEndpoint": discovered["authorizeEndpoint"],
        "scopeManagementEndpoint": token_endpoint,
        "certificates": discovered["certificates"],
        "consumerKeyClaim": "azp",
        "scopesClaim": "",
        "availableGrantTypes": ["client_credentials"],
        "enableTokenGeneration": true,
        "enableMapOAuthConsumerApps": true,
        "enableOAuthAppCreation": true,
        "enableSelfValidationJWT": true,
        "permissions": { "permissionType": "PUBLIC", "roles": [] },
        "additionalProperties": {
            "microsoft_graph_api_endpoint": entra,
            "microsoft_graph_api_endpoint_version": ["v1.0"],
            "azure_ad_client_id": management.client_id,
            "azure_ad_client_secret": management.client_secret.expose_secret(),
            "polling_initial_delay_ms": "500",
            "polling_max_wait_time_ms": "5000"
        }
    })
}

fn well_known_url(script: &Script) -> String {
    format!(
        "{}/{}/v2.0/.well-known/openid-configuration",
        script.places.entra, script.places.tenant_id
    )
}
