//! Tokens that only their key manager can judge (RFC 7662): asked over HTTP, once, and remembered within bounds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::explanation::CheckOutcome;
use domain::key_manager::TokenValidation;
use domain::snapshot::{KeyManagerEntry, SnapshotChange, ValidationMethod};
use gateway::{GatewayConfig, IntrospectionConfig};
use http::StatusCode;
use serde_json::{Value, json};

use crate::support::signer::FIRST;
use crate::support::world::{
    CLIENT, NOW, World, claims, id, signed, test_config, token, until, v2_issuer, with,
};

const OPAQUE: &str = "2YotnFZFEjr1zCsicMWpAA";

fn introspected(one: &mut KeyManagerEntry) {
    let endpoint = "https://idp.example/introspect".parse().expect("a URL");
    one.validation = ValidationMethod::Introspect { endpoint };
}

fn active() -> Value {
    json!({"active": true, "client_id": CLIENT, "scope": "Orders.Read profile", "exp": NOW + 3_600})
}

async fn world() -> World {
    world_with(test_config()).await
}

async fn world_with(config: GatewayConfig) -> World {
    let world = World::start_with(config, &[FIRST.jwk()]).await;
    world.introspection.serves(id(10));
    world.change_key_manager(introspected);
    world
}

#[tokio::test]
async fn an_active_opaque_token_passes_and_is_asked_about_once_in_a_quarter_of_an_hour() {
    let world = world().await;
    world.introspection.says(OPAQUE, &active());
    for _ in 0..3 {
        world.passes(OPAQUE).await;
    }
    assert_eq!(world.introspection.asked(), [OPAQUE]);
    world.clock.advance(899);
    world.passes(OPAQUE).await;
    assert_eq!(world.introspection.asked().len(), 1);
    world.clock.advance(1);
    world.passes(OPAQUE).await;
    assert_eq!(world.introspection.asked().len(), 2);
    // Revoked in the meantime: seen at the next question.
    world.introspection.says(OPAQUE, &json!({"active": false}));
    world.passes(OPAQUE).await;
    world.clock.advance(900);
    assert_eq!(world.refusal(OPAQUE).await, (401, "900901".to_owned()));
    assert_eq!(world.reason(OPAQUE).await, "token_inactive");
}

#[tokio::test]
async fn a_jwt_of_an_introspecting_key_manager_is_judged_by_the_answer_alone() {
    let world = world().await;
    let forged = format!("{}x", token().rsplit_once('.').expect("a signature").0);
    for token in [token(), forged] {
        assert_eq!(world.refusal(&token).await, (401, "900901".to_owned()));
    }
    let good = signed(&FIRST, &with(claims(), "jti", json!("other")));
    world
        .introspection
        .says(&good, &with(active(), "iss", json!(v2_issuer())));
    world.passes(&good).await;
    // Its own `azp` counts for nothing: the answer names no client.
    let nameless = signed(&FIRST, &with(claims(), "jti", json!("nameless")));
    world
        .introspection
        .says(&nameless, &json!({"active": true}));
    assert_eq!(world.refusal(&nameless).await, (403, "900908".to_owned()));
}

#[tokio::test]
async fn an_answer_is_checked_as_the_claims_of_a_jwt_are() {
    let world = world().await;
    world.change_api(|api| api.audiences = vec!["orders".to_owned()]);
    let good = with(active(), "aud", json!(["orders"]));
    let cases = [
        ("in-time", good.clone(), "accepted"),
        ("audience", active(), "audience"),
        (
            "expired",
            with(good.clone(), "exp", json!(NOW - 61)),
            "expired",
        ),
        (
            "early",
            with(good.clone(), "nbf", json!(NOW + 61)),
            "not_yet_valid",
        ),
        (
            "time",
            with(good.clone(), "exp", json!("soon")),
            "time_malformed",
        ),
        (
            "issuer",
            with(good.clone(), "iss", json!("https://evil.example")),
            "issuer_unknown",
        ),
        (
            "issuer-list",
            with(good.clone(), "iss", json!([v2_issuer()])),
            "issuer_unknown",
        ),
        (
            "two-clients",
            with(good.clone(), "azp", json!("other")),
            "consumer_key_ambiguous",
        ),
        (
            "stranger",
            with(good.clone(), "client_id", json!("other")),
            "client_unmapped",
        ),
        (
            "bound",
            with(good.clone(), "cnf", json!({"jkt": "x"})),
            "confirmation_unknown",
        ),
    ];
    for (token, answer, reason) in cases {
        world.introspection.says(token, &answer);
        assert_eq!(world.reason(token).await, reason, "{token}");
        let status = world.call(token).await.status;
        assert_eq!(status == 200, reason == "accepted", "{token}");
    }
    let path = "/exampleapi/1.0.0/scoped";
    assert_eq!(world.get(path, "in-time").await.status, 200);
    let scopeless = with(good, "scope", json!("profile"));
    world.introspection.says("scopeless", &scopeless);
    assert_eq!(world.get(path, "scopeless").await.code(), "900910");
}

