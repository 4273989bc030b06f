//! Backend JWTs: what an upstream reads in `X-JWT-Assertion`, verified with the key set that the gateway serves.

use std::time::Duration;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair,
    RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::key_manager::ClaimMapping;
use domain::key_mapping::KeyType;
use domain::snapshot::SnapshotChange;
use domain::subscription::SubscriptionStatus;
use gateway::{
    BackendJwtAlgorithm, BackendJwtConfig, BackendJwtEncoding, BackendJwtError, GatewayConfig,
};
use http::Request;
use serde_json::{Value, json};

use crate::support::http::full;
use crate::support::signer::FIRST;
use crate::support::world::{
    CLIENT, NOW, World, claims, mapping, signed, subscription, test_config, token,
};

const HEADER: &str = "x-jwt-assertion";
const DIALECT: &str = "http://wso2.org/claims";

fn pem_of(key: &[u8]) -> String {
    pem::encode(&pem::Pem::new("PRIVATE KEY", key))
}

fn rsa_key() -> String {
    let pair = RsaKeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).expect("a key");
    let der: Pkcs8V1Der<'_> = pair.as_der().expect("PKCS #8");
    pem_of(der.as_ref())
}

fn p256_key() -> String {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
    pem_of(pair.to_pkcs8v1().expect("PKCS #8").as_ref())
}

pub(crate) fn backend_jwts() -> BackendJwtConfig {
    BackendJwtConfig {
        header: "X-JWT-Assertion".to_owned(),
        dialect: DIALECT.to_owned(),
        issuer: "wso2.org/products/am".to_owned(),
        algorithm: BackendJwtAlgorithm::ES256,
        lifetime: Duration::from_mins(15),
        encoding: BackendJwtEncoding::Base64Url,
        key: p256_key().into(),
        previous_key: None,
        cache_bytes: 1024 * 1024,
    }
}

async fn world_with(config: BackendJwtConfig) -> World {
    let config = GatewayConfig {
        backend_jwts: Some(config),
        ..test_config()
    };
    World::start_with(config, &[FIRST.jwk()]).await
}

/// What the upstream got with the last request.
fn received(world: &World) -> Vec<String> {
    let received = world.received.lock().expect("a lock");
    let head = received.last().expect("a request");
    let lines = head.headers.get_all(HEADER).iter();
    lines
        .map(|line| line.to_str().expect("text").to_owned())
        .collect()
}

fn received_one(world: &World) -> String {
    let mut lines = received(world);
    assert_eq!(lines.len(), 1);
    lines.remove(0)
}

fn decoded(part: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(part).expect("base64url")
}

async fn key_set(world: &World) -> Value {
    let request = Request::get("/jwks").header("host", "gateway.example");
    let answer = world.send(request.body(full("")).expect("a request")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "application/jwk-set+json");
    answer.json()
}

/// As an upstream does: the key by its id from the gateway's key set, then the signature.
fn verified(assertion: &str, key_set: &Value) -> Value {
    let parts: Vec<&str> = assertion.split('.').collect();
    let [header, payload, signature] = parts[..] else {
        panic!("three parts: {assertion}")
    };
    let header: Value = serde_json::from_slice(&decoded(header)).expect("a header");
    let keys = key_set["keys"].as_array().expect("keys");
    let key = keys
        .iter()
        .find(|key| key["kid"] == header["kid"])
        .expect("the key");
    assert_eq!(key["alg"], header["alg"]);
    assert!(key.get("d").is_none(), "no private part");
    let member = |name: &str| decoded(key[name].as_str().expect("text"));
    let message = &assertion[..assertion.rfind('.').expect("a dot")];
    match header["alg"].as_str().expect("an algorithm") {
        "RS256" => RsaPublicKeyComponents {
            n: member("n"),
            e: member("e"),
        }
        .verify(
            &RSA_PKCS1_2048_8192_SHA256,
            message.as_bytes(),
            &decoded(signature),
        ),
        "ES256" => {
            let point = [vec![4], member("x"), member("y")].concat();
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                .verify(message.as_bytes(), &decoded(signature))
        }
        other => panic!("{other}"),
    }
    .expect("the gateway's signature");
    serde_json::from_slice(&decoded(payload)).expect("claims")
}

