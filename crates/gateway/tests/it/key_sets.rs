//! Key sets while the provider rotates, is attacked, is slow, or is down.

use serde_json::json;

use crate::support::provider::Provider;
use crate::support::signer::{FIRST, SECOND};
use crate::support::world::{World, claims, signed, test_config, token, until};

const FIVE_MINUTES: i64 = 300;
const HOUR: i64 = 3_600;

fn stranger(number: usize) -> String {
    FIRST.token_with_header(
        &json!({"alg": "RS256", "kid": format!("random-{number}")}),
        &claims(),
    )
}

fn later(expiry: i64) -> serde_json::Value {
    let mut claims = claims();
    claims["exp"] = json!(claims["exp"].as_i64().expect("a time") + expiry);
    claims
}

async fn fetched(world: &World, times: usize) {
    until("the key set is fetched", || {
        let status = world.gateway.key_set_status();
        world.provider.fetches() >= times && status[0].fetched_at.is_some()
    })
    .await;
}

#[tokio::test]
async fn a_new_key_is_found_when_its_first_token_comes() {
    let world = World::start().await;
    world.passes(&token()).await;
    world.provider.publishes(&[FIRST.jwk(), SECOND.jwk()]);
    world.passes(&signed(&SECOND, &claims())).await;
    assert_eq!(world.provider.fetches(), 2);
    world.passes(&token()).await;
}

#[tokio::test]
async fn many_tokens_of_a_new_key_cause_one_fetch() {
    let world = World::start().await;
    world.passes(&token()).await;
    world.provider.publishes(&[FIRST.jwk(), SECOND.jwk()]);
    world.provider.closes();
    let new = signed(&SECOND, &claims());
    let calls = futures_util::future::join_all((0..20).map(|_| world.call(&new)));
    let others = async {
        until("the fetch has begun", || world.provider.fetches() == 2).await;
        // Who needs no new key does not wait for it.
        world.passes(&token()).await;
        world.provider.opens();
    };
    let (answers, ()) = futures_util::future::join(calls, others).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(world.provider.fetches(), 2);
}

#[tokio::test]
async fn random_key_ids_cannot_make_the_gateway_hammer_the_provider() {
    let world = World::start().await;
    fetched(&world, 1).await;
    for number in 0..50 {
        assert_eq!(
            world.refusal(&stranger(number)).await,
            (401, "900901".to_owned())
        );
    }
    assert_eq!(
        world.provider.fetches(),
        4,
        "the first and a burst of three"
    );
    world.clock.advance(FIVE_MINUTES - 1);
    world.refusal(&stranger(50)).await;
    assert_eq!(world.provider.fetches(), 4);
    world.clock.advance(1);
    for number in 51..60 {
        world.refusal(&stranger(number)).await;
    }
    assert_eq!(world.provider.fetches(), 5, "one more an interval");
    world.passes(&token()).await;
}

#[tokio::test]
async fn the_set_is_refreshed_hourly_without_any_request() {
    let world = World::start().await;
    fetched(&world, 1).await;
    world.provider.publishes(&[FIRST.jwk(), SECOND.jwk()]);
    world.clock.advance(HOUR);
    until("the second key is known", || {
        world.gateway.key_set_status()[0].key_ids.len() == 2
    })
    .await;
    assert_eq!(world.provider.fetches(), 2);
    assert_eq!(
        world.gateway.key_set_status()[0].key_ids,
        ["first", "second"]
    );
}

#[tokio::test]
async fn a_key_that_is_no_longer_listed_is_trusted_for_a_day_and_not_longer() {
    let world = World::start().await;
    let long_lived = signed(&FIRST, &later(48 * HOUR));
    world.passes(&long_lived).await;
    world.provider.publishes(&[SECOND.jwk()]);
    world.clock.advance(HOUR);
    until("the new key is known", || {
        world.gateway.key_set_status()[0].key_ids.len() == 2
    })
    .await;
    world.passes(&long_lived).await;

    world.clock.advance(23 * HOUR);
    until("the old key is gone", || {
        world.gateway.key_set_status()[0].key_ids == ["second"]
    })
    .await;
    assert_eq!(world.refusal(&long_lived).await, (401, "900901".to_owned()));
    assert_eq!(world.reason(&long_lived).await, "key_id_unknown");
}

