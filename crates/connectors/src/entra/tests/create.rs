use std::collections::BTreeSet;

use domain::provider_failure::FailureClass;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::tenant::{Fault, Tenant, graph_error, token_error};
use super::{connect, failure, key_manager, open, wanted};
use crate::contract::{ConnectorError, ProvisionedClient};
use crate::test_support::{Crash, MemoryJournal};

/// One application, one service principal, and one secret, which is the one that was given out.
fn assert_exactly_one_client(tenant: &Tenant, client: &ProvisionedClient, situation: &str) {
    let state = tenant.state();
    assert_eq!(state.applications.len(), 1, "{situation}");
    assert_eq!(state.principals.len(), 1, "{situation}");
    let application = &state.applications[0];
    assert_eq!(application.app_id, client.consumer_key, "{situation}");
    let given = client.consumer_secret.as_ref().expect("a secret");
    let live: Vec<&str> = application
        .passwords
        .iter()
        .map(|password| password.secret.as_str())
        .collect();
    assert_eq!(live, [given.expose_secret()], "{situation}");
}

#[tokio::test]
async fn a_new_client_is_its_own_resource_and_says_whose_it_is() {
    let tenant = Tenant::start().await;
    let mut journal = MemoryJournal::new(Crash::Never);
    let client = connect(&tenant)
        .create_client(&wanted(), &mut journal)
        .await
        .unwrap();

    assert_exactly_one_client(&tenant, &client, "after creation");
    assert_eq!(
        client.secret_expires_at,
        Some("2027-05-22T09:00:00Z".parse().unwrap()),
        "180 days after the clock's time"
    );
    let state = tenant.state();
    let application = &state.applications[0];
    let properties = &application.properties;
    assert_eq!(properties["displayName"], "alice_weather_PRODUCTION");
    assert_eq!(properties["signInAudience"], "AzureADMyOrg");
    assert_eq!(properties["api"]["requestedAccessTokenVersion"], 2);
    assert_eq!(
        properties["identifierUris"],
        json!([format!("api://{}", client.consumer_key)])
    );
    let tags = properties["tags"].to_string();
    assert!(
        tags.contains(&wanted().key_mapping_id.to_string()),
        "{tags}"
    );
    assert_eq!(
        client.provider_reference,
        json!({
            "object_id": application.object_id,
            "service_principal_id": state.principals[0].0,
            "key_id": application.passwords[0].key_id,
        })
    );
}

#[tokio::test]
async fn the_secret_never_reaches_the_journal() {
    let tenant = Tenant::start().await;
    let mut journal = MemoryJournal::new(Crash::Never);
    let client = connect(&tenant)
        .create_client(&wanted(), &mut journal)
        .await
        .unwrap();
    let secret = client.consumer_secret.unwrap();
    assert!(journal.text().contains("key_id"));
    assert!(!journal.text().contains(secret.expose_secret()));
}

#[tokio::test]
async fn each_attempt_has_a_request_id_of_its_own() {
    let tenant = Tenant::start().await;
    let mut journal = MemoryJournal::new(Crash::Never);
    let connector = connect(&tenant);
    connector
        .create_client(&wanted(), &mut journal)
        .await
        .unwrap();
    let state = tenant.state();
    let ids: BTreeSet<&str> = state
        .calls
        .iter()
        .map(|call| call.client_request_id.as_str())
        .collect();
    assert_eq!(ids.len(), state.calls.len());
    assert!(ids.iter().all(|id| uuid::Uuid::parse_str(id).is_ok()));
}

#[tokio::test]
async fn version_1_is_asked_for_where_it_is_configured() {
    let tenant = Tenant::start().await;
    let mut settings = key_manager(&tenant);
    settings.configuration.insert(
        "azure_ad_requested_access_token_version".to_owned(),
        json!("v1.0"),
    );
    let mut journal = MemoryJournal::new(Crash::Never);
    open(settings)
        .create_client(&wanted(), &mut journal)
        .await
        .unwrap();
    let version = &tenant.state().applications[0].properties["api"]["requestedAccessTokenVersion"];
    assert_eq!(*version, 1);
}

#[tokio::test]
async fn wherever_the_process_dies_a_resumed_creation_makes_one_client_with_one_secret() {
    let tenant = Tenant::start().await;
    let mut complete = MemoryJournal::new(Crash::Never);
    let connector = connect(&tenant);
    connector
        .create_client(&wanted(), &mut complete)
        .await
        .unwrap();
    let entries = complete.steps.len();
    assert_eq!(entries, 10, "{:?}", complete.steps);

    for crash in (0..entries).flat_map(|entry| [Crash::Before(entry), Crash::After(entry)]) {
        let tenant = Tenant::start().await;
        let mut journal = MemoryJournal::new(crash);
        let died = connect(&tenant)
            .create_client(&wanted(), &mut journal)
            .await;
        assert!(matches!(died, Err(ConnectorError::Journal(_))), "{crash:?}");

        journal.crash = Crash::Never;
        let resumed = connect(&tenant)
            .create_client(&wanted(), &mut journal)
            .await;
        let client = resumed.unwrap_or_else(|error| panic!("{crash:?}: {error:?}"));
        assert_exactly_one_client(&tenant, &client, &format!("{crash:?}"));
    }
}