#[tokio::test]
async fn a_token_without_expiry_is_believed_until_it_is_asked_about_again() {
    let world = world().await;
    world
        .introspection
        .says(OPAQUE, &json!({"active": true, "client_id": CLIENT}));
    world.passes(OPAQUE).await;
    world.introspection.answers_with(StatusCode::BAD_GATEWAY);
    world.clock.advance(899);
    world.passes(OPAQUE).await;
    world.clock.advance(1);
    assert_eq!(world.refusal(OPAQUE).await, (500, "900900".to_owned()));
}

#[tokio::test]
async fn an_inactive_token_is_remembered_for_a_short_time() {
    let world = world().await;
    for _ in 0..3 {
        assert_eq!(world.refusal(OPAQUE).await, (401, "900901".to_owned()));
    }
    assert_eq!(world.introspection.asked().len(), 1);
    world.introspection.says(OPAQUE, &active());
    world.clock.advance(30);
    world.passes(OPAQUE).await;
    assert_eq!(world.introspection.asked().len(), 2);
}

#[tokio::test]
async fn a_provider_without_a_usable_answer_is_our_failure_and_never_a_pass() {
    let world = world().await;
    let endless = " ".repeat(70_000);
    let answers: [&[u8]; 6] = [
        b"",
        b"true",
        b"{}",
        br#"{"active":"true"}"#,
        br#"{"active":false,"active":true}"#,
        endless.as_bytes(),
    ];
    for (number, answer) in answers.into_iter().enumerate() {
        let token = format!("nonsense{number}");
        world.introspection.says_bytes(&token, answer.to_vec());
        assert_eq!(world.refusal(&token).await, (500, "900900".to_owned()));
        assert_eq!(world.reason(&token).await, "introspection_failed");
    }
    world.introspection.says(OPAQUE, &active());
    world.introspection.answers_with(StatusCode::UNAUTHORIZED);
    assert_eq!(world.refusal(OPAQUE).await, (500, "900900".to_owned()));
    // A failure is not remembered.
    world.introspection.answers_with(StatusCode::OK);
    world.passes(OPAQUE).await;
    let metrics = world.gateway.metrics();
    assert!(!metrics.contains(OPAQUE));
    assert!(
        metrics.contains("claviger_gateway_introspections_failed_total 13"),
        "{metrics}"
    );
}

#[tokio::test]
async fn a_silent_provider_is_waited_for_within_bounds() {
    let config = GatewayConfig {
        introspection: IntrospectionConfig {
            timeout: Duration::from_millis(50),
            ..IntrospectionConfig::default()
        },
        ..test_config()
    };
    let world = world_with(config).await;
    world.introspection.says(OPAQUE, &active());
    world.introspection.closes();
    assert_eq!(world.refusal(OPAQUE).await, (500, "900900".to_owned()));
    // Nobody waits for another's token.
    world.change_key_manager(|_| {});
    world.passes(&token()).await;
}

#[tokio::test]
async fn many_requests_with_one_token_share_one_question() {
    let world = Arc::new(world().await);
    world.introspection.says(OPAQUE, &active());
    world.introspection.closes();
    let requests: Vec<_> = (0..20)
        .map(|_| {
            let world = Arc::clone(&world);
            tokio::spawn(async move { world.passes(OPAQUE).await })
        })
        .collect();
    until("all requests wait", || {
        world.gateway.status().requests_in_progress == 20
    })
    .await;
    world.introspection.opens();
    for request in requests {
        request.await.expect("it passes");
    }
    assert_eq!(world.introspection.asked(), [OPAQUE]);
}

