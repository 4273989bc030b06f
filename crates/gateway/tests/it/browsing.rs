//! Browsers: preflights before authentication, and pages that may read answers.

use domain::api::Verb;
use domain::cors::{AllowedOrigins, CorsPolicy};
use gateway::GatewayConfig;
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
    let world = world(AllowedOrigins::Any, false).await;
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
    assert_eq!(answer.header("access-control-allow-credentials"), "");
    assert_eq!(answer.header("vary"), "");
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

fn pages(origins: &[&str]) -> AllowedOrigins {
    AllowedOrigins::Only(origins.iter().map(|&one| one.to_owned()).collect())
}

async fn call(world: &World, origin: Option<&str>) -> Answer {
    let mut request = Request::get("/exampleapi/1.0.0/items")
        .header("authorization", format!("Bearer {}", token()));
    if let Some(origin) = origin {
        request = request.header("origin", origin);
    }
    world.send(request.body(full("")).expect("a request")).await
}

const PATH: &str = "/exampleapi/1.0.0/items";

#[tokio::test]
async fn the_policy_of_an_api_goes_before_that_of_the_gateway() {
    let world = world(AllowedOrigins::Any, false).await;
    world.change_api(|api| {
        api.cors = Some(CorsPolicy {
            origins: pages(&["https://one.example", "https://two.example"]),
            credentials: true,
            headers: vec!["x-one".to_owned()],
            verbs: [Verb::Get, Verb::Delete].into(),
            exposed_headers: vec!["x-two".to_owned()],
            max_age_seconds: 5,
        });
    });
    for origin in ["https://one.example", "https://two.example"] {
        let answer = preflight(&world, PATH, origin).await;
        assert_eq!(answer.status, 204);
        assert_eq!(answer.header("access-control-allow-origin"), origin);
        assert_eq!(answer.header("access-control-allow-credentials"), "true");
        // What the resource offers and the policy allows.
        assert_eq!(answer.header("access-control-allow-methods"), "GET");
        assert_eq!(answer.header("access-control-allow-headers"), "x-one");
        assert_eq!(answer.header("access-control-max-age"), "5");
        assert_eq!(answer.header("vary"), "Origin");
        let answer = call(&world, Some(origin)).await;
        assert_eq!(answer.header("access-control-allow-origin"), origin);
        assert_eq!(answer.header("access-control-expose-headers"), "x-two");
    }
    for origin in [
        "https://three.example",
        "null",
        "https://one.example:443",
        "HTTPS://ONE.EXAMPLE",
    ] {
        let answer = preflight(&world, PATH, origin).await;
        assert_eq!(answer.status, 204);
        assert_eq!(answer.header("access-control-allow-origin"), "", "{origin}");
        assert_eq!(
            answer.header("access-control-allow-methods"),
            "",
            "{origin}"
        );
        assert_eq!(answer.header("vary"), "Origin");
        let answer = call(&world, Some(origin)).await;
        assert_eq!(answer.header("access-control-allow-origin"), "", "{origin}");
        assert_eq!(
            answer.header("access-control-allow-credentials"),
            "",
            "{origin}"
        );
    }
    // Caches must not keep the answer without an origin for a page.
    assert_eq!(call(&world, None).await.header("vary"), "Origin");
    assert!(world.received.lock().expect("a lock").len() > 5);
}

#[tokio::test]
async fn an_api_has_a_policy_where_the_gateway_has_none() {
    let world = World::start().await;
    world.change_api(|api| api.cors = Some(CorsPolicy::default()));
    let answer = preflight(&world, PATH, "null").await;
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert_eq!(answer.header("access-control-allow-methods"), "GET, POST");
    assert_eq!(
        preflight(&world, "/none/1.0.0/items", "null")
            .await
            .header("access-control-allow-origin"),
        ""
    );
    // Taken back with the next revision.
    world.change_api(|_| {});
    assert_eq!(preflight(&world, PATH, "null").await.status, 405);
}

#[tokio::test]
async fn a_policy_that_says_too_much_is_not_believed() {
    let world = World::start().await;
    world.change_api(|api| {
        api.cors = Some(CorsPolicy {
            credentials: true,
            exposed_headers: vec!["x\r\ny: z".to_owned()],
            ..CorsPolicy::default()
        });
    });
    let answer = call(&world, Some("https://page.example")).await;
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert_eq!(answer.header("access-control-allow-credentials"), "");
    assert_eq!(answer.header("access-control-expose-headers"), "");
}

#[tokio::test]
async fn an_options_request_without_a_question_is_no_preflight() {
    let world = world(AllowedOrigins::Any, false).await;
    for (name, value) in [
        ("origin", "https://page.example"),
        ("access-control-request-method", "GET"),
    ] {
        let request = Request::options(PATH)
            .header(name, value)
            .body(full(""))
            .expect("a request");
        assert_eq!(world.send(request).await.status, 405);
    }
}
