//! Service principals, role assignments and permissions.

use reqwest::Method;
use serde_json::json;

use crate::laboratory::Laboratory;

#[tokio::test]
async fn a_service_principal_mirrors_its_application() {
    let laboratory = Laboratory::start().await;
    let created = laboratory.application("api").await;
    let (id, app_id) = (
        created["id"].as_str().unwrap(),
        created["appId"].as_str().unwrap(),
    );
    let principal = laboratory
        .post("/servicePrincipals", json!({ "appId": app_id }))
        .await
        .expect(201)
        .body;
    assert_ne!(principal["id"], created["id"]);
    assert_eq!(principal["servicePrincipalNames"], json!([app_id]));
    assert_eq!(principal["servicePrincipalType"], "Application");
    assert_eq!(
        principal["appOwnerOrganizationId"],
        laboratory.running.tenant_id().to_string()
    );
    let uri = format!("api://{app_id}");
    laboratory
        .patch(
            &format!("/applications/{id}"),
            json!({ "identifierUris": [uri] }),
        )
        .await
        .expect(204);
    let filter = format!("/servicePrincipals?$filter=servicePrincipalNames/any(c:c eq '{uri}')");
    let found = laboratory.get(&filter).await.expect(200).body;
    assert_eq!(found["value"][0]["id"], principal["id"]);
    laboratory
        .post("/servicePrincipals", json!({ "appId": app_id }))
        .await
        .refuses(
            409,
            "Request_MultipleObjectsWithSameKeyValue",
            "is already in use",
        );
    let target = format!("/servicePrincipals(appId='{app_id}')");
    laboratory
        .upsert(&target, json!({ "tags": ["t"] }))
        .await
        .expect(204);
    assert_eq!(laboratory.get(&target).await.body["tags"], json!(["t"]));
}

#[tokio::test]
async fn an_upsert_creates_a_missing_service_principal() {
    let laboratory = Laboratory::start().await;
    let app_id = laboratory.application("api").await["appId"]
        .as_str()
        .unwrap()
        .to_owned();
    let target = format!("/servicePrincipals(appId='{app_id}')");
    laboratory
        .upsert(&target, json!({ "appRoleAssignmentRequired": true }))
        .await
        .expect(201);
    assert_eq!(
        laboratory.get(&target).await.body["appRoleAssignmentRequired"],
        true
    );
}

#[tokio::test]
async fn roles_are_granted_seen_from_both_ends_and_revoked() {
    let laboratory = Laboratory::start().await;
    let client = laboratory.caller(&[]).await;
    let graph = laboratory.graph_principal().await;
    let graph_id = graph["id"].as_str().unwrap();
    let target = format!("/servicePrincipals/{graph_id}/appRoleAssignedTo");
    let body = json!({ "principalId": client.principal_id, "resourceId": graph_id,
        "appRoleId": "18a4783c-866b-4cc7-a460-3d5e5662c884" });
    let granted = laboratory.post(&target, body.clone()).await.expect(201);
    assert_eq!(granted.text("/principalType"), "ServicePrincipal");
    assert_eq!(granted.text("/resourceDisplayName"), "Microsoft Graph");
    laboratory.post(&target, body).await.refuses(
        400,
        "Request_BadRequest",
        "Permission being assigned already exists on the object",
    );
    let mine = laboratory
        .get(&format!(
            "/servicePrincipals/{}/appRoleAssignments",
            client.principal_id
        ))
        .await;
    assert_eq!(mine.body["value"][0]["id"], granted.body["id"]);
    laboratory
        .post(
            &target,
            json!({ "principalId": uuid(9), "resourceId": graph_id, "appRoleId": uuid(1) }),
        )
        .await
        .refuses(400, "Request_BadRequest", "Not a valid reference update.");
    laboratory
        .delete(&format!("{target}/{}", granted.text("/id")))
        .await
        .expect(204);
    laboratory
        .delete(&format!("{target}/{}", granted.text("/id")))
        .await
        .expect(404);
}

#[tokio::test]
async fn delegated_grants_are_made_widened_and_taken_away() {
    let laboratory = Laboratory::start().await;
    let client = laboratory.caller(&[]).await;
    let graph = laboratory.graph_principal().await;
    let body = json!({ "clientId": client.principal_id, "consentType": "AllPrincipals",
        "resourceId": graph["id"], "scope": "User.Read" });
    let granted = laboratory
        .post("/oauth2PermissionGrants", body.clone())
        .await
        .expect(201);
    laboratory
        .post("/oauth2PermissionGrants", body)
        .await
        .refuses(
            409,
            "Request_MultipleObjectsWithSameKeyValue",
            "already exists",
        );
    let target = format!("/oauth2PermissionGrants/{}", granted.text("/id"));
    laboratory
        .patch(&target, json!({ "scope": "User.Read openid" }))
        .await
        .expect(204);
    assert_eq!(
        laboratory.get(&target).await.text("/scope"),
        "User.Read openid"
    );
    laboratory.delete(&target).await.expect(204);
    laboratory.get(&target).await.expect(404);
}