#[tokio::test]
async fn an_upstream_reads_who_calls_and_verifies_it_with_the_gateways_key_set() {
    for (algorithm, key) in [
        (BackendJwtAlgorithm::RS256, rsa_key()),
        (BackendJwtAlgorithm::ES256, p256_key()),
    ] {
        let world = world_with(BackendJwtConfig {
            algorithm,
            key: key.into(),
            ..backend_jwts()
        })
        .await;
        world.passes(&token()).await;
        let said = verified(&received_one(&world), &key_set(&world).await);
        let own = |name: &str| said[format!("{DIALECT}/{name}")].clone();
        assert_eq!(said["iss"], "wso2.org/products/am");
        assert_eq!(
            (&said["iat"], &said["exp"]),
            (&json!(NOW), &json!(NOW + 900))
        );
        assert_eq!(own("subscriber"), "ann");
        assert_eq!(own("applicationname"), "weather");
        assert_eq!(own("applicationtier"), "Unlimited");
        assert_eq!(own("apiname"), "exampleapi");
        assert_eq!(own("apicontext"), "/exampleapi/1.0.0");
        assert_eq!(own("version"), "1.0.0");
        assert_eq!(own("tier"), "Gold");
        assert_eq!(own("keytype"), "PRODUCTION");
        assert_eq!(own("usertype"), "Application");
        assert_eq!(own("enduser"), "s");
        // The token's own claims, but for those that speak of the token itself.
        assert_eq!(said["azp"], CLIENT);
        assert_eq!(said["tid"], claims()["tid"]);
        assert!(said.get("aud").is_none());
    }
}

#[tokio::test]
async fn no_client_and_no_token_speaks_for_the_gateway() {
    let world = world_with(backend_jwts()).await;
    world.change_key_manager(|one| {
        one.claim_mappings = vec![
            ClaimMapping {
                remote_claim: "mail".to_owned(),
                local_claim: format!("{DIALECT}/emailaddress"),
            },
            ClaimMapping {
                remote_claim: "boss".to_owned(),
                local_claim: format!("{DIALECT}/subscriber"),
            },
            ClaimMapping {
                remote_claim: "end".to_owned(),
                local_claim: "exp".to_owned(),
            },
        ];
    });
    let mut forged = claims();
    forged["mail"] = json!("s@example");
    forged["boss"] = json!("mallory");
    forged["end"] = json!(NOW * 2);
    forged[format!("{DIALECT}/tier")] = json!("Platinum");
    forged["aut"] = json!("APPLICATION_USER");
    let request = Request::get("/exampleapi/1.0.0/items")
        .header("host", "gateway.example")
        .header(
            "authorization",
            format!("Bearer {}", signed(&FIRST, &forged)),
        )
        .header(HEADER, "forged")
        .header(HEADER, "forged.too")
        .body(full(""))
        .expect("a request");
    assert_eq!(world.send(request).await.status, 200);
    let said = verified(&received_one(&world), &key_set(&world).await);
    assert_eq!(said[format!("{DIALECT}/emailaddress")], "s@example");
    assert_eq!(said[format!("{DIALECT}/subscriber")], "ann");
    assert_eq!(said[format!("{DIALECT}/tier")], "Gold");
    assert_eq!(said[format!("{DIALECT}/usertype")], "Application_User");
    assert_eq!(said["exp"], NOW + 900);
    assert!(said.get("mail").is_none() && said.get("boss").is_none());

    // An open resource has no caller to speak of; what the client says is removed all the same.
    let request = Request::get("/exampleapi/1.0.0/open")
        .header("host", "gateway.example")
        .header(HEADER, "forged")
        .body(full(""))
        .expect("a request");
    assert_eq!(world.send(request).await.status, 200);
    assert!(received(&world).is_empty());
}

