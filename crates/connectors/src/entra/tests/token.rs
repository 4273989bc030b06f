use std::time::Duration;

use domain::provider_failure::FailureClass;
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::tenant::{Fault, Tenant};
use super::{connect, failure, key_manager, open, secret, wanted};
use crate::contract::TokenRequest;
use crate::test_support::{Crash, MemoryJournal};

#[tokio::test]
async fn a_client_gets_a_token_for_itself() {
    let tenant = Tenant::start().await;
    let connector = connect(&tenant);
    let mut journal = MemoryJournal::new(Crash::Never);
    let client = connector
        .create_client(&wanted(), &mut journal)
        .await
        .unwrap();
    let token = connector
        .request_token(&TokenRequest {
            consumer_key: client.consumer_key.clone(),
            consumer_secret: client.consumer_secret.unwrap(),
            scopes: vec!["read_weather".to_owned()],
        })
        .await
        .unwrap();
    let expected = format!("token-of-{}", client.consumer_key);
    assert_eq!(token.access_token.expose_secret(), expected);
    assert_eq!(token.expires_in, Duration::from_secs(3_599));
    let own_scope = format!("api://{}/.default", client.consumer_key);
    assert_eq!(token.scopes, std::slice::from_ref(&own_scope));
    assert_eq!(
        connector.token_request_parameters(&client.consumer_key),
        [("scope", own_scope)]
    );
}

#[tokio::test]
async fn a_wrong_secret_is_refused_with_entras_reason_and_without_the_secret() {
    let tenant = Tenant::start().await;
    let by_hand = tenant.register_by_hand("theirs");
    let connector = connect(&tenant);
    connector
        .prove_secret(&by_hand.app_id, &secret("theirs"))
        .await
        .unwrap();

    let outcome = connector
        .prove_secret(&by_hand.app_id, &secret("not-theirs"))
        .await;
    let failure = failure(outcome);
    assert_eq!(failure.class, FailureClass::Rejected);
    assert_eq!(failure.code.as_deref(), Some("AADSTS7000215"));
    assert_eq!(
        failure.request_id.as_deref(),
        Some("6b0e0000-0000-4000-8000-000000000000")
    );
    assert!(!format!("{failure:?}").contains("not-theirs"));
}

#[tokio::test]
async fn the_older_token_endpoint_is_asked_for_a_resource_and_answers_numbers_as_texts() {
    let tenant = Tenant::start().await;
    let by_hand = tenant.register_by_hand("theirs");
    let mut settings = key_manager(&tenant);
    let older = tenant.token_endpoint().as_str().replace("/v2.0", "");
    settings.endpoints.token = Some(older.parse().unwrap());
    tenant.fault(Fault::new(
        "POST",
        "/oauth2/token",
        200,
        json!({ "token_type": "Bearer", "expires_in": "3599", "access_token": "token" }),
    ));
    let token = open(settings)
        .request_token(&TokenRequest {
            consumer_key: by_hand.app_id.clone(),
            consumer_secret: secret("theirs"),
            scopes: Vec::new(),
        })
        .await
        .unwrap();
    assert_eq!(token.expires_in, Duration::from_secs(3_599));
    let body = tenant.state().calls[0].body.clone();
    let resource = format!("resource=api%3A%2F%2F{}", by_hand.app_id);
    assert!(body.ends_with(&resource), "{body}");
}

#[tokio::test]
async fn a_good_answer_without_a_token_is_a_failure() {
    let tenant = Tenant::start().await;
    let by_hand = tenant.register_by_hand("theirs");
    tenant.fault(Fault::new(
        "POST",
        "/token",
        200,
        json!({ "hello": "world" }),
    ));
    let outcome = connect(&tenant)
        .prove_secret(&by_hand.app_id, &secret("theirs"))
        .await;
    assert_eq!(failure(outcome).class, FailureClass::Misconfigured);
}

#[tokio::test]
async fn only_the_exact_client_id_is_found() {
    let tenant = Tenant::start().await;
    let by_hand = tenant.register_by_hand("theirs");
    let connector = connect(&tenant);
    let found = connector
        .find_client(&by_hand.app_id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.consumer_key, by_hand.app_id);
    assert_eq!(found.display_name, "by hand");
    assert_eq!(
        found.provider_reference,
        json!({ "object_id": by_hand.object_id })
    );

    let calls = tenant.state().calls.len();
    for other in [&by_hand.app_id[..8], "", "x') or ('1' eq '1", "by hand"] {
        assert!(
            connector.find_client(other).await.unwrap().is_none(),
            "{other}"
        );
    }
    assert_eq!(
        tenant.state().calls.len(),
        calls,
        "nothing else reaches Graph"
    );
}

#[tokio::test]
async fn a_request_body_never_holds_more_than_its_own_secret() {
    let tenant = Tenant::start().await;
    let connector = connect(&tenant);
    let mut journal = MemoryJournal::new(Crash::Never);
    connector
        .create_client(&wanted(), &mut journal)
        .await
        .unwrap();
    let state = tenant.state();
    let to_graph = state
        .calls
        .iter()
        .filter(|call| call.line.contains("/v1.0/"));
    assert!(to_graph.clone().count() >= 4);
    assert!(
        to_graph
            .into_iter()
            .all(|call| !call.body.contains("secretText"))
    );
}
