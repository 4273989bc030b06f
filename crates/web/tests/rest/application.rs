//! Applications over the developer portal API.

use serde_json::json;

use crate::support::{DEVPORTAL, TestApp};

#[tokio::test]
async fn an_application_is_created_read_changed_and_deleted() {
    let app = TestApp::start().await;
    let ann = app.developer("ann").await;
    let path = format!("{DEVPORTAL}/applications");
    let created = ann
        .post(&path, &json!({"name": "weather", "throttlingPolicy": "10PerMin", "description": "shows rain"}))
        .await;
    assert_eq!(created.status, 201, "{}", created.text);
    assert_eq!(created.json["status"], "APPROVED");
    assert_eq!(created.json["owner"], "ann");
    assert_eq!(created.json["createdTime"], "1767225600000");
    let location = created.header("location").to_owned();

    // Portals send back all that they read.
    let mut whole = ann.get(&location).await.json;
    whole["name"] = json!("climate");
    let updated = ann.put(&location, &whole).await;
    assert_eq!(updated.status, 200, "{}", updated.text);
    assert_eq!(updated.json["name"], "climate");
    assert_eq!(updated.json["throttlingPolicy"], "10PerMin");

    assert_eq!(ann.delete(&location).await.status, 200);
    let gone = ann.get(&location).await;
    assert_eq!((gone.status, gone.code()), (404, 900_307));
}

#[tokio::test]
async fn somebody_elses_application_does_not_exist() {
    let app = TestApp::start().await;
    let application = app
        .developer("ann")
        .await
        .creates_application("weather")
        .await;
    let bob = app.developer("bob").await;
    let path = format!("{DEVPORTAL}/applications/{application}");
    let body = json!({"name": "mine", "throttlingPolicy": "Unlimited"});
    for answer in [
        bob.get(&path).await,
        bob.put(&path, &body).await,
        bob.delete(&path).await,
        bob.get(&format!("{path}/oauth-keys")).await,
        bob.generates_keys(&application, "any").await,
    ] {
        assert_eq!(
            (answer.status, answer.code()),
            (404, 900_307),
            "{}",
            answer.text
        );
    }
}

#[tokio::test]
async fn a_taken_name_and_an_unknown_policy_are_refused() {
    let app = TestApp::start().await;
    let ann = app.developer("ann").await;
    ann.creates_application("weather").await;
    let path = format!("{DEVPORTAL}/applications");
    let again = ann
        .post(
            &path,
            &json!({"name": "weather", "throttlingPolicy": "Unlimited"}),
        )
        .await;
    assert_eq!((again.status, again.code()), (409, 900_301));
    let unknown = ann
        .post(
            &path,
            &json!({"name": "other", "throttlingPolicy": "NoSuchPolicy"}),
        )
        .await;
    assert!((400..=404).contains(&unknown.status), "{}", unknown.text);
    // Another owner may use the same name.
    app.developer("bob")
        .await
        .creates_application("weather")
        .await;
}

#[tokio::test]
async fn a_list_comes_in_pages_that_lead_to_each_other() {
    let app = TestApp::start().await;
    let ann = app.developer("ann").await;
    for name in ["a1", "a2", "a3", "b1"] {
        ann.creates_application(name).await;
    }
    let first = ann
        .get(&format!(
            "{DEVPORTAL}/applications?query=a&limit=2&sortBy=name&sortOrder=desc"
        ))
        .await;
    assert_eq!(first.status, 200, "{}", first.text);
    assert_eq!(first.json["count"], 2);
    assert_eq!(first.json["pagination"]["total"], 3);
    assert_eq!(first.json["list"][0]["name"], "a3");
    assert_eq!(first.json["pagination"]["previous"], "");
    let next = first.json["pagination"]["next"]
        .as_str()
        .unwrap()
        .to_owned();
    let second = ann.get(&format!("{DEVPORTAL}{next}")).await;
    assert_eq!(second.json["count"], 1);
    assert_eq!(second.json["list"][0]["name"], "a1");
    assert_eq!(second.json["pagination"]["next"], "");
    let wrong = ann
        .get(&format!("{DEVPORTAL}/applications?sortBy=colour"))
        .await;
    assert_eq!(wrong.status, 400);
}

#[tokio::test]
async fn deleting_an_application_removes_its_clients_and_leaves_mapped_ones() {
    let app = TestApp::start().await;
    app.key_manager("Login").await;
    app.server.register_by_hand("by-hand", "hand-made-secret");
    let ann = app.developer("ann").await;
    let application = ann.creates_application("weather").await;
    assert_eq!(ann.generates_keys(&application, "Login").await.status, 200);
    let path = format!("{DEVPORTAL}/applications/{application}");
    let mapped = ann
        .post(
            &format!("{path}/map-keys"),
            &json!({"consumerKey": "by-hand", "keyType": "SANDBOX", "keyManager": "Login"}),
        )
        .await;
    assert_eq!(mapped.status, 200, "{}", mapped.text);
    assert_eq!(app.server.clients().len(), 2);

    assert_eq!(ann.delete(&path).await.status, 200);
    let left: Vec<String> = app.server.clients().into_keys().collect();
    assert_eq!(left, ["by-hand"]);
}

#[tokio::test]
async fn the_catalogue_of_policies_and_the_settings_are_readable() {
    let app = TestApp::start().await;
    let ann = app.developer("ann").await;
    let policies = ann
        .get(&format!("{DEVPORTAL}/throttling-policies/application"))
        .await;
    assert_eq!(policies.json["count"], 4, "{}", policies.text);
    let one = ann
        .get(&format!(
            "{DEVPORTAL}/throttling-policies/application/10PerMin"
        ))
        .await;
    assert_eq!(one.json["requestCount"], 10);
    assert_eq!(one.json["unitTime"], 60_000);
    let unknown = ann
        .get(&format!("{DEVPORTAL}/throttling-policies/api"))
        .await;
    assert_eq!(unknown.status, 404);
    let settings = ann.get(&format!("{DEVPORTAL}/settings")).await;
    assert_eq!(settings.status, 200);
    assert_eq!(settings.json["apiGatewayEndpoint"], "http://localhost:8280");
}
