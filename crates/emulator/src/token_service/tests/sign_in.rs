//! People who sign in: authorization code with PKCE, refresh, device code, password.

mod refusals;

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::SignedDuration;
use serde_json::{Value, json};
use url::Url;

use super::{Answer, TestClient, World};
use crate::config::{EmulatorConfig, TenantSeed, UserSeed};
use crate::directory::PermissionScope;
use crate::keys::sha256_base64url;

const USER: &str = "ada@fabrikamlab.onmicrosoft.com";
const PASSWORD: &str = "correct horse";
const VERIFIER: &str = "a-verifier-of-more-than-forty-three-characters-0123";
const REDIRECT: &str = "https://app.example/back";
const LOOPBACK: &str = "http://localhost:53219";

fn world() -> World {
    let person = |name: &str, roles: Vec<String>| UserSeed {
        user_principal_name: name.to_owned(),
        display_name: "Ada Lovelace".to_owned(),
        password: Some(PASSWORD.to_owned()),
        directory_roles: roles,
    };
    let tenant = TenantSeed {
        users: vec![
            person(USER, Vec::new()),
            person(
                "boss@fabrikamlab.onmicrosoft.com",
                vec!["Global Administrator".to_owned()],
            ),
        ],
        ..TenantSeed::default()
    };
    World::with(EmulatorConfig {
        tenants: vec![tenant],
        ..EmulatorConfig::default()
    })
}

/// A client with a web address, a loopback address and two scopes of its own.
fn portal(world: &World) -> TestClient {
    let client = world.client("portal");
    let scope = |value: &str, kind: &str| PermissionScope {
        id: world.state.random.uuid(),
        admin_consent_description: None,
        admin_consent_display_name: Some(format!("May {value}")),
        is_enabled: true,
        origin: None,
        r#type: Some(kind.to_owned()),
        user_consent_description: None,
        user_consent_display_name: None,
        value: Some(value.to_owned()),
    };
    let scopes = vec![scope("read", "User"), scope("administer", "Admin")];
    world.change_application(client.application, |application| {
        application.web.redirect_uris = vec![REDIRECT.to_owned()];
        application.public_client.redirect_uris = vec!["http://localhost".to_owned()];
        application.api.oauth2_permission_scopes = scopes;
    });
    client
}

fn request<'a>(
    client_id: &'a str,
    scope: &'a str,
    redirect: &'a str,
    challenge: &'a str,
) -> Vec<(&'a str, &'a str)> {
    vec![
        ("client_id", client_id),
        ("response_type", "code"),
        ("redirect_uri", redirect),
        ("scope", scope),
        ("state", "s t&te"),
        ("nonce", "n-1"),
        ("code_challenge", challenge),
        ("code_challenge_method", "S256"),
    ]
}

fn authorize(world: &World) -> String {
    format!("/{}/oauth2/v2.0/authorize", world.tenant)
}

fn location(answer: &Answer) -> BTreeMap<String, String> {
    assert_eq!(answer.status, 303, "{}", answer.body);
    let target = Url::parse(answer.headers["location"].to_str().unwrap()).unwrap();
    target.query_pairs().into_owned().collect()
}

async fn code_for(world: &World, client: &TestClient, scope: &str, redirect: &str) -> String {
    let (id, challenge) = (
        client.app_id.to_string(),
        sha256_base64url(VERIFIER.as_bytes()),
    );
    let mut form = request(&id, scope, redirect, &challenge);
    form.extend([
        ("username", USER),
        ("password", PASSWORD),
        ("decision", "accept"),
    ]);
    let sent = location(&world.post(&authorize(world), &form).await);
    assert_eq!(sent["state"], "s t&te");
    sent.get("code")
        .unwrap_or_else(|| panic!("no code: {sent:?}"))
        .clone()
}

fn redemption<'a>(client_id: &'a str, code: &'a str, redirect: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("grant_type", "authorization_code"),
        ("client_id", client_id),
        ("code", code),
        ("redirect_uri", redirect),
        ("code_verifier", VERIFIER),
        ("client_info", "1"),
    ]
}

