//! `/$batch`.

use serde_json::json;

use crate::laboratory::Laboratory;

#[tokio::test]
async fn a_batch_answers_each_item_and_fails_what_depends_on_a_failure() {
    let laboratory = Laboratory::start().await;
    let reply = laboratory
        .post("/$batch", json!({ "requests": [
            { "id": "1", "method": "POST", "url": "/applications",
              "headers": { "Content-Type": "application/json" }, "body": { "displayName": "batched" } },
            { "id": "2", "method": "GET", "url": "/applications/not-a-guid" },
            { "id": "3", "method": "GET", "url": "/applications", "dependsOn": ["2"] },
            { "id": "4", "method": "GET", "url": "applications?$filter=displayName eq 'batched'", "dependsOn": ["1"] },
            { "id": "5", "method": "POST", "url": "/applications", "body": { "displayName": "x" } },
        ] }))
        .await
        .expect(200);
    let responses = reply.body["responses"].as_array().unwrap();
    let statuses: Vec<_> = responses
        .iter()
        .map(|one| one["status"].as_u64().unwrap())
        .collect();
    assert_eq!(statuses, [201, 400, 424, 200, 400]);
    assert_eq!(
        responses[3]["body"]["value"][0]["id"],
        responses[0]["body"]["id"]
    );
}

#[tokio::test]
async fn a_batch_that_is_not_one_is_refused_whole() {
    let laboratory = Laboratory::start().await;
    let item = |id: &str| json!({ "id": id, "method": "GET", "url": "/applications" });
    for body in [
        json!({}),
        json!({ "requests": [item("1"), item("1")] }),
        json!({ "requests": [{ "method": "GET", "url": "/applications" }] }),
        json!({ "requests": (0..21).map(|number| item(&number.to_string())).collect::<Vec<_>>() }),
        json!({ "requests": [{ "id": "1", "method": "GET", "url": "/x", "dependsOn": ["9"] }] }),
    ] {
        laboratory
            .post("/$batch", body)
            .await
            .refuses(400, "BadRequest", "");
    }
    laboratory.get("/$batch").await.expect(405);
    let nested = laboratory
        .post(
            "/$batch",
            json!({ "requests": [{ "id": "1", "method": "POST", "url": "/$batch", "body": {} }] }),
        )
        .await
        .expect(200);
    assert_eq!(nested.body["responses"][0]["status"], 400);
}
