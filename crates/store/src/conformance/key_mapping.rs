//! Key mappings.

use domain::key_mapping::{CreateMode, KeyMappingState, KeyType};
use domain::provisioning::{JobState, StepEvent};
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::samples::{at, failure};
use super::{Bench, Outcome, assert_duplicate, assert_reference, assert_same, assert_stale};

const NOUN: &str = "key mapping";
const ONE_EACH: &str = "application, key type and key manager";

pub async fn what_is_inserted_is_found_in_every_way(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    let (key_manager, application, mapping) = bench
        .samples
        .stored_key_mapping(&mut *tx, "weather")
        .await?;
    tx.commit().await?;

    let mut tx = bench.read().await?;
    let mappings = tx.key_mappings();
    let consumer_key = mapping.consumer_key.clone().expect("samples have one");
    for found in [
        mappings.find(mapping.id).await?,
        mappings.find_in(application.id, mapping.id).await?,
        mappings
            .find_for(application.id, KeyType::Production, key_manager.id)
            .await?,
        mappings
            .find_by_consumer_key(key_manager.id, &consumer_key)
            .await?,
        mappings.list_of(application.id).await?.pop(),
    ] {
        let found = found.expect("it was stored");
        assert_same(&found, &mapping);
        let secret = found.consumer_secret.expect("it was stored");
        assert_eq!(
            secret.expose_secret(),
            mapping
                .consumer_secret
                .as_ref()
                .expect("samples have one")
                .expose_secret()
        );
    }
    assert!(
        mappings
            .find_for(application.id, KeyType::Sandbox, key_manager.id)
            .await?
            .is_none()
    );
    assert!(
        mappings
            .find_by_consumer_key(key_manager.id, "client")
            .await?
            .is_none()
    );
    Ok(())
}

pub async fn every_state_is_kept_with_its_failure(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    let (_, _, mut mapping) = bench
        .samples
        .stored_key_mapping(&mut *tx, "weather")
        .await?;
    for state in [
        KeyMappingState::Provisioning,
        KeyMappingState::Completed,
        KeyMappingState::Failed(failure()),
        KeyMappingState::Deprovisioning,
    ] {
        mapping.state = state;
        tx.key_mappings().update(&mapping).await?;
        mapping.version += 1;
        assert_same(
            &tx.key_mappings().find(mapping.id).await?,
            &Some(mapping.clone()),
        );
    }
    Ok(())
}

pub async fn another_application_does_not_find_it(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    let (_, _, mapping) = bench
        .samples
        .stored_key_mapping(&mut *tx, "weather")
        .await?;
    let (key_manager, stranger, _) = bench.samples.stored_key_mapping(&mut *tx, "other").await?;
    assert!(
        tx.key_mappings()
            .find_in(stranger.id, mapping.id)
            .await?
            .is_none()
    );
    // Nor does another key manager find its consumer key.
    let consumer_key = mapping.consumer_key.expect("samples have one");
    let found = tx
        .key_mappings()
        .find_by_consumer_key(key_manager.id, &consumer_key)
        .await?;
    assert!(found.is_none());
    Ok(())
}

pub async fn application_key_type_and_key_manager_are_taken_once(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    let (key_manager, application, _) = bench
        .samples
        .stored_key_mapping(&mut *tx, "weather")
        .await?;
    let sandbox = bench
        .samples
        .key_mapping(&application, KeyType::Sandbox, &key_manager);
    tx.key_mappings().insert(&sandbox).await?;
    let again = bench
        .samples
        .key_mapping(&application, KeyType::Production, &key_manager);
    assert_duplicate(tx.key_mappings().insert(&again).await, NOUN, ONE_EACH);
    Ok(())
}

pub async fn a_consumer_key_is_taken_once_at_a_key_manager(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    let (key_manager, application, first) = bench
        .samples
        .stored_key_mapping(&mut *tx, "weather")
        .await?;
    let okta = bench.samples.key_manager("okta");
    tx.key_managers().insert(&okta).await?;
    let mut elsewhere = bench
        .samples
        .key_mapping(&application, KeyType::Production, &okta);
    elsewhere.consumer_key.clone_from(&first.consumer_key);
    tx.key_mappings().insert(&elsewhere).await?;
    let mut second = bench
        .samples
        .key_mapping(&application, KeyType::Sandbox, &key_manager);
    second.consumer_key = first.consumer_key;
    assert_duplicate(
        tx.key_mappings().insert(&second).await,
        NOUN,
        "consumer key",
    );
    Ok(())
}