fn id_claims(world: &World, answer: &Answer) -> Value {
    world
        .state
        .keys
        .verify(answer.body["id_token"].as_str().unwrap())
        .unwrap()
}

#[tokio::test]
async fn a_person_signs_in_and_the_client_acts_for_them_until_it_refreshes() {
    let world = world();
    let client = portal(&world);
    let id = client.app_id.to_string();
    let scope = format!("openid profile offline_access api://{id}/read");
    let code = code_for(&world, &client, &scope, LOOPBACK).await;
    let answer = world
        .post(&world.v2_endpoint(), &redemption(&id, &code, LOOPBACK))
        .await;

    let claims = answer.claims(&world);
    assert_eq!(claims["scp"], "read");
    assert_eq!(claims["azpacr"], "0");
    assert_eq!(claims["preferred_username"], USER);
    assert_ne!(claims["sub"], claims["oid"]);
    assert_eq!(
        answer.body["scope"],
        format!("openid profile api://{id}/read")
    );
    let id_token = id_claims(&world, &answer);
    assert_eq!(id_token["aud"], json!(client.app_id));
    assert_eq!(id_token["nonce"], "n-1");
    assert_eq!(id_token["ver"], "2.0");
    let info = answer.body["client_info"].as_str().unwrap();
    let info: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(info).unwrap()).unwrap();
    assert_eq!(info, json!({"uid": claims["oid"], "utid": world.tenant}));

    let refresh_token = answer.body["refresh_token"].as_str().unwrap();
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", &id),
        ("refresh_token", refresh_token),
    ];
    world.advance(SignedDuration::from_hours(3));
    let renewed = world.post(&world.v2_endpoint(), &form).await;
    assert_eq!(renewed.claims(&world)["oid"], claims["oid"]);
    assert_ne!(renewed.body["refresh_token"], answer.body["refresh_token"]);
    world.advance(SignedDuration::from_hours(24 * 91));
    world
        .post(&world.v2_endpoint(), &form)
        .await
        .assert_refused(400, "invalid_grant", 70_008);
}

#[tokio::test]
async fn a_code_is_good_once_for_its_client_address_and_verifier() {
    let world = world();
    let client = portal(&world);
    let id = client.app_id.to_string();
    let endpoint = world.v2_endpoint();
    let code = code_for(&world, &client, "openid", LOOPBACK).await;
    let form = redemption(&id, &code, LOOPBACK);
    assert_eq!(world.post(&endpoint, &form).await.status, 200);
    world
        .post(&endpoint, &form)
        .await
        .assert_refused(400, "invalid_grant", 54_005);

    let changed = |code: &str, name: &'static str, value: &str| {
        let mut form: Vec<(String, String)> = redemption(&id, code, LOOPBACK)
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        form.retain(|(known, _)| known != name);
        form.push((name.to_owned(), value.to_owned()));
        form
    };
    let stranger = world.client("stranger");
    let cases = [
        ("redirect_uri", "http://localhost:1".to_owned(), 500_112),
        ("code_verifier", "another".to_owned(), 501_481),
        ("code_verifier", String::new(), 501_481),
        ("client_id", stranger.app_id.to_string(), 9_002_313),
        ("code", "nonsense".to_owned(), 9_002_313),
    ];
    for (name, value, error) in cases {
        let code = code_for(&world, &client, "openid", LOOPBACK).await;
        let form = changed(&code, name, &value);
        let form: Vec<_> = form.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        world
            .post(&endpoint, &form)
            .await
            .assert_refused(400, "invalid_grant", error);
    }
    let code = code_for(&world, &client, "openid", LOOPBACK).await;
    world.advance(SignedDuration::from_mins(11));
    let form = redemption(&id, &code, LOOPBACK);
    world
        .post(&endpoint, &form)
        .await
        .assert_refused(400, "invalid_grant", 9_002_313);
}

