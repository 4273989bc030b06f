use control::Error;
use control::error::{NotPossible, Noun};
use control::subscription::NewSubscription;
use domain::id::{ApiId, ApplicationId};
use domain::subscription::SubscriptionStatus;
use store::Page;

use crate::support::{World, ann, bob, publisher};

fn subscription(application_id: ApplicationId, api_id: ApiId) -> NewSubscription {
    NewSubscription {
        application_id,
        api_id,
        throttling_policy: "Unlimited".to_owned(),
    }
}

#[tokio::test]
async fn an_application_subscribes_once_to_a_published_api() {
    let world = World::start().await;
    let subscriptions = world.control.subscriptions();
    let api = world.publishes_pizza().await;
    let application = world.creates_application(&ann(), "weather").await;
    let new = subscription(application.id, api.id);
    let created = subscriptions.create(&ann(), new.clone()).await.unwrap();
    assert_eq!(created.api.name, "Pizza");
    assert_eq!(created.subscription.status, SubscriptionStatus::Unblocked);

    let again = subscriptions.create(&ann(), new).await.unwrap_err();
    assert!(matches!(again, Error::AlreadyExists(Noun::Subscription)));

    let of_application = subscriptions
        .list_of_application(&ann(), application.id, Page::FIRST)
        .await
        .unwrap();
    assert_eq!(of_application.total, 1);
    let of_api = subscriptions
        .list_of_api(&publisher(), api.id, Page::FIRST)
        .await
        .unwrap();
    assert_eq!(of_api.items[0].application.owner, "ann");

    subscriptions
        .delete(&ann(), created.subscription.id)
        .await
        .unwrap();
    let gone = subscriptions.get(&ann(), created.subscription.id).await;
    assert!(matches!(
        gone.unwrap_err(),
        Error::NotFound(Noun::Subscription)
    ));
}

#[tokio::test]
async fn an_unpublished_api_cannot_be_seen_and_a_blocked_one_takes_no_subscription() {
    let world = World::start().await;
    let subscriptions = world.control.subscriptions();
    let api = world.imports_pizza().await;
    let application = world.creates_application(&ann(), "weather").await;
    let new = subscription(application.id, api.id);
    let refused = subscriptions.create(&ann(), new.clone()).await.unwrap_err();
    assert!(matches!(refused, Error::NotFound(Noun::Api)));

    for event in ["Publish", "Block"] {
        let apis = world.control.apis();
        apis.change_lifecycle(&publisher(), api.id, event)
            .await
            .unwrap();
    }
    let refused = subscriptions.create(&ann(), new).await.unwrap_err();
    assert!(matches!(
        refused,
        Error::NotPossible(NotPossible::NotSubscribable)
    ));
}

#[tokio::test]
async fn a_plan_that_the_api_does_not_offer_is_refused() {
    let world = World::start().await;
    let api = world.publishes_pizza().await;
    let application = world.creates_application(&ann(), "weather").await;
    let new = NewSubscription {
        throttling_policy: "Gold".to_owned(),
        ..subscription(application.id, api.id)
    };
    let refused = world.control.subscriptions().create(&ann(), new).await;
    assert!(matches!(
        refused.unwrap_err(),
        Error::NotPossible(NotPossible::PlanNotOffered(plan)) if plan == "Gold"
    ));
}

#[tokio::test]
async fn nobody_subscribes_reads_or_ends_for_somebody_elses_application() {
    let world = World::start().await;
    let subscriptions = world.control.subscriptions();
    let api = world.publishes_pizza().await;
    let application = world.creates_application(&ann(), "weather").await;
    let new = subscription(application.id, api.id);
    let refused = subscriptions.create(&bob(), new.clone()).await.unwrap_err();
    assert!(matches!(refused, Error::NotFound(Noun::Application)));

    let id = subscriptions
        .create(&ann(), new)
        .await
        .unwrap()
        .subscription
        .id;
    for refused in [
        subscriptions.get(&bob(), id).await.unwrap_err(),
        subscriptions.delete(&bob(), id).await.unwrap_err(),
        subscriptions
            .update(&bob(), id, "Unlimited")
            .await
            .unwrap_err(),
    ] {
        assert!(matches!(refused, Error::NotFound(Noun::Subscription)));
    }
    let own = subscriptions
        .list_own_of_api(&bob(), api.id, Page::FIRST)
        .await
        .unwrap();
    assert_eq!(own.total, 0);
}

#[tokio::test]
async fn a_publisher_blocks_a_subscription_and_a_subscriber_cannot() {
    let world = World::start().await;
    let subscriptions = world.control.subscriptions();
    let api = world.publishes_pizza().await;
    let application = world.creates_application(&ann(), "weather").await;
    let new = subscription(application.id, api.id);
    let id = subscriptions
        .create(&ann(), new)
        .await
        .unwrap()
        .subscription
        .id;
    let status = SubscriptionStatus::ProdOnlyBlocked;
    let refused = subscriptions.change_status(&ann(), id, status).await;
    assert!(matches!(refused.unwrap_err(), Error::Forbidden(_)));
    let blocked = subscriptions
        .change_status(&publisher(), id, status)
        .await
        .unwrap();
    assert_eq!(blocked.subscription.status, status);
    assert_eq!(world.audited().await[0], "subscription.change_status");
}