#[tokio::test]
async fn more_tokens_than_may_wait_are_refused() {
    let config = GatewayConfig {
        introspection: IntrospectionConfig {
            concurrency: 1,
            waiting: 2,
            ..IntrospectionConfig::default()
        },
        ..test_config()
    };
    let world = Arc::new(world_with(config).await);
    world.introspection.closes();
    let waiting: Vec<_> = ["first", "second"]
        .into_iter()
        .map(|token| {
            let world = Arc::clone(&world);
            tokio::spawn(async move { world.refusal(token).await })
        })
        .collect();
    until("both wait", || {
        world.gateway.status().requests_in_progress == 2 && world.introspection.asked().len() == 1
    })
    .await;
    assert_eq!(world.refusal("third").await, (500, "900900".to_owned()));
    world.introspection.opens();
    for request in waiting {
        assert_eq!(request.await.expect("an answer").0, 401);
    }
    assert_eq!(world.refusal("third").await.0, 401);
}

#[tokio::test]
async fn an_opaque_token_goes_to_the_first_key_manager_that_takes_it() {
    let world = World::start().await;
    world.introspection.serves(id(10));
    world.introspection.serves(id(12));
    assert_eq!(world.reason(OPAQUE).await, "token_opaque");
    assert_eq!(world.refusal(OPAQUE).await, (401, "900901".to_owned()));
    assert!(world.introspection.asked().is_empty());

    // A self-validating key manager takes opaque tokens of its own kind all the same.
    let rule = |pattern: &str| TokenValidation::Reference {
        pattern: pattern.to_owned(),
    };
    world.change_key_manager(|one| one.token_validation = vec![rule("ref_.*"), everything()]);
    world.introspection.says("ref_1", &active());
    world.passes("ref_1").await;
    world.passes(&token()).await;
    assert_eq!(world.reason("other_1").await, "token_opaque");

    // A second one takes what the first leaves, for the APIs that accept it.
    let mut second = world.key_manager.clone();
    second.id = id(12);
    second.name = "Second".to_owned();
    second.profile.issuers = vec!["https://second.example".to_owned()];
    second.token_validation = vec![rule("(ref|other)_[0-9]")];
    world.change(vec![SnapshotChange::PutKeyManager(Arc::new(second))]);
    world.introspection.says("other_1", &active());
    assert_eq!(world.reason("other_1").await, "client_unmapped");
    let explanation = world.explain("other_1").await;
    let mut checks = explanation.checks.iter();
    let issuer = checks
        .find(|check| check.name == "issuer")
        .expect("a check");
    assert_eq!(
        issuer.seen.as_deref(),
        Some("no issuer, taken by key manager Second")
    );
    world.passes("ref_1").await;
    // The first is not accepted any more: what is remembered of the token is another's word.
    world.change_api(|api| {
        api.key_managers = domain::api::KeyManagerSelection::Only(vec!["Second".to_owned()]);
    });
    assert_eq!(world.refusal("ref_1").await, (403, "900908".to_owned()));
}

fn everything() -> TokenValidation {
    TokenValidation::Jwt {
        claims: BTreeMap::new(),
    }
}

#[tokio::test]
async fn nonsense_is_no_token_that_anybody_is_asked_about() {
    let world = world().await;
    for token in ["", "\"", "a\u{e9}", "{}", "a;b"] {
        assert_eq!(world.call(token).await.status, 401, "{token:?}");
        assert_ne!(world.reason(token).await, "token_inactive", "{token:?}");
    }
    assert!(world.introspection.asked().is_empty());
}

#[tokio::test]
async fn an_explanation_shows_the_question_in_place_of_the_signature() {
    let world = world().await;
    world.introspection.says(OPAQUE, &active());
    let explanation = world.explain(OPAQUE).await;
    assert!(explanation.accepted, "{:?}", explanation.reason);
    let names: Vec<_> = explanation
        .checks
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    assert_eq!(
        &names[..8],
        [
            "route",
            "request_blocking",
            "credential",
            "format",
            "issuer",
            "introspection",
            "time",
            "revocation"
        ]
    );
    for check in &explanation.checks {
        assert_eq!(check.outcome, CheckOutcome::Passed, "{}", check.name);
    }
    let refused = world.explain("unknown").await;
    assert_eq!(refused.reason.as_deref(), Some("token_inactive"));
}
