//! Any order of operations keeps the directory's invariants.

use proptest::{collection::vec, prelude::*, test_runner::TestRunner};
use reqwest::Method;
use serde_json::{Value, json};

use crate::laboratory::Laboratory;

#[derive(Clone, Debug)]
enum Operation {
    Create,
    Upsert(u8),
    Delete(usize),
    Purge(usize),
    Restore(usize),
    SetUri(usize, u8),
    AddPrincipal(usize),
    AddSecret(usize),
    Assign(usize),
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        Just(Operation::Create),
        (0..4u8).prop_map(Operation::Upsert),
        (0..8usize).prop_map(Operation::Delete),
        (0..8usize).prop_map(Operation::Purge),
        (0..8usize).prop_map(Operation::Restore),
        (0..8usize, 0..3u8).prop_map(|(index, uri)| Operation::SetUri(index, uri)),
        (0..8usize).prop_map(Operation::AddPrincipal),
        (0..8usize).prop_map(Operation::AddSecret),
        (0..8usize).prop_map(Operation::Assign),
    ]
}

#[test]
fn any_order_of_operations_keeps_the_invariants() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let laboratory = runtime.block_on(Laboratory::start());
    runtime
        .block_on(laboratory.control(
            Method::PUT,
            "/throttling",
            Some(json!({ "enabled": false })),
        ))
        .expect(204);
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 24,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    runner
        .run(&vec(operation(), 1..30), |operations| {
            runtime.block_on(async {
                let mut known = Vec::new();
                for operation in operations {
                    perform(&laboratory, operation, &mut known).await;
                    check(&laboratory).await;
                }
            });
            Ok(())
        })
        .unwrap();
}

async fn perform(laboratory: &Laboratory, operation: Operation, known: &mut Vec<Value>) {
    let pick = |index: usize| {
        known
            .get(index % known.len().max(1))
            .cloned()
            .unwrap_or_default()
    };
    let text = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let reply = match operation {
        Operation::Create => {
            laboratory
                .post("/applications", json!({ "displayName": "x" }))
                .await
        }
        Operation::Upsert(key) => {
            laboratory
                .upsert(
                    &format!("/applications(uniqueName='key-{key}')"),
                    json!({ "displayName": "u" }),
                )
                .await
        }
        Operation::Delete(index) => {
            laboratory
                .delete(&format!("/applications/{}", text(&pick(index), "id")))
                .await
        }
        Operation::Purge(index) => {
            laboratory
                .delete(&format!(
                    "/directory/deletedItems/{}",
                    text(&pick(index), "id")
                ))
                .await
        }
        Operation::Restore(index) => {
            let target = format!(
                "/directory/deletedItems/{}/restore",
                text(&pick(index), "id")
            );
            laboratory.post(&target, json!({})).await
        }
        Operation::SetUri(index, uri) => {
            let body = json!({ "api": { "requestedAccessTokenVersion": 2 }, "identifierUris": [format!("api://shared-{uri}")] });
            laboratory
                .patch(&format!("/applications/{}", text(&pick(index), "id")), body)
                .await
        }
        Operation::AddPrincipal(index) => {
            laboratory
                .post(
                    "/servicePrincipals",
                    json!({ "appId": text(&pick(index), "appId") }),
                )
                .await
        }
        Operation::AddSecret(index) => {
            laboratory
                .post(
                    &format!("/applications/{}/addPassword", text(&pick(index), "id")),
                    json!({}),
                )
                .await
        }
        Operation::Assign(index) => {
            let graph = laboratory.graph_principal().await;
            let app_id = text(&pick(index), "appId");
            let principal = laboratory
                .get(&format!("/servicePrincipals(appId='{app_id}')"))
                .await
                .body;
            let body = json!({ "principalId": principal["id"], "resourceId": graph["id"],
                "appRoleId": "18a4783c-866b-4cc7-a460-3d5e5662c884" });
            let target = format!(
                "/servicePrincipals/{}/appRoleAssignedTo",
                text(&graph, "id")
            );
            laboratory.post(&target, body).await
        }
    };
    assert!(!reply.status.is_server_error(), "{}", reply.body);
    if reply.status == 201
        && reply.body.get("signInAudience").is_some()
        && reply.body.get("appRoleAssignmentRequired").is_none()
    {
        known.push(reply.body);
    }
}

async fn check(laboratory: &Laboratory) {
    let objects = laboratory.control(Method::GET, "/objects", None).await.body;
    let of = |kind: &str| -> Vec<Value> {
        let all = objects.as_array().unwrap().iter();
        all.filter(|one| one["kind"] == kind)
            .map(|one| one["object"].clone())
            .collect()
    };
    let applications = of("application");
    let deleted: Vec<_> = of("deletedItem")
        .into_iter()
        .filter_map(|item| item.get("application").cloned())
        .collect();
    let everywhere: Vec<_> = applications.iter().chain(&deleted).collect();
    let unique = |values: Vec<String>| {
        let mut sorted = values.clone();
        sorted.sort();
        sorted.dedup();
        assert_eq!(sorted.len(), values.len(), "{values:?}");
    };
    unique(everywhere.iter().map(|one| one["id"].to_string()).collect());
    unique(
        everywhere
            .iter()
            .map(|one| one["appId"].to_string())
            .collect(),
    );
    unique(
        everywhere
            .iter()
            .map(|one| &one["uniqueName"])
            .filter(|name| !name.is_null())
            .map(Value::to_string)
            .collect(),
    );
    unique(
        everywhere
            .iter()
            .flat_map(|one| one["identifierUris"].as_array().unwrap())
            .map(Value::to_string)
            .collect(),
    );
    let principals = of("servicePrincipal");
    unique(
        principals
            .iter()
            .map(|one| one["appId"].to_string())
            .collect(),
    );
    for principal in principals
        .iter()
        .filter(|one| one["displayName"] != "Microsoft Graph")
    {
        let application = applications
            .iter()
            .find(|one| one["appId"] == principal["appId"]);
        let application = application.unwrap_or_else(|| panic!("orphan {principal}"));
        let mut names = vec![application["appId"].clone()];
        names.extend(
            application["identifierUris"]
                .as_array()
                .unwrap()
                .iter()
                .cloned(),
        );
        assert_eq!(principal["servicePrincipalNames"], Value::Array(names));
    }
    for assignment in of("appRoleAssignment") {
        for end in ["principalId", "resourceId"] {
            assert!(
                principals.iter().any(|one| one["id"] == assignment[end]),
                "{assignment}"
            );
        }
    }
    let counted = laboratory.advanced("/applications/$count").await.body;
    assert_eq!(counted, json!(applications.len()));
}
