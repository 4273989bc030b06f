//! Subscriptions, from both sides.

use serde_json::{Value, json};

use crate::support::{DEVPORTAL, PUBLISHER, TestApp};

#[tokio::test]
async fn a_subscription_is_made_moved_blocked_and_ended() {
    let app = TestApp::start().await;
    let api = app.published_api("Pizza").await;
    let ann = app.developer("ann").await;
    let application = ann.creates_application("weather").await;
    let path = format!("{DEVPORTAL}/subscriptions");
    let body = json!({"applicationId": application, "apiId": api, "throttlingPolicy": "Unlimited"});
    let made = ann.post(&path, &body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert_eq!(made.json["status"], "UNBLOCKED");
    assert_eq!(made.json["apiInfo"]["name"], "Pizza");
    assert_eq!(made.json["applicationInfo"]["name"], "weather");
    let location = made.header("location").to_owned();
    let again = ann.post(&path, &body).await;
    assert_eq!((again.status, again.code()), (409, 900_336));

    let mut whole = ann.get(&location).await.json;
    whole["requestedThrottlingPolicy"] = json!("Bronze");
    let moved = ann.put(&location, &whole).await;
    assert_eq!(moved.json["throttlingPolicy"], "Bronze", "{}", moved.text);

    for query in [
        format!("applicationId={application}"),
        format!("apiId={api}"),
    ] {
        let listed = ann.get(&format!("{path}?{query}")).await;
        assert_eq!(listed.json["pagination"]["total"], 1, "{}", listed.text);
    }

    let publisher = app.publisher().await;
    let id = made.string("subscriptionId");
    let seen = publisher
        .get(&format!("{PUBLISHER}/subscriptions?apiId={api}"))
        .await;
    assert_eq!(seen.json["list"][0]["applicationInfo"]["subscriber"], "ann");
    let block = format!("{PUBLISHER}/subscriptions/block-subscription?subscriptionId={id}");
    let wrong = publisher
        .post(&format!("{block}&blockState=MAYBE"), &Value::Null)
        .await;
    assert_eq!(wrong.status, 400);
    let blocked = publisher
        .post(&format!("{block}&blockState=BLOCKED"), &Value::Null)
        .await;
    assert_eq!(blocked.status, 200, "{}", blocked.text);
    assert_eq!(ann.get(&location).await.json["status"], "BLOCKED");
    let unblock = format!("{PUBLISHER}/subscriptions/unblock-subscription?subscriptionId={id}");
    assert_eq!(publisher.post(&unblock, &Value::Null).await.status, 200);

    assert_eq!(ann.delete(&location).await.status, 200);
    assert_eq!(ann.get(&location).await.status, 404);
}

#[tokio::test]
async fn what_cannot_be_subscribed_is_refused() {
    let app = TestApp::start().await;
    let api = app.published_api("Pizza").await;
    let ann = app.developer("ann").await;
    let application = ann.creates_application("weather").await;
    let of_bob = app.developer("bob").await.creates_application("his").await;
    let path = format!("{DEVPORTAL}/subscriptions");
    for (application, api, plan, status) in [
        (application.as_str(), api.as_str(), "Gold", 403),
        (of_bob.as_str(), api.as_str(), "Unlimited", 404),
        (application.as_str(), "nothing", "Unlimited", 404),
    ] {
        let body = json!({"applicationId": application, "apiId": api, "throttlingPolicy": plan});
        let answer = ann.post(&path, &body).await;
        assert_eq!(answer.status, status, "{}", answer.text);
    }
    assert_eq!(ann.get(&path).await.status, 400);
}
