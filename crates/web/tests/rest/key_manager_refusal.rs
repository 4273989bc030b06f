//! Key managers that are not taken, each for its own reason.

use serde_json::{Value, json};

use crate::support::{ADMIN, Answer, PUBLISHER, TestApp, api, key_manager};

fn path() -> String {
    format!("{ADMIN}/key-managers")
}

/// Sends a good key manager with one member changed; nothing may be stored.
async fn creating_with(member: &str, value: Value) -> Answer {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let mut body = key_manager("Fresh");
    body[member] = value;
    let answer = admin.post(&path(), &body).await;
    assert_eq!(admin.get(&path()).await.json["count"], 0);
    answer
}

/// Saves a good key manager and then changes what `pointer` names.
async fn changing(pointer: &str, value: Value) -> Answer {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let created = admin.post(&path(), &key_manager("Login")).await;
    let location = created.header("location").to_owned();
    let mut body = created.json.clone();
    *body.pointer_mut(pointer).unwrap() = value;
    let answer = admin.put(&location, &body).await;
    assert_eq!(admin.get(&location).await.json, created.json);
    answer
}

fn field(answer: &Answer) -> &str {
    answer.json["error"][0]["code"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn a_key_manager_of_an_unknown_type_is_refused() {
    let answer = creating_with("type", json!("Nothing")).await;
    assert_eq!((answer.status, answer.code()), (400, 901_400));
    assert_eq!(answer.json["message"], "Key Manager Type not configured");
}

#[tokio::test]
async fn a_key_manager_without_a_required_connector_field_is_refused() {
    let answer = creating_with("additionalProperties", json!({})).await;
    assert_eq!((answer.status, answer.code()), (400, 901_401));
    assert_eq!(
        answer.json["message"],
        "Required Key Manager configuration missing"
    );
    assert_eq!(field(&answer), "additionalProperties.fake_secret");
}

#[tokio::test]
async fn a_connector_field_of_the_wrong_type_is_refused() {
    let answer = creating_with("additionalProperties", json!({"fake_secret": ["a", "b"]})).await;
    assert_eq!(answer.status, 400, "{}", answer.text);
    assert_eq!(field(&answer), "additionalProperties.fake_secret");
}

#[tokio::test]
async fn a_key_manager_of_a_taken_name_is_refused() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    app.key_manager("Taken").await;
    let answer = admin.post(&path(), &key_manager("Taken")).await;
    assert_eq!((answer.status, answer.code()), (409, 901_402));
    assert_eq!(answer.json["message"], "Key Manager Already Exists");
    assert_eq!(admin.get(&path()).await.json["count"], 1);
}

#[tokio::test]
async fn a_key_manager_without_a_name_is_refused() {
    let empty = creating_with("name", json!("")).await;
    assert_eq!((empty.status, empty.code()), (400, 901_404));
    let null = creating_with("name", Value::Null).await;
    assert_eq!(null.status, 400, "{}", null.text);
}

#[tokio::test]
async fn a_changed_name_is_refused() {
    let answer = changing("/name", json!("Other")).await;
    assert_eq!(answer.status, 400, "{}", answer.text);
    assert_eq!(field(&answer), "name");
}

#[tokio::test]
async fn a_changed_type_is_refused() {
    let answer = changing("/type", json!("AzureAD")).await;
    assert_eq!(answer.status, 400, "{}", answer.text);
    assert_eq!(field(&answer), "type");
}

#[tokio::test]
async fn a_changed_immutable_connector_field_is_refused() {
    let answer = changing("/additionalProperties/fake_colour", json!("red")).await;
    assert_eq!((answer.status, answer.code()), (400, 901_412));
    assert_eq!(field(&answer), "additionalProperties.fake_colour");
}

#[tokio::test]
async fn an_address_that_is_no_url_is_refused_by_its_field() {
    for member in ["tokenEndpoint", "revokeEndpoint", "wellKnownEndpoint"] {
        for url in [
            "not a url",
            "ftp://login.example/",
            "javascript:alert(1)",
            "https://user:password@login.example/",
        ] {
            let answer = creating_with(member, json!(url)).await;
            assert_eq!(answer.status, 400, "{member} {url}: {}", answer.text);
            assert_eq!(field(&answer), member, "{url}");
        }
    }
}

#[tokio::test]
async fn an_unknown_key_manager_is_neither_read_changed_nor_deleted() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let nowhere = format!("{}/01890000-0000-7000-8000-000000000000", path());
    for answer in [
        admin.get(&nowhere).await,
        admin.put(&nowhere, &key_manager("Login")).await,
        admin.delete(&nowhere).await,
    ] {
        assert_eq!((answer.status, answer.code()), (404, 901_411));
    }
}

#[tokio::test]
async fn a_key_manager_that_an_api_names_is_not_deleted() {
    let app = TestApp::start().await;
    let id = app.key_manager("Login").await;
    let publisher = app.publisher().await;
    let mut body = api("Pizza");
    body["keyManagers"] = json!(["Login"]);
    let created = publisher.post(&format!("{PUBLISHER}/apis"), &body).await;
    assert_eq!(created.status, 201, "{}", created.text);

    let admin = app.admin().await;
    let refused = admin.delete(&format!("{}/{id}", path())).await;
    assert_eq!((refused.status, refused.code()), (412, 902_015));
    let usages = admin.get(&format!("{}/{id}/api-usages", path())).await;
    assert_eq!(usages.json["apiCount"], 1, "{}", usages.text);

    let of_api = created.header("location").to_owned();
    assert_eq!(publisher.delete(&of_api).await.status, 200);
    let deleted = admin.delete(&format!("{}/{id}", path())).await;
    assert_eq!(deleted.status, 200, "{}", deleted.text);
}