#[tokio::test]
async fn wherever_the_process_dies_an_undone_creation_leaves_nothing() {
    for crash in (0..10).flat_map(|entry| [Crash::Before(entry), Crash::After(entry)]) {
        let tenant = Tenant::start().await;
        let mut journal = MemoryJournal::new(crash);
        let died = connect(&tenant)
            .create_client(&wanted(), &mut journal)
            .await;
        assert!(died.is_err(), "{crash:?}");

        journal.crash = Crash::Never;
        let undone = connect(&tenant).undo_create(&wanted(), &mut journal).await;
        undone.unwrap_or_else(|error| panic!("{crash:?}: {error:?}"));
        let state = tenant.state();
        assert!(state.applications.is_empty(), "{crash:?}");
        assert!(state.principals.is_empty(), "{crash:?}");
        assert!(state.deleted.is_empty(), "{crash:?}: {:?}", state.deleted);
    }
}

#[tokio::test]
async fn a_client_can_be_made_again_after_it_was_undone_without_purging_others() {
    let tenant = Tenant::start().await;
    let mut settings = key_manager(&tenant);
    let purging = "azure_ad_purge_deleted".to_owned();
    settings.configuration.insert(purging, json!(false));
    let connector = open(settings);
    let mut journal = MemoryJournal::new(Crash::Never);
    connector
        .create_client(&wanted(), &mut journal)
        .await
        .unwrap();
    connector
        .undo_create(&wanted(), &mut journal)
        .await
        .unwrap();
    assert!(tenant.state().deleted.is_empty(), "its name is free again");
    let mut journal = MemoryJournal::new(Crash::Never);
    let client = connector
        .create_client(&wanted(), &mut journal)
        .await
        .unwrap();
    assert_exactly_one_client(&tenant, &client, "made again");
}

#[tokio::test]
async fn a_lost_answer_makes_nothing_twice() {
    for (method, path) in [
        ("PATCH", "uniqueName"),
        ("PATCH", "/applications/"),
        ("POST", "/servicePrincipals"),
        ("POST", "addPassword"),
    ] {
        let tenant = Tenant::start().await;
        tenant.fault(Fault::answer_lost(method, path));
        let mut journal = MemoryJournal::new(Crash::Never);
        let outcome = connect(&tenant)
            .create_client(&wanted(), &mut journal)
            .await;
        let client = outcome.unwrap_or_else(|error| panic!("{path}: {error:?}"));
        assert_exactly_one_client(&tenant, &client, path);
    }
}

#[tokio::test]
async fn each_kind_of_replication_lag_is_waited_for() {
    let not_there = graph_error(
        "Request_ResourceNotFound",
        "Resource 'c1f0' does not exist or one of its queried reference-property objects are not present.",
    );
    let faults: [(&'static str, &'static str, u16, Value); 11] = [
        ("PATCH", "/applications/", 404, not_there.clone()),
        (
            "PATCH",
            "/applications/",
            409,
            graph_error("Request_Conflict", "concurrent update"),
        ),
        ("POST", "addPassword", 404, not_there),
        (
            "POST",
            "/servicePrincipals",
            400,
            graph_error(
                "Request_BadRequest",
                "The appId '5e8d' of the service principal does not reference a valid application object.",
            ),
        ),
        (
            "POST",
            "/servicePrincipals",
            403,
            graph_error(
                "Authorization_RequestDenied",
                "When using this permission, the backing application of the service principal being created must in the local tenant",
            ),
        ),
        (
            "POST",
            "addPassword",
            403,
            graph_error(
                "Authorization_RequestDenied",
                "Insufficient privileges to complete the operation.",
            ),
        ),
        (
            "POST",
            "/token",
            400,
            token_error(
                "unauthorized_client",
                700_016,
                "Application was not found in the directory.",
            ),
        ),
        (
            "POST",
            "/token",
            401,
            token_error(
                "invalid_client",
                7_000_215,
                "Invalid client secret provided.",
            ),
        ),
        (
            "POST",
            "/token",
            401,
            token_error(
                "invalid_client",
                7_000_222,
                "The provided client secret keys are expired.",
            ),
        ),
        (
            "POST",
            "/token",
            401,
            token_error("invalid_client", 7_000_229, "missing service principal"),
        ),
        (
            "POST",
            "/token",
            400,
            token_error(
                "invalid_resource",
                500_011,
                "The resource principal was not found.",
            ),
        ),
    ];
    for (method, path, status, body) in faults {
        let tenant = Tenant::start().await;
        let connector = connect(&tenant);
        // Sign in first: the next token request is then the new client's.
        connector
            .find_client("00000000-0000-4000-8000-000000000000")
            .await
            .unwrap();
        // Missing privileges are waited for shortly only; once is enough to see it.
        let times = if body.to_string().contains("Insufficient") {
            1
        } else {
            3
        };
        tenant.fault(Fault::new(method, path, status, body.clone()).times(times));
        let mut journal = MemoryJournal::new(Crash::Never);
        let outcome = connector.create_client(&wanted(), &mut journal).await;
        let client = outcome.unwrap_or_else(|error| panic!("{body}: {error:?}"));
        assert_exactly_one_client(&tenant, &client, &body.to_string());
    }
}

