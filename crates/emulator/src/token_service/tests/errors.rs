//! Every refusal of the token endpoint, provoked (Microsoft: *Microsoft Entra authentication and authorization error codes*).

use axum::body::Body;
use http::Request;
use jiff::SignedDuration;
use serde_json::json;

use super::{TestClient, World};

/// A complete request of `client`, with `changes` replacing or (when empty) removing parameters.
async fn ask(world: &World, client: &TestClient, changes: &[(&str, &str)]) -> super::Answer {
    let (id, scope) = (
        client.app_id.to_string(),
        format!("api://{}/.default", client.app_id),
    );
    let mut form = vec![
        ("grant_type", "client_credentials"),
        ("client_id", id.as_str()),
        ("client_secret", client.secret.as_str()),
        ("scope", scope.as_str()),
    ];
    for &(name, value) in changes {
        form.retain(|(known, _)| *known != name);
        form.push((name, value));
    }
    world.post(&world.v2_endpoint(), &form).await
}

#[tokio::test]
async fn a_wrong_secret_and_the_id_of_a_secret_are_7000215() {
    let world = World::new();
    let client = world.client("orders");
    let key_id = world
        .state
        .directory()
        .table::<crate::directory::Application>()
        .newest(client.application)
        .unwrap()
        .password_credentials[0]
        .key_id
        .to_string();
    for wrong in ["nonsense", key_id.as_str()] {
        let answer = ask(&world, &client, &[("client_secret", wrong)]).await;
        answer.assert_refused(401, "invalid_client", 7_000_215);
        let description = answer.body["error_description"].as_str().unwrap();
        assert!(description.contains(&format!("added to app '{}'", client.app_id)));
        let uri = "https://login.microsoftonline.com/error?code=7000215";
        assert_eq!(answer.body["error_uri"], uri);
    }
}

#[tokio::test]
async fn an_expired_secret_is_7000222() {
    let world = World::new();
    let client = world.client("orders");
    world.advance(SignedDuration::from_hours(24 * 181));
    ask(&world, &client, &[])
        .await
        .assert_refused(401, "invalid_client", 7_000_222);
}

#[tokio::test]
async fn no_credential_at_all_is_7000216() {
    let world = World::new();
    let client = world.client("orders");
    let answer = ask(&world, &client, &[("client_secret", "")]).await;
    answer.assert_refused(401, "invalid_client", 7_000_216);
}

#[tokio::test]
async fn unknown_clients_are_700016_and_the_zero_id_is_700038() {
    let world = World::new();
    let client = world.client("orders");
    let unknown = world.state.random.uuid().to_string();
    for id in [unknown.as_str(), "not-a-guid"] {
        let answer = ask(&world, &client, &[("client_id", id)]).await;
        answer.assert_refused(400, "unauthorized_client", 700_016);
    }
    let zero = "00000000-0000-0000-0000-000000000000";
    let answer = ask(&world, &client, &[("client_id", zero)]).await;
    answer.assert_refused(400, "unauthorized_client", 700_038);
    assert!(answer.body.get("error_uri").is_none());
}

#[tokio::test]
async fn a_missing_service_principal_is_7000229_and_a_disabled_one_7000112() {
    let world = World::new();
    let client = world.client("orders");
    world.change_principal(client.principal, |principal| {
        principal.account_enabled = false;
    });
    ask(&world, &client, &[])
        .await
        .assert_refused(400, "unauthorized_client", 7_000_112);
    world.write(|transaction| {
        transaction.remove::<crate::directory::ServicePrincipal>(client.principal)
    });
    ask(&world, &client, &[])
        .await
        .assert_refused(401, "invalid_client", 7_000_229);
}

#[tokio::test]
async fn an_application_that_conditional_access_blocks_is_53003() {
    let world = World::new();
    let (blocked, other) = (world.client("blocked"), world.client("other"));
    world.change_tenant(|tenant| {
        tenant.policies.workload_conditional_access.blocked_clients = vec![blocked.app_id];
    });
    world
        .own_token(&blocked)
        .await
        .assert_refused(400, "invalid_grant", 53_003);
    assert_eq!(world.own_token(&other).await.status, 200);
    world.change_tenant(|tenant| tenant.policies.workload_conditional_access.blocks_all = true);
    world
        .own_token(&other)
        .await
        .assert_refused(400, "invalid_grant", 53_003);
}

#[tokio::test]
async fn unknown_resources_are_500011() {
    let world = World::new();
    let client = world.client("orders");
    let unknown = format!("{}/.default", world.state.random.uuid());
    for scope in [
        "api://nobody/.default",
        "https://nobody.example//.default",
        unknown.as_str(),
    ] {
        let answer = ask(&world, &client, &[("scope", scope)]).await;
        answer.assert_refused(400, "invalid_resource", 500_011);
        assert_eq!(
            answer.body["error_uri"],
            "https://login.microsoftonline.com/error?code=500011"
        );
    }
}

#[tokio::test]
async fn scopes_that_do_not_name_one_resource_are_refused() {
    let world = World::new();
    let client = world.client("orders");
    let cases = [
        ("openid", "invalid_scope", 1_002_012),
        (
            "api://a/.default api://b/.default",
            "invalid_request",
            700_022,
        ),
        ("   ", "invalid_scope", 70_011),
        ("", "invalid_request", 90_014),
    ];
    for (scope, error, code) in cases {
        ask(&world, &client, &[("scope", scope)])
            .await
            .assert_refused(400, error, code);
    }
}