#[tokio::test]
async fn an_owning_application_changes_what_it_owns_and_nothing_else() {
    let laboratory = Laboratory::start().await;
    let foreign = laboratory.application("foreign").await;
    let (foreign_id, foreign_app) = (
        foreign["id"].as_str().unwrap(),
        foreign["appId"].as_str().unwrap(),
    );
    let caller = laboratory.caller(&["Application.ReadWrite.OwnedBy"]).await;
    let call = |method: Method, target: String, body| {
        let (laboratory, caller) = (&laboratory, &caller);
        async move {
            laboratory
                .call_with(caller, method, &target, &[], body)
                .await
        }
    };
    let own = call(
        Method::POST,
        "/applications".into(),
        Some(json!({ "displayName": "own" })),
    )
    .await
    .expect(201);
    let target = format!("/applications/{}", own.text("/id"));
    call(
        Method::PATCH,
        target.clone(),
        Some(json!({ "notes": "mine" })),
    )
    .await
    .expect(204);
    call(Method::POST, format!("{target}/addPassword"), None)
        .await
        .expect(200);
    call(
        Method::POST,
        "/servicePrincipals".into(),
        Some(json!({ "appId": own.text("/appId") })),
    )
    .await
    .expect(201);
    call(Method::GET, format!("/applications/{foreign_id}"), None)
        .await
        .expect(200);
    let denied = (
        403,
        "Authorization_RequestDenied",
        "Insufficient privileges to complete the operation.",
    );
    for (method, target, body) in [
        (
            Method::PATCH,
            format!("/applications/{foreign_id}"),
            Some(json!({ "notes": "mine" })),
        ),
        (Method::DELETE, format!("/applications/{foreign_id}"), None),
        (
            Method::POST,
            format!("/applications/{foreign_id}/addPassword"),
            Some(json!({})),
        ),
        (
            Method::POST,
            "/servicePrincipals".to_owned(),
            Some(json!({ "appId": foreign_app })),
        ),
        (
            Method::POST,
            "/oauth2PermissionGrants".to_owned(),
            Some(json!({})),
        ),
    ] {
        call(method, target, body)
            .await
            .refuses(denied.0, denied.1, denied.2);
    }
    call(Method::DELETE, target, None).await.expect(204);
    call(
        Method::DELETE,
        format!("/directory/deletedItems/{}", own.text("/id")),
        None,
    )
    .await
    .expect(204);
}

#[tokio::test]
async fn a_caller_without_permission_is_refused_everything() {
    let laboratory = Laboratory::start().await;
    let caller = laboratory.caller(&[]).await;
    for target in [
        "/applications",
        "/servicePrincipals",
        "/users",
        "/policies/defaultAppManagementPolicy",
    ] {
        laboratory
            .call_with(&caller, Method::GET, target, &[], None)
            .await
            .refuses(
                403,
                "Authorization_RequestDenied",
                "Insufficient privileges",
            );
    }
    let reader = laboratory.caller(&["Application.Read.All"]).await;
    laboratory
        .call_with(&reader, Method::GET, "/applications", &[], None)
        .await
        .expect(200);
    let body = Some(json!({ "displayName": "x" }));
    laboratory
        .call_with(&reader, Method::POST, "/applications", &[], body)
        .await
        .expect(403);
}

#[tokio::test]
async fn the_object_quota_of_a_principal_counts_deleted_objects_until_they_are_purged() {
    let laboratory = Laboratory::start().await;
    let tenant = laboratory.running.tenant_id();
    laboratory
        .control(
            Method::PUT,
            &format!("/tenants/{tenant}/policies"),
            Some(json!({ "objectsPerPrincipal": 2 })),
        )
        .await
        .expect(204);
    let caller = laboratory.caller(&["Application.ReadWrite.OwnedBy"]).await;
    let create = || {
        laboratory.call_with(
            &caller,
            Method::POST,
            "/applications",
            &[],
            Some(json!({ "displayName": "x" })),
        )
    };
    let first = create().await.expect(201).text("/id");
    create().await.expect(201);
    create().await.refuses(
        403,
        "Directory_QuotaExceeded",
        "The directory object quota limit for the Principal has been exceeded",
    );
    laboratory
        .delete(&format!("/applications/{first}"))
        .await
        .expect(204);
    create().await.expect(403);
    laboratory
        .delete(&format!("/directory/deletedItems/{first}"))
        .await
        .expect(204);
    create().await.expect(201);
}

fn uuid(number: u128) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}
