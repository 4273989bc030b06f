//! Browsers: preflights before authentication, and pages that may read answers.

use domain::api::Verb;
use gateway::{AllowedOrigins, CorsPolicy, GatewayConfig};
use http::Request;

use crate::support::http::{Answer, full};
use crate::support::signer::FIRST;
use crate::support::world::{World, operation, test_config, token};

async fn world(origins: AllowedOrigins, credentials: bool) -> World {
    let cors = CorsPolicy {
        origins,
        credentials,
        exposed_headers: vec!["x-upstream".to_owned()],
        ..CorsPolicy::default()
    };
    let config = GatewayConfig {
        cors: Some(cors),
        ..test_config()
    };
    World::start_with(config, &[FIRST.jwk()]).await
}

async fn preflight(world: &World, path: &str, origin: &str) -> Answer {
    let request = Request::options(path)
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization")
        .body(full(""))
        .expect("a request");
    world.send(request).await
}

#[tokio::test]
async fn a_preflight_is_answered_without_a_credential() {
    let world = world(AllowedOrigins::Any, true).await;
    let answer = preflight(&world, "/exampleapi/1.0.0/items", "https://page.example").await;
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert_eq!(answer.header("access-control-allow-methods"), "GET, POST");
    assert!(
        answer
            .header("access-control-allow-headers")
            .contains("authorization")
    );
    assert_eq!(answer.header("access-control-max-age"), "600");
    assert_eq!(
        answer.header("access-control-allow-credentials"),
        "",
        "never together with any origin"
    );
    assert!(world.received.lock().expect("a lock").is_empty());
    // No resource, no permission.
    assert_eq!(
        preflight(&world, "/none/1.0.0/items", "https://page.example")
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn only_listed_origins_may_read_answers_and_refusals() {
    let world = world(
        AllowedOrigins::Only(vec!["https://page.example".to_owned()]),
        true,
    )
    .await;
    let answer = preflight(&world, "/exampleapi/1.0.0/items", "https://page.example").await;
    assert_eq!(
        answer.header("access-control-allow-origin"),
        "https://page.example"
    );
    assert_eq!(answer.header("access-control-allow-credentials"), "true");
    assert_eq!(answer.header("vary"), "Origin");
    let answer = preflight(
        &world,
        "/exampleapi/1.0.0/items",
        "https://page.example.evil",
    )
    .await;
    assert_eq!(answer.header("access-control-allow-origin"), "");
    assert_eq!(answer.header("access-control-allow-methods"), "");

    for (token, status) in [(token(), 200), ("x.y.z".to_owned(), 401)] {
        let request = Request::get("/exampleapi/1.0.0/items")
            .header("authorization", format!("Bearer {token}"))
            .header("origin", "https://page.example")
            .body(full(""))
            .expect("a request");
        let answer = world.send(request).await;
        assert_eq!(answer.status, status);
        assert_eq!(
            answer.header("access-control-allow-origin"),
            "https://page.example"
        );
        assert_eq!(answer.header("access-control-expose-headers"), "x-upstream");
    }
}

#[tokio::test]
async fn an_api_that_offers_options_is_asked_itself() {
    let world = world(AllowedOrigins::Any, false).await;
    world.change_api(|api| {
        let options = operation(Verb::Options, "/*", &[]);
        api.operations = vec![domain::api::Operation {
            auth_required: false,
            ..options
        }];
    });
    let answer = preflight(&world, "/exampleapi/1.0.0/items", "https://page.example").await;
    assert_eq!(answer.text(), "OPTIONS /backend/items 0");
}

#[tokio::test]
async fn without_a_policy_a_preflight_is_a_request_like_any_other() {
    let world = World::start().await;
    let answer = preflight(&world, "/exampleapi/1.0.0/items", "https://page.example").await;
    assert_eq!(answer.status, 405);
    assert_eq!(answer.header("access-control-allow-origin"), "");
}
