//! Applications: what a client creates, reads, changes, deletes and restores.

use reqwest::Method;
use serde_json::{Value, json};

use crate::laboratory::Laboratory;

#[tokio::test]
async fn a_created_application_is_complete_with_nulls_and_empty_arrays() {
    let laboratory = Laboratory::start().await;
    let reply = laboratory
        .post("/applications", json!({
            "@odata.type": "#microsoft.graph.application",
            "displayName": "gw-orders", "signInAudience": "AzureADMyOrg", "tags": ["a:b"],
            "api": { "requestedAccessTokenVersion": 2 },
            "passwordCredentials": [{ "displayName": "first", "endDateTime": "2099-01-01T00:00:00Z" }],
        }))
        .await
        .expect(201);
    let body = &reply.body;
    assert!(
        reply
            .text("/@odata.context")
            .ends_with("/v1.0/$metadata#applications/$entity")
    );
    assert_ne!(body["id"], body["appId"]);
    assert_eq!(body["publisherDomain"], "fabrikamlab.onmicrosoft.com");
    assert_eq!(body["api"]["requestedAccessTokenVersion"], 2);
    for list in [
        "identifierUris",
        "appRoles",
        "keyCredentials",
        "requiredResourceAccess",
        "addIns",
    ] {
        assert_eq!(body[list], json!([]), "{list}");
    }
    for null in [
        "deletedDateTime",
        "uniqueName",
        "description",
        "optionalClaims",
        "notes",
    ] {
        assert!(body.as_object().unwrap().contains_key(null), "{null}");
        assert_eq!(body[null], Value::Null, "{null}");
    }
    for hidden in [
        "owners",
        "tenantId",
        "createdBy",
        "federatedIdentityCredentials",
    ] {
        assert!(!body.as_object().unwrap().contains_key(hidden), "{hidden}");
    }
    let secret = reply.text("/passwordCredentials/0/secretText");
    assert_eq!(secret.len(), 40);
    assert_eq!(&secret[4..6], "Q~");
    assert_eq!(reply.text("/passwordCredentials/0/hint"), &secret[..3]);
    assert!(
        reply.headers["location"]
            .to_str()
            .unwrap()
            .ends_with(&reply.text("/id"))
    );
    assert_eq!(reply.headers["odata-version"], "4.0");
}

#[tokio::test]
async fn a_secret_is_shown_once() {
    let laboratory = Laboratory::start().await;
    let body = json!({ "displayName": "x", "passwordCredentials": [{}] });
    let created = laboratory.post("/applications", body).await.expect(201);
    let read = laboratory
        .get(&format!("/applications/{}", created.text("/id")))
        .await
        .expect(200);
    assert_eq!(
        read.body["passwordCredentials"][0]["secretText"],
        Value::Null
    );
    assert_eq!(
        read.body["passwordCredentials"][0]["hint"],
        created.body["passwordCredentials"][0]["hint"]
    );
    let text = laboratory
        .control(Method::GET, "/export", None)
        .await
        .body
        .to_string();
    assert!(!text.contains(&created.text("/passwordCredentials/0/secretText")));
}

#[tokio::test]
async fn an_application_is_found_by_each_of_its_keys() {
    let laboratory = Laboratory::start().await;
    let created = laboratory
        .upsert(
            "/applications(uniqueName='km-1')",
            json!({ "displayName": "keyed" }),
        )
        .await
        .expect(201);
    let (id, app_id) = (created.text("/id"), created.text("/appId"));
    for target in [
        format!("/applications/{id}"),
        format!("/applications('{id}')"),
        format!("/applications(appId='{app_id}')"),
        format!("/applications%28appId%3D%27{app_id}%27%29"),
        "/applications(uniqueName='km-1')".to_owned(),
    ] {
        assert_eq!(
            laboratory.get(&target).await.expect(200).text("/id"),
            id,
            "{target}"
        );
    }
}

#[tokio::test]
async fn an_upsert_creates_once_and_then_updates() {
    let laboratory = Laboratory::start().await;
    let target = "/applications(uniqueName='km-7')";
    laboratory
        .patch(target, json!({ "displayName": "x" }))
        .await
        .refuses(404, "Request_ResourceNotFound", "does not exist");
    laboratory
        .upsert(target, json!({}))
        .await
        .refuses(400, "Request_BadRequest", "displayName");
    let created = laboratory
        .upsert(target, json!({ "displayName": "one" }))
        .await
        .expect(201);
    assert_eq!(created.text("/uniqueName"), "km-7");
    laboratory
        .upsert(target, json!({ "displayName": "two" }))
        .await
        .expect(204);
    let read = laboratory.get(target).await.expect(200);
    assert_eq!(
        (read.text("/id"), read.text("/displayName")),
        (created.text("/id"), "two".to_owned())
    );
}

#[tokio::test]
async fn a_patch_merges_objects_and_replaces_lists() {
    let laboratory = Laboratory::start().await;
    let created = laboratory
        .post("/applications", json!({
            "displayName": "x", "tags": ["a", "b"],
            "web": { "homePageUrl": "https://a.example", "redirectUris": ["https://a.example/cb"] },
        }))
        .await
        .expect(201);
    let target = format!("/applications/{}", created.text("/id"));
    let patch = json!({ "tags": ["c"], "web": { "homePageUrl": null }, "notes": "n" });
    assert_eq!(laboratory.patch(&target, patch).await.expect(204).body, "");
    let read = laboratory.get(&target).await.expect(200).body;
    assert_eq!(read["tags"], json!(["c"]));
    assert_eq!(read["web"]["redirectUris"], json!(["https://a.example/cb"]));
    assert_eq!(read["web"]["homePageUrl"], Value::Null);
    assert_eq!(
        (&read["notes"], &read["displayName"]),
        (&json!("n"), &json!("x"))
    );
}

