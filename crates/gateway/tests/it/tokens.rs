//! Which tokens are believed.

use domain::certificate::Certificates;
use domain::id::KeyManagerId;
use domain::key_manager::{TokenType, TokenValidation};
use domain::key_mapping::KeyType;
use domain::snapshot::{KeyMappingEntry, SnapshotChange, ValidationMethod};
use domain::token_profile::{AudienceRule, SignatureAlgorithm};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::support::signer::{FIRST, Signer};
use crate::support::world::{
    CLIENT, NOW, TENANT, World, claims, id, mapping, signed, test_config, token, v1_claims,
    v1_issuer, v2_issuer, with,
};

const PAGE_BODY: &str = r#"{"code":"900901","message":"Invalid Credentials","description":"Access failure for API: /exampleapi/1.0.0, version: 1.0.0 status: (900901) - Invalid Credentials. Make sure you have provided the correct security credentials."}"#;

#[tokio::test]
async fn a_valid_token_of_a_subscribed_client_passes() {
    let world = World::start().await;
    world.passes(&token()).await;
    // And again, from the cache.
    world.passes(&token()).await;
}

#[tokio::test]
async fn a_wrong_issuer_is_answered_with_exactly_the_documented_body() {
    let world = World::start().await;
    let answer = world
        .call(&signed(
            &FIRST,
            &with(claims(), "iss", json!("https://else.where/")),
        ))
        .await;
    assert_eq!(answer.status, 401);
    assert_eq!(answer.text(), PAGE_BODY);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(
        answer.header("www-authenticate"),
        r#"Bearer realm="Claviger", error="invalid_token", error_description="The provided token is invalid""#
    );
}

#[tokio::test]
async fn time_has_the_configured_leeway_and_is_asked_of_cached_tokens_too() {
    let world = World::start().await;
    world
        .passes(&claims_token(with(claims(), "exp", json!(NOW - 59))))
        .await;
    world
        .passes(&claims_token(with(claims(), "nbf", json!(NOW + 60))))
        .await;
    let short = claims_token(with(claims(), "exp", json!(NOW + 10)));
    world.passes(&short).await;
    world.clock.advance(69);
    world.passes(&short).await;
    world.clock.advance(1);
    assert_eq!(world.refusal(&short).await, (401, "900901".to_owned()));
}

