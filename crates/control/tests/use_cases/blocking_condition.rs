//! Blocking conditions: who may set them, and what gateways hear of it.

use control::Error;
use control::blocking_condition::BlockingConditionQuery;
use domain::blocking_condition::{BlockedSubject, BlockingCondition, MOST_BLOCKING_CONDITIONS};
use domain::snapshot::SnapshotChange;

use crate::support::{World, admin, ann, besides_built_in_policies, publisher};

fn user(name: &str) -> BlockedSubject {
    BlockedSubject::user(name).unwrap()
}

#[tokio::test]
async fn gateways_hear_of_a_condition_while_it_is_on_and_of_its_end() {
    let world = World::start().await;
    let conditions = world.control.blocking_conditions();
    let mut gateway = world.control.snapshots().subscribe();
    gateway.next().await;

    let made = conditions
        .create(&admin(), user("mallory"), true)
        .await
        .unwrap();
    let update = gateway.next().await;
    assert!(
        matches!(&update.changes[..], [SnapshotChange::PutBlockingCondition(entry)] if entry.id == made.id),
        "{update:?}"
    );
    let whole = world.control.snapshots().subscribe().next().await;
    assert_eq!(besides_built_in_policies(&whole).len(), 1);

    conditions
        .set_enabled(&admin(), made.id, false)
        .await
        .unwrap();
    let update = gateway.next().await;
    assert!(
        matches!(&update.changes[..], [SnapshotChange::RemoveBlockingCondition(id)] if *id == made.id),
        "{update:?}"
    );
    let whole = world.control.snapshots().subscribe().next().await;
    assert_eq!(
        besides_built_in_policies(&whole).len(),
        0,
        "what is off is no gateway's business"
    );

    conditions
        .set_enabled(&admin(), made.id, true)
        .await
        .unwrap();
    gateway.next().await;
    conditions.delete(&admin(), made.id).await.unwrap();
    let update = gateway.next().await;
    assert!(matches!(
        update.changes[..],
        [SnapshotChange::RemoveBlockingCondition(_)]
    ));
    // All at one instant of the standing clock, so in no order.
    let mut audited = world.audited().await;
    audited.sort();
    assert_eq!(
        audited,
        [
            "blocking_condition.create",
            "blocking_condition.delete",
            "blocking_condition.update",
            "blocking_condition.update"
        ]
    );
}

#[tokio::test]
async fn only_administrators_block() {
    let world = World::start().await;
    let conditions = world.control.blocking_conditions();
    let made = conditions
        .create(&admin(), user("mallory"), true)
        .await
        .unwrap();
    let query = BlockingConditionQuery::default();
    for actor in [ann(), publisher()] {
        let refused = |outcome: Result<(), Error>| {
            assert!(matches!(outcome, Err(Error::Forbidden(_))), "{outcome:?}");
        };
        refused(
            conditions
                .create(&actor, user("bob"), true)
                .await
                .map(|_| ()),
        );
        refused(
            conditions
                .set_enabled(&actor, made.id, false)
                .await
                .map(|_| ()),
        );
        refused(conditions.delete(&actor, made.id).await);
        refused(conditions.get(&actor, made.id).await.map(|_| ()));
        refused(conditions.list(&actor, &query).await.map(|_| ()));
    }
    assert!(conditions.get(&admin(), made.id).await.unwrap().enabled);
}

#[tokio::test]
async fn a_subscription_is_found_whatever_dashes_its_names_hold() {
    let world = World::start().await;
    world.publishes_pizza().await;
    let owner = crate::support::actor("a-b", &["subscriber"]);
    world.creates_application(&owner, "c-PRODUCTION").await;
    let conditions = world.control.blocking_conditions();
    for (application, exists) in [
        ("a-b-c-PRODUCTION", true),
        ("a-b-c-PRODUCTION-SANDBOX", true),
        ("a-b-c", false),
        ("a-c-PRODUCTION", false),
    ] {
        let text = format!("/pizza:1.0.0:{application}");
        let subject = BlockedSubject::subscription(&text).unwrap();
        let outcome = conditions.create(&admin(), subject, true).await;
        assert_eq!(outcome.is_ok(), exists, "{application}: {outcome:?}");
    }
}

#[tokio::test]
async fn there_is_an_end_to_blocking() {
    let world = World::start().await;
    let conditions = world.control.blocking_conditions();
    let first = conditions
        .create(&admin(), user("first"), false)
        .await
        .unwrap();
    let mut tx = world.store.begin().await.unwrap();
    for number in 1..MOST_BLOCKING_CONDITIONS {
        let condition = BlockingCondition {
            id: format!("00000000-0000-7000-8000-{number:012}")
                .parse()
                .unwrap(),
            subject: user(&number.to_string()),
            ..first.clone()
        };
        tx.blocking_conditions().insert(&condition).await.unwrap();
    }
    tx.commit().await.unwrap();
    let outcome = conditions.create(&admin(), user("one more"), true).await;
    assert!(matches!(outcome, Err(Error::InUse { .. })), "{outcome:?}");
}