#[tokio::test]
async fn a_web_application_must_prove_itself() {
    let world = world();
    let client = portal(&world);
    let id = client.app_id.to_string();
    let code = code_for(&world, &client, "openid", REDIRECT).await;
    let form = redemption(&id, &code, REDIRECT);
    world
        .post(&world.v2_endpoint(), &form)
        .await
        .assert_refused(401, "invalid_client", 7_000_218);
    let code = code_for(&world, &client, "openid", REDIRECT).await;
    let mut form = redemption(&id, &code, REDIRECT);
    form.push(("client_secret", &client.secret));
    let answer = world.post(&world.v2_endpoint(), &form).await;
    assert_eq!(
        answer.claims(&world)["appidacr"],
        "1",
        "Graph's token, in the V1 format"
    );
}

#[tokio::test]
async fn wrong_addresses_are_never_redirected_to() {
    let world = world();
    let client = portal(&world);
    let id = client.app_id.to_string();
    let unknown = world.state.random.uuid().to_string();
    let cases = [
        (id.as_str(), "https://evil.example/", "AADSTS50011"),
        (id.as_str(), "http://localhost.evil.example/", "AADSTS50011"),
        (unknown.as_str(), REDIRECT, "AADSTS700016"),
    ];
    for (client_id, redirect, code) in cases {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(request(client_id, "openid", redirect, "x"))
            .finish();
        let answer = world.get(&format!("{}?{query}", authorize(&world))).await;
        assert_eq!(answer.status, 400);
        assert!(answer.headers.get("location").is_none());
        assert!(
            answer.body.as_str().unwrap().contains(code),
            "{}",
            answer.body
        );
    }
}

