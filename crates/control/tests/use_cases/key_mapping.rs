//! Keys, as developers obtain and tend them.

use control::Error;
use control::error::{NotPossible, Noun};
use control::key_mapping::{Deletion, GenerateToken, MapKeys, UpdateKeys};
use domain::key_manager::Permissions;
use domain::key_mapping::{CreateMode, KeyMappingState, KeyType};
use domain::provider_failure::FailureClass;
use secrecy::ExposeSecret;

use crate::installation::{Installation, key_manager_settings, production_keys};
use crate::support::{actor, admin, ann, bob, secret};

fn not_possible(error: Error) -> NotPossible {
    match error {
        Error::NotPossible(reason) => reason,
        other => panic!("{other:?}"),
    }
}

fn existing_client(consumer_key: &str) -> MapKeys {
    MapKeys {
        key_type: KeyType::Production,
        key_manager: "entra".to_owned(),
        consumer_key: consumer_key.to_owned(),
        consumer_secret: None,
    }
}

const fn token_request() -> GenerateToken {
    GenerateToken {
        consumer_secret: None,
        scopes: Vec::new(),
        validity: None,
    }
}

#[tokio::test]
async fn generated_keys_work_and_their_secret_is_shown_once() {
    let installation = Installation::start().await;
    installation.creates_key_manager("entra").await;
    let application = installation.creates_application(&ann()).await;
    let mappings = installation.control.key_mappings();
    let keys = mappings
        .generate(&ann(), application.id, production_keys("entra"))
        .await
        .unwrap();

    assert_eq!(keys.mapping.state, KeyMappingState::Completed);
    assert_eq!(keys.mapping.mode, CreateMode::Created);
    let consumer_key = keys.mapping.consumer_key.clone().unwrap();
    let client = &installation.server.clients()[&consumer_key];
    assert_eq!(client.display_name, "ann_weather_PRODUCTION");
    assert_eq!(
        keys.secret.unwrap().expose_secret(),
        &client.secrets[0].secret
    );
    assert!(keys.token.is_some());
    assert!(keys.mapping.consumer_secret.is_none());

    let listed = mappings.list(&ann(), application.id).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert!(listed[0].0.consumer_secret.is_none());
    let (got, _) = mappings
        .get(&ann(), application.id, keys.mapping.id)
        .await
        .unwrap();
    assert!(got.consumer_secret.is_none());
    // The stored secret works without ever being shown.
    mappings
        .generate_token(&ann(), application.id, keys.mapping.id, token_request())
        .await
        .unwrap();
}

#[tokio::test]
async fn the_steps_of_a_job_are_told_in_order_and_without_secrets() {
    let installation = Installation::start().await;
    installation.creates_key_manager("entra").await;
    let application = installation.creates_application(&ann()).await;
    let keys = installation
        .control
        .key_mappings()
        .generate(&ann(), application.id, production_keys("entra"))
        .await
        .unwrap();
    let steps: Vec<_> = keys.steps[0]
        .journal
        .iter()
        .map(|entry| entry.step.as_str())
        .collect();
    assert_eq!(
        steps,
        ["create_client", "create_client", "add_secret", "add_secret"]
    );
    let told = format!("{:?}", keys.steps);
    assert!(!told.contains(keys.secret.unwrap().expose_secret()));
}

#[tokio::test]
async fn a_key_manager_is_named_by_its_id_as_well() {
    let installation = Installation::start().await;
    let key_manager = installation.creates_key_manager("entra").await;
    let application = installation.creates_application(&ann()).await;
    let wanted = production_keys(&key_manager.id.to_string());
    let mappings = installation.control.key_mappings();
    let keys = mappings.generate(&ann(), application.id, wanted).await;
    assert_eq!(keys.unwrap().key_manager.id, key_manager.id);
}

