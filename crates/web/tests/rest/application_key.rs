//! Keys of an application over the developer portal API.

use domain::provider_failure::FailureClass;
use serde_json::{Value, json};

use crate::support::{ADMIN, DEVPORTAL, Person, TestApp, key_manager};

async fn with_keys(app: &TestApp) -> (Person, String, String) {
    app.key_manager("Login").await;
    let ann = app.developer("ann").await;
    let application = ann.creates_application("weather").await;
    let keys = ann.generates_keys(&application, "Login").await;
    assert_eq!(keys.status, 200, "{}", keys.text);
    let path = format!("{DEVPORTAL}/applications/{application}/oauth-keys");
    (ann, path, keys.string("keyMappingId"))
}

#[tokio::test]
async fn generated_keys_are_shown_once_and_work() {
    let app = TestApp::start().await;
    let id = app.key_manager("Login").await;
    let ann = app.developer("ann").await;
    let application = ann.creates_application("weather").await;
    let keys = ann.generates_keys(&application, &id).await;
    assert_eq!(keys.status, 200, "{}", keys.text);
    assert_eq!(keys.json["keyState"], "COMPLETED");
    assert_eq!(keys.json["keyManager"], id.as_str());
    assert_eq!(keys.json["mode"], "CREATED");
    assert_eq!(keys.json["keyType"], "PRODUCTION");
    let secret = keys.string("consumerSecret");
    let client = &app.server.clients()[&keys.string("consumerKey")];
    assert_eq!(client.secrets[0].secret, secret);
    assert!(
        keys.json["token"]["accessToken"].is_string(),
        "{}",
        keys.text
    );

    let path = format!("{DEVPORTAL}/applications/{application}/oauth-keys");
    let listed = ann.get(&path).await;
    assert_eq!(listed.json["count"], 1);
    assert_eq!(listed.json["list"][0]["consumerSecret"], Value::Null);
    assert!(!listed.text.contains(&secret));
    let one = ann
        .get(&format!("{path}/{}", keys.string("keyMappingId")))
        .await;
    assert_eq!(one.json["consumerKey"], keys.json["consumerKey"]);
    assert!(!one.text.contains(&secret));
}

#[tokio::test]
async fn generating_twice_is_refused_and_makes_no_second_client() {
    let app = TestApp::start().await;
    app.key_manager("Login").await;
    let ann = app.developer("ann").await;
    let application = ann.creates_application("weather").await;
    assert_eq!(ann.generates_keys(&application, "Login").await.status, 200);
    let again = ann.generates_keys(&application, "Login").await;
    assert_eq!((again.status, again.code()), (409, 901_409));
    assert_eq!(app.server.clients().len(), 1);
}

#[tokio::test]
async fn an_unknown_or_disabled_key_manager_is_not_registered() {
    let app = TestApp::start().await;
    let mut disabled = key_manager("Off");
    disabled["enabled"] = json!(false);
    app.admin()
        .await
        .post(&format!("{ADMIN}/key-managers"), &disabled)
        .await;
    let ann = app.developer("ann").await;
    let application = ann.creates_application("weather").await;
    for name in ["Off", "Nowhere", "01890000-0000-7000-8000-000000000000"] {
        let refused = ann.generates_keys(&application, name).await;
        assert_eq!((refused.status, refused.code()), (400, 901_403), "{name}");
    }
}

#[tokio::test]
async fn a_denied_key_manager_is_denied_by_id_and_by_name() {
    let app = TestApp::start().await;
    let mut denied = key_manager("Denied");
    denied["permissions"] = json!({"permissionType": "DENY", "roles": ["subscriber"]});
    let created = app
        .admin()
        .await
        .post(&format!("{ADMIN}/key-managers"), &denied)
        .await;
    let ann = app.developer("ann").await;
    let application = ann.creates_application("weather").await;
    for reference in [created.string("id").as_str(), "Denied"] {
        let generated = ann.generates_keys(&application, reference).await;
        assert_eq!(
            (generated.status, generated.code()),
            (403, 902_013),
            "{reference}"
        );
        let mapped = ann
            .post(
                &format!("{DEVPORTAL}/applications/{application}/map-keys"),
                &json!({"consumerKey": "x", "keyType": "PRODUCTION", "keyManager": reference}),
            )
            .await;
        assert_eq!(
            (mapped.status, mapped.code()),
            (403, 902_013),
            "{reference}"
        );
    }
}

#[tokio::test]
async fn a_key_manager_for_other_roles_is_denied_by_id_and_by_name() {
    let app = TestApp::start().await;
    let mut for_publishers = key_manager("Publishers");
    for_publishers["permissions"] = json!({"permissionType": "ALLOW", "roles": ["publisher"]});
    let created = app
        .admin()
        .await
        .post(&format!("{ADMIN}/key-managers"), &for_publishers)
        .await;
    let ann = app.developer("ann").await;
    let application = ann.creates_application("weather").await;
    for reference in [created.string("id").as_str(), "Publishers"] {
        let refused = ann.generates_keys(&application, reference).await;
        assert_eq!((refused.status, refused.code()), (403, 902_013));
    }
    assert!(app.server.clients().is_empty());
}

