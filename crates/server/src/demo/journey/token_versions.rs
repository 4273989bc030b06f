//! The guide's "Adding Existing Key": V1 and V2 tokens, through two key managers as it says, and through one.

use serde_json::json;

use super::administration::{add, import, key_manager};
use super::application::{VERSION_1, VERSION_2, create, subscribe};
use super::existing_keys::map_keys;
use super::narration::{Outcome, Told};
use super::publication::{EITHER_VERSION, PublishedApi, VERSIONS, publish_api};
use super::script::{Script, claims_of, hold};
use super::{EntraClient, calls, clean_up, entra};

pub(super) const KEY_MANAGER_V1: &str = "AzureAD-V1";
pub(super) const KEY_MANAGER_V2: &str = "AzureAD-V2";
pub(super) const KEY_MANAGER_BOTH: &str = "AzureAD-V1-and-V2";

/// Two key managers: `appid` and the sts.windows.net issuer, `azp` and the v2.0 issuer.
pub(super) async fn two_key_managers(script: &Script, management: &EntraClient) -> Outcome<()> {
    let discovered = import(script).await?.value;
    let mut v1 = key_manager(
        script,
        &discovered,
        management,
        KEY_MANAGER_V1,
        "Azure AD (V1 tokens)",
    );
    v1["issuer"] = json!(script.issuer_v1());
    v1["consumerKeyClaim"] = json!("appid");
    add(script, &v1).await?;
    let mut v2 = key_manager(
        script,
        &discovered,
        management,
        KEY_MANAGER_V2,
        "Azure AD (V2 tokens)",
    );
    v2["consumerKeyClaim"] = json!("azp");
    add(script, &v2).await?;
    let api = publish_api(script, &VERSIONS, &[KEY_MANAGER_V1, KEY_MANAGER_V2]).await?;
    let claims = pass_with_both(script, &api, [KEY_MANAGER_V1, KEY_MANAGER_V2]).await?;
    Ok(Told::new((), claims))
}

/// One key manager that reads the consumer key from `azp`, else `appid`, and accepts both issuers of its tenant.
pub(super) async fn one_key_manager(script: &Script, management: &EntraClient) -> Outcome<()> {
    let discovered = import(script).await?.value;
    let mut both = key_manager(
        script,
        &discovered,
        management,
        KEY_MANAGER_BOTH,
        "Azure AD (V1 and V2 tokens)",
    );
    both["additionalProperties"]["azure_ad_accepted_token_versions"] = json!("v1_v2");
    add(script, &both).await?;
    let api = publish_api(script, &EITHER_VERSION, &[KEY_MANAGER_BOTH]).await?;
    let claims = pass_with_both(script, &api, [KEY_MANAGER_BOTH, KEY_MANAGER_BOTH]).await?;
    Ok(Told::new((), claims))
}

/// Registers an app of each version by hand, maps it, subscribes, and calls.
async fn pass_with_both(
    script: &Script,
    api: &PublishedApi,
    key_managers: [&str; 2],
) -> Result<String, String> {
    let administrator = entra::administrator_token(script).await?;
    let mut sentences = Vec::new();
    for ((name, version), key_manager) in [(VERSION_1, 1), (VERSION_2, 2)]
        .into_iter()
        .zip(key_managers)
    {
        clean_up::delete_application_named(script, name).await?;
        let properties = json!({ "api": { "requestedAccessTokenVersion": version } });
        let app = entra::register(script, &administrator, name, &properties).await?;
        entra::set_app_id_uri(script, &administrator, &app).await?;
        let application = create(script, name).await?;
        subscribe(script, &application, api).await?;
        map_keys(script, &application, key_manager, &app.client).await?;
        let token = entra::request_token(script, &app.client).await?.value;
        let claims = claims_of(&token)?;
        let expected = if version == 1 {
            (script.issuer_v1(), "appid")
        } else {
            (script.issuer_v2(), "azp")
        };
        hold(claims["iss"] == expected.0, || {
            format!("iss {}", claims["iss"])
        })?;
        hold(claims[expected.1] == app.client.client_id, || {
            format!("no {} in the token", expected.1)
        })?;
        calls::passing(script, api, &token).await?;
        sentences.push(format!(
            "V{version}: iss {}, {} → {key_manager}: 200",
            expected.0, expected.1
        ));
    }
    Ok(sentences.join("\n"))
}