#[tokio::test]
async fn a_restricted_key_manager_is_restricted_by_id_and_by_name() {
    let installation = Installation::start().await;
    let mut settings = key_manager_settings("entra");
    settings.permissions = Permissions::Deny(vec!["subscriber".to_owned()]);
    let key_managers = installation.control.key_managers();
    let key_manager = key_managers.create(&admin(), settings).await.unwrap();
    let application = installation.creates_application(&ann()).await;
    installation.server.register_by_hand("by-hand", "s3cret");
    let mappings = installation.control.key_mappings();
    for reference in [key_manager.id.to_string(), "entra".to_owned()] {
        let wanted = production_keys(&reference);
        let refused = mappings.generate(&ann(), application.id, wanted).await;
        assert_eq!(
            not_possible(refused.unwrap_err()),
            NotPossible::KeyManagerRestricted
        );
        let mut wanted = existing_client("by-hand");
        wanted.key_manager = reference;
        let refused = mappings.map(&ann(), application.id, wanted).await;
        assert_eq!(
            not_possible(refused.unwrap_err()),
            NotPossible::KeyManagerRestricted
        );
    }
    assert!(installation.server.calls().is_empty());
}

#[tokio::test]
async fn a_key_manager_that_is_open_to_no_organization_is_nobodys() {
    let installation = Installation::start().await;
    let mut settings = key_manager_settings("closed");
    settings.allowed_organizations = vec!["NONE".to_owned()];
    let key_managers = installation.control.key_managers();
    key_managers.create(&admin(), settings).await.unwrap();
    assert!(key_managers.visible_to(&ann()).await.unwrap().is_empty());
    let application = installation.creates_application(&ann()).await;
    let mappings = installation.control.key_mappings();
    let refused = mappings
        .generate(&ann(), application.id, production_keys("closed"))
        .await;
    assert_eq!(
        not_possible(refused.unwrap_err()),
        NotPossible::KeyManagerRestricted
    );
}

#[tokio::test]
async fn an_unknown_or_disabled_key_manager_is_not_registered() {
    let installation = Installation::start().await;
    let mut off = key_manager_settings("off");
    off.enabled = false;
    let key_managers = installation.control.key_managers();
    key_managers.create(&admin(), off).await.unwrap();
    let application = installation.creates_application(&ann()).await;
    let mappings = installation.control.key_mappings();
    for name in ["off", "nowhere"] {
        let refused = mappings
            .generate(&ann(), application.id, production_keys(name))
            .await;
        assert_eq!(
            not_possible(refused.unwrap_err()),
            NotPossible::KeyManagerNotRegistered(name.to_owned())
        );
    }
}

#[tokio::test]
async fn switched_off_capabilities_are_refused() {
    let installation = Installation::start().await;
    let mut settings = key_manager_settings("entra");
    settings.capabilities.oauth_app_creation = false;
    settings.capabilities.map_oauth_consumer_apps = false;
    let key_managers = installation.control.key_managers();
    key_managers.create(&admin(), settings).await.unwrap();
    let application = installation.creates_application(&ann()).await;
    let mappings = installation.control.key_mappings();
    let refused = mappings
        .generate(&ann(), application.id, production_keys("entra"))
        .await;
    assert_eq!(
        not_possible(refused.unwrap_err()),
        NotPossible::AppCreationDisabled
    );
    let refused = mappings
        .map(&ann(), application.id, existing_client("any"))
        .await;
    assert_eq!(
        not_possible(refused.unwrap_err()),
        NotPossible::AppMappingDisabled
    );
}

#[tokio::test]
async fn keys_of_one_type_exist_once_per_key_manager() {
    let installation = Installation::start().await;
    installation.creates_key_manager("entra").await;
    let application = installation.creates_application(&ann()).await;
    let mappings = installation.control.key_mappings();
    let owner = ann();
    let generate = || mappings.generate(&owner, application.id, production_keys("entra"));
    generate().await.unwrap();
    assert_eq!(
        not_possible(generate().await.unwrap_err()),
        NotPossible::KeyMappingExists
    );
    let mut sandbox = production_keys("entra");
    sandbox.key_type = KeyType::Sandbox;
    mappings
        .generate(&ann(), application.id, sandbox)
        .await
        .unwrap();
    assert_eq!(installation.server.clients().len(), 2);
}