pub async fn an_update_to_a_taken_consumer_key_is_refused(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    let (key_manager, application, first) = bench
        .samples
        .stored_key_mapping(&mut *tx, "weather")
        .await?;
    let mut second = bench
        .samples
        .key_mapping(&application, KeyType::Sandbox, &key_manager);
    tx.key_mappings().insert(&second).await?;
    second.consumer_key = first.consumer_key;
    assert_duplicate(
        tx.key_mappings().update(&second).await,
        NOUN,
        "consumer key",
    );
    Ok(())
}

pub async fn several_may_be_without_a_consumer_key(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    let (key_manager, application, _) = bench
        .samples
        .stored_key_mapping(&mut *tx, "weather")
        .await?;
    let other = bench.samples.application("bob", "other");
    tx.applications().insert(&other).await?;
    for application in [&application, &other] {
        let mut mapping = bench
            .samples
            .key_mapping(application, KeyType::Sandbox, &key_manager);
        mapping.consumer_key = None;
        mapping.consumer_secret = None;
        mapping.callback_url = None;
        tx.key_mappings().insert(&mapping).await?;
        assert_same(&tx.key_mappings().find(mapping.id).await?, &Some(mapping));
    }
    Ok(())
}

pub async fn an_update_replaces_what_may_change_and_advances_the_version(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    let (_, _, mut mapping) = bench
        .samples
        .stored_key_mapping(&mut *tx, "weather")
        .await?;
    mapping.mode = CreateMode::Mapped;
    mapping.consumer_key = Some("another".to_owned());
    mapping.consumer_secret = None;
    mapping.provider_reference = json!(null);
    mapping.grant_types.clear();
    mapping.callback_url = None;
    mapping.additional_properties.clear();
    mapping.updated_at = at(99);
    tx.key_mappings().update(&mapping).await?;
    mapping.version = 2;
    assert_same(&tx.key_mappings().find(mapping.id).await?, &Some(mapping));
    Ok(())
}

pub async fn an_update_from_an_older_version_is_stale(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    let (_, _, mapping) = bench
        .samples
        .stored_key_mapping(&mut *tx, "weather")
        .await?;
    tx.key_mappings().update(&mapping).await?;
    assert_stale(tx.key_mappings().update(&mapping).await, NOUN);
    Ok(())
}

pub async fn an_unknown_application_or_key_manager_is_refused(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    let (key_manager, application, _) = bench
        .samples
        .stored_key_mapping(&mut *tx, "weather")
        .await?;
    tx.commit().await?;
    let stranger = bench.samples.application("ann", "never stored");
    let mapping = bench
        .samples
        .key_mapping(&stranger, KeyType::Production, &key_manager);
    let mut tx = bench.begin().await?;
    assert_reference(tx.key_mappings().insert(&mapping).await, NOUN);
    drop(tx);
    let stranger = bench.samples.key_manager("never stored");
    let mapping = bench
        .samples
        .key_mapping(&application, KeyType::Production, &stranger);
    let mut tx = bench.begin().await?;
    assert_reference(tx.key_mappings().insert(&mapping).await, NOUN);
    Ok(())
}

pub async fn deleting_takes_finished_jobs_and_their_journals_along(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    let (_, _, mapping) = bench
        .samples
        .stored_key_mapping(&mut *tx, "weather")
        .await?;
    let mut jobs = Vec::new();
    for state in [JobState::Succeeded, JobState::Failed] {
        let mut job = bench.samples.job(&mapping);
        job.state = state;
        tx.jobs().insert(&job).await?;
        let event = StepEvent::Finished { facts: json!({}) };
        tx.jobs()
            .record(job.id, "create_application", &event, at(0))
            .await?;
        jobs.push(job.id);
    }
    tx.key_mappings().delete(mapping.id).await?;
    tx.key_mappings().delete(mapping.id).await?;
    tx.commit().await?;

    let mut tx = bench.read().await?;
    assert!(tx.key_mappings().find(mapping.id).await?.is_none());
    for job in jobs {
        assert!(tx.jobs().find(job).await?.is_none());
        assert!(tx.jobs().journal(job).await?.is_empty());
    }
    Ok(())
}