#[tokio::test]
async fn throttling_is_obeyed_and_then_forgotten() {
    let tenant = Tenant::start().await;
    tenant.fault(Fault {
        retry_after: Some("0.05"),
        ..Fault::new(
            "POST",
            "addPassword",
            429,
            graph_error("TooManyRequests", "Too many requests"),
        )
    });
    let mut journal = MemoryJournal::new(Crash::Never);
    let client = connect(&tenant)
        .create_client(&wanted(), &mut journal)
        .await
        .unwrap();
    assert_exactly_one_client(&tenant, &client, "after throttling");
    assert_eq!(tenant.count_calls("addPassword"), 2);
}

#[tokio::test]
async fn a_longer_wait_than_is_left_is_handed_to_the_caller() {
    let tenant = Tenant::start().await;
    tenant.fault(Fault {
        retry_after: Some("600"),
        ..Fault::new(
            "PATCH",
            "uniqueName",
            429,
            graph_error("TooManyRequests", "Too many requests"),
        )
    });
    let mut journal = MemoryJournal::new(Crash::Never);
    let outcome = connect(&tenant)
        .create_client(&wanted(), &mut journal)
        .await;
    let failure = failure(outcome);
    assert_eq!(failure.class, FailureClass::Throttled);
    assert_eq!(
        failure.retry_after,
        Some(jiff::SignedDuration::from_secs(600))
    );
    assert_eq!(tenant.count_calls("uniqueName"), 1);
}

#[tokio::test]
async fn a_real_refusal_ends_at_once_in_the_providers_words() {
    let tenant = Tenant::start().await;
    let message =
        "Credential lifetime exceeds the max value allowed as per assigned policy '7c1e'.";
    tenant.fault(Fault::new(
        "POST",
        "addPassword",
        400,
        graph_error("CredentialInvalidLifetimeAsPerAppPolicy", message),
    ));
    let mut journal = MemoryJournal::new(Crash::Never);
    let outcome = connect(&tenant)
        .create_client(&wanted(), &mut journal)
        .await;
    let failure = failure(outcome);
    assert_eq!(failure.class, FailureClass::Misconfigured);
    assert_eq!(failure.operation, "add secret");
    assert_eq!(failure.status, Some(400));
    assert_eq!(
        failure.code.as_deref(),
        Some("CredentialInvalidLifetimeAsPerAppPolicy")
    );
    assert_eq!(failure.message, message);
    assert_eq!(
        failure.request_id.as_deref(),
        Some("4c2e0000-0000-4000-8000-000000000000")
    );
    assert!(failure.advice.unwrap().contains("lifetime"));
    assert_eq!(tenant.count_calls("addPassword"), 1);
}

#[tokio::test]
async fn a_wrong_secret_of_claviger_itself_is_not_taken_for_lag_and_needs_no_undoing() {
    let tenant = Tenant::start().await;
    let mut settings = key_manager(&tenant);
    settings
        .configuration
        .insert("azure_ad_client_secret".to_owned(), json!("wrong"));
    let connector = open(settings);
    let mut journal = MemoryJournal::new(Crash::Never);
    let failure = failure(connector.create_client(&wanted(), &mut journal).await);
    assert_eq!(failure.class, FailureClass::Misconfigured);
    assert_eq!(failure.code.as_deref(), Some("AADSTS7000215"));
    assert_eq!(tenant.count_calls("/token"), 1);

    // Undoing would fail for the same reason, had it anything to do.
    connector
        .undo_create(&wanted(), &mut journal)
        .await
        .unwrap();
}

#[tokio::test]
async fn an_access_token_that_ended_early_is_renewed_once() {
    let tenant = Tenant::start().await;
    let connector = connect(&tenant);
    connector
        .find_client("00000000-0000-4000-8000-000000000000")
        .await
        .unwrap();
    tenant.refuse_all_management_tokens();
    connector
        .find_client("00000000-0000-4000-8000-000000000000")
        .await
        .unwrap();
    assert_eq!(tenant.count_calls("/token"), 2);
}

#[tokio::test]
async fn concurrent_operations_share_one_sign_in() {
    let tenant = Tenant::start().await;
    let connector = connect(&tenant);
    let find = || connector.find_client("00000000-0000-4000-8000-000000000000");
    let (one, two, three) = tokio::join!(find(), find(), find());
    assert!(one.unwrap().is_none() && two.unwrap().is_none() && three.unwrap().is_none());
    assert_eq!(tenant.count_calls("/token"), 1);
}
