//! Graph's own tokens: opaque to everybody but Graph.

use jiff::SignedDuration;
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::{Answer, BASE, TestClient, World, names};
use crate::directory::GRAPH_APP_ID;
use crate::token_service::GraphTokenError;

fn administrator(world: &World) -> TestClient {
    let credentials = &world.state.administrators()[0];
    TestClient {
        application: uuid::Uuid::nil(),
        app_id: credentials.client_id,
        principal: uuid::Uuid::nil(),
        secret: credentials.client_secret.expose_secret().to_owned(),
    }
}

async fn graph_token(world: &World) -> Answer {
    world
        .token_for(
            &administrator(world),
            "https://graph.microsoft.com/.default",
        )
        .await
}

#[tokio::test]
async fn a_graph_token_has_a_nonce_the_v1_format_and_the_granted_roles() {
    let world = World::new();
    let answer = graph_token(&world).await;
    assert_eq!(
        names(&answer.jose_header()),
        ["alg", "kid", "nonce", "typ", "x5t"]
    );
    let claims = answer.claims(&world);
    assert_eq!(claims["aud"], "https://graph.microsoft.com");
    assert_eq!(claims["ver"], "1.0");
    assert_eq!(claims["idtyp"], "app");
    let roles = claims["roles"].as_array().unwrap();
    assert!(
        roles.contains(&json!("Application.ReadWrite.All")),
        "{roles:?}"
    );
}

#[tokio::test]
async fn the_emulators_own_address_means_graph_as_well() {
    let world = World::new();
    let administrator = administrator(&world);
    let by_id = format!("{GRAPH_APP_ID}/.default");
    for resource in [
        BASE,
        "https://127.0.0.1:4711",
        "https://graph.microsoft.com/",
    ] {
        let answer = world
            .token_for(&administrator, &format!("{resource}/.default"))
            .await;
        assert_eq!(
            answer.claims(&world)["aud"],
            "https://graph.microsoft.com",
            "{resource}"
        );
        assert!(
            world
                .state
                .verify_graph_token(answer.access_token())
                .is_ok()
        );
    }
    let answer = world.token_for(&administrator, &by_id).await;
    assert_eq!(answer.claims(&world)["aud"], json!(GRAPH_APP_ID));
    assert!(
        world
            .state
            .verify_graph_token(answer.access_token())
            .is_ok()
    );
    let elsewhere = world
        .token_for(&administrator, "https://localhost:1/.default")
        .await;
    elsewhere.assert_refused(400, "invalid_resource", 500_011);
}

#[tokio::test]
async fn graph_knows_its_caller_from_the_token() {
    let world = World::new();
    let answer = graph_token(&world).await;
    let caller = world
        .state
        .verify_graph_token(answer.access_token())
        .unwrap();
    assert_eq!(caller.app_id, administrator(&world).app_id);
    assert_eq!(caller.tenant_id, world.tenant);
    assert_eq!(caller.user_id, None);
    assert_eq!(
        json!(caller.service_principal_id),
        answer.claims(&world)["oid"]
    );
    assert!(
        caller
            .roles
            .iter()
            .any(|role| role == "AppRoleAssignment.ReadWrite.All")
    );
}

#[tokio::test]
async fn graph_refuses_every_other_token() {
    let world = World::new();
    let client = world.client("orders");
    let foreign = world.own_token(&client).await;
    let graph = graph_token(&world).await;
    let verify = |token: &str| world.state.verify_graph_token(token).unwrap_err();

    assert_eq!(verify(""), GraphTokenError::Empty);
    assert_eq!(verify("nonsense"), GraphTokenError::Malformed);
    assert_eq!(verify("a.b.c"), GraphTokenError::Signature);
    assert_eq!(verify(foreign.access_token()), GraphTokenError::Audience);
    let (signed, _) = graph.access_token().rsplit_once('.').unwrap();
    assert_eq!(
        verify(&format!("{signed}.AAAA")),
        GraphTokenError::Signature
    );
    world.advance(SignedDuration::from_hours(2));
    assert_eq!(verify(graph.access_token()), GraphTokenError::Expired);
}
