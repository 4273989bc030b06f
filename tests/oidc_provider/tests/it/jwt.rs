//! JWT access tokens (RFC 9068), verified by the keys that the provider's own documents lead to.

use crate::world::{NOT_SUBSCRIBED, SCOPED, SUBSCRIBED, World};

async fn is_verified(algorithm: &str) {
    let resource = format!("https://orders.example/{algorithm}");
    let world = World::verifying(&resource).await;
    let token = world.provider.jwt(&resource).await;
    world.passes(SUBSCRIBED, &token).await;
    world.passes(SCOPED, &token).await;
    world.refuses(NOT_SUBSCRIBED, &token, 403, "900908").await;

    let other = world.provider.jwt(&resource).await;
    let (signed, _) = token.rsplit_once('.').expect("a signature");
    let (_, signature) = other.rsplit_once('.').expect("a signature");
    let altered = format!("{signed}.{signature}");
    world.refuses(SUBSCRIBED, &altered, 401, "900901").await;
    let elsewhere = format!("https://elsewhere.example/{algorithm}");
    let foreign = world.provider.jwt(&elsewhere).await;
    world.refuses(SUBSCRIBED, &foreign, 403, "900914").await;
    assert_eq!(world.asked(), 0);

    // Past its hour and what clocks may differ by.
    world.advance(3_600 + 61);
    world.refuses(SUBSCRIBED, &token, 401, "900901").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_signed_with_rs256_passes_and_an_altered_foreign_or_expired_one_does_not() {
    is_verified("RS256").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_signed_with_es256_passes_and_an_altered_foreign_or_expired_one_does_not() {
    is_verified("ES256").await;
}
