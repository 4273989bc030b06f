use std::sync::Arc;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::id::KeyMappingId;
use domain::key_mapping::KeyType;
use domain::provider_failure::FailureClass;
use secrecy::ExposeSecret as _;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{Fake, FakeOutcome, FakeServer};
use crate::contract::{
    ClientReference, ClientSpecification, Connector, ConnectorError, ConnectorType as _,
    SecretSpecification, TokenRequest,
};
use crate::test_support::{Crash, MemoryJournal, environment, settings};

fn open(server: &Arc<FakeServer>) -> Arc<dyn Connector> {
    let mut settings = settings("Fake");
    settings.issuer = "https://fake.example".to_owned();
    let fake = Fake::new(Arc::clone(server));
    fake.open(&settings, &environment()).unwrap()
}

fn wanted() -> ClientSpecification {
    ClientSpecification {
        key_mapping_id: KeyMappingId::from_uuid(Uuid::from_u128(7)),
        display_name: "weather".to_owned(),
        application_name: "weather".to_owned(),
        owner: "alice".to_owned(),
        key_type: KeyType::Sandbox,
        grant_types: Vec::new(),
        callback_url: None,
        additional_properties: Map::new(),
    }
}

#[tokio::test]
async fn its_tokens_are_verified_with_its_key_set() {
    let server = Arc::new(FakeServer::new());
    let connector = open(&server);
    let mut journal = MemoryJournal::new(Crash::Never);
    let client = connector
        .create_client(&wanted(), &mut journal)
        .await
        .unwrap();
    let token = connector
        .request_token(&TokenRequest {
            consumer_key: client.consumer_key.clone(),
            consumer_secret: client.consumer_secret.unwrap(),
            scopes: vec!["read".to_owned()],
        })
        .await
        .unwrap();

    let token = token.access_token.expose_secret();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let key = &server.jwks()["keys"][0];
    let coordinate = |name: &str| URL_SAFE_NO_PAD.decode(key[name].as_str().unwrap()).unwrap();
    let point = [vec![4], coordinate("x"), coordinate("y")].concat();
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
        .verify(
            signed.as_bytes(),
            &URL_SAFE_NO_PAD.decode(signature).unwrap(),
        )
        .unwrap();
    let claims = URL_SAFE_NO_PAD
        .decode(signed.split('.').nth(1).unwrap())
        .unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(claims["iss"], "https://fake.example");
    assert_eq!(claims["azp"], client.consumer_key);
    assert_eq!(claims["scope"], "read");
}

#[tokio::test]
async fn it_fails_as_it_is_told_and_then_works_again() {
    let server = Arc::new(FakeServer::new());
    let connector = open(&server);
    for class in [
        FailureClass::Transient,
        FailureClass::Throttled,
        FailureClass::Rejected,
        FailureClass::Misconfigured,
    ] {
        server.fail_next("create client", class);
        let mut journal = MemoryJournal::new(Crash::Never);
        let outcome = connector.create_client(&wanted(), &mut journal).await;
        assert!(
            matches!(outcome, Err(ConnectorError::Provider(failure)) if failure.class == class)
        );
    }
    assert!(server.clients().is_empty());
    let mut journal = MemoryJournal::new(Crash::Never);
    connector
        .create_client(&wanted(), &mut journal)
        .await
        .unwrap();
    assert_eq!(server.clients().len(), 1);
}

#[tokio::test]
async fn a_lost_answer_and_a_crash_make_nothing_twice() {
    for operation in ["create client", "add secret"] {
        let server = Arc::new(FakeServer::new());
        server.script(operation, FakeOutcome::AnswerLost);
        let mut journal = MemoryJournal::new(Crash::Never);
        let lost = open(&server).create_client(&wanted(), &mut journal).await;
        assert!(lost.is_err(), "{operation}");
        let client = open(&server)
            .create_client(&wanted(), &mut journal)
            .await
            .unwrap();
        let clients = server.clients();
        assert_eq!(clients.len(), 1, "{operation}");
        assert_eq!(
            clients[&client.consumer_key].secrets.len(),
            1,
            "{operation}"
        );
    }
}

#[tokio::test]
async fn secrets_of_different_jobs_stand_side_by_side() {
    let server = Arc::new(FakeServer::new());
    let connector = open(&server);
    let mut journal = MemoryJournal::new(Crash::Never);
    let client = connector
        .create_client(&wanted(), &mut journal)
        .await
        .unwrap();
    let client = ClientReference {
        key_mapping_id: wanted().key_mapping_id,
        consumer_key: client.consumer_key,
        provider_reference: client.provider_reference,
    };
    let specification = SecretSpecification {
        description: "rotation".to_owned(),
        lifetime: None,
    };
    let secrets = connector.secrets().unwrap();
    let mut added = Vec::new();
    for _ in 0..2 {
        let mut journal = MemoryJournal::new(Crash::Never);
        added.push(
            secrets
                .add(&client, &specification, &mut journal)
                .await
                .unwrap(),
        );
    }
    assert_eq!(secrets.list(&client).await.unwrap().len(), 3);
    secrets.remove(&client, &added[0].key_id).await.unwrap();
    let wrong = connector
        .prove_secret(&client.consumer_key, &added[0].secret)
        .await;
    assert!(wrong.is_err());
    connector
        .prove_secret(&client.consumer_key, &added[1].secret)
        .await
        .unwrap();
}
