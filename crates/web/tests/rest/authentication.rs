//! Signing in: HTTP Basic, bearer tokens, the token endpoint, registration of clients.

use serde_json::json;

use crate::support::{ADMIN, Credential, DEVPORTAL, Person, TestApp};

const PASSWORD: &str = "correct horse battery staple";

#[tokio::test]
async fn a_password_opens_what_the_role_may_do_and_nothing_else() {
    let app = TestApp::start().await;
    let ann = app.with_password("ann", PASSWORD);
    assert_eq!(
        ann.get(&format!("{DEVPORTAL}/applications")).await.status,
        200
    );
    assert_eq!(ann.get(&format!("{ADMIN}/key-managers")).await.status, 403);
}

#[tokio::test]
async fn a_refused_caller_gets_wso2s_body_and_a_challenge() {
    let app = TestApp::start().await;
    let answer = app.nobody().get(&format!("{ADMIN}/key-managers")).await;
    assert_eq!(answer.status, 401);
    assert_eq!(
        answer.json,
        json!({"code": 401, "message": "", "description": "Unauthenticated request", "moreInfo": "", "error": []})
    );
    assert_eq!(
        answer.header("www-authenticate"),
        "Bearer realm=\"Claviger\""
    );
}

#[tokio::test]
async fn a_wrong_credential_is_refused_even_where_none_is_needed() {
    let app = TestApp::start().await;
    let stranger = Person::new(app.router.clone(), Credential::Bearer("made-up".to_owned()));
    assert_eq!(stranger.get(&format!("{DEVPORTAL}/apis")).await.status, 401);
    assert_eq!(
        app.nobody().get(&format!("{DEVPORTAL}/apis")).await.status,
        200
    );
}

#[tokio::test]
async fn guessing_passwords_is_slowed_down() {
    let app = TestApp::start().await;
    let guesser = app.with_password("ann", "guess");
    let mut slowed = None;
    for _ in 0..20 {
        let answer = guesser.get(&format!("{DEVPORTAL}/applications")).await;
        if answer.status == 429 {
            slowed = Some(answer);
            break;
        }
        assert_eq!(answer.status, 401);
    }
    let slowed = slowed.expect("twenty guesses in a row were not slowed down");
    assert!(slowed.header("retry-after").parse::<u64>().unwrap() >= 1);
}

#[tokio::test]
async fn a_client_acts_for_its_owner_by_client_credentials() {
    let app = TestApp::start().await;
    let client = app.registers_client("ann").await;
    let issued = app
        .asks_token(
            &client,
            "grant_type=client_credentials&scope=apim:subscribe apim:admin",
        )
        .await;
    assert_eq!(issued.status, 200, "{}", issued.text);
    assert_eq!(issued.json["token_type"], "Bearer");
    assert_eq!(issued.json["expires_in"], 3600);
    assert_eq!(issued.json["scope"], "apim:subscribe");
    assert_eq!(issued.header("cache-control"), "no-store");
    let ann = Person::new(
        app.router.clone(),
        Credential::Bearer(issued.string("access_token")),
    );
    assert_eq!(
        ann.get(&format!("{DEVPORTAL}/applications")).await.status,
        200
    );
}

#[tokio::test]
async fn an_access_token_ends_by_time_and_by_revocation() {
    let app = TestApp::start().await;
    let client = app.registers_client("ann").await;
    let path = format!("{DEVPORTAL}/applications");
    let ask = "grant_type=client_credentials&scope=apim:subscribe";
    let first = app.asks_token(&client, ask).await.string("access_token");
    let second = app.asks_token(&client, ask).await.string("access_token");

    let script = app.with_password(&client.0, &client.1);
    let revoked = script
        .post_form("/oauth2/revoke", &format!("token={first}"))
        .await;
    assert_eq!(revoked.status, 200);
    let holder = |token: String| Person::new(app.router.clone(), Credential::Bearer(token));
    assert_eq!(holder(first).get(&path).await.status, 401);
    let second = holder(second);
    assert_eq!(second.get(&path).await.status, 200);
    app.clock.advance_seconds(3_601);
    assert_eq!(second.get(&path).await.status, 401);
}

#[tokio::test]
async fn the_token_endpoint_refuses_in_the_words_of_rfc_6749() {
    let app = TestApp::start().await;
    let client = app.registers_client("ann").await;
    let wrong = (client.0.clone(), "wrong".to_owned());
    for (client, form, status, error) in [
        (&client, "scope=x", 400, "invalid_request"),
        (&client, "grant_type=magic", 400, "unsupported_grant_type"),
        (
            &client,
            "grant_type=password&username=ann",
            400,
            "invalid_request",
        ),
        (
            &client,
            "grant_type=password&username=ann&password=no",
            400,
            "invalid_grant",
        ),
        (
            &client,
            "grant_type=password&grant_type=password",
            400,
            "invalid_request",
        ),
        (
            &client,
            "grant_type=client_credentials&client_secret=x",
            400,
            "invalid_request",
        ),
        (
            &wrong,
            "grant_type=client_credentials",
            401,
            "invalid_client",
        ),
    ] {
        let answer = app.asks_token(client, form).await;
        assert_eq!(answer.status, status, "{form}: {}", answer.text);
        assert_eq!(answer.json["error"], error, "{form}");
    }
    let anonymous = app
        .nobody()
        .post_form("/oauth2/token", "grant_type=client_credentials")
        .await;
    assert_eq!(anonymous.status, 401);
    assert!(anonymous.header("www-authenticate").starts_with("Basic"));
}

#[tokio::test]
async fn a_client_may_authenticate_in_the_form() {
    let app = TestApp::start().await;
    let (id, secret) = app.registers_client("ann").await;
    let form = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
    assert_eq!(
        app.nobody().post_form("/oauth2/token", &form).await.status,
        200
    );
}

#[tokio::test]
async fn registering_a_client_for_somebody_else_is_for_administrators() {
    let app = TestApp::start().await;
    let body = json!({"clientName": "x", "owner": "bob", "grantType": "password"});
    let path = "/client-registration/v0.17/register";
    let ann = app.with_password("ann", PASSWORD).post(path, &body).await;
    assert_eq!(ann.status, 403, "{}", ann.text);
    let ada = app.with_password("ada", PASSWORD).post(path, &body).await;
    assert_eq!(ada.status, 200, "{}", ada.text);
    assert_eq!(ada.json["appOwner"], "bob");
}

#[tokio::test]
async fn a_page_of_another_site_cannot_use_remembered_credentials() {
    let app = TestApp::start().await;
    let ann = app.with_password("ann", PASSWORD);
    let path = format!("{DEVPORTAL}/applications");
    let body = json!({"name": "weather", "throttlingPolicy": "Unlimited"});
    for (site, status) in [
        ("cross-site", 403),
        ("same-site", 403),
        ("same-origin", 201),
    ] {
        let answer = ann.posts_from_site(site, &path, &body).await;
        assert_eq!(answer.status, status, "{site}: {}", answer.text);
    }
}
