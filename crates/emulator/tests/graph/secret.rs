//! Secrets and certificates.

use serde_json::{Value, json};

use crate::laboratory::Laboratory;

#[tokio::test]
async fn an_added_secret_opens_the_token_endpoint_until_it_is_removed() {
    let laboratory = Laboratory::start().await;
    let created = laboratory.application("client").await;
    let (id, app_id) = (
        created["id"].as_str().unwrap(),
        created["appId"].as_str().unwrap(),
    );
    laboratory
        .post("/servicePrincipals", json!({ "appId": app_id }))
        .await
        .expect(201);
    let body = json!({ "passwordCredential": { "displayName": "op-1" } });
    let added = laboratory
        .post(&format!("/applications/{id}/addPassword"), body)
        .await
        .expect(200);
    assert!(
        added
            .text("/@odata.context")
            .ends_with("#microsoft.graph.passwordCredential")
    );
    let (start, end) = (added.text("/startDateTime"), added.text("/endDateTime"));
    let year = |text: &str| text[..4].parse::<i32>().unwrap();
    assert_eq!(year(&end) - year(&start), 2);
    let secret = added.text("/secretText");
    laboratory
        .token(app_id, &secret, &format!("{app_id}/.default"))
        .await
        .expect(200);

    let remove = json!({ "keyId": added.body["keyId"] });
    let target = format!("/applications(appId='{app_id}')/removePassword");
    laboratory.post(&target, remove.clone()).await.expect(204);
    laboratory.post(&target, remove).await.refuses(
        400,
        "Request_BadRequest",
        "No password credential found with keyId",
    );
    assert_eq!(
        laboratory
            .token(app_id, &secret, &format!("{app_id}/.default"))
            .await
            .expect(401)
            .body["error_codes"][0],
        7_000_215
    );
}

#[tokio::test]
async fn an_application_for_personal_accounts_has_two_secrets_at_most() {
    let laboratory = Laboratory::start().await;
    let created = laboratory
        .post(
            "/applications",
            json!({
                "displayName": "msa", "signInAudience": "AzureADandPersonalMicrosoftAccount",
                "api": { "requestedAccessTokenVersion": 2 }, "passwordCredentials": [{}, {}],
            }),
        )
        .await
        .expect(201);
    let target = format!("/applications/{}/addPassword", created.text("/id"));
    let refused = laboratory.post(&target, json!({})).await.refuses(
        400,
        "TooManyAppPasswords",
        "Not allowed to add 3 passwords. You can only add a maximum of 2 passwords.",
    );
    assert_eq!(
        refused.body["error"]["details"][0]["target"],
        "passwordCredentials"
    );
}

#[tokio::test]
async fn a_tenant_policy_limits_and_forbids_secrets() {
    let laboratory = Laboratory::start().await;
    let policy = "/policies/defaultAppManagementPolicy";
    let restriction = |kind: &str| {
        json!({
            "isEnabled": true,
            "applicationRestrictions": { "passwordCredentials": [
                { "restrictionType": kind, "state": "enabled", "maxLifetime": "P180D" } ] },
        })
    };
    laboratory
        .patch(policy, restriction("passwordLifetime"))
        .await
        .expect(204);
    assert_eq!(
        laboratory.get(policy).await.expect(200).body["applicationRestrictions"]["passwordCredentials"]
            [1]["maxLifetime"],
        "P180D"
    );
    let target = format!(
        "/applications/{}/addPassword",
        laboratory.application("x").await["id"].as_str().unwrap()
    );
    let refused = laboratory.post(&target, json!({})).await.refuses(
        400,
        "CredentialInvalidLifetimeAsPerAppPolicy",
        "Credential lifetime exceeds the max value allowed as per assigned policy",
    );
    assert_eq!(
        refused.body["error"]["details"][0]["code"],
        "InvalidKeyEndDate"
    );
    laboratory
        .patch(policy, restriction("passwordAddition"))
        .await
        .expect(204);
    laboratory.post(&target, json!({})).await.refuses(
        400,
        "CredentialTypeNotAllowedAsPerAppPolicy",
        "Credential type not allowed",
    );
}

#[tokio::test]
async fn certificates_are_set_by_patch_and_kept_when_echoed_without_their_key() {
    let laboratory = Laboratory::start().await;
    let created = laboratory.application("certified").await;
    let target = format!("/applications/{}", created["id"].as_str().unwrap());
    let certificate = rcgen::generate_simple_self_signed(["certified".to_owned()]).unwrap();
    let der = {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(certificate.cert.der())
    };
    let credential = json!({ "@odata.type": "#microsoft.graph.keyCredential",
        "type": "AsymmetricX509Cert", "usage": "Verify", "key": der,
        "endDateTime": "2040-01-01T00:00:00Z", "startDateTime": "2020-01-01T00:00:00Z" });
    laboratory
        .patch(&target, json!({ "keyCredentials": [credential] }))
        .await
        .expect(204);
    let read = laboratory.get(&target).await.expect(200).body;
    assert_eq!(read["keyCredentials"][0]["key"], Value::Null);
    assert!(read["keyCredentials"][0]["customKeyIdentifier"].is_string());
    laboratory
        .patch(&target, json!({ "keyCredentials": read["keyCredentials"] }))
        .await
        .expect(204);
    let selected = laboratory
        .get(&format!("{target}?$select=keyCredentials"))
        .await
        .expect(200)
        .body;
    assert_eq!(selected["keyCredentials"][0]["key"], json!(der));
    laboratory
        .patch(&target, json!({ "keyCredentials": [{ "type": "AsymmetricX509Cert", "usage": "Verify", "key": "AAAA" }] }))
        .await
        .refuses(400, "Request_BadRequest", "not a certificate");
    laboratory
        .post(
            &format!("{target}/addKey"),
            json!({ "keyCredential": credential, "proof": "a.b.c" }),
        )
        .await
        .refuses(403, "Authentication_MissingOrMalformed", "");
}
