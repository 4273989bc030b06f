//! Tokens that are not believed, each for its own reason. The caller learns only the code; the reason is for the
//! log and for `explain`.

use aws_lc_rs::hmac;
use domain::token_profile::AudienceRule;
use serde_json::{Value, json};

use crate::support::signer::{FIRST, SECOND, encode};
use crate::support::world::{
    NOW, World, claims, signed, test_config, token, v1_claims, with, without,
};

/// Not the caller's concern why: 401 with one body, and nothing reaches the upstream.
async fn is_refused(token: &str, reason: &str) {
    is_answered(token, reason, 401, "900901").await;
}

async fn is_answered(token: &str, reason: &str, status: u16, code: &str) {
    let world = World::start().await;
    assert_eq!(world.reason(token).await, reason, "{token}");
    assert_eq!(world.refusal(token).await, (status, code.to_owned()));
    // And again: a refusal is not forgotten by asking twice.
    assert_eq!(world.refusal(token).await, (status, code.to_owned()));
    let received = world.received.lock().expect("a lock");
    assert!(received.is_empty(), "nothing may reach the upstream");
}

fn claims_token(claims: &Value) -> String {
    signed(&FIRST, claims)
}

fn header_token(header: &Value) -> String {
    FIRST.token_with_header(header, &claims())
}

/// The three parts of a good token.
fn parts() -> [String; 3] {
    let good = token();
    let parts: Vec<String> = good.split('.').map(str::to_owned).collect();
    parts.try_into().expect("three parts")
}

#[tokio::test]
async fn an_empty_token_is_refused() {
    is_refused("", "token_empty").await;
}

#[tokio::test]
async fn a_token_of_one_part_is_refused() {
    is_refused("opaque", "token_opaque").await;
}

#[tokio::test]
async fn a_token_of_two_parts_is_refused() {
    let [header, payload, _] = parts();
    is_refused(&format!("{header}.{payload}"), "token_part_count").await;
}

#[tokio::test]
async fn a_token_of_four_parts_is_refused() {
    let [header, payload, signature] = parts();
    let four = format!("{header}.{payload}.{signature}.{signature}");
    is_refused(&four, "token_part_count").await;
}

#[tokio::test]
async fn a_token_of_a_megabyte_is_refused_and_so_is_one_over_the_limit() {
    let world = World::start().await;
    let answer = world.call(&"a".repeat(1024 * 1024)).await;
    assert_eq!(answer.status, 431);
    assert_eq!(
        world.refusal(&"a".repeat(20_000)).await,
        (401, "900901".to_owned())
    );
    assert_eq!(
        world.reason(&"a".repeat(1024 * 1024)).await,
        "token_too_long"
    );
    world.passes(&token()).await;
}

#[tokio::test]
async fn a_token_that_is_not_base64_is_refused() {
    let [header, payload, signature] = parts();
    for broken in [
        format!("{header}.{payload}.***"),
        format!("{header}.{payload}.{signature}=="),
    ] {
        is_refused(&broken, "token_not_base64url").await;
    }
}

#[tokio::test]
async fn a_header_that_is_not_json_is_refused() {
    let [_, payload, signature] = parts();
    let broken = format!("{}.{payload}.{signature}", encode("{"));
    is_refused(&broken, "token_header_malformed").await;
}

#[tokio::test]
async fn claims_that_are_no_object_are_refused() {
    let [header, _, signature] = parts();
    let broken = format!("{header}.{}.{signature}", encode("[]"));
    is_refused(&broken, "token_claims_malformed").await;
}

#[tokio::test]
async fn an_unsigned_token_is_refused() {
    let [_, payload, signature] = parts();
    for algorithm in ["none", "None", "NONE"] {
        let header = encode(json!({"alg": algorithm, "typ": "JWT"}).to_string());
        is_refused(&format!("{header}.{payload}."), "algorithm_not_allowed").await;
        let with_signature = format!("{header}.{payload}.{signature}");
        is_refused(&with_signature, "algorithm_not_allowed").await;
    }
}

/// The classic: the public key as the secret of an HMAC.
#[tokio::test]
async fn a_token_signed_by_hmac_with_the_public_key_is_refused() {
    let header = json!({"alg": "HS256", "typ": "JWT", "kid": "first"});
    let message = format!(
        "{}.{}",
        encode(header.to_string()),
        encode(claims().to_string())
    );
    let key = hmac::Key::new(hmac::HMAC_SHA256, &FIRST.public_der());
    let signature = encode(hmac::sign(&key, message.as_bytes()));
    is_refused(&format!("{message}.{signature}"), "algorithm_not_allowed").await;
}

#[tokio::test]
async fn a_token_of_an_unknown_key_id_is_refused() {
    let token = header_token(&json!({"alg": "RS256", "kid": "nobody"}));
    is_refused(&token, "key_id_unknown").await;
}