#[tokio::test]
async fn every_algorithm_verifies_and_only_configured_ones_count() {
    let signers = [
        (Signer::p256("p256"), vec!["ES256"]),
        (Signer::p384("p384"), vec!["ES384"]),
        (Signer::ed25519("ed"), vec!["EdDSA"]),
        (
            Signer::rsa("rsa"),
            vec!["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
        ),
    ];
    let keys: Vec<Value> = signers.iter().map(|(signer, _)| signer.jwk()).collect();
    let world = World::start_with(test_config(), &keys).await;
    for (signer, algorithms) in &signers {
        for algorithm in algorithms {
            world.passes(&signer.token(algorithm, &claims())).await;
        }
    }
    world.change_key_manager(|one| one.profile.algorithms = vec![SignatureAlgorithm::ES256]);
    for (signer, algorithms) in &signers {
        for algorithm in algorithms {
            let token = signer.token(algorithm, &claims());
            if *algorithm == "ES256" {
                world.passes(&token).await;
            } else {
                assert_eq!(world.reason(&token).await, "algorithm_not_allowed");
                assert_eq!(world.refusal(&token).await.0, 401, "{algorithm}");
            }
        }
    }
}

#[tokio::test]
async fn certificates_in_pem_verify_without_a_fetch() {
    use rcgen::{CertificateParams, KeyPair};
    use rustls::pki_types::pem::PemObject as _;

    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("a key");
    let certificate = CertificateParams::new(vec!["idp.example".to_owned()])
        .and_then(|parameters| parameters.self_signed(&key))
        .expect("a certificate");
    let der = rustls::pki_types::PrivatePkcs8KeyDer::from_pem_slice(key.serialize_pem().as_bytes())
        .expect("a PKCS#8 key");
    let signer = Signer {
        kind: crate::support::signer::Kind::P256(
            aws_lc_rs::signature::EcdsaKeyPair::from_pkcs8(
                &aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING,
                der.secret_pkcs8_der(),
            )
            .expect("a key"),
        ),
        key_id: "whatever".to_owned(),
    };
    let world = World::start().await;
    world.change_key_manager(|one| {
        one.profile.certificates = Some(Certificates::Pem(certificate.pem()));
    });
    world.passes(&signer.token("ES256", &claims())).await;
    let nameless = signer.token_with_header(&json!({"alg": "ES256"}), &claims());
    world.passes(&nameless).await;
    assert_eq!(world.reason(&token()).await, "algorithm_not_of_key");
    let stranger = Signer::p256("whatever").token("ES256", &claims());
    assert_eq!(world.refusal(&stranger).await, (401, "900901".to_owned()));
}

#[tokio::test]
async fn one_key_manager_takes_v1_and_v2_tokens() {
    let world = World::start_with(test_config(), &[entra_key()]).await;
    world.change_key_manager(|one| one.profile.issuers = vec![v2_issuer(), v1_issuer()]);
    world.passes(&token()).await;
    world.passes(&signed(&FIRST, &v1_claims())).await;
}

#[tokio::test]
async fn two_key_managers_take_v1_and_v2_tokens_of_one_key_set() {
    let world = World::start_with(test_config(), &[entra_key()]).await;
    let v1: KeyManagerId = id(11);
    let mut key_manager = world.key_manager.clone();
    key_manager.id = v1;
    key_manager.name = "AzureAD-V1".to_owned();
    key_manager.profile.issuers = vec![v1_issuer()];
    key_manager.profile.consumer_key_claims = vec!["appid".to_owned()];
    world.change(vec![
        SnapshotChange::PutKeyManager(Arc::new(key_manager)),
        SnapshotChange::PutKeyMapping(KeyMappingEntry {
            id: id(33),
            key_manager_id: v1,
            ..mapping(KeyType::Production)
        }),
    ]);
    world.change_key_manager(|one| one.profile.consumer_key_claims = vec!["azp".to_owned()]);
    world.passes(&token()).await;
    world.passes(&signed(&FIRST, &v1_claims())).await;
    assert_eq!(world.provider.fetches(), 1, "both use one key set");

    world.change_api(|api| {
        api.key_managers = domain::api::KeyManagerSelection::Only(vec!["AzureAD".to_owned()]);
    });
    world.passes(&token()).await;
    assert_eq!(
        world.reason(&signed(&FIRST, &v1_claims())).await,
        "key_manager_not_allowed"
    );
    assert_eq!(world.refusal(&signed(&FIRST, &v1_claims())).await.0, 401);
}

#[tokio::test]
async fn a_key_of_another_tenant_does_not_sign_for_this_one() {
    let mut consumers = FIRST.jwk();
    consumers["issuer"] =
        json!("https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0");
    let world = World::start_with(test_config(), &[consumers]).await;
    assert_eq!(world.reason(&token()).await, "key_of_other_issuer");
    assert_eq!(world.refusal(&token()).await, (401, "900901".to_owned()));
    // The tenant that the token claims must be the issuer's.
    world.provider.publishes(&[entra_key()]);
    world.clock.advance(3_600);
    let stolen = signed(&FIRST, &with(claims(), "tid", json!("another-tenant")));
    assert_eq!(world.refusal(&stolen).await, (401, "900901".to_owned()));
}

#[tokio::test]
async fn audiences_of_profile_and_api_must_both_fit() {
    let world = World::start().await;
    let other = signed(&FIRST, &with(claims(), "aud", json!("another-app")));
    world.passes(&other).await;

    world.change_key_manager(|one| one.profile.audience = AudienceRule::OwnClient);
    assert_eq!(world.refusal(&other).await, (403, "900914".to_owned()));
    for own in [
        json!(CLIENT),
        json!(format!("api://{CLIENT}")),
        json!([format!("api://{CLIENT}/"), "x"]),
    ] {
        world
            .passes(&signed(&FIRST, &with(claims(), "aud", own)))
            .await;
    }
    world.change_key_manager(|one| {
        one.profile.audience = AudienceRule::OneOf(vec!["another-app".to_owned()]);
    });
    world.passes(&other).await;
    world.change_api(|api| api.audiences = vec!["orders".to_owned()]);
    assert_eq!(world.refusal(&other).await, (403, "900914".to_owned()));
    let both = signed(
        &FIRST,
        &with(claims(), "aud", json!(["another-app", "orders"])),
    );
    world.passes(&both).await;
}

#[tokio::test]
async fn token_handling_options_share_one_issuer_among_key_managers() {
    let rule = |tenant: &str| {
        vec![TokenValidation::Jwt {
            claims: BTreeMap::from([("tid".to_owned(), tenant.to_owned())]),
        }]
    };
    let world = World::start().await;
    world.change_key_manager(|one| one.token_validation = rule("[0-9a-f-]{36}"));
    world.passes(&token()).await;
    world.change_key_manager(|one| one.token_validation = rule("7d3c"));
    assert_eq!(world.reason(&token()).await, "token_not_handled");
    assert_eq!(world.refusal(&token()).await.0, 401);
    world.change_key_manager(|one| one.token_validation = rule("("));
    assert_eq!(world.reason(&token()).await, "token_not_handled");

    // A second key manager of the issuer takes what the first leaves.
    let mut second = world.key_manager.clone();
    second.id = id(12);
    second.name = "Second".to_owned();
    second.token_validation = rule(TENANT);
    world.change(vec![SnapshotChange::PutKeyManager(Arc::new(second))]);
    assert_eq!(world.reason(&token()).await, "client_unmapped");
    world.change(vec![SnapshotChange::PutKeyMapping(KeyMappingEntry {
        id: id(33),
        key_manager_id: id(12),
        ..mapping(KeyType::Production)
    })]);
    world.passes(&token()).await;
}

#[tokio::test]
async fn an_exchanged_only_key_manager_takes_no_direct_token() {
    let world = World::start().await;
    world.change_key_manager(|one| one.token_type = TokenType::Exchanged);
    assert_eq!(world.refusal(&token()).await, (401, "900905".to_owned()));
    world.change_key_manager(|one| one.token_type = TokenType::Both);
    world.passes(&token()).await;
}

#[tokio::test]
async fn a_key_manager_that_wants_introspection_is_refused_as_our_failure() {
    let world = World::start().await;
    world.passes(&token()).await;
    world.change_key_manager(|one| {
        let endpoint = "https://idp.example/introspect".parse().expect("a URL");
        one.validation = ValidationMethod::Introspect { endpoint };
    });
    assert_eq!(world.reason(&token()).await, "introspection_unavailable");
    assert_eq!(world.refusal(&token()).await, (500, "900900".to_owned()));
}

#[tokio::test]
async fn a_changed_key_manager_forgets_what_was_verified() {
    let world = World::start().await;
    world.passes(&token()).await;
    world.change_key_manager(|one| one.profile.issuers = vec!["https://new.example".to_owned()]);
    assert_eq!(world.refusal(&token()).await.0, 401);
    world.change_key_manager(|_| {});
    world.passes(&token()).await;
    world.change(vec![SnapshotChange::RemoveKeyManager(id(10))]);
    assert_eq!(world.refusal(&token()).await.0, 401);
}

/// However a signed token is altered, it does not pass: one character, one bit, one part of another token.
#[test]
fn no_altered_token_passes() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let world = runtime.block_on(World::start());
    let good = token();
    runtime.block_on(world.passes(&good));
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=~ ";
    proptest!(ProptestConfig::with_cases(400), |(at in 0..good.len(), with in 0..alphabet.len())| {
        let mut altered = good.clone().into_bytes();
        prop_assume!(altered[at] != alphabet[with]);
        altered[at] = alphabet[with];
        let altered = String::from_utf8(altered).expect("ASCII");
        let answer = runtime.block_on(world.call(&altered));
        prop_assert_eq!(answer.status.as_u16(), 401);
    });
    proptest!(ProptestConfig::with_cases(200), |(cut in 0..good.len())| {
        let answer = runtime.block_on(world.call(&good[..cut]));
        prop_assert_eq!(answer.status.as_u16(), 401);
    });
    runtime.block_on(world.passes(&good));
}

fn claims_token(claims: Value) -> String {
    signed(&FIRST, &claims)
}

/// As Entra publishes it: for every tenant.
fn entra_key() -> Value {
    let mut jwk = FIRST.jwk();
    jwk["issuer"] = json!("https://login.microsoftonline.com/{tenantid}/v2.0");
    jwk
}
