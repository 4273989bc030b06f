use domain::provider_failure::FailureClass;
use serde_json::json;

use super::tenant::{Fault, Tenant, graph_error};
use super::{connect, failure, key_manager, open, reference, wanted};
use crate::contract::{ClientReference, ProvisionedClient};
use crate::test_support::{Crash, MemoryJournal};

async fn with_client(tenant: &Tenant) -> ProvisionedClient {
    let mut journal = MemoryJournal::new(Crash::Never);
    connect(tenant)
        .create_client(&wanted(), &mut journal)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_deleted_client_leaves_nothing_behind_and_others_untouched() {
    let tenant = Tenant::start().await;
    let by_hand = tenant.register_by_hand("theirs");
    let client = with_client(&tenant).await;
    let mut journal = MemoryJournal::new(Crash::Never);
    connect(&tenant)
        .delete_client(&reference(&client), &mut journal)
        .await
        .unwrap();
    let state = tenant.state();
    assert!(state.deleted.is_empty(), "{:?}", state.deleted);
    let left: Vec<&str> = state
        .applications
        .iter()
        .map(|application| application.app_id.as_str())
        .collect();
    assert_eq!(left, [by_hand.app_id.as_str()]);
}

#[tokio::test]
async fn deleting_again_and_without_remembered_ids_is_no_error() {
    let tenant = Tenant::start().await;
    let client = with_client(&tenant).await;
    let forgotten = ClientReference {
        provider_reference: json!({}),
        ..reference(&client)
    };
    for _ in 0..2 {
        let mut journal = MemoryJournal::new(Crash::Never);
        let connector = connect(&tenant);
        connector
            .delete_client(&forgotten, &mut journal)
            .await
            .unwrap();
        assert!(tenant.state().applications.is_empty());
    }
}

#[tokio::test]
async fn a_deleted_item_that_appears_late_is_waited_for() {
    let tenant = Tenant::start().await;
    let client = with_client(&tenant).await;
    let late = graph_error("Request_ResourceNotFound", "Resource does not exist");
    tenant.fault(Fault::new("DELETE", "/directory/deletedItems/", 404, late).times(4));
    let mut journal = MemoryJournal::new(Crash::Never);
    connect(&tenant)
        .delete_client(&reference(&client), &mut journal)
        .await
        .unwrap();
    assert!(tenant.state().deleted.is_empty());
}

#[tokio::test]
async fn a_lost_answer_to_a_deletion_or_a_purge_is_no_obstacle() {
    for path in ["/applications/", "/directory/deletedItems/"] {
        let tenant = Tenant::start().await;
        let client = with_client(&tenant).await;
        tenant.fault(Fault::answer_lost("DELETE", path));
        let mut journal = MemoryJournal::new(Crash::Never);
        connect(&tenant)
            .delete_client(&reference(&client), &mut journal)
            .await
            .unwrap();
        let state = tenant.state();
        assert!(
            state.applications.is_empty() && state.deleted.is_empty(),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_deletion_resumes_where_it_stopped() {
    for crash in (0..4).flat_map(|entry| [Crash::Before(entry), Crash::After(entry)]) {
        let tenant = Tenant::start().await;
        let client = with_client(&tenant).await;
        let mut journal = MemoryJournal::new(crash);
        let died = connect(&tenant)
            .delete_client(&reference(&client), &mut journal)
            .await;
        assert!(died.is_err(), "{crash:?}");
        journal.crash = Crash::Never;
        connect(&tenant)
            .delete_client(&reference(&client), &mut journal)
            .await
            .unwrap();
        let state = tenant.state();
        assert!(
            state.applications.is_empty() && state.deleted.is_empty(),
            "{crash:?}"
        );
    }
}

#[tokio::test]
async fn purging_can_be_switched_off() {
    let tenant = Tenant::start().await;
    let client = with_client(&tenant).await;
    let mut settings = key_manager(&tenant);
    settings
        .configuration
        .insert("azure_ad_purge_deleted".to_owned(), json!(false));
    let mut journal = MemoryJournal::new(Crash::Never);
    open(settings)
        .delete_client(&reference(&client), &mut journal)
        .await
        .unwrap();
    let state = tenant.state();
    assert!(state.applications.is_empty());
    assert_eq!(state.deleted.len(), 2, "application and service principal");
}

#[tokio::test]
async fn an_update_renames_and_adds_no_secret() {
    let tenant = Tenant::start().await;
    let client = with_client(&tenant).await;
    let mut renamed = wanted();
    renamed.display_name = "alice_rain_PRODUCTION".to_owned();
    let mut journal = MemoryJournal::new(Crash::Never);
    connect(&tenant)
        .update_client(&reference(&client), &renamed, &mut journal)
        .await
        .unwrap();
    let state = tenant.state();
    let application = &state.applications[0];
    assert_eq!(
        application.properties["displayName"],
        "alice_rain_PRODUCTION"
    );
    assert_eq!(application.properties["signInAudience"], "AzureADMyOrg");
    assert_eq!(application.passwords.len(), 1);
}

#[tokio::test]
async fn updating_a_client_that_is_gone_says_so() {
    let tenant = Tenant::start().await;
    let client = with_client(&tenant).await;
    tenant.state().applications.clear();
    let mut journal = MemoryJournal::new(Crash::Never);
    let outcome = connect(&tenant)
        .update_client(&reference(&client), &wanted(), &mut journal)
        .await;
    let failure = failure(outcome);
    assert_eq!(failure.class, FailureClass::Rejected);
    assert_eq!(failure.status, Some(404));
    assert!(failure.advice.unwrap().contains("deleted in Entra"));
}
