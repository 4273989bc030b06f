//! Secrets and certificates.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
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
    let der = STANDARD.encode(certificate.cert.der());
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

#[tokio::test]
async fn a_certificate_is_added_and_removed_with_a_proof_of_possession() {
    let laboratory = Laboratory::start().await;
    let created = laboratory.application("proven").await;
    let id = created["id"].as_str().unwrap();
    let target = format!("/applications/{id}");
    let (first, second) = (Certificate::new(), Certificate::new());
    let body = json!({ "keyCredentials": [first.credential()] });
    laboratory.patch(&target, body).await.expect(204);
    let proof = |certificate: &Certificate| {
        certificate.proof(id, laboratory.running.clock().now().as_second())
    };
    let add_key = format!("{target}/addKey");
    let add = |proof: String| {
        let body = json!({ "keyCredential": second.credential(), "proof": proof });
        laboratory.post(&add_key, body)
    };
    let stranger = add(proof(&second)).await;
    stranger.refuses(403, "Authentication_MissingOrMalformed", "");
    let added = add(proof(&first)).await.expect(200);
    let body = json!({ "keyId": added.body["keyId"], "proof": proof(&second) });
    laboratory
        .post(&format!("{target}/removeKey"), body)
        .await
        .expect(204);
    let read = laboratory.get(&target).await.expect(200).body;
    assert_eq!(read["keyCredentials"].as_array().map(Vec::len), Some(1));
}

/// A self-signed RSA certificate with its key.
struct Certificate {
    key: aws_lc_rs::rsa::KeyPair,
    der: Vec<u8>,
}

impl Certificate {
    fn new() -> Self {
        use aws_lc_rs::encoding::AsDer as _;
        let key = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
        let pkcs8: aws_lc_rs::encoding::Pkcs8V1Der<'_> = key.as_der().unwrap();
        let der = rustls::pki_types::PrivatePkcs8KeyDer::from(pkcs8.as_ref().to_vec());
        let pair = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&der, &rcgen::PKCS_RSA_SHA256);
        let parameters = rcgen::CertificateParams::new(["proven".to_owned()]).unwrap();
        let certificate = parameters.self_signed(&pair.unwrap()).unwrap();
        Self {
            key,
            der: certificate.der().to_vec(),
        }
    }

    fn credential(&self) -> Value {
        json!({ "type": "AsymmetricX509Cert", "usage": "Verify", "key": STANDARD.encode(&self.der),
            "endDateTime": "2040-01-01T00:00:00Z" })
    }

    fn proof(&self, application: &str, now: i64) -> String {
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let claims = json!({ "aud": "00000002-0000-0000-c000-000000000000", "iss": application,
            "nbf": now, "exp": now + 600 });
        let signed = format!(
            "{}.{}",
            part(json!({ "alg": "RS256", "typ": "JWT" })),
            part(claims)
        );
        let mut signature = vec![0; self.key.public_modulus_len()];
        let random = aws_lc_rs::rand::SystemRandom::new();
        let padding = &aws_lc_rs::signature::RSA_PKCS1_SHA256;
        self.key
            .sign(padding, &random, signed.as_bytes(), &mut signature)
            .unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}
