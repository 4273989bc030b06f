//! Subscriptions.

use domain::id::SubscriptionId;
use domain::subscription::{Subscription, SubscriptionStatus};

use super::samples::at;
use super::{Bench, Outcome, assert_duplicate, assert_reference, assert_same, assert_stale};
use crate::page::{Listed, Page};

const NOUN: &str = "subscription";

fn ids(listed: &Listed<Subscription>) -> Vec<SubscriptionId> {
    listed
        .items
        .iter()
        .map(|subscription| subscription.id)
        .collect()
}

pub async fn what_is_inserted_is_found(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    let (_, _, subscription) = bench
        .samples
        .stored_subscription(&mut *tx, "weather")
        .await?;
    tx.commit().await?;
    let mut tx = bench.read().await?;
    assert_same(
        &tx.subscriptions().find(subscription.id).await?,
        &Some(subscription),
    );
    Ok(())
}

pub async fn an_application_subscribes_to_an_api_once(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    let (application, api, _) = bench
        .samples
        .stored_subscription(&mut *tx, "weather")
        .await?;
    let again = bench.samples.subscription(&application, &api);
    assert_duplicate(
        tx.subscriptions().insert(&again).await,
        NOUN,
        "application and API",
    );
    Ok(())
}

pub async fn an_unknown_application_or_api_is_refused(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    let (application, api, _) = bench
        .samples
        .stored_subscription(&mut *tx, "weather")
        .await?;
    tx.commit().await?;
    let unknown_api = bench.samples.api("Never", "1.0.0");
    let unknown_application = bench.samples.application("ann", "never");
    for subscription in [
        bench.samples.subscription(&application, &unknown_api),
        bench.samples.subscription(&unknown_application, &api),
    ] {
        let mut tx = bench.begin().await?;
        assert_reference(tx.subscriptions().insert(&subscription).await, NOUN);
    }
    Ok(())
}

pub async fn an_update_replaces_what_may_change_and_advances_the_version(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    let (_, _, mut subscription) = bench
        .samples
        .stored_subscription(&mut *tx, "weather")
        .await?;
    for status in SubscriptionStatus::ALL {
        subscription.status = status;
        subscription.throttling_policy = format!("plan for {}", status.as_str());
        subscription.updated_at = at(99);
        tx.subscriptions().update(&subscription).await?;
        subscription.version += 1;
        let found = tx.subscriptions().find(subscription.id).await?;
        assert_same(&found, &Some(subscription.clone()));
    }
    Ok(())
}

pub async fn an_update_from_an_older_version_is_stale(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    let (_, _, subscription) = bench
        .samples
        .stored_subscription(&mut *tx, "weather")
        .await?;
    tx.subscriptions().update(&subscription).await?;
    assert_stale(tx.subscriptions().update(&subscription).await, NOUN);
    Ok(())
}

pub async fn a_deleted_one_is_gone(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    let (application, api, subscription) = bench
        .samples
        .stored_subscription(&mut *tx, "weather")
        .await?;
    tx.subscriptions().delete(subscription.id).await?;
    tx.subscriptions().delete(subscription.id).await?;
    assert!(tx.subscriptions().find(subscription.id).await?.is_none());
    assert!(tx.applications().find(application.id).await?.is_some());
    assert!(tx.apis().find(api.id).await?.is_some());
    Ok(())
}

pub async fn those_of_an_application_are_listed_and_counted(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    let (application, _, first) = bench
        .samples
        .stored_subscription(&mut *tx, "weather")
        .await?;
    let (_, other_api, _) = bench.samples.stored_subscription(&mut *tx, "other").await?;
    let second = bench.samples.subscription(&application, &other_api);
    tx.subscriptions().insert(&second).await?;

    let listed = tx
        .subscriptions()
        .list_of_application(application.id, Page::FIRST)
        .await?;
    assert_eq!((ids(&listed), listed.total), (vec![first.id, second.id], 2));
    let page = Page {
        offset: 1,
        limit: 1,
    };
    let listed = tx
        .subscriptions()
        .list_of_application(application.id, page)
        .await?;
    assert_eq!((ids(&listed), listed.total), (vec![second.id], 2));
    assert_eq!(
        tx.subscriptions()
            .count_of_application(application.id)
            .await?,
        2
    );
    let unknown = bench.samples.application("ann", "never").id;
    assert_eq!(tx.subscriptions().count_of_application(unknown).await?, 0);
    Ok(())
}

pub async fn those_of_an_api_are_listed_in_pages(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    let (_, api, first) = bench
        .samples
        .stored_subscription(&mut *tx, "weather")
        .await?;
    let (other, _, _) = bench.samples.stored_subscription(&mut *tx, "other").await?;
    let second = bench.samples.subscription(&other, &api);
    tx.subscriptions().insert(&second).await?;

    let listed = tx.subscriptions().list_of_api(api.id, Page::FIRST).await?;
    assert_eq!((ids(&listed), listed.total), (vec![first.id, second.id], 2));
    let listed = tx
        .subscriptions()
        .list_of_api(
            api.id,
            Page {
                offset: 0,
                limit: 1,
            },
        )
        .await?;
    assert_eq!((ids(&listed), listed.total), (vec![first.id], 2));
    Ok(())
}

pub async fn those_of_an_owner_to_an_api_leave_others_out(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    let (_, api, first) = bench
        .samples
        .stored_subscription(&mut *tx, "weather")
        .await?;
    bench
        .samples
        .stored_subscription(&mut *tx, "another api")
        .await?;
    let mut expected = vec![first.id];
    for (owner, name) in [("ann", "second"), ("bob", "of bob")] {
        let application = bench.samples.application(owner, name);
        tx.applications().insert(&application).await?;
        let subscription = bench.samples.subscription(&application, &api);
        tx.subscriptions().insert(&subscription).await?;
        if owner == "ann" {
            expected.push(subscription.id);
        }
    }
    let subscriptions = tx.subscriptions();
    let listed = subscriptions
        .list_of_owner_to_api("ann", api.id, Page::FIRST)
        .await?;
    assert_eq!((ids(&listed), listed.total), (expected.clone(), 2));
    let page = Page {
        offset: 1,
        limit: 5,
    };
    let listed = subscriptions
        .list_of_owner_to_api("ann", api.id, page)
        .await?;
    assert_eq!((ids(&listed), listed.total), (expected[1..].to_vec(), 2));
    let listed = subscriptions
        .list_of_owner_to_api("eve", api.id, Page::FIRST)
        .await?;
    assert_eq!((ids(&listed), listed.total), (vec![], 0));
    Ok(())
}

pub async fn a_scan_meets_everything_once_in_id_order(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    let mut expected = Vec::new();
    for name in ["a", "b", "c", "d", "e"] {
        expected.push(
            bench
                .samples
                .stored_subscription(&mut *tx, name)
                .await?
                .2
                .id,
        );
    }
    let mut met = Vec::new();
    loop {
        let page = tx.subscriptions().scan(met.last().copied(), 2).await?;
        if page.is_empty() {
            break;
        }
        met.extend(page.iter().map(|subscription| subscription.id));
    }
    assert_eq!(met, expected);
    Ok(())
}
