//! Key rollover and signatures, checked with an independent verification of the published JWK.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde_json::json;

use super::jws::UnverifiedJws;
use super::key_ring::KeyRingError;
use super::signing_key::sha1;
use super::{JoseHeader, KeyRing, PublicKey, SignatureAlgorithm};

fn now() -> Timestamp {
    "2026-11-23T09:14:27Z".parse().expect("a timestamp")
}

fn signed_by(ring: &KeyRing, nonce: Option<&str>) -> String {
    let key = ring.signing_key();
    let header = JoseHeader {
        typ: "JWT".into(),
        nonce: nonce.map(str::to_owned),
        alg: "RS256".into(),
        x5t: None,
        kid: key.kid().to_owned(),
    };
    key.sign(&header, &json!({"sub": "someone"}))
        .expect("signs")
}

fn verifies_with_the_published_key(ring: &KeyRing, token: &str) -> bool {
    let jws = UnverifiedJws::parse(token).expect("a JWS");
    let jwks = ring.to_jwks("issuer");
    let jwk = jwks["keys"]
        .as_array()
        .expect("keys")
        .iter()
        .find(|jwk| jwk["kid"].as_str() == jws.header.kid.as_deref())
        .expect("the key is published");
    let key = PublicKey::from_jwk(jwk["n"].as_str().unwrap(), jwk["e"].as_str().unwrap()).unwrap();
    jws.is_signed_by(&key, SignatureAlgorithm::Rs256)
}

#[test]
fn two_keys_are_published_with_certificate_thumbprint_and_issuer_but_no_algorithm() {
    let ring = KeyRing::generate(now()).unwrap();
    let jwks = ring.to_jwks("https://login.microsoftonline.com/{tenantid}/v2.0");
    let keys = jwks["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 2);
    for key in keys {
        let certificate = STANDARD.decode(key["x5c"][0].as_str().unwrap()).unwrap();
        assert_eq!(key["kid"], URL_SAFE_NO_PAD.encode(sha1(&certificate)));
        assert_eq!(key["kid"], key["x5t"]);
        assert_eq!(key["e"], "AQAB");
        assert_eq!(
            key["issuer"],
            "https://login.microsoftonline.com/{tenantid}/v2.0"
        );
        assert!(key.get("alg").is_none());
        let from_certificate = PublicKey::from_certificate(&certificate).unwrap();
        let token = signed_by(&ring, None);
        let jws = UnverifiedJws::parse(&token).unwrap();
        let is_signer = jws.header.kid.as_deref() == key["kid"].as_str();
        assert_eq!(
            jws.is_signed_by(&from_certificate, SignatureAlgorithm::Rs256),
            is_signer
        );
    }
}

#[test]
fn a_plain_token_verifies_with_the_published_key_and_a_graph_token_does_not() {
    let ring = KeyRing::generate(now()).unwrap();
    let plain = signed_by(&ring, None);
    let with_nonce = signed_by(&ring, Some("hashed-before-signing"));

    assert!(verifies_with_the_published_key(&ring, &plain));
    assert!(!verifies_with_the_published_key(&ring, &with_nonce));
    assert_eq!(ring.verify(&plain).unwrap()["sub"], "someone");
    assert_eq!(ring.verify(&with_nonce).unwrap()["sub"], "someone");
}

#[test]
fn a_tampered_token_is_refused() {
    let ring = KeyRing::generate(now()).unwrap();
    let token = signed_by(&ring, Some("nonce"));
    let parts: Vec<&str> = token.split('.').collect();
    let other = URL_SAFE_NO_PAD.encode(br#"{"sub":"someone else"}"#);

    assert!(
        ring.verify(&format!("{}.{other}.{}", parts[0], parts[2]))
            .is_none()
    );
    assert!(ring.verify(&format!("{token}.more")).is_none());
    assert!(ring.verify(parts[0]).is_none());
    assert!(ring.verify("").is_none());
}

#[test]
fn keys_roll_over_by_adding_switching_and_retiring() {
    let ring = KeyRing::generate(now()).unwrap();
    let first = ring.signing_kid();
    let old_token = signed_by(&ring, None);

    let added = ring.add(now()).unwrap();
    assert_eq!(ring.signing_kid(), first, "an added key does not sign yet");
    ring.switch_to(&added).unwrap();
    assert_eq!(ring.signing_kid(), added);
    assert!(
        ring.verify(&old_token).is_some(),
        "the old key is still published"
    );

    ring.retire(&first).unwrap();
    assert!(ring.verify(&old_token).is_none());
    assert_eq!(ring.signing_kid(), added);
    assert_eq!(ring.kids().len(), 2);
}

#[test]
fn the_signing_key_and_the_last_two_keys_cannot_be_retired() {
    let ring = KeyRing::generate(now()).unwrap();
    let signing = ring.signing_kid();
    let other = ring.kids().into_iter().find(|kid| *kid != signing).unwrap();

    assert!(matches!(ring.retire(&signing), Err(KeyRingError::Signs(_))));
    assert!(matches!(ring.retire(&other), Err(KeyRingError::TooFew)));
    assert!(matches!(
        ring.retire("unknown"),
        Err(KeyRingError::UnknownKey(_))
    ));
    assert!(matches!(
        ring.switch_to("unknown"),
        Err(KeyRingError::UnknownKey(_))
    ));
}

#[test]
fn an_emergency_replaces_every_key_at_once() {
    let ring = KeyRing::generate(now()).unwrap();
    let before = ring.kids();
    let token = signed_by(&ring, None);
    let after = ring.replace_all(now()).unwrap();

    assert!(after.iter().all(|kid| !before.contains(kid)));
    assert!(ring.verify(&token).is_none());
    assert!(ring.verify(&signed_by(&ring, None)).is_some());
}

#[test]
fn a_ring_in_a_folder_remembers_its_rollover_and_stays_private() {
    let folder = tempfile::tempdir().unwrap();
    let ring = KeyRing::open(folder.path(), now()).unwrap();
    let added = ring.add(now()).unwrap();
    ring.switch_to(&added).unwrap();
    let token = signed_by(&ring, None);
    drop(ring);

    let again = KeyRing::open(folder.path(), now()).unwrap();
    assert_eq!(again.signing_kid(), added);
    assert_eq!(again.kids().len(), 3);
    assert!(again.verify(&token).is_some());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let file = folder.path().join("signing-keys.json");
        assert_eq!(
            std::fs::metadata(file).unwrap().permissions().mode() & 0o077,
            0
        );
    }
    std::fs::write(folder.path().join("signing-keys.json"), "{}").unwrap();
    assert!(KeyRing::open(folder.path(), now()).is_err());
}