#[tokio::test]
async fn another_key_under_a_known_id_voids_what_the_old_one_verified() {
    let world = World::start().await;
    world.passes(&token()).await;
    let mut replaced = SECOND.jwk();
    replaced["kid"] = json!("first");
    world.provider.publishes(&[replaced]);
    world.clock.advance(HOUR);
    until("the key was replaced", || world.provider.fetches() == 2).await;
    until("it counts", || {
        world.gateway.key_set_status()[0]
            .fetched_at
            .map(jiff::Timestamp::as_second)
            == Some(crate::support::world::NOW + HOUR)
    })
    .await;
    let old = signed(&FIRST, &later(2 * HOUR));
    assert_eq!(world.reason(&old).await, "signature_invalid");
    assert_eq!(world.refusal(&token()).await.0, 401);
    assert_eq!(world.refusal(&old).await.0, 401);
}

#[tokio::test]
async fn a_provider_that_is_down_or_talks_nonsense_costs_no_valid_token() {
    let world = World::start().await;
    world.passes(&token()).await;
    let nonsense: [(u16, &[u8]); 5] = [
        (503, b"down"),
        (200, b"<html>"),
        (200, br#"{"keys":[]}"#),
        (200, br#"{"keys":[{"kty":"oct","k":"AAAA","kid":"first"}]}"#),
        (
            200,
            br#"{"keys":[{"kty":"RSA","kid":"first","n":"AQ","e":"AQ"}]}"#,
        ),
    ];
    let huge = format!(
        r#"{{"keys":[],"x":"{}"}}"#,
        "a".repeat(gateway::LARGEST_KEY_SET)
    );
    let huge = (200, huge.as_bytes());
    let lasting = signed(&FIRST, &later(10_000 * HOUR));
    for (status, document) in nonsense.into_iter().chain([huge]) {
        let status = http::StatusCode::from_u16(status).expect("a status");
        world.provider.answers(status, document.to_vec());
        // Twice: the second one was begun and ended under this answer.
        let before = world.provider.fetches();
        until("the provider was asked", || {
            world.clock.advance(FIVE_MINUTES);
            world.provider.fetches() >= before + 2
        })
        .await;
        until("the failure is known", || {
            world.gateway.key_set_status()[0].last_error.is_some()
        })
        .await;
        world.passes(&lasting).await;
    }
    world.provider.publishes(&[FIRST.jwk()]);
    until("it heals", || {
        world.clock.advance(FIVE_MINUTES);
        world.gateway.key_set_status()[0].last_error.is_none()
    })
    .await;
    world.passes(&lasting).await;
}

#[tokio::test]
async fn a_provider_that_was_never_reached_is_our_failure_and_heals_by_itself() {
    let provider = Provider::start(&[]).await;
    provider.is_down();
    let world = World::start_at(test_config(), provider).await;
    until("the first fetch failed", || {
        world.gateway.key_set_status()[0].last_error.is_some()
    })
    .await;
    assert_eq!(world.reason(&token()).await, "key_set_unavailable");
    let answer = world.call(&token()).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (500, "900900")
    );
    assert!(answer.header("www-authenticate").is_empty());

    world.provider.publishes(&[FIRST.jwk()]);
    world.clock.advance(FIVE_MINUTES);
    until("the keys are there", || {
        !world.gateway.key_set_status()[0].key_ids.is_empty()
    })
    .await;
    world.passes(&token()).await;
}

#[tokio::test]
async fn a_restart_while_the_provider_is_down_works_from_the_kept_set() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = gateway::GatewayConfig {
        key_set_folder: Some(folder.path().to_owned()),
        ..test_config()
    };
    let world = World::start_at(config.clone(), Provider::start(&[FIRST.jwk()]).await).await;
    world.passes(&token()).await;
    until("the set is on disk", || {
        std::fs::read_dir(folder.path()).is_ok_and(|mut files| {
            files.any(|file| {
                file.is_ok_and(|file| file.path().extension().is_some_and(|kind| kind == "json"))
            })
        })
    })
    .await;
    let provider = world.provider.clone();
    world.gateway.stop().await;
    provider.is_down();

    let again = World::start_at(config, provider).await;
    again.passes(&token()).await;
    assert_eq!(
        again.provider.fetches(),
        1,
        "the kept set is fresh: nobody was asked"
    );
}

#[tokio::test]
async fn a_slow_provider_keeps_nobody_but_the_unknown_key_waiting_and_not_for_long() {
    let mut config = test_config();
    config.key_sets.fetch_timeout = std::time::Duration::from_millis(100);
    let world = World::start_with(config, &[FIRST.jwk()]).await;
    world.passes(&token()).await;
    world.provider.closes();
    assert_eq!(
        world.refusal(&stranger(1)).await,
        (401, "900901".to_owned())
    );
    world.passes(&token()).await;
    until("the failure is known", || {
        world.gateway.key_set_status()[0].last_error.is_some()
    })
    .await;
    world.provider.opens();
    world.provider.publishes(&[FIRST.jwk(), SECOND.jwk()]);
    world.passes(&signed(&SECOND, &claims())).await;
}
