//! Two people at the same thing at the same time.

use control::Error;
use control::error::NotPossible;

use domain::provider_failure::FailureClass;

use crate::installation::{Installation, key_manager_settings, production_keys};
use crate::support::{admin, ann, application_settings};

#[tokio::test]
async fn two_clicks_on_generate_make_one_client() {
    let installation = Installation::start().await;
    installation.creates_key_manager("entra").await;
    let application = installation.creates_application(&ann()).await;
    let owner = ann();
    let mappings = installation.control.key_mappings();
    let (first, second) = tokio::join!(
        mappings.generate(&owner, application.id, production_keys("entra")),
        mappings.generate(&owner, application.id, production_keys("entra")),
    );
    let (good, refused) = if first.is_ok() {
        (first, second)
    } else {
        (second, first)
    };
    assert!(good.unwrap().secret.is_some());
    assert!(matches!(
        refused.unwrap_err(),
        Error::NotPossible(NotPossible::KeyMappingExists)
    ));
    assert_eq!(installation.server.clients().len(), 1);
}

#[tokio::test]
async fn keys_asked_for_again_while_the_failed_ones_are_removed_are_made() {
    let installation = Installation::start().await;
    installation.creates_key_manager("entra").await;
    let mappings = installation.control.key_mappings();
    for number in 1..=30 {
        let wanted = application_settings(&format!("weather {number}"));
        let applications = installation.control.applications();
        let application = applications.create(&ann(), wanted).await.unwrap();
        let server = &installation.server;
        server.fail_next("add secret", FailureClass::Rejected);
        let refused = mappings
            .generate(&ann(), application.id, production_keys("entra"))
            .await;
        assert!(matches!(refused, Err(Error::KeyManager(_))), "{refused:?}");
        // The runner is removing what the refused attempt made, at this very moment.
        let keys = mappings
            .generate(&ann(), application.id, production_keys("entra"))
            .await
            .unwrap();
        assert!(keys.secret.is_some());
        assert_eq!(server.clients().len(), number);
    }
}

#[tokio::test]
async fn two_clicks_on_delete_both_succeed() {
    let installation = Installation::start().await;
    installation.creates_key_manager("entra").await;
    let application = installation.creates_application(&ann()).await;
    let owner = ann();
    let mappings = installation.control.key_mappings();
    let keys = mappings
        .generate(&owner, application.id, production_keys("entra"))
        .await
        .unwrap();
    let id = keys.mapping.id;
    let (first, second) = tokio::join!(
        mappings.delete(&owner, application.id, id),
        mappings.delete(&owner, application.id, id),
    );
    // Whoever comes after the removal finds nothing any more.
    for outcome in [first, second] {
        assert!(matches!(outcome, Ok(_) | Err(Error::NotFound(_))));
    }
    assert!(installation.server.clients().is_empty());
    assert!(
        mappings
            .list(&owner, application.id)
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn key_managers_of_one_name_made_at_the_same_time_are_one() {
    let installation = Installation::without_runner().await;
    let administrator = admin();
    let key_managers = installation.control.key_managers();
    let (first, second) = tokio::join!(
        key_managers.create(&administrator, key_manager_settings("entra")),
        key_managers.create(&administrator, key_manager_settings("entra")),
    );
    assert!(first.is_ok() != second.is_ok());
    assert_eq!(key_managers.list(&administrator).await.unwrap().len(), 1);
}

#[tokio::test]
async fn two_clicks_on_deleting_an_application_both_succeed() {
    let installation = Installation::start().await;
    installation.creates_key_manager("entra").await;
    let application = installation.creates_application(&ann()).await;
    let owner = ann();
    let mappings = installation.control.key_mappings();
    mappings
        .generate(&owner, application.id, production_keys("entra"))
        .await
        .unwrap();
    let applications = installation.control.applications();
    let (first, second) = tokio::join!(
        applications.delete(&owner, application.id),
        applications.delete(&owner, application.id),
    );
    for outcome in [first, second] {
        assert!(matches!(outcome, Ok(_) | Err(Error::NotFound(_))));
    }
    assert!(installation.server.clients().is_empty());
}
