//! People at Graph: a client acts for somebody who signed in, within the client's scopes and the
//! person's own rights.

use emulator::{EmulatorConfig, TenantSeed, UserSeed};
use reqwest::Method;
use serde_json::json;

use crate::laboratory::{Caller, Laboratory, configuration};

const PASSWORD: &str = "correct horse";
const SCOPES: &str = "User.Read Application.ReadWrite.All AppRoleAssignment.ReadWrite.All";

/// An emulator with one ordinary person, one administrator, and a public client for both.
async fn office() -> (Laboratory, String) {
    let person = |name: &str, roles: &[&str]| UserSeed {
        user_principal_name: format!("{name}@fabrikamlab.onmicrosoft.com"),
        display_name: name.to_owned(),
        password: Some(PASSWORD.to_owned()),
        directory_roles: roles.iter().map(|role| (*role).to_owned()).collect(),
    };
    let laboratory = Laboratory::with(EmulatorConfig {
        tenants: vec![TenantSeed {
            users: vec![
                person("ada", &[]),
                person("boss", &["Cloud Application Administrator"]),
            ],
            ..TenantSeed::default()
        }],
        ..configuration()
    })
    .await;
    let body = json!({ "displayName": "portal", "isFallbackPublicClient": true });
    let client = laboratory.post("/applications", body).await.expect(201);
    let app_id = client.text("/appId");
    let principal = laboratory
        .post("/servicePrincipals", json!({ "appId": app_id }))
        .await
        .expect(201);
    let graph = laboratory.graph_principal().await;
    let grant = json!({ "clientId": principal.text("/id"), "consentType": "AllPrincipals",
        "resourceId": graph["id"], "scope": SCOPES });
    laboratory
        .post("/oauth2PermissionGrants", grant)
        .await
        .expect(201);
    (laboratory, app_id)
}

/// Signs `name` in through the public client.
async fn sign_in(laboratory: &Laboratory, app_id: &str, name: &str) -> Caller {
    let url = format!(
        "{}/{}/oauth2/v2.0/token",
        laboratory.running.base_url(),
        laboratory.running.tenant_id()
    );
    let scope: Vec<_> = SCOPES
        .split(' ')
        .map(|scope| format!("https://graph.microsoft.com/{scope}"))
        .collect();
    let form = [
        ("grant_type", "password".to_owned()),
        ("client_id", app_id.to_owned()),
        ("username", format!("{name}@fabrikamlab.onmicrosoft.com")),
        ("password", PASSWORD.to_owned()),
        ("scope", scope.join(" ")),
    ];
    let answer = laboratory.http.post(url).form(&form).send().await.unwrap();
    let body: serde_json::Value = answer.json().await.unwrap();
    let token = body["access_token"]
        .as_str()
        .unwrap_or_else(|| panic!("{body}"));
    Caller {
        token: token.to_owned(),
        app_id: app_id.to_owned(),
        principal_id: String::new(),
    }
}

#[tokio::test]
async fn a_person_changes_what_they_own_and_an_administrator_everything() {
    let (laboratory, app_id) = office().await;
    let (ada, boss) = (
        sign_in(&laboratory, &app_id, "ada").await,
        sign_in(&laboratory, &app_id, "boss").await,
    );
    let call = async |caller: &Caller, method: Method, target: &str, body| {
        laboratory
            .call_with(caller, method, target, &[], body)
            .await
    };
    let me = call(&ada, Method::GET, "/me", None).await.expect(200);
    assert_eq!(
        me.text("/userPrincipalName"),
        "ada@fabrikamlab.onmicrosoft.com"
    );
    let named = |name: &str| Some(json!({ "displayName": name }));
    let own = call(&ada, Method::POST, "/applications", named("own"))
        .await
        .expect(201);
    let own = format!("/applications/{}", own.text("/id"));
    let owners = call(&ada, Method::GET, &format!("{own}/owners"), None)
        .await
        .expect(200);
    assert_eq!(owners.text("/value/0/id"), me.text("/id"));
    call(&ada, Method::PATCH, &own, named("renamed"))
        .await
        .expect(204);

    let foreign = laboratory.application("foreign").await;
    let foreign = format!("/applications/{}", foreign["id"].as_str().unwrap());
    call(&ada, Method::GET, &foreign, None).await.expect(200);
    for (method, target, body) in [
        (Method::PATCH, foreign.clone(), named("mine")),
        (Method::DELETE, foreign.clone(), None),
        (
            Method::POST,
            format!("{foreign}/addPassword"),
            Some(json!({})),
        ),
    ] {
        call(&ada, method, &target, body).await.refuses(
            403,
            "Authorization_RequestDenied",
            "Insufficient privileges",
        );
    }
    call(&boss, Method::PATCH, &foreign, named("theirs"))
        .await
        .expect(204);
    call(&boss, Method::DELETE, &own, None).await.expect(204);
}

#[tokio::test]
async fn only_an_administrator_grants_roles() {
    let (laboratory, app_id) = office().await;
    let client = laboratory.caller(&[]).await;
    let graph = laboratory.graph_principal().await;
    let target = format!(
        "/servicePrincipals/{}/appRoleAssignedTo",
        graph["id"].as_str().unwrap()
    );
    let body = json!({ "principalId": client.principal_id, "resourceId": graph["id"],
        "appRoleId": graph["appRoles"][0]["id"] });
    for (name, status) in [("ada", 403), ("boss", 201)] {
        let caller = sign_in(&laboratory, &app_id, name).await;
        laboratory
            .call_with(&caller, Method::POST, &target, &[], Some(body.clone()))
            .await
            .expect(status);
    }
}

#[tokio::test]
async fn a_person_has_no_more_than_the_scopes_of_the_client() {
    let (laboratory, app_id) = office().await;
    let mut caller = sign_in(&laboratory, &app_id, "ada").await;
    laboratory
        .call_with(&caller, Method::GET, "/users", &[], None)
        .await
        .expect(403);
    caller.token.truncate(caller.token.len() - 4);
    laboratory
        .call_with(&caller, Method::GET, "/me", &[], None)
        .await
        .refuses(401, "InvalidAuthenticationToken", "");
}
