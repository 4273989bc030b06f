//! Tokens that end before their time.

use domain::revocation::{RevokedSubject, revocable_part};
use domain::snapshot::{RevocationEntry, SnapshotChange};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::signer::{FIRST, Signer, encode};
use crate::support::world::{CLIENT, NOW, World, claims, id, signed, token, with, without};

fn revokes(number: u32, subject: RevokedSubject, expires_at: Option<i64>) -> SnapshotChange {
    SnapshotChange::PutRevocation(RevocationEntry {
        id: id(number),
        subject,
        expires_at: expires_at.map(at),
    })
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a time")
}

fn the_token(token: &str) -> RevokedSubject {
    let part = revocable_part(token).as_bytes();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, part);
    let bytes: Vec<_> = digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    RevokedSubject::Token {
        digest: bytes.concat(),
    }
}

fn the_token_id(token_id: &str) -> RevokedSubject {
    RevokedSubject::TokenId {
        key_manager_id: id(10),
        token_id: token_id.to_owned(),
    }
}

fn the_client(issued_before: i64) -> RevokedSubject {
    RevokedSubject::ConsumerKey {
        key_manager_id: id(10),
        consumer_key: CLIENT.to_owned(),
        issued_before: at(issued_before),
    }
}

fn token_with(name: &str, value: Value) -> String {
    signed(&FIRST, &with(claims(), name, value))
}

const REVOKED: (u16, &str) = (401, "900901");

async fn is_revoked(world: &World, token: &str) {
    let (status, code) = world.refusal(token).await;
    assert_eq!((status, code.as_str()), REVOKED);
}

#[tokio::test]
async fn a_revoked_token_is_refused_though_it_was_remembered_and_another_one_is_not() {
    let world = World::start().await;
    let (mine, other) = (token(), token_with("sub", json!("other")));
    world.passes(&mine).await;
    world.passes(&other).await;
    world.change(vec![revokes(800, the_token(&mine), Some(NOW + 3_600))]);
    for _ in 0..2 {
        is_revoked(&world, &mine).await;
    }
    assert_eq!(world.reason(&mine).await, "token_revoked");
    world.passes(&other).await;

    world.change(vec![SnapshotChange::RemoveRevocation(id(800))]);
    world.passes(&mine).await;
}

#[tokio::test]
async fn another_form_of_an_ecdsa_signature_is_still_the_same_token() {
    /// The order of P-256 (SEC 2, section 2.4.2).
    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63,
        0x25, 0x51,
    ];
    let signer = Signer::p256("curve");
    let world = World::start_with(
        crate::support::world::test_config(),
        &[FIRST.jwk(), signer.jwk()],
    )
    .await;
    let token = signer.token("ES256", &claims());
    let (signed, signature) = token.rsplit_once('.').expect("three parts");
    let mut signature =
        base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, signature)
            .expect("base64url");
    // s becomes n - s.
    let mut borrow = 0i16;
    for index in (0..32).rev() {
        let difference = i16::from(ORDER[index]) - i16::from(signature[32 + index]) - borrow;
        borrow = i16::from(difference < 0);
        signature[32 + index] = u8::try_from(difference.rem_euclid(256)).expect("a byte");
    }
    let twin = format!("{signed}.{}", encode(&signature));
    assert_ne!(token, twin);
    world.passes(&token).await;
    world.passes(&twin).await;
    world.change(vec![revokes(800, the_token(&token), None)]);
    is_revoked(&world, &token).await;
    is_revoked(&world, &twin).await;
}

#[tokio::test]
async fn a_token_is_revoked_by_the_id_that_its_key_manager_gave_it() {
    let world = World::start().await;
    world.change(vec![revokes(800, the_token_id("one"), None)]);
    for name in ["jti", "uti"] {
        is_revoked(&world, &token_with(name, json!("one"))).await;
        world.passes(&token_with(name, json!("two"))).await;
    }
    // `jti` is the standard's; what else is there does not count beside it.
    let both = with(with(claims(), "jti", json!("two")), "uti", json!("one"));
    world.passes(&signed(&FIRST, &both)).await;
    world.passes(&token()).await;
    // Another key manager may give the same ids.
    let foreign = RevokedSubject::TokenId {
        key_manager_id: id(11),
        token_id: "two".to_owned(),
    };
    world.change(vec![revokes(801, foreign, None)]);
    world.passes(&token_with("jti", json!("two"))).await;
}

#[tokio::test]
async fn all_tokens_of_a_client_until_an_instant_are_revoked_and_later_ones_pass() {
    let world = World::start().await;
    let issued = |at: i64| token_with("iat", json!(at));
    world.passes(&issued(NOW - 300)).await;
    world.change(vec![revokes(800, the_client(NOW - 100), None)]);
    is_revoked(&world, &issued(NOW - 300)).await;
    // Of the same second nobody knows which was first.
    is_revoked(&world, &issued(NOW - 100)).await;
    world.passes(&issued(NOW - 99)).await;
    is_revoked(&world, &signed(&FIRST, &without(claims(), "iat"))).await;
    assert_eq!(world.reason(&token()).await, "consumer_key_revoked");

    // A later one takes its place, in whatever order the two changes come.
    world.change(vec![
        revokes(801, the_client(NOW - 50), None),
        SnapshotChange::RemoveRevocation(id(800)),
    ]);
    is_revoked(&world, &issued(NOW - 99)).await;
    world.passes(&issued(NOW - 49)).await;
    assert_eq!(world.gateway.status().revocations, 1);
}

#[tokio::test]
async fn revocations_whose_tokens_have_ended_leave_the_gateways_memory() {
    let world = World::start().await;
    world.change(vec![
        revokes(800, the_token_id("short"), Some(NOW + 60)),
        revokes(801, the_token_id("long"), Some(NOW + 7_200)),
        revokes(802, the_client(NOW - 400), None),
    ]);
    assert_eq!(world.gateway.status().revocations, 3);
    world.clock.advance(59);
    world.change(Vec::new());
    assert_eq!(world.gateway.status().revocations, 3);
    world.clock.advance(1);
    world.change(Vec::new());
    assert_eq!(world.gateway.status().revocations, 2);
    world.clock.advance(7_200);
    world.change(vec![SnapshotChange::RemoveRevocation(id(802))]);
    assert_eq!(world.gateway.status().revocations, 0);
    let metrics = world.gateway.metrics();
    assert!(
        metrics.contains("claviger_gateway_snapshot_revocations 0"),
        "{metrics}"
    );
}

#[tokio::test]
async fn explain_says_that_a_token_was_revoked_and_what_it_knows_it_by() {
    let world = World::start().await;
    world.change(vec![revokes(800, the_token_id("one"), None)]);
    let explanation = world.explain(&token_with("jti", json!("one"))).await;
    assert_eq!(explanation.code.as_deref(), Some("900901"));
    let failed = explanation.checks.iter().find(|check| check.fix.is_some());
    let failed = failed.expect("a failed check");
    assert_eq!(failed.name, "revocation");
    assert!(
        failed
            .seen
            .as_deref()
            .is_some_and(|seen| seen.ends_with("id one"))
    );
    assert_eq!(
        failed.fix.as_deref(),
        Some("the token was revoked: get a new one")
    );
}