#[tokio::test]
async fn refusals_after_that_travel_to_the_client() {
    let world = world();
    let client = portal(&world);
    let id = client.app_id.to_string();
    let admin_scope = format!("api://{id}/administer");
    let unknown_scope = format!("api://{id}/fly");
    let with = |scope: &str, extra: &[(&'static str, &'static str)]| {
        let mut form: Vec<(String, String)> = request(&id, scope, REDIRECT, "x")
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        form.extend(
            extra
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        form
    };
    let signing_in = [
        ("username", USER),
        ("password", PASSWORD),
        ("decision", "accept"),
    ];
    let cases = [
        (
            with("openid", &[("decision", "cancel")]),
            "access_denied",
            "AADSTS65004",
        ),
        (
            with("openid", &[("prompt", "none")]),
            "login_required",
            "AADSTS50058",
        ),
        (with(&unknown_scope, &[]), "invalid_client", "AADSTS650053"),
        (
            with(&admin_scope, &signing_in),
            "access_denied",
            "AADSTS90094",
        ),
    ];
    for (form, error, code) in cases {
        let form: Vec<_> = form.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let sent = location(&world.post(&authorize(&world), &form).await);
        assert_eq!(sent["error"], error);
        assert!(sent["error_description"].starts_with(code), "{sent:?}");
        assert_eq!(sent["state"], "s t&te");
    }
}

#[tokio::test]
async fn the_page_asks_again_after_a_wrong_password_and_never_repeats_it() {
    let world = world();
    let client = portal(&world);
    let id = client.app_id.to_string();
    for (name, code) in [(USER, "AADSTS50126"), ("nobody@x", "AADSTS50034")] {
        let mut form = request(&id, "openid", REDIRECT, "x");
        form.extend([
            ("username", name),
            ("password", "hunter2"),
            ("decision", "accept"),
        ]);
        let answer = world.post(&authorize(&world), &form).await;
        assert_eq!(answer.status, 200);
        let html = answer.body.as_str().unwrap();
        assert!(html.contains(code), "{html}");
        assert!(!html.contains("hunter2"));
    }
}

#[tokio::test]
async fn a_page_of_another_site_cannot_sign_a_person_in() {
    let world = world();
    let client = portal(&world);
    let body = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(request(&client.app_id.to_string(), "openid", REDIRECT, "x"))
        .extend_pairs([
            ("username", USER),
            ("password", PASSWORD),
            ("decision", "accept"),
        ])
        .finish();
    let request = http::Request::post(authorize(&world))
        .header("origin", "https://evil.example")
        .body(axum::body::Body::from(body))
        .unwrap();
    let answer = world.send(request).await;
    assert_eq!(answer.status, 400);
    assert!(answer.headers.get("location").is_none());
}

#[tokio::test]
async fn a_device_polls_until_its_person_has_decided() {
    let world = world();
    let client = portal(&world);
    let id = client.app_id.to_string();
    let start = format!("/{}/oauth2/v2.0/devicecode", world.tenant);
    let form = [("client_id", id.as_str()), ("scope", "openid User.Read")];
    let started = world.post(&start, &form).await;
    assert_eq!(started.body["expires_in"], 900);
    let device_code = started.body["device_code"].as_str().unwrap();
    let user_code = started.body["user_code"].as_str().unwrap();
    assert!(
        started.body["message"]
            .as_str()
            .unwrap()
            .contains(user_code)
    );
    let poll = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
        ("client_id", id.as_str()),
        ("device_code", device_code),
    ];
    let endpoint = world.v2_endpoint();
    world
        .post(&endpoint, &poll)
        .await
        .assert_refused(400, "authorization_pending", 70_016);

    let page = |password| {
        [
            ("user_code", user_code),
            ("username", USER),
            ("password", password),
            ("decision", "accept"),
        ]
    };
    assert_eq!(world.post("/devicelogin", &page("wrong")).await.status, 400);
    world
        .post(&endpoint, &poll)
        .await
        .assert_refused(400, "authorization_pending", 70_016);
    assert_eq!(
        world.post("/devicelogin", &page(PASSWORD)).await.status,
        200
    );
    let answer = world.post(&endpoint, &poll).await;
    assert_eq!(answer.claims(&world)["scp"], "User.Read");
    let caller = world
        .state
        .verify_graph_token(answer.access_token())
        .unwrap();
    assert_eq!(caller.scopes, ["User.Read"]);
    assert_eq!(caller.service_principal_id, None);
    assert!(caller.user_id.is_some());
    let request = http::Request::get("/oidc/userinfo")
        .header("authorization", format!("Bearer {}", answer.access_token()))
        .body(axum::body::Body::empty())
        .unwrap();
    let userinfo = world.send(request).await;
    assert_eq!(userinfo.body["name"], "Ada Lovelace");
    assert_eq!(userinfo.body["sub"], answer.claims(&world)["sub"]);
    assert_eq!(world.get("/oidc/userinfo").await.status, 401);
    world
        .post(&endpoint, &poll)
        .await
        .assert_refused(400, "expired_token", 70_020);
}

#[tokio::test]
async fn a_device_can_be_declined_and_expires() {
    let world = world();
    let client = portal(&world);
    let id = client.app_id.to_string();
    let start = format!("/{}/oauth2/v2.0/devicecode", world.tenant);
    for is_declined in [true, false] {
        let started = world.post(&start, &[("client_id", id.as_str())]).await;
        let poll = [
            ("grant_type", "device_code"),
            ("client_id", id.as_str()),
            ("device_code", started.body["device_code"].as_str().unwrap()),
        ];
        if is_declined {
            let user_code = started.body["user_code"].as_str().unwrap();
            let form = [("user_code", user_code), ("decision", "cancel")];
            assert_eq!(world.post("/devicelogin", &form).await.status, 200);
            let answer = world.post(&world.v2_endpoint(), &poll).await;
            answer.assert_refused(400, "authorization_declined", 70_018);
        } else {
            world.advance(SignedDuration::from_mins(16));
            let answer = world.post(&world.v2_endpoint(), &poll).await;
            answer.assert_refused(400, "expired_token", 70_020);
        }
    }
}