#[tokio::test]
async fn somebody_elses_keys_do_not_exist() {
    let installation = Installation::start().await;
    installation.creates_key_manager("entra").await;
    let application = installation.creates_application(&ann()).await;
    let mappings = installation.control.key_mappings();
    let keys = mappings
        .generate(&ann(), application.id, production_keys("entra"))
        .await
        .unwrap();
    let (app, id) = (application.id, keys.mapping.id);
    let update = UpdateKeys {
        grant_types: Vec::new(),
        callback_url: None,
        additional_properties: std::collections::BTreeMap::new(),
    };
    let refusals = [
        mappings
            .generate(&bob(), app, production_keys("entra"))
            .await
            .err(),
        mappings.map(&bob(), app, existing_client("x")).await.err(),
        mappings.list(&bob(), app).await.err(),
        mappings.get(&bob(), app, id).await.err(),
        mappings.steps(&bob(), app, id).await.err(),
        mappings.secrets(&bob(), app, id).await.err(),
        mappings.update(&bob(), app, id, update).await.err(),
        mappings.regenerate_secret(&bob(), app, id).await.err(),
        mappings
            .generate_token(&bob(), app, id, token_request())
            .await
            .err(),
        mappings.clean_up(&bob(), app, id).await.err(),
        mappings.delete(&bob(), app, id).await.err(),
    ];
    for refusal in refusals {
        assert!(
            matches!(refusal, Some(Error::NotFound(Noun::Application))),
            "{refusal:?}"
        );
    }
    // Nor through an application of one's own.
    let own = installation.creates_application(&bob()).await;
    let refused = mappings.delete(&bob(), own.id, id).await.unwrap_err();
    assert!(matches!(refused, Error::NotFound(Noun::KeyMapping)));
    assert_eq!(installation.server.clients().len(), 1);
}

#[tokio::test]
async fn keys_need_the_scope_of_a_subscriber() {
    let installation = Installation::start().await;
    let application = installation.creates_application(&ann()).await;
    let scopeless = actor("ann", &[]);
    let mappings = installation.control.key_mappings();
    let refused = mappings.list(&scopeless, application.id).await;
    assert!(matches!(refused.unwrap_err(), Error::Forbidden(_)));
}

#[tokio::test]
async fn a_callback_is_demanded_and_checked() {
    let installation = Installation::start().await;
    installation.creates_key_manager("entra").await;
    let application = installation.creates_application(&ann()).await;
    let mappings = installation.control.key_mappings();
    for callback in [None, Some(""), Some("javascript:alert(1)"), Some("/here")] {
        let mut wanted = production_keys("entra");
        wanted.grant_types = vec!["authorization_code".to_owned()];
        wanted.callback_url = callback.map(str::to_owned);
        let refused = mappings.generate(&ann(), application.id, wanted).await;
        let Err(Error::Invalid(invalid)) = refused else {
            panic!("{callback:?} was taken");
        };
        assert_eq!(invalid.0[0].field, "callbackUrl");
    }
}

#[tokio::test]
async fn a_mapped_client_is_looked_up_proven_and_never_touched() {
    let installation = Installation::start().await;
    installation.creates_key_manager("entra").await;
    let application = installation.creates_application(&ann()).await;
    installation.server.register_by_hand("by-hand", "s3cret");
    let mappings = installation.control.key_mappings();

    let refused = mappings
        .map(&ann(), application.id, existing_client("by-han"))
        .await;
    assert_eq!(
        not_possible(refused.unwrap_err()),
        NotPossible::ClientNotFound
    );
    let mut wrong = existing_client("by-hand");
    wrong.consumer_secret = Some(secret("guess"));
    let refused = mappings.map(&ann(), application.id, wrong).await;
    assert!(matches!(refused.unwrap_err(), Error::KeyManager(_)));

    let mut right = existing_client("by-hand");
    right.consumer_secret = Some(secret("s3cret"));
    let (mapping, _) = mappings.map(&ann(), application.id, right).await.unwrap();
    assert_eq!(mapping.mode, CreateMode::Mapped);
    assert_eq!(mapping.state, KeyMappingState::Completed);

    let without = mappings
        .generate_token(&ann(), application.id, mapping.id, token_request())
        .await;
    assert_eq!(
        not_possible(without.unwrap_err()),
        NotPossible::SecretNotStored
    );
    let mut with = token_request();
    with.consumer_secret = Some(secret("s3cret"));
    mappings
        .generate_token(&ann(), application.id, mapping.id, with)
        .await
        .unwrap();
    let refused = mappings
        .regenerate_secret(&ann(), application.id, mapping.id)
        .await;
    assert!(matches!(refused.unwrap_err(), Error::Forbidden(_)));

    let before = installation.server.clients();
    let deletion = mappings.delete(&ann(), application.id, mapping.id).await;
    assert_eq!(deletion.unwrap(), Deletion::Done);
    assert_eq!(installation.server.clients(), before);
}

