//! Key managers over the admin API, and as developers and publishers see them.

use serde_json::{Value, json};

use crate::support::{ADMIN, DEVPORTAL, PUBLISHER, TestApp, key_manager};

fn path() -> String {
    format!("{ADMIN}/key-managers")
}

#[tokio::test]
async fn a_key_manager_is_created_read_changed_and_deleted() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let created = admin.post(&path(), &key_manager("Login")).await;
    assert_eq!(created.status, 201, "{}", created.text);
    let location = created.header("location").to_owned();
    assert_eq!(location, format!("{}/{}", path(), created.string("id")));

    let read = admin.get(&location).await;
    assert_eq!(read.status, 200);
    assert_eq!(read.json, created.json);
    assert_eq!(read.json["tokenEndpoint"], "https://login.example/token");
    assert_eq!(
        read.json["endpoints"],
        json!([{"name": "token_endpoint", "value": "https://login.example/token"}])
    );

    let mut changed = read.json.clone();
    changed["description"] = json!("for everybody");
    changed["enabled"] = json!(false);
    let updated = admin.put(&location, &changed).await;
    assert_eq!(updated.status, 200, "{}", updated.text);
    assert_eq!(updated.json["description"], "for everybody");

    let list = admin.get(&path()).await;
    assert_eq!(list.json["count"], 1);
    assert_eq!(list.json["list"][0]["enabled"], false);
    assert_eq!(list.json["list"][0]["isUsed"], false);
    assert_eq!(list.json["list"][0]["tokenType"], "DIRECT");

    assert_eq!(admin.delete(&location).await.status, 200);
    let gone = admin.get(&location).await;
    assert_eq!((gone.status, gone.code()), (404, 901_411));
}

#[tokio::test]
async fn no_answer_carries_a_stored_secret() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let created = admin.post(&path(), &key_manager("Login")).await;
    let location = created.header("location").to_owned();
    let read = admin.get(&location).await;
    let updated = admin.put(&location, &read.json).await;
    assert_eq!(updated.status, 200, "{}", updated.text);
    for answer in [&created, &read, &updated] {
        assert!(!answer.text.contains("the-management-secret"));
        assert_eq!(answer.json["additionalProperties"]["fake_secret"], "*****");
    }
    // The mask that came back kept the secret: the connector still opens.
    let checked = admin.post(&format!("{location}/check"), &Value::Null).await;
    assert_eq!(checked.status, 200, "{}", checked.text);
}

#[tokio::test]
async fn what_is_wrong_with_a_key_manager_is_told_by_code() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    for (member, value, status, code) in [
        ("tokenEndpoint", json!(""), 400, 901_401),
        ("name", json!("with space"), 400, 400),
        (
            "permissions",
            json!({"permissionType": "ALLOW", "roles": ["nobody_has_it"]}),
            404,
            900_607,
        ),
        (
            "certificates",
            json!({"type": "PEM", "value": "%%%"}),
            400,
            400,
        ),
    ] {
        let mut body = key_manager("Fresh");
        body[member] = value.clone();
        let answer = admin.post(&path(), &body).await;
        assert_eq!(
            (answer.status, answer.code()),
            (status, code),
            "{member} {value}: {}",
            answer.text
        );
    }
}

#[tokio::test]
async fn a_key_manager_in_use_is_not_deleted_and_says_by_whom() {
    let app = TestApp::start().await;
    let id = app.key_manager("Login").await;
    let ann = app.developer("ann").await;
    let application = ann.creates_application("weather").await;
    let keys = ann.generates_keys(&application, "Login").await;
    assert_eq!(keys.status, 200, "{}", keys.text);

    let admin = app.admin().await;
    let refused = admin.delete(&format!("{}/{id}", path())).await;
    assert_eq!((refused.status, refused.code()), (412, 902_015));
    let usages = admin.get(&format!("{}/{id}/app-usages", path())).await;
    assert_eq!(usages.json["applicationCount"], 1);
    assert_eq!(usages.json["applications"][0]["name"], "weather");
    let apis = admin.get(&format!("{}/{id}/api-usages", path())).await;
    assert_eq!(apis.json["apiCount"], 0);
}

#[tokio::test]
async fn the_settings_describe_each_connector_type() {
    let app = TestApp::start().await;
    let settings = app.admin().await.get(&format!("{ADMIN}/settings")).await;
    assert_eq!(settings.status, 200);
    let described = settings.json["keyManagerConfiguration"].as_array().unwrap();
    let of_type = |name: &str| described.iter().find(|one| one["type"] == name).unwrap();
    let azure: Vec<_> = of_type("AzureAD")["configurations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|field| field["name"].as_str().unwrap())
        .collect();
    for name in [
        "microsoft_graph_api_endpoint",
        "microsoft_graph_api_endpoint_version",
        "azure_ad_requested_access_token_version",
        "azure_ad_client_id",
        "azure_ad_client_secret",
        "polling_initial_delay_ms",
        "polling_max_wait_time_ms",
    ] {
        assert!(azure.contains(&name), "{name} is not in {azure:?}");
    }
    let fake = of_type("Fake");
    assert_eq!(fake["configurations"][0]["name"], "fake_secret");
    assert_eq!(fake["configurations"][0]["mask"], true);
    assert_eq!(fake["configurations"][1]["updateDisabled"], true);
}

#[tokio::test]
async fn a_role_is_looked_up_by_its_name_in_base64url() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    for (role, status) in [
        ("cHVibGlzaGVy", 200), // publisher
        ("YWRtaW4=", 200),     // admin, padded
        ("YWRtaW4", 200),      // admin
        ("bm9ib2R5", 404),     // nobody
        ("***", 404),
    ] {
        let answer = admin.head(&format!("{ADMIN}/roles/{role}")).await;
        assert_eq!(answer.status, status, "{role}");
    }
}