#[tokio::test]
async fn a_password_alone_serves_public_clients_that_have_consent() {
    let world = world();
    let client = portal(&world);
    let id = client.app_id.to_string();
    let scope = format!("api://{id}/read");
    let form = [
        ("grant_type", "password"),
        ("client_id", id.as_str()),
        ("username", USER),
        ("password", PASSWORD),
        ("scope", scope.as_str()),
    ];
    let endpoint = world.v2_endpoint();
    world
        .post(&endpoint, &form)
        .await
        .assert_refused(400, "invalid_grant", 65_001);
    code_for(&world, &client, &scope, REDIRECT).await;
    assert_eq!(
        world.post(&endpoint, &form).await.claims(&world)["scp"],
        "read"
    );

    let stranger = world.client("daemon").app_id.to_string();
    let mut confidential = form;
    confidential[1].1 = &stranger;
    world
        .post(&endpoint, &confidential)
        .await
        .assert_refused(401, "invalid_client", 7_000_218);
    let mut wrong = form;
    wrong[3].1 = "wrong";
    world
        .post(&endpoint, &wrong)
        .await
        .assert_refused(400, "invalid_grant", 50_126);
}

#[tokio::test]
async fn the_v1_endpoints_serve_a_person_for_a_resource() {
    let world = world();
    let client = portal(&world);
    let id = client.app_id.to_string();
    let graph = "https://graph.microsoft.com";
    world.change_application(client.application, |application| {
        let access = serde_json::json!([{
            "resourceAppId": "00000003-0000-0000-c000-000000000000",
            "resourceAccess": [{"id": "e1fe6dd8-ba31-4d61-89e7-88639da4683d", "type": "Scope"}],
        }]);
        application.required_resource_access = serde_json::from_value(access).unwrap();
    });
    let form = [
        ("client_id", id.as_str()),
        ("response_type", "code"),
        ("redirect_uri", REDIRECT),
        ("resource", graph),
        ("username", USER),
        ("password", PASSWORD),
        ("decision", "accept"),
    ];
    let sent = location(
        &world
            .post(&format!("/{}/oauth2/authorize", world.tenant), &form)
            .await,
    );
    let redemption = [
        ("grant_type", "authorization_code"),
        ("client_id", id.as_str()),
        ("client_secret", client.secret.as_str()),
        ("code", sent["code"].as_str()),
        ("redirect_uri", REDIRECT),
        ("resource", graph),
    ];
    let answer = world.post(&world.v1_endpoint(), &redemption).await;
    let claims = answer.claims(&world);
    assert_eq!(claims["scp"], "User.Read");
    assert_eq!(claims["upn"], USER);
    assert!(answer.body["expires_on"].is_string());
    assert_eq!(id_claims(&world, &answer)["ver"], "1.0");
    assert!(answer.body["refresh_token"].is_string());
}

#[tokio::test]
async fn a_code_travels_in_the_way_that_the_client_asks_for() {
    let world = world();
    let client = portal(&world);
    let id = client.app_id.to_string();
    let with = |mode: &'static str| {
        let mut form = request(&id, "openid", REDIRECT, "x");
        form.extend([
            ("username", USER),
            ("password", PASSWORD),
            ("decision", "accept"),
        ]);
        form.push(("response_mode", mode));
        form.retain(|(name, _)| *name != "state");
        form.push(("state", "\"><script>"));
        form
    };
    let fragment = world.post(&authorize(&world), &with("fragment")).await;
    let target = Url::parse(fragment.headers["location"].to_str().unwrap()).unwrap();
    assert!(target.query().is_none());
    assert!(target.fragment().unwrap().starts_with("code="));

    let posted = world.post(&authorize(&world), &with("form_post")).await;
    assert_eq!(posted.status, 200);
    let html = posted.body.as_str().unwrap();
    assert!(html.contains(&format!("<form method=\"post\" action=\"{REDIRECT}\">")));
    assert!(html.contains("name=\"code\" value=\"1."));
    assert!(!html.contains("<script>"), "{html}");

    let unknown = world.post(&authorize(&world), &with("telepathy")).await;
    assert_eq!(unknown.status, 400);
    assert!(unknown.headers.get("location").is_none());
}