#[tokio::test]
async fn a_deleted_application_can_be_restored_or_purged() {
    let laboratory = Laboratory::start().await;
    let body = json!({ "displayName": "x" });
    let created = laboratory
        .upsert("/applications(uniqueName='k')", body.clone())
        .await
        .expect(201);
    let (id, app_id) = (created.text("/id"), created.text("/appId"));
    laboratory
        .post("/servicePrincipals", json!({ "appId": app_id }))
        .await
        .expect(201);

    laboratory
        .delete(&format!("/applications/{id}"))
        .await
        .expect(204);
    laboratory
        .get(&format!("/applications/{id}"))
        .await
        .expect(404);
    laboratory
        .get(&format!("/servicePrincipals(appId='{app_id}')"))
        .await
        .expect(404);
    let deleted = laboratory
        .get("/directory/deletedItems/microsoft.graph.application")
        .await
        .expect(200);
    assert_eq!(deleted.body["value"][0]["id"], id);
    assert_ne!(deleted.body["value"][0]["deletedDateTime"], Value::Null);
    laboratory
        .upsert("/applications(uniqueName='k')", body.clone())
        .await
        .refuses(
            400,
            "Request_BadRequest",
            "Another object with the same value for property uniqueName",
        );

    laboratory
        .post(&format!("/directory/deletedItems/{id}/restore"), json!({}))
        .await
        .expect(200);
    laboratory
        .get(&format!("/applications/{id}"))
        .await
        .expect(200);
    laboratory
        .get(&format!("/servicePrincipals(appId='{app_id}')"))
        .await
        .expect(200);

    laboratory
        .delete(&format!("/applications(appId='{app_id}')"))
        .await
        .expect(204);
    laboratory
        .delete(&format!("/directory/deletedItems/{id}"))
        .await
        .expect(204);
    laboratory
        .get(&format!("/directory/deletedItems/{id}"))
        .await
        .expect(404);
    laboratory
        .upsert("/applications(uniqueName='k')", body)
        .await
        .expect(201);
}

#[tokio::test]
async fn owners_are_added_listed_and_removed() {
    let laboratory = Laboratory::start().await;
    let created = laboratory.application("owned").await;
    let caller = laboratory.caller(&[]).await;
    let target = format!("/applications/{}/owners", created["id"].as_str().unwrap());
    let link = format!(
        "https://graph.microsoft.com/v1.0/directoryObjects/{}",
        caller.principal_id
    );
    laboratory
        .post(&format!("{target}/$ref"), json!({ "@odata.id": link }))
        .await
        .expect(204);
    laboratory
        .post(&format!("{target}/$ref"), json!({ "@odata.id": link }))
        .await
        .refuses(400, "Request_BadRequest", "already exist");
    let listed = laboratory.get(&target).await.expect(200).body;
    assert_eq!(
        listed["value"][0]["@odata.type"],
        "#microsoft.graph.servicePrincipal"
    );
    assert_eq!(listed["value"][0]["id"], caller.principal_id);
    laboratory
        .delete(&format!("{target}/{}/$ref", caller.principal_id))
        .await
        .expect(204);
    assert_eq!(laboratory.get(&target).await.body["value"], json!([]));
}

#[tokio::test]
async fn an_enabled_role_must_be_disabled_before_it_is_removed() {
    let laboratory = Laboratory::start().await;
    let role = |is_enabled: bool| {
        json!({
            "id": "b5a8f5b0-5a58-4a52-9c1e-111111111111", "allowedMemberTypes": ["Application"],
            "displayName": "Read", "description": "Reads", "value": "Orders.Read", "isEnabled": is_enabled,
        })
    };
    let body = json!({ "displayName": "api", "appRoles": [role(true)] });
    let created = laboratory.post("/applications", body).await.expect(201);
    let target = format!("/applications/{}", created.text("/id"));
    laboratory
        .patch(&target, json!({ "appRoles": [] }))
        .await
        .refuses(
            400,
            "CannotDeleteOrUpdateEnabledEntitlement",
            "unless disabled first",
        );
    laboratory
        .patch(&target, json!({ "appRoles": [role(false)] }))
        .await
        .expect(204);
    laboratory
        .patch(&target, json!({ "appRoles": [] }))
        .await
        .expect(204);
}

#[tokio::test]
async fn a_deleted_application_is_forgotten_after_thirty_days() {
    let laboratory = Laboratory::start().await;
    let body = json!({ "displayName": "x" });
    let created = laboratory
        .upsert("/applications(uniqueName='k')", body.clone())
        .await
        .expect(201);
    laboratory
        .delete(&format!("/applications/{}", created.text("/id")))
        .await
        .expect(204);
    let renewed = async |days: i64| {
        laboratory
            .running
            .clock()
            .advance(jiff::SignedDuration::from_hours(24 * days));
        let secret = laboratory
            .running
            .administrator()
            .expose_secret()
            .to_owned();
        let mut caller = laboratory.administrator.clone();
        caller.token = laboratory.graph_token(&caller.app_id, &secret).await;
        caller
    };
    let target = format!("/directory/deletedItems/{}", created.text("/id"));
    let caller = renewed(29).await;
    laboratory
        .call_with(&caller, Method::GET, &target, &[], None)
        .await
        .expect(200);
    let caller = renewed(1).await;
    laboratory
        .call_with(&caller, Method::GET, &target, &[], None)
        .await
        .expect(404);
    let headers = [("Prefer", "create-if-missing")];
    let upsert = "/applications(uniqueName='k')";
    laboratory
        .call_with(&caller, Method::PATCH, upsert, &headers, Some(body))
        .await
        .expect(201);
}
