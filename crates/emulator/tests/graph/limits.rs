//! How much an object may hold (Microsoft: *Microsoft Entra service limits and restrictions*).

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::laboratory::Laboratory;

#[tokio::test]
async fn a_principal_has_so_many_role_assignments() {
    let laboratory = Laboratory::start().await;
    let client = laboratory.caller(&["Application.Read.All"]).await;
    let graph = laboratory.graph_principal().await;
    let kept = laboratory
        .control(Method::GET, "/objects?kind=appRoleAssignment", None)
        .await
        .expect(200);
    let held = kept.body.as_array().unwrap().iter();
    let held = held
        .filter(|one| one["object"]["principalId"] == client.principal_id)
        .collect::<Vec<_>>();
    assert_eq!(held.len(), 1);
    let copies: Vec<Value> = (1..1500)
        .map(|number| {
            let mut copy = held[0].clone();
            copy["object"]["id"] = json!(Uuid::from_u128(number));
            copy["object"]["appRoleId"] = json!(Uuid::from_u128(number));
            copy
        })
        .collect();
    laboratory
        .control(Method::POST, "/import", Some(Value::Array(copies)))
        .await
        .expect(200);
    let roles = graph["appRoles"].as_array().unwrap();
    let other = roles
        .iter()
        .find(|role| role["value"] == "Directory.Read.All")
        .unwrap();
    let target = format!(
        "/servicePrincipals/{}/appRoleAssignments",
        client.principal_id
    );
    let body = json!({ "principalId": client.principal_id, "resourceId": graph["id"],
        "appRoleId": other["id"] });
    laboratory.post(&target, body).await.refuses(
        403,
        "Directory_ResourceSizeExceeded",
        "The size of the object has exceeded its limit",
    );
}

#[tokio::test]
async fn an_application_defines_and_requires_so_many_permissions() {
    let laboratory = Laboratory::start().await;
    let roles: Vec<Value> = (1..=701)
        .map(|number| {
            json!({ "id": Uuid::from_u128(number), "allowedMemberTypes": ["Application"],
                "displayName": "r", "description": "r", "value": format!("r{number}"),
                "isEnabled": true })
        })
        .collect();
    let with = |roles: &[Value]| {
        laboratory.post(
            "/applications",
            json!({ "displayName": "x", "appRoles": roles }),
        )
    };
    with(&roles[..700]).await.expect(201);
    with(&roles).await.expect(403);
    let apis = |count: u128, permissions: u128| -> Vec<Value> {
        (1..=count)
            .map(|api| {
                let access: Vec<_> = (1..=permissions)
                    .map(|id| json!({ "id": Uuid::from_u128(id), "type": "Role" }))
                    .collect();
                json!({ "resourceAppId": Uuid::from_u128(api), "resourceAccess": access })
            })
            .collect()
    };
    for (count, permissions, status) in [(50, 8, 201), (51, 1, 400), (1, 401, 400)] {
        let body = json!({ "displayName": "x",
            "requiredResourceAccess": apis(count, permissions) });
        laboratory.post("/applications", body).await.expect(status);
    }
}