#[tokio::test]
async fn missing_parameters_are_900144_and_unknown_grants_70003() {
    let world = World::new();
    let client = world.client("orders");
    for name in ["grant_type", "client_id"] {
        let answer = ask(&world, &client, &[(name, "")]).await;
        answer.assert_refused(400, "invalid_request", 900_144);
        assert!(
            answer.body["error_description"]
                .as_str()
                .unwrap()
                .contains(name)
        );
    }
    let answer = ask(&world, &client, &[("grant_type", "password_less")]).await;
    answer.assert_refused(400, "unsupported_grant_type", 70_003);
    assert!(answer.body.get("error_uri").is_none());
}

#[tokio::test]
async fn tenants_that_do_not_exist_are_90002_and_nonsense_is_900023() {
    let world = World::new();
    let form = [("grant_type", "client_credentials")];
    let unknown = world.state.random.uuid();
    for tenant in [unknown.to_string().as_str(), "nobody.example"] {
        let path = format!("/{tenant}/oauth2/v2.0/token");
        world
            .post(&path, &form)
            .await
            .assert_refused(400, "invalid_request", 90_002);
    }
    let answer = world.post("/nonsense/oauth2/v2.0/token", &form).await;
    answer.assert_refused(400, "invalid_request", 900_023);
}

#[tokio::test]
async fn shared_authorities_do_not_serve_this_grant() {
    let world = World::new();
    let client = world.client("orders");
    let id = client.app_id.to_string();
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", id.as_str()),
    ];
    for authority in ["common", "organizations"] {
        let path = format!("/{authority}/oauth2/v2.0/token");
        world
            .post(&path, &form)
            .await
            .assert_refused(400, "invalid_request", 50_194);
    }
}

#[tokio::test]
async fn the_correlation_id_is_the_clients_from_header_or_query() {
    let world = World::new();
    let id = world.state.random.uuid().to_string();
    let by_header = Request::post(world.v2_endpoint())
        .header("client-request-id", &id)
        .body(Body::empty())
        .unwrap();
    let by_query = Request::post(format!("{}?client-request-id={id}", world.v2_endpoint()))
        .body(Body::empty())
        .unwrap();
    for request in [by_header, by_query] {
        assert_eq!(world.send(request).await.body["correlation_id"], json!(id));
    }
}

#[tokio::test]
async fn whatever_is_posted_the_answer_is_entras_and_never_a_500() {
    let world = World::new();
    let long = vec![b'a'; 300_000];
    let bodies: [&[u8]; 5] = [
        b"",
        b"\xff\xfe\x00",
        b"{\"grant_type\":1}",
        b"%%%=%&&&=;",
        &long,
    ];
    for body in bodies {
        let request = Request::post(world.v2_endpoint())
            .body(Body::from(body.to_vec()))
            .unwrap();
        let answer = world.send(request).await;
        assert_eq!(answer.status, 400, "{}", answer.body);
        assert_eq!(answer.body["error"], "invalid_request");
    }
    world
        .get(&world.v2_endpoint())
        .await
        .assert_refused(400, "invalid_request", 900_561);
}

#[tokio::test]
async fn browsers_may_ask_first() {
    let world = World::new();
    let request = Request::options(world.v2_endpoint())
        .header("origin", "https://app.example")
        .body(Body::empty())
        .unwrap();
    let answer = world.send(request).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["access-control-allow-origin"], "*");
}

mod random_requests {
    use proptest::prelude::*;

    use super::*;

    fn parameter() -> impl Strategy<Value = (String, String)> {
        let name = prop_oneof![
            Just("grant_type".to_owned()),
            Just("client_id".to_owned()),
            Just("client_secret".to_owned()),
            Just("client_assertion".to_owned()),
            Just("client_assertion_type".to_owned()),
            Just("scope".to_owned()),
            Just("resource".to_owned()),
            Just("code".to_owned()),
            Just("redirect_uri".to_owned()),
            Just("refresh_token".to_owned()),
            "\\PC{0,8}",
        ];
        let value = prop_oneof![
            Just("client_credentials".to_owned()),
            Just("authorization_code".to_owned()),
            Just("refresh_token".to_owned()),
            Just("password".to_owned()),
            Just("00000003-0000-0000-c000-000000000000".to_owned()),
            Just("https://graph.microsoft.com/.default".to_owned()),
            Just("eyJhbGciOiJub25lIn0.e30.".to_owned()),
            "\\PC{0,40}",
        ];
        (name, value)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 20, ..ProptestConfig::default() })]

        #[test]
        fn are_refused_in_entras_words(
            cases in proptest::collection::vec(
                (proptest::collection::vec(parameter(), 0..8), "[a-z0-9.%-]{1,20}"),
                20,
            )
        ) {
            thread_local! {
                static WORLD: World = World::new();
            }
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            WORLD.with(|world| {
                for (form, tenant) in &cases {
                    let form: Vec<(&str, &str)> =
                        form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                    for path in [world.v2_endpoint(), format!("/{tenant}/oauth2/token")] {
                        let answer = runtime.block_on(world.post(&path, &form));
                        let status = answer.status.as_u16();
                        assert!((400..500).contains(&status), "{status} {}", answer.body);
                    }
                }
            });
        }
    }
}