#[tokio::test]
async fn a_token_without_a_key_id_is_refused() {
    is_refused(&header_token(&json!({"alg": "RS256"})), "key_id_missing").await;
}

#[tokio::test]
async fn a_token_whose_algorithm_is_not_its_keys_is_refused() {
    let token = header_token(&json!({"alg": "ES256", "kid": "first"}));
    is_refused(&token, "algorithm_not_of_key").await;
}

#[tokio::test]
async fn a_token_that_demands_an_unknown_extension_is_refused() {
    let token = header_token(&json!({"alg": "RS256", "kid": "first", "crit": ["exp"]}));
    is_refused(&token, "token_header_critical").await;
}

#[tokio::test]
async fn a_token_of_another_kind_is_refused() {
    let token = header_token(&json!({"alg": "RS256", "kid": "first", "typ": "logout+jwt"}));
    is_refused(&token, "token_kind").await;
}

#[tokio::test]
async fn a_token_signed_by_somebody_else_is_refused() {
    let token = SECOND.token_with_header(&json!({"alg": "RS256", "kid": "first"}), &claims());
    is_refused(&token, "signature_invalid").await;
}

/// Tokens for Microsoft Graph hash the nonce of their header before they are signed: nobody else can verify them.
#[tokio::test]
async fn graphs_own_token_is_refused() {
    let header = json!({"alg": "RS256", "kid": "first", "nonce": "n"});
    let token = SECOND.token_with_header(&header, &claims());
    is_refused(&token, "graph_token").await;
}

#[tokio::test]
async fn a_token_of_a_wrong_issuer_is_refused() {
    let elsewhere = with(claims(), "iss", json!("https://else.where"));
    is_refused(
        &claims_token(&without(elsewhere.clone(), "tid")),
        "issuer_unknown",
    )
    .await;
    is_refused(&claims_token(&elsewhere), "issuer_v2_form").await;
    is_refused(&claims_token(&v1_claims()), "issuer_v1_form").await;
}

#[tokio::test]
async fn a_token_without_an_issuer_is_refused() {
    let token = claims_token(&without(claims(), "iss"));
    is_refused(&token, "issuer_missing").await;
}

#[tokio::test]
async fn an_expired_token_is_refused() {
    // A minute of leeway, to the second.
    let token = claims_token(&with(claims(), "exp", json!(NOW - 60)));
    is_refused(&token, "expired").await;
}

#[tokio::test]
async fn a_token_that_is_not_yet_valid_is_refused() {
    let token = claims_token(&with(claims(), "nbf", json!(NOW + 61)));
    is_refused(&token, "not_yet_valid").await;
}

#[tokio::test]
async fn a_token_issued_in_the_future_is_refused() {
    let token = claims_token(&with(claims(), "iat", json!(NOW + 61)));
    is_refused(&token, "issued_in_future").await;
}

#[tokio::test]
async fn a_token_without_an_expiry_is_refused() {
    let token = claims_token(&without(claims(), "exp"));
    is_refused(&token, "expiry_missing").await;
}

#[tokio::test]
async fn a_token_whose_expiry_is_no_number_is_refused() {
    let token = claims_token(&with(claims(), "exp", json!("2099")));
    is_refused(&token, "time_malformed").await;
}

#[tokio::test]
async fn a_token_for_the_audience_of_another_app_is_refused() {
    let world = World::start_with(test_config(), &[FIRST.jwk()]).await;
    world.change_key_manager(|one| one.profile.audience = AudienceRule::OwnClient);
    for audience in [json!("another-app"), json!(["another-app"]), json!([])] {
        let other = claims_token(&with(claims(), "aud", audience));
        assert_eq!(world.refusal(&other).await, (403, "900914".to_owned()));
    }
    let nobody = claims_token(&without(claims(), "aud"));
    assert_eq!(world.refusal(&nobody).await, (403, "900914".to_owned()));
    assert!(world.received.lock().expect("a lock").is_empty());
    world.passes(&token()).await;
}

#[tokio::test]
async fn a_token_that_names_two_clients_is_refused() {
    let token = claims_token(&with(claims(), "appid", json!("somebody")));
    is_refused(&token, "consumer_key_ambiguous").await;
}

#[tokio::test]
async fn a_token_that_names_no_client_is_forbidden() {
    let token = claims_token(&without(claims(), "azp"));
    is_answered(&token, "consumer_key_missing", 403, "900908").await;
}

#[tokio::test]
async fn a_token_of_a_client_that_no_application_has_is_forbidden() {
    let token = claims_token(&with(claims(), "azp", json!("somebody")));
    is_answered(&token, "client_unmapped", 403, "900908").await;
}