#[tokio::test]
async fn somebody_elses_application_is_given_no_keys_and_shows_none() {
    let app = TestApp::start().await;
    let (ann, keys, id) = with_keys(&app).await;
    let secret = app.server.clients().into_values().next().unwrap().secrets[0]
        .secret
        .clone();
    let application = keys.trim_end_matches("/oauth-keys");
    let bob = app.developer("bob").await;
    let one = format!("{keys}/{id}");
    let map = json!({"consumerKey": "x", "keyType": "SANDBOX", "keyManager": "Login"});
    let generate = json!({
        "keyType": "SANDBOX", "keyManager": "Login", "grantTypesToBeSupported": ["client_credentials"]
    });
    let whole = ann.get(&one).await.json;
    for answer in [
        bob.post(&format!("{application}/generate-keys"), &generate)
            .await,
        bob.post(&format!("{application}/map-keys"), &map).await,
        bob.get(&keys).await,
        bob.get(&one).await,
        bob.put(&one, &whole).await,
        bob.post(&format!("{one}/regenerate-secret"), &Value::Null)
            .await,
        bob.post(&format!("{one}/generate-token"), &json!({})).await,
        bob.post(&format!("{one}/clean-up"), &Value::Null).await,
        bob.get(&format!("{one}/steps")).await,
        bob.delete(&one).await,
    ] {
        assert_eq!(
            (answer.status, answer.code()),
            (404, 900_307),
            "{}",
            answer.text
        );
    }
    let clients = app.server.clients();
    assert_eq!(clients.len(), 1);
    assert_eq!(
        clients.into_values().next().unwrap().secrets[0].secret,
        secret
    );
}

#[tokio::test]
async fn what_a_key_manager_does_not_do_is_refused() {
    let app = TestApp::start().await;
    let mut idle = key_manager("Idle");
    idle["enableOAuthAppCreation"] = json!(false);
    idle["enableMapOAuthConsumerApps"] = json!(false);
    app.admin()
        .await
        .post(&format!("{ADMIN}/key-managers"), &idle)
        .await;
    let ann = app.developer("ann").await;
    let application = ann.creates_application("weather").await;
    let generated = ann.generates_keys(&application, "Idle").await;
    assert_eq!((generated.status, generated.code()), (400, 901_405));
    assert_eq!(
        generated.json["message"],
        "Key Manager doesn't support generating OAuth applications"
    );
    let mapped = ann
        .post(
            &format!("{DEVPORTAL}/applications/{application}/map-keys"),
            &json!({"consumerKey": "x", "keyType": "PRODUCTION", "keyManager": "Idle"}),
        )
        .await;
    assert_eq!((mapped.status, mapped.code()), (400, 901_405));
}

#[tokio::test]
async fn grants_that_lead_back_need_a_callback() {
    let app = TestApp::start().await;
    app.key_manager("Login").await;
    let ann = app.developer("ann").await;
    let application = ann.creates_application("weather").await;
    let path = format!("{DEVPORTAL}/applications/{application}/generate-keys");
    for (grant, callback) in [
        ("authorization_code", ""),
        ("implicit", ""),
        ("authorization_code", "javascript:alert(1)"),
        ("authorization_code", "https://app.example/#fragment"),
    ] {
        let body = json!({"keyType": "PRODUCTION", "keyManager": "Login", "callbackUrl": callback,
            "grantTypesToBeSupported": [grant]});
        let refused = ann.post(&path, &body).await;
        assert_eq!(refused.status, 400, "{grant} {callback}: {}", refused.text);
        assert_eq!(refused.json["error"][0]["code"], "callbackUrl");
    }
}

#[tokio::test]
async fn a_refusing_key_manager_is_quoted_and_pressing_again_works() {
    let app = TestApp::start().await;
    app.key_manager("Login").await;
    let ann = app.developer("ann").await;
    let application = ann.creates_application("weather").await;
    app.server
        .fail_next("create client", FailureClass::Rejected);
    let refused = ann.generates_keys(&application, "Login").await;
    assert_eq!(
        (refused.status, refused.code()),
        (400, 902_003),
        "{}",
        refused.text
    );
    assert!(refused.string("description").contains("scripted failure"));

    let listed = ann
        .get(&format!(
            "{DEVPORTAL}/applications/{application}/oauth-keys"
        ))
        .await;
    assert_eq!(
        listed.json["list"][0]["keyState"], "FAILED",
        "{}",
        listed.text
    );
    assert!(listed.text.contains("scripted failure"));
    assert_eq!(ann.generates_keys(&application, "Login").await.status, 200);
}

