//! Opaque tokens, about which the gateway asks (RFC 7662).

use crate::provider::GATEWAY;
use crate::world::{NOT_SUBSCRIBED, SCOPED, SUBSCRIBED, World};

/// Seconds for which an answer is believed.
const KEPT: i64 = 900;

#[tokio::test(flavor = "multi_thread")]
async fn an_active_token_passes_with_its_subscription_and_is_asked_about_once() {
    let world = World::introspecting().await;
    let token = world.provider.opaque_token().await;
    assert!(!token.contains('.'), "it is a JWT");
    for _ in 0..3 {
        world.passes(SUBSCRIBED, &token).await;
    }
    world.refuses(NOT_SUBSCRIBED, &token, 403, "900908").await;
    // It was asked for without a scope.
    world.refuses(SCOPED, &token, 403, "900910").await;
    assert_eq!(world.asked(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_is_refused_once_the_answer_about_it_is_no_longer_believed() {
    let world = World::introspecting().await;
    let token = world.provider.opaque_token().await;
    let other = world.provider.opaque_token().await;
    world.passes(SUBSCRIBED, &token).await;
    world.provider.revoke(&token).await;
    world.advance(KEPT - 1);
    world.passes(SUBSCRIBED, &token).await;
    assert_eq!(world.asked(), 1);
    world.advance(1);
    world.refuses(SUBSCRIBED, &token, 401, "900901").await;
    assert_eq!(world.asked(), 2);
    world.passes(SUBSCRIBED, &other).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_was_revoked_before_its_first_use_never_passes() {
    let world = World::introspecting().await;
    let token = world.provider.opaque_token().await;
    world.provider.revoke(&token).await;
    world.refuses(SUBSCRIBED, &token, 401, "900901").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_the_provider_does_not_know_are_refused() {
    let world = World::introspecting().await;
    let token = world.provider.opaque_token().await;
    let cut = &token[..token.len() - 1];
    for unknown in ["2YotnFZFEjr1zCsicMWpAA", cut] {
        world.refuses(SUBSCRIBED, unknown, 401, "900901").await;
    }
    world.passes(SUBSCRIBED, &token).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_whose_credential_is_refused_lets_nothing_through() {
    let world = World::introspecting_as((GATEWAY.0, "another secret")).await;
    let token = world.provider.opaque_token().await;
    world.refuses(SUBSCRIBED, &token, 500, "900900").await;
    assert_eq!(world.asked(), 1);
}