#[tokio::test]
async fn a_backend_jwt_is_made_once_and_anew_when_it_grows_old_or_wrong() {
    let world = world_with(backend_jwts()).await;
    let own = async |name: &str| {
        world.passes(&token()).await;
        let said = verified(&received_one(&world), &key_set(&world).await);
        said[format!("{DIALECT}/{name}")].clone()
    };
    let said = async || {
        world.passes(&token()).await;
        received_one(&world)
    };
    // Signatures of this algorithm differ each time: the same text is the same signing.
    let first = said().await;
    world.clock.advance(800);
    assert_eq!(said().await, first);
    world.clock.advance(40);
    let second = said().await;
    assert_ne!(second, first);
    assert_eq!(said().await, second);

    let mut wider = subscription(SubscriptionStatus::Unblocked);
    wider.throttling_policy = "Silver".to_owned();
    world.change(vec![SnapshotChange::PutSubscription(wider)]);
    assert_eq!(own("tier").await, "Silver");
    world.change_api(|api| {
        api.name = "renamed".to_owned();
        api.endpoints.sandbox = api.endpoints.production.clone();
    });
    assert_eq!(own("apiname").await, "renamed");
    world.change(vec![SnapshotChange::PutKeyMapping(mapping(
        KeyType::Sandbox,
    ))]);
    assert_eq!(own("keytype").await, "SANDBOX");
    // Another verification of the token may have brought other claims.
    let before = said().await;
    world.change_key_manager(|one| one.name = "Renamed".to_owned());
    assert_ne!(said().await, before);
}

#[tokio::test]
async fn the_previous_key_stays_in_the_key_set() {
    let first = p256_key();
    let world = world_with(BackendJwtConfig {
        key: first.clone().into(),
        ..backend_jwts()
    })
    .await;
    world.passes(&token()).await;
    let old = received_one(&world);
    let world = world_with(BackendJwtConfig {
        algorithm: BackendJwtAlgorithm::RS256,
        key: rsa_key().into(),
        previous_key: Some(first.into()),
        ..backend_jwts()
    })
    .await;
    let keys = key_set(&world).await;
    assert_eq!(keys["keys"].as_array().map(Vec::len), Some(2));
    verified(&old, &keys);
    world.passes(&token()).await;
    verified(&received_one(&world), &keys);
}

#[tokio::test]
async fn a_gateway_without_backend_jwts_has_no_key_set() {
    let world = World::start().await;
    let forged = Request::get("/exampleapi/1.0.0/items")
        .header("host", "gateway.example")
        .header("authorization", format!("Bearer {}", token()))
        .header(HEADER, "forged")
        .body(full(""))
        .expect("a request");
    assert_eq!(world.send(forged).await.status, 200);
    assert!(received(&world).is_empty());
    assert_eq!(world.get("/jwks", &token()).await.status, 404);
    let world = world_with(backend_jwts()).await;
    let posted = Request::post("/jwks").header("host", "gateway.example");
    let posted = posted.body(full("x")).expect("a request");
    assert_eq!(world.send(posted).await.status, 404);
}

/// The key ids at `/jwks`, in order, and the last assertion's.
async fn key_ids(world: &World) -> (Vec<String>, String) {
    world.passes(&token()).await;
    let assertion = received_one(world);
    let keys = key_set(world).await;
    verified(&assertion, &keys);
    let header = assertion.split('.').next().expect("a header");
    let header: Value = serde_json::from_slice(&decoded(header)).expect("JSON");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let mut listed: Vec<_> = keys["keys"].as_array().expect("keys").iter().collect();
    listed.sort_by_key(|key| text(&key["kid"]));
    let listed = listed.into_iter().map(|key| text(&key["kid"])).collect();
    (listed, text(&header["kid"]))
}

