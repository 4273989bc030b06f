use std::time::Duration;

use domain::provider_failure::FailureClass;
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::tenant::{Fault, Tenant};
use super::{connect, failure, reference, wanted};
use crate::contract::{ClientReference, SecretSpecification};
use crate::test_support::{Crash, MemoryJournal};

fn specification() -> SecretSpecification {
    SecretSpecification {
        description: "Rotation in November".to_owned(),
        lifetime: Some(Duration::from_hours(48)),
    }
}

async fn with_client(tenant: &Tenant) -> ClientReference {
    let mut journal = MemoryJournal::new(Crash::Never);
    let connector = connect(tenant);
    let client = connector.create_client(&wanted(), &mut journal).await;
    reference(&client.unwrap())
}

#[tokio::test]
async fn an_added_secret_stands_beside_the_first_until_that_is_removed() {
    let tenant = Tenant::start().await;
    let client = with_client(&tenant).await;
    let first = client.provider_reference["key_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let connector = connect(&tenant);
    let secrets = connector.secrets().unwrap();

    let mut journal = MemoryJournal::new(Crash::Never);
    let added = secrets
        .add(&client, &specification(), &mut journal)
        .await
        .unwrap();
    assert_eq!(
        added.expires_at,
        Some("2026-11-25T09:00:00Z".parse().unwrap())
    );
    assert_eq!(secrets.list(&client).await.unwrap().len(), 2);

    secrets.remove(&client, &first).await.unwrap();
    let listed = secrets.list(&client).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].key_id, added.key_id);
    assert!(listed[0].added_by_claviger);
    assert!(listed[0].description.starts_with("Rotation in November"));
    assert!(
        added
            .secret
            .expose_secret()
            .starts_with(listed[0].hint.as_ref().unwrap())
    );
}

#[tokio::test]
async fn an_absent_secret_counts_as_removed() {
    let tenant = Tenant::start().await;
    let client = with_client(&tenant).await;
    let connector = connect(&tenant);
    let absent = "99999999-9999-4999-8999-999999999999";
    connector
        .secrets()
        .unwrap()
        .remove(&client, absent)
        .await
        .unwrap();
    assert_eq!(tenant.state().applications[0].passwords.len(), 1);
}

#[tokio::test]
async fn a_foreign_secret_is_listed_as_such_and_never_removed() {
    let tenant = Tenant::start().await;
    let by_hand = tenant.register_by_hand("theirs");
    let client = ClientReference {
        key_mapping_id: wanted().key_mapping_id,
        consumer_key: by_hand.app_id.clone(),
        provider_reference: json!({}),
    };
    let connector = connect(&tenant);
    let secrets = connector.secrets().unwrap();
    assert!(!secrets.list(&client).await.unwrap()[0].added_by_claviger);

    let outcome = secrets.remove(&client, &by_hand.passwords[0].key_id).await;
    assert_eq!(failure(outcome).class, FailureClass::Rejected);
    assert_eq!(tenant.state().applications[0].passwords.len(), 1);
}

#[tokio::test]
async fn a_resumed_addition_leaves_one_new_secret_and_the_old_one() {
    for crash in (0..4).flat_map(|entry| [Crash::Before(entry), Crash::After(entry)]) {
        let tenant = Tenant::start().await;
        let client = with_client(&tenant).await;
        let connector = connect(&tenant);
        let secrets = connector.secrets().unwrap();
        let mut journal = MemoryJournal::new(crash);
        let died = secrets.add(&client, &specification(), &mut journal).await;
        assert!(died.is_err(), "{crash:?}");

        journal.crash = Crash::Never;
        let added = secrets
            .add(&client, &specification(), &mut journal)
            .await
            .unwrap();
        let state = tenant.state();
        let live: Vec<&str> = state.applications[0]
            .passwords
            .iter()
            .map(|password| password.key_id.as_str())
            .collect();
        let first = client.provider_reference["key_id"].as_str().unwrap();
        assert_eq!(live, [first, added.key_id.as_str()], "{crash:?}");
    }
}

#[tokio::test]
async fn several_lost_answers_leave_one_new_secret() {
    let tenant = Tenant::start().await;
    let client = with_client(&tenant).await;
    tenant.fault(Fault::answer_lost("POST", "addPassword").times(3));
    let connector = connect(&tenant);
    let mut journal = MemoryJournal::new(Crash::Never);
    let secrets = connector.secrets().unwrap();
    secrets
        .add(&client, &specification(), &mut journal)
        .await
        .unwrap();
    assert_eq!(tenant.state().applications[0].passwords.len(), 2);
}