#[tokio::test]
async fn a_consumer_key_belongs_to_one_application() {
    let installation = Installation::start().await;
    installation.creates_key_manager("entra").await;
    installation.server.register_by_hand("by-hand", "s3cret");
    let mappings = installation.control.key_mappings();
    let first = installation.creates_application(&ann()).await;
    mappings
        .map(&ann(), first.id, existing_client("by-hand"))
        .await
        .unwrap();
    let second = installation.creates_application(&bob()).await;
    let refused = mappings
        .map(&bob(), second.id, existing_client("by-hand"))
        .await;
    assert_eq!(
        not_possible(refused.unwrap_err()),
        NotPossible::ConsumerKeyTaken
    );
}

#[tokio::test]
async fn a_client_is_mapped_unseen_where_the_check_is_off() {
    let installation = Installation::start().await;
    let mut settings = key_manager_settings("entra");
    settings.capabilities.provisioned_app_validation = false;
    let key_managers = installation.control.key_managers();
    key_managers.create(&admin(), settings).await.unwrap();
    let application = installation.creates_application(&ann()).await;
    installation
        .control
        .key_mappings()
        .map(&ann(), application.id, existing_client("unseen"))
        .await
        .unwrap();
    assert!(installation.server.calls().is_empty());
}

#[tokio::test]
async fn changed_keys_keep_their_secret() {
    let installation = Installation::start().await;
    installation.creates_key_manager("entra").await;
    let application = installation.creates_application(&ann()).await;
    let mappings = installation.control.key_mappings();
    let keys = mappings
        .generate(&ann(), application.id, production_keys("entra"))
        .await
        .unwrap();
    let before = installation.server.clients();
    let wanted = UpdateKeys {
        grant_types: vec!["authorization_code".to_owned()],
        callback_url: Some("https://app.example/callback".to_owned()),
        additional_properties: std::collections::BTreeMap::new(),
    };
    let (updated, _) = mappings
        .update(&ann(), application.id, keys.mapping.id, wanted)
        .await
        .unwrap();
    assert_eq!(
        updated.callback_url.as_deref(),
        Some("https://app.example/callback")
    );
    let consumer_key = keys.mapping.consumer_key.unwrap();
    assert_eq!(
        installation.server.clients()[&consumer_key].secrets,
        before[&consumer_key].secrets
    );
    assert_eq!(
        installation.server.calls().last().copied(),
        Some("update client")
    );
}

#[tokio::test]
async fn a_refused_creation_says_why_and_the_button_works_again() {
    let installation = Installation::start().await;
    installation.creates_key_manager("entra").await;
    let application = installation.creates_application(&ann()).await;
    let mappings = installation.control.key_mappings();
    installation
        .server
        .fail_next("add secret", FailureClass::Rejected);
    let refused = mappings
        .generate(&ann(), application.id, production_keys("entra"))
        .await;
    let Err(Error::KeyManager(failure)) = refused else {
        panic!("not the key manager's refusal");
    };
    assert_eq!(failure.message, "scripted failure");
    let (failed, _) = mappings
        .list(&ann(), application.id)
        .await
        .unwrap()
        .remove(0);
    assert_eq!(failed.state.as_str(), "FAILED");

    let keys = mappings
        .generate(&ann(), application.id, production_keys("entra"))
        .await
        .unwrap();
    assert_eq!(keys.mapping.state, KeyMappingState::Completed);
    let clients = installation.server.clients();
    let live = keys.mapping.consumer_key.unwrap();
    assert_eq!(clients.keys().collect::<Vec<_>>(), [&live]);
}

#[tokio::test]
async fn deleting_keys_deletes_the_client_that_was_made_for_them() {
    let installation = Installation::start().await;
    installation.creates_key_manager("entra").await;
    let application = installation.creates_application(&ann()).await;
    let mappings = installation.control.key_mappings();
    let keys = mappings
        .generate(&ann(), application.id, production_keys("entra"))
        .await
        .unwrap();
    let refused = mappings
        .clean_up(&ann(), application.id, keys.mapping.id)
        .await;
    assert!(matches!(refused.unwrap_err(), Error::InUse { .. }));
    let deletion = mappings
        .delete(&ann(), application.id, keys.mapping.id)
        .await;
    assert_eq!(deletion.unwrap(), Deletion::Done);
    assert!(installation.server.clients().is_empty());
    let listed = mappings.list(&ann(), application.id).await.unwrap();
    assert!(listed.is_empty());
}