#[tokio::test]
async fn discovery_without_an_address_is_not_valid_and_a_private_address_is_refused() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let discover = format!("{}/discover", path());
    let empty = admin
        .post_multipart(&discover, &[("url", ""), ("type", "Fake")])
        .await;
    assert_eq!((empty.status, &empty.json), (200, &json!({"valid": false})));
    for url in [
        "http://127.0.0.1:1/.well-known/openid-configuration",
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "nowhere",
    ] {
        let refused = admin
            .post_multipart(&discover, &[("url", url), ("type", "Fake")])
            .await;
        assert_eq!(refused.status, 400, "{url}: {}", refused.text);
        assert_eq!(refused.json["error"][0]["code"], "url", "{url}");
    }
}

#[tokio::test]
async fn an_unsaved_key_manager_can_be_tried() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let check = format!("{}/check", path());
    let tried = admin.post(&check, &key_manager("Login")).await;
    assert_eq!(tried.status, 200, "{}", tried.text);
    assert_eq!(tried.json["good"], true);

    let class = domain::provider_failure::FailureClass::Misconfigured;
    app.server.fail_next("check", class);
    let failed = admin.post(&check, &key_manager("Login")).await;
    assert_eq!(failed.status, 200, "{}", failed.text);
    assert_eq!(failed.json["good"], false);
    assert_eq!(admin.get(&path()).await.json["count"], 0);
}

#[tokio::test]
async fn developers_and_publishers_see_what_they_need() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    app.key_manager("Open").await;
    let mut denied = key_manager("Denied");
    denied["permissions"] = json!({"permissionType": "DENY", "roles": ["subscriber"]});
    assert_eq!(admin.post(&path(), &denied).await.status, 201);

    let seen = app
        .developer("ann")
        .await
        .get(&format!("{DEVPORTAL}/key-managers"))
        .await;
    assert_eq!(seen.json["count"], 1, "{}", seen.text);
    assert_eq!(seen.json["list"][0]["name"], "Open");
    assert_eq!(
        seen.json["list"][0]["tokenEndpoint"],
        "https://login.example/token"
    );
    assert!(!seen.text.contains("fake_secret"));
    let named = app
        .publisher()
        .await
        .get(&format!("{PUBLISHER}/key-managers"))
        .await;
    assert_eq!(named.json["count"], 2);
    assert!(!named.text.contains("fake_secret"));
}

#[tokio::test]
async fn every_change_stands_in_the_audit_log() {
    let app = TestApp::start().await;
    let id = app.key_manager("Login").await;
    let log = app
        .admin()
        .await
        .get(&format!(
            "{ADMIN}/audit-entries?subjectKind=key_manager&subjectId={id}"
        ))
        .await;
    assert_eq!(log.json["pagination"]["total"], 1, "{}", log.text);
    assert_eq!(log.json["list"][0]["action"], "key_manager.create");
    assert_eq!(log.json["list"][0]["actor"], "ada");
    assert!(!log.text.contains("the-management-secret"));
}

#[tokio::test]
async fn a_wso2_configuration_of_azure_ad_pastes_in() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let login = "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555";
    let token = format!("{login}/oauth2/v2.0/token");
    let body = json!({
        "name": "AzureAD", "displayName": "Azure AD Key Manager", "description": "", "type": "AzureAD",
        "wellKnownEndpoint": format!("{login}/v2.0/.well-known/openid-configuration"),
        "issuer": format!("{login}/v2.0"),
        "clientRegistrationEndpoint": "https://graph.microsoft.com",
        "introspectionEndpoint": token, "tokenEndpoint": token, "displayTokenEndpoint": "",
        "revokeEndpoint": token, "displayRevokeEndpoint": "",
        "userInfoEndpoint": "https://graph.microsoft.com/oidc/userinfo",
        "authorizeEndpoint": format!("{login}/oauth2/v2.0/authorize"),
        "scopeManagementEndpoint": "https://localhost:9443/oauth2/scope",
        "certificates": {"type": "JWKS", "value": format!("{login}/discovery/v2.0/keys")},
        "consumerKeyClaim": "azp", "scopesClaim": "", "availableGrantTypes": ["client_credentials"],
        "enableTokenGeneration": true, "enableMapOAuthConsumerApps": true, "enableOAuthAppCreation": true,
        "enableSelfValidationJWT": true, "claimMapping": [],
        "tokenValidation": [{"type": "REFERENCE", "value": {}, "enable": false}],
        "enabled": true, "tokenType": "DIRECT",
        "permissions": {"permissionType": "PUBLIC", "roles": []}, "allowedOrganizations": ["ALL"],
        "additionalProperties": {
            "microsoft_graph_api_endpoint": "https://graph.microsoft.com",
            "microsoft_graph_api_endpoint_version": ["v1.0"],
            "azure_ad_requested_access_token_version": "v2.0",
            "azure_ad_client_id": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
            "azure_ad_client_secret": "the-graph-secret",
            "polling_initial_delay_ms": "500", "polling_max_wait_time_ms": "5000"
        }
    });
    let created = admin.post(&path(), &body).await;
    assert_eq!(created.status, 201, "{}", created.text);
    let properties = &created.json["additionalProperties"];
    assert_eq!(properties["azure_ad_client_secret"], "*****");
    assert_eq!(
        properties["azure_ad_client_id"],
        "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
    );
    let again = admin.put(created.header("location"), &created.json).await;
    assert_eq!(again.status, 200, "{}", again.text);
    assert!(!again.text.contains("the-graph-secret"));
}
