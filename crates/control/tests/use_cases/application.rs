use control::Error;
use control::error::Noun;
use control::provisioning::Deletion;
use control::subscription::NewSubscription;
use domain::user::Actor;
use store::Page;
use store::application::ApplicationQuery;

use crate::installation::{Installation, production_keys};
use crate::support::{World, actor, admin, ann, application_settings, bob};

#[tokio::test]
async fn the_owner_creates_reads_changes_and_lists_an_application() {
    let world = World::start().await;
    let applications = world.control.applications();
    let created = world.creates_application(&ann(), "weather").await;
    assert_eq!(created.owner, "ann");

    world.clock.advance_seconds(5);
    let changed = applications
        .update(&ann(), created.id, application_settings("climate"))
        .await
        .unwrap();
    assert_eq!(changed.settings.name, "climate");
    assert!(changed.updated_at > created.updated_at);
    assert_eq!(changed.created_at, created.created_at);

    let query = ApplicationQuery::default();
    let listed = applications
        .list(&ann(), &query, Page::FIRST)
        .await
        .unwrap();
    assert_eq!(listed.total, 1);
    assert_eq!(listed.items[0].application.settings.name, "climate");
    assert_eq!(listed.items[0].subscription_count, 0);
    assert_eq!(
        world.audited().await,
        ["application.update", "application.create"]
    );
}

#[tokio::test]
async fn somebody_elses_application_does_not_exist() {
    let world = World::start().await;
    let applications = world.control.applications();
    let id = world.creates_application(&ann(), "weather").await.id;

    let not_found = |error| matches!(error, Error::NotFound(Noun::Application));
    assert!(not_found(applications.get(&bob(), id).await.unwrap_err()));
    let stolen = application_settings("mine");
    let refused = applications.update(&bob(), id, stolen).await.unwrap_err();
    assert!(not_found(refused));
    assert!(not_found(
        applications.delete(&bob(), id).await.unwrap_err()
    ));
    let query = ApplicationQuery::default();
    let listed = applications
        .list(&bob(), &query, Page::FIRST)
        .await
        .unwrap();
    assert_eq!(listed.total, 0);

    let narrow = Actor {
        scopes: ["apim:subscribe".to_owned()].into(),
        ..admin()
    };
    let refused = applications.get(&narrow, id).await;
    assert!(matches!(refused.unwrap_err(), Error::NotFound(_)));
    let seen = applications.get(&admin(), id).await.unwrap();
    assert_eq!(seen.settings.name, "weather");
}

#[tokio::test]
async fn a_name_is_taken_once_per_owner() {
    let world = World::start().await;
    world.creates_application(&ann(), "weather").await;
    let again = world
        .control
        .applications()
        .create(&ann(), application_settings("weather"))
        .await;
    assert!(matches!(
        again.unwrap_err(),
        Error::AlreadyExists(Noun::Application)
    ));
    world.creates_application(&bob(), "weather").await;

    let other = world.creates_application(&ann(), "other").await;
    let renamed = world
        .control
        .applications()
        .update(&ann(), other.id, application_settings("weather"))
        .await;
    assert!(matches!(
        renamed.unwrap_err(),
        Error::AlreadyExists(Noun::Application)
    ));
}

#[tokio::test]
async fn an_unknown_throttling_policy_and_a_bad_name_are_refused_by_field() {
    let world = World::start().await;
    let mut settings = application_settings("weather");
    settings.throttling_policy = "Gold".to_owned();
    let refused = world.control.applications().create(&ann(), settings).await;
    let Err(Error::Invalid(invalid)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(invalid.0[0].field, "throttlingPolicy");

    let refused = world
        .control
        .applications()
        .create(&ann(), application_settings(" weather"))
        .await;
    let Err(Error::Invalid(invalid)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(invalid.0[0].field, "name");
}

#[tokio::test]
async fn who_lacks_the_scope_cannot_create_an_application() {
    let world = World::start().await;
    let partner = actor("pat", &["partner"]);
    let refused = world
        .control
        .applications()
        .create(&partner, application_settings("weather"))
        .await;
    assert!(matches!(refused.unwrap_err(), Error::Forbidden(_)));
    assert!(world.audited().await.is_empty());
}

#[tokio::test]
async fn deleting_an_application_takes_its_subscriptions_along() {
    let world = World::start().await;
    let api = world.publishes_pizza().await;
    let application = world.creates_application(&ann(), "weather").await;
    let new = NewSubscription {
        application_id: application.id,
        api_id: api.id,
        throttling_policy: "Unlimited".to_owned(),
    };
    let subscriptions = world.control.subscriptions();
    subscriptions.create(&ann(), new).await.unwrap();
    let applications = world.control.applications();
    let view = applications.view(&ann(), application.id).await.unwrap();
    assert_eq!(view.subscription_count, 1);

    let deletion = applications.delete(&ann(), application.id).await.unwrap();
    assert_eq!(deletion, Deletion::Done);
    assert!(matches!(
        applications.get(&ann(), application.id).await.unwrap_err(),
        Error::NotFound(Noun::Application)
    ));
    world
        .control
        .apis()
        .delete(&crate::support::publisher(), api.id)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_new_name_reaches_the_client_and_an_unchanged_one_asks_nothing() {
    let installation = Installation::start().await;
    installation.creates_key_manager("entra").await;
    let application = installation.creates_application(&ann()).await;
    installation
        .control
        .key_mappings()
        .generate(&ann(), application.id, production_keys("entra"))
        .await
        .unwrap();
    let calls = installation.server.calls();

    let applications = installation.control.applications();
    let mut settings = application.settings.clone();
    settings.description = "The same name.".to_owned();
    applications
        .update(&ann(), application.id, settings.clone())
        .await
        .unwrap();
    installation.work().await;
    assert_eq!(installation.server.calls(), calls);

    settings.name = "renamed".to_owned();
    applications
        .update(&ann(), application.id, settings)
        .await
        .unwrap();
    let renamed = async {
        loop {
            let clients = installation.server.clients();
            if clients
                .values()
                .all(|one| one.display_name.contains("renamed"))
            {
                return clients.len();
            }
            tokio::task::yield_now().await;
        }
    };
    let patience = std::time::Duration::from_secs(30);
    assert_eq!(tokio::time::timeout(patience, renamed).await.unwrap(), 1);
}
