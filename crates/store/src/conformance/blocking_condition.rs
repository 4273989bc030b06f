//! Blocking conditions.

use domain::blocking_condition::{BlockedSubject, BlockingCondition};

use super::samples::at;
use super::{Bench, Outcome, assert_duplicate, assert_stale};

const NOUN: &str = "blocking condition";

fn user(name: &str) -> BlockedSubject {
    BlockedSubject::User(name.to_owned())
}

fn subjects() -> [BlockedSubject; 7] {
    let address = |text: &str| text.parse().expect("an address");
    [
        BlockedSubject::Api("/örders/1.0.0".to_owned()),
        BlockedSubject::Application {
            owner: "ann".to_owned(),
            name: "weather: \"now\"".to_owned(),
        },
        BlockedSubject::ip(address("192.0.2.1"), false),
        BlockedSubject::ip(address("192.0.2.1"), true),
        BlockedSubject::IpRange {
            first: address("2001:db8::"),
            last: address("2001:db8::ffff"),
            inverted: false,
        },
        user("ann"),
        BlockedSubject::Subscription {
            context: "/orders".to_owned(),
            version: "1.0.0".to_owned(),
            application: "ann-weather-SANDBOX".to_owned(),
        },
    ]
}

pub async fn every_subject_is_found_as_it_was_inserted(bench: &Bench) -> Outcome {
    for subject in subjects() {
        let condition = bench.samples.blocking_condition(subject);
        let mut tx = bench.begin().await?;
        tx.blocking_conditions().insert(&condition).await?;
        tx.commit().await?;
        let mut tx = bench.read().await?;
        let found = tx.blocking_conditions().find(condition.id).await?;
        assert_eq!(found, Some(condition));
    }
    Ok(())
}

pub async fn the_same_thing_is_blocked_once(bench: &Bench) -> Outcome {
    for subject in subjects() {
        let mut tx = bench.begin().await?;
        let first = bench.samples.blocking_condition(subject.clone());
        tx.blocking_conditions().insert(&first).await?;
        let again = BlockingCondition {
            enabled: false,
            ..bench.samples.blocking_condition(subject)
        };
        let refused = tx.blocking_conditions().insert(&again).await;
        assert_duplicate(refused, NOUN, "subject");
    }
    Ok(())
}

pub async fn an_update_turns_it_off_and_advances_the_version(bench: &Bench) -> Outcome {
    let condition = bench.samples.blocking_condition(user("ann"));
    let mut tx = bench.begin().await?;
    tx.blocking_conditions().insert(&condition).await?;
    let off = BlockingCondition {
        enabled: false,
        updated_at: at(5_000_000),
        ..condition
    };
    tx.blocking_conditions().update(&off).await?;
    let found = tx.blocking_conditions().find(off.id).await?;
    assert_eq!(found, Some(BlockingCondition { version: 2, ..off }));
    Ok(())
}

pub async fn an_update_from_an_older_version_is_stale(bench: &Bench) -> Outcome {
    let condition = bench.samples.blocking_condition(user("ann"));
    let mut tx = bench.begin().await?;
    tx.blocking_conditions().insert(&condition).await?;
    tx.blocking_conditions().update(&condition).await?;
    assert_stale(tx.blocking_conditions().update(&condition).await, NOUN);
    let unknown = bench.samples.blocking_condition(user("bob"));
    assert_stale(tx.blocking_conditions().update(&unknown).await, NOUN);
    Ok(())
}

pub async fn a_deleted_one_is_gone(bench: &Bench) -> Outcome {
    let (ann, bob) = (user("ann"), user("bob"));
    let ann = bench.samples.blocking_condition(ann);
    let bob = bench.samples.blocking_condition(bob);
    let mut tx = bench.begin().await?;
    tx.blocking_conditions().insert(&ann).await?;
    tx.blocking_conditions().insert(&bob).await?;
    tx.blocking_conditions().delete(ann.id).await?;
    tx.blocking_conditions().delete(ann.id).await?;
    assert_eq!(tx.blocking_conditions().find(ann.id).await?, None);
    assert_eq!(tx.blocking_conditions().list().await?, [bob]);
    Ok(())
}

pub async fn they_are_listed_oldest_first_and_counted(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    assert_eq!(tx.blocking_conditions().count().await?, 0);
    let all = subjects().map(|subject| bench.samples.blocking_condition(subject));
    for condition in &all {
        tx.blocking_conditions().insert(condition).await?;
    }
    assert_eq!(tx.blocking_conditions().list().await?, all);
    assert_eq!(tx.blocking_conditions().count().await?, 7);
    Ok(())
}