#[tokio::test]
async fn a_mapped_client_is_proven_and_its_secret_is_never_shown() {
    let app = TestApp::start().await;
    app.key_manager("Login").await;
    app.server.register_by_hand("by-hand", "hand-made-secret");
    let ann = app.developer("ann").await;
    let application = ann.creates_application("weather").await;
    let path = format!("{DEVPORTAL}/applications/{application}");
    let map = |secret: &str| json!({"consumerKey": "by-hand", "consumerSecret": secret, "keyType": "PRODUCTION", "keyManager": "Login"});

    let wrong = ann.post(&format!("{path}/map-keys"), &map("wrong")).await;
    assert_eq!(wrong.status, 400, "{}", wrong.text);
    let mapped = ann
        .post(&format!("{path}/map-keys"), &map("hand-made-secret"))
        .await;
    assert_eq!(mapped.status, 200, "{}", mapped.text);
    assert_eq!(mapped.json["mode"], "MAPPED");
    assert_eq!(mapped.json["consumerSecret"], Value::Null);
    let listed = ann.get(&format!("{path}/oauth-keys")).await;
    assert!(!mapped.text.contains("hand-made-secret") && !listed.text.contains("hand-made-secret"));

    // Removing the keys leaves the client alone.
    let id = mapped.string("keyMappingId");
    assert_eq!(
        ann.delete(&format!("{path}/oauth-keys/{id}")).await.status,
        200
    );
    assert!(app.server.clients().contains_key("by-hand"));
}

#[tokio::test]
async fn a_regenerated_secret_is_shown_once() {
    let app = TestApp::start().await;
    let (ann, path, id) = with_keys(&app).await;
    let fresh = ann
        .post(&format!("{path}/{id}/regenerate-secret"), &Value::Null)
        .await;
    assert_eq!(fresh.status, 200, "{}", fresh.text);
    let secret = fresh.string("consumerSecret");
    let client = &app.server.clients()[&fresh.string("consumerKey")];
    assert!(client.secrets.iter().any(|known| known.secret == secret));
    assert!(
        !ann.get(&format!("{path}/{id}"))
            .await
            .text
            .contains(&secret)
    );
}

#[tokio::test]
async fn updating_keys_takes_back_what_was_read_and_makes_no_secret() {
    let app = TestApp::start().await;
    let (ann, path, id) = with_keys(&app).await;
    let mut whole = ann.get(&format!("{path}/{id}")).await.json;
    whole["callbackUrl"] = json!("https://app.example/callback");
    let updated = ann.put(&format!("{path}/{id}"), &whole).await;
    assert_eq!(updated.status, 200, "{}", updated.text);
    assert_eq!(updated.json["callbackUrl"], "https://app.example/callback");
    assert_eq!(updated.json["consumerSecret"], Value::Null);
    assert_eq!(
        app.server.clients()[&updated.string("consumerKey")]
            .secrets
            .len(),
        1
    );
}

#[tokio::test]
async fn deleted_keys_are_gone_here_and_there() {
    let app = TestApp::start().await;
    let (ann, path, id) = with_keys(&app).await;
    assert_eq!(ann.delete(&format!("{path}/{id}")).await.status, 200);
    assert!(app.server.clients().is_empty());
    let gone = ann.get(&format!("{path}/{id}")).await;
    assert_eq!((gone.status, gone.code()), (404, 900_331));
}

#[tokio::test]
async fn the_steps_at_the_key_manager_can_be_read() {
    let app = TestApp::start().await;
    let (ann, path, id) = with_keys(&app).await;
    let steps = ann.get(&format!("{path}/{id}/steps")).await;
    assert_eq!(steps.status, 200, "{}", steps.text);
    assert_eq!(steps.json["list"][0]["kind"], "create_client");
    assert_eq!(steps.json["list"][0]["state"], "succeeded");
    assert_eq!(steps.json["list"][0]["steps"][0]["event"], "started");
    let jobs = app.admin().await.get(&format!("{ADMIN}/jobs")).await;
    assert_eq!(jobs.json["list"][0]["state"], "succeeded");
}

#[tokio::test]
async fn a_failed_creation_can_be_cleaned_up_and_a_good_one_cannot() {
    let app = TestApp::start().await;
    let (ann, path, id) = with_keys(&app).await;
    let refused = ann
        .post(&format!("{path}/{id}/clean-up"), &Value::Null)
        .await;
    assert!((400..=412).contains(&refused.status), "{}", refused.text);

    let other = ann.creates_application("other").await;
    app.server
        .fail_next("create client", FailureClass::Rejected);
    ann.generates_keys(&other, "Login").await;
    let path = format!("{DEVPORTAL}/applications/{other}/oauth-keys");
    let failed = ann.get(&path).await.json["list"][0]["keyMappingId"].clone();
    let cleaned = ann
        .post(
            &format!("{path}/{}/clean-up", failed.as_str().unwrap()),
            &Value::Null,
        )
        .await;
    assert_eq!(cleaned.status, 200, "{}", cleaned.text);
    assert_eq!(ann.get(&path).await.json["count"], 0);
}