pub async fn one_with_an_unfinished_job_is_not_deleted(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    let (_, _, mapping) = bench
        .samples
        .stored_key_mapping(&mut *tx, "weather")
        .await?;
    let mut finished = bench.samples.job(&mapping);
    finished.state = JobState::Succeeded;
    tx.jobs().insert(&finished).await?;
    tx.jobs().insert(&bench.samples.job(&mapping)).await?;
    tx.commit().await?;
    let mut tx = bench.begin().await?;
    assert_reference(tx.key_mappings().delete(mapping.id).await, NOUN);
    drop(tx);
    assert_eq!(
        bench.read().await?.jobs().list_of(mapping.id).await?.len(),
        2
    );
    Ok(())
}

pub async fn those_of_an_application_are_listed_by_key_type(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    let (entra, application, first) = bench
        .samples
        .stored_key_mapping(&mut *tx, "weather")
        .await?;
    bench.samples.stored_key_mapping(&mut *tx, "other").await?;
    let okta = bench.samples.key_manager("okta");
    tx.key_managers().insert(&okta).await?;
    let sandbox = bench
        .samples
        .key_mapping(&application, KeyType::Sandbox, &entra);
    let second = bench
        .samples
        .key_mapping(&application, KeyType::Production, &okta);
    tx.key_mappings().insert(&sandbox).await?;
    tx.key_mappings().insert(&second).await?;
    let listed = tx.key_mappings().list_of(application.id).await?;
    let ids: Vec<_> = listed.iter().map(|mapping| mapping.id).collect();
    assert_eq!(ids, [first.id, second.id, sandbox.id]);
    Ok(())
}

pub async fn those_of_a_key_manager_are_counted(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    let (entra, application, _) = bench
        .samples
        .stored_key_mapping(&mut *tx, "weather")
        .await?;
    let (okta, _, mapping) = bench.samples.stored_key_mapping(&mut *tx, "other").await?;
    let sandbox = bench
        .samples
        .key_mapping(&application, KeyType::Sandbox, &entra);
    tx.key_mappings().insert(&sandbox).await?;
    tx.key_mappings().delete(mapping.id).await?;
    assert_eq!(tx.key_mappings().count_using(entra.id).await?, 2);
    assert_eq!(tx.key_mappings().count_using(okta.id).await?, 0);
    Ok(())
}

pub async fn a_scan_meets_everything_once_in_id_order(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    let mut expected = Vec::new();
    for name in ["a", "b", "c", "d", "e"] {
        expected.push(bench.samples.stored_key_mapping(&mut *tx, name).await?.2.id);
    }
    let mut met = Vec::new();
    loop {
        let page = tx.key_mappings().scan(met.last().copied(), 2).await?;
        assert!(page.len() <= 2);
        if page.is_empty() {
            break;
        }
        met.extend(page.iter().map(|mapping| mapping.id));
    }
    assert_eq!(met, expected);
    Ok(())
}

pub async fn a_scan_of_a_key_manager_meets_only_its_own(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    let (entra, application, first) = bench
        .samples
        .stored_key_mapping(&mut *tx, "weather")
        .await?;
    bench.samples.stored_key_mapping(&mut *tx, "other").await?;
    let second = bench
        .samples
        .key_mapping(&application, KeyType::Sandbox, &entra);
    tx.key_mappings().insert(&second).await?;
    let mut met = Vec::new();
    loop {
        let page = tx
            .key_mappings()
            .scan_using(entra.id, met.last().copied(), 1)
            .await?;
        if page.is_empty() {
            break;
        }
        met.extend(page.iter().map(|mapping| mapping.id));
    }
    assert_eq!(met, [first.id, second.id]);
    Ok(())
}

pub async fn the_consumer_secret_does_not_stand_in_the_database_in_clear(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    bench
        .samples
        .stored_key_mapping(&mut *tx, "weather")
        .await?;
    tx.commit().await?;
    let stored = bench
        .stored_text(
            "SELECT consumer_secret || provider_reference || additional_properties FROM key_mappings",
        )
        .await;
    assert_eq!(stored.len(), 1);
    assert!(stored[0].starts_with("v1:"));
    assert!(!stored[0].contains("consumer-secret"));
    Ok(())
}