#[tokio::test]
async fn a_key_is_replaced_while_tokens_of_both_verify() {
    let (first, second) = (p256_key(), p256_key());
    let world = world_with(BackendJwtConfig {
        key: first.clone().into(),
        ..backend_jwts()
    })
    .await;
    let replace = |key: &str, previous: Option<&str>| {
        let previous = previous.map(|key| key.to_owned().into());
        let key = key.to_owned().into();
        world.gateway.replace_backend_jwt_keys(key, previous)
    };
    let (only, old) = key_ids(&world).await;
    assert_eq!(only, [old.as_str()]);
    replace(&first, None).expect("the same key");
    assert_eq!(key_ids(&world).await.0, only);

    // Listed at once; it signs when no upstream can remember a key set without it.
    replace(&second, None).expect("a key");
    let (both, signing) = key_ids(&world).await;
    assert_eq!((both.len(), &signing), (2, &old));
    world.clock.advance(299);
    assert_eq!(key_ids(&world).await, (both.clone(), old.clone()));
    let last_of_old = received_one(&world);
    world.clock.advance(1);
    let (listed, new) = key_ids(&world).await;
    assert_eq!(listed, both);
    assert_ne!(new, old);
    // What is read again is no rotation.
    replace(&second, None).expect("the same key");

    // The old one goes when the last of its tokens has ended, and a minute.
    world.clock.advance(900 + 59);
    let (listed, _) = key_ids(&world).await;
    assert_eq!(listed, both);
    verified(&last_of_old, &key_set(&world).await);
    world.clock.advance(1);
    assert_eq!(key_ids(&world).await, (vec![new.clone()], new.clone()));

    // Who names the old one as the previous key keeps it listed.
    replace(&second, Some(&first)).expect("a key");
    world.clock.advance(1_200);
    assert_eq!(key_ids(&world).await, (both, new));
}

#[tokio::test]
async fn a_key_that_cannot_be_used_does_not_replace_one() {
    let first = p256_key();
    let world = world_with(BackendJwtConfig {
        key: first.clone().into(),
        ..backend_jwts()
    })
    .await;
    let before = key_ids(&world).await;
    for (key, previous) in [
        (String::new(), None),
        ("nonsense".to_owned(), None),
        // Of another algorithm than the settings say.
        (rsa_key(), None),
        (first[..first.len() / 2].to_owned(), None),
        (p256_key(), Some("nonsense".to_owned())),
    ] {
        let previous = previous.map(Into::into);
        let replaced = world.gateway.replace_backend_jwt_keys(key.into(), previous);
        assert!(replaced.is_err());
        assert_eq!(key_ids(&world).await, before);
    }
}

#[tokio::test]
async fn no_key_is_forgotten_early_to_make_room() {
    let day = Duration::from_hours(24);
    let world = world_with(BackendJwtConfig {
        lifetime: day,
        ..backend_jwts()
    })
    .await;
    let replace = || {
        world.clock.advance(301);
        let key = p256_key().into();
        world.gateway.replace_backend_jwt_keys(key, None)
    };
    for number in 2..=16 {
        replace().unwrap_or_else(|error| panic!("key {number}: {error}"));
    }
    assert_eq!(replace(), Err(BackendJwtError::TooManyKeys));
    let keys = key_set(&world).await;
    assert_eq!(keys["keys"].as_array().map(Vec::len), Some(16));
    world.clock.advance(86_400);
    replace().expect("room again");
}

#[tokio::test]
async fn a_key_that_was_given_up_before_it_signed_is_forgotten() {
    let first = p256_key();
    let world = world_with(BackendJwtConfig {
        key: first.clone().into(),
        ..backend_jwts()
    })
    .await;
    let before = key_ids(&world).await;
    let replace = |key: String| world.gateway.replace_backend_jwt_keys(key.into(), None);
    replace(p256_key()).expect("a key");
    replace(p256_key()).expect("another");
    assert_eq!(key_ids(&world).await.0.len(), 2);
    replace(first).expect("the first again");
    assert_eq!(key_ids(&world).await, before);
    world.clock.advance(1_000);
    assert_eq!(key_ids(&world).await, before);
}
