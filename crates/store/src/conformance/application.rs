//! Applications.

use domain::application::{Application, ApplicationStatus};
use domain::key_mapping::KeyType;

use super::samples::at;
use super::{Bench, Outcome, assert_duplicate, assert_reference, assert_same, assert_stale};
use crate::application::{ApplicationQuery, ApplicationSort};
use crate::page::{Listed, Page, SortOrder};

const NOUN: &str = "application";

fn names(listed: &Listed<Application>) -> Vec<&str> {
    listed
        .items
        .iter()
        .map(|application| application.settings.name.as_str())
        .collect()
}

pub async fn what_is_inserted_is_found(bench: &Bench) -> Outcome {
    let application = bench.samples.application("ann", "Weather");
    let mut tx = bench.begin().await?;
    tx.applications().insert(&application).await?;
    tx.commit().await?;

    let mut tx = bench.read().await?;
    let expected = Some(application);
    let id = expected
        .as_ref()
        .map(|application| application.id)
        .expect("just made");
    assert_same(&tx.applications().find(id).await?, &expected);
    assert_same(&tx.applications().find_owned("ann", id).await?, &expected);
    Ok(())
}

pub async fn the_wrong_owner_finds_nothing(bench: &Bench) -> Outcome {
    let application = bench.samples.application("ann", "Weather");
    let mut tx = bench.begin().await?;
    tx.applications().insert(&application).await?;
    for stranger in ["bob", "Ann", "ann ", "", "%"] {
        assert!(
            tx.applications()
                .find_owned(stranger, application.id)
                .await?
                .is_none()
        );
        let query = ApplicationQuery::default();
        let listed = tx
            .applications()
            .list_owned(stranger, &query, Page::FIRST)
            .await?;
        assert_eq!((listed.items.len(), listed.total), (0, 0), "{stranger:?}");
    }
    Ok(())
}

pub async fn an_owner_has_a_name_once_and_another_owner_may_have_it_too(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    tx.applications()
        .insert(&bench.samples.application("ann", "Weather"))
        .await?;
    tx.applications()
        .insert(&bench.samples.application("bob", "Weather"))
        .await?;
    let again = bench.samples.application("ann", "Weather");
    assert_duplicate(tx.applications().insert(&again).await, NOUN, "name");
    Ok(())
}

pub async fn an_update_to_a_taken_name_is_refused(bench: &Bench) -> Outcome {
    let mut application = bench.samples.application("ann", "Climate");
    let mut tx = bench.begin().await?;
    tx.applications()
        .insert(&bench.samples.application("ann", "Weather"))
        .await?;
    tx.applications().insert(&application).await?;
    application.settings.name = String::from("Weather");
    assert_duplicate(tx.applications().update(&application).await, NOUN, "name");
    Ok(())
}

pub async fn an_update_replaces_the_settings_and_advances_the_version(bench: &Bench) -> Outcome {
    let mut application = bench.samples.application("ann", "Weather");
    let mut tx = bench.begin().await?;
    tx.applications().insert(&application).await?;
    application.settings = bench.samples.application("ann", "Climate").settings;
    application.settings.groups.clear();
    application.status = ApplicationStatus::DeletePending;
    application.updated_at = at(99);
    tx.applications().update(&application).await?;
    application.version = 2;
    assert_same(
        &tx.applications().find(application.id).await?,
        &Some(application),
    );
    // The name that was given up may be taken.
    tx.applications()
        .insert(&bench.samples.application("ann", "Weather"))
        .await?;
    Ok(())
}

pub async fn an_update_from_an_older_version_is_stale(bench: &Bench) -> Outcome {
    let application = bench.samples.application("ann", "Weather");
    let mut tx = bench.begin().await?;
    tx.applications().insert(&application).await?;
    tx.applications().update(&application).await?;
    assert_stale(tx.applications().update(&application).await, NOUN);
    Ok(())
}

pub async fn deleting_takes_subscriptions_along(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    let (application, api, subscription) = bench
        .samples
        .stored_subscription(&mut *tx, "weather")
        .await?;
    let other = bench.samples.application("bob", "other");
    tx.applications().insert(&other).await?;
    let kept = bench.samples.subscription(&other, &api);
    tx.subscriptions().insert(&kept).await?;
    tx.applications().delete(application.id).await?;
    tx.applications().delete(application.id).await?;
    assert!(tx.applications().find(application.id).await?.is_none());
    assert!(tx.subscriptions().find(subscription.id).await?.is_none());
    assert!(tx.subscriptions().find(kept.id).await?.is_some());
    Ok(())
}

pub async fn one_with_a_key_mapping_is_not_deleted(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    let (_, application, _) = bench
        .samples
        .stored_key_mapping(&mut *tx, "weather")
        .await?;
    assert_reference(tx.applications().delete(application.id).await, NOUN);
    Ok(())
}

pub async fn it_is_listed_by_part_of_its_name_in_any_letter_case(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    for name in ["Weather", "Ärzte App", "climate", "100% real"] {
        tx.applications()
            .insert(&bench.samples.application("ann", name))
            .await?;
    }
    tx.applications()
        .insert(&bench.samples.application("bob", "weather of bob"))
        .await?;
    for (text, expected) in [
        ("", vec!["100% real", "climate", "Weather", "Ärzte App"]),
        ("WEATH", vec!["Weather"]),
        ("ärZTE a", vec!["Ärzte App"]),
        ("0%", vec!["100% real"]),
        ("_", vec![]),
    ] {
        let query = ApplicationQuery {
            name_contains: text.to_owned(),
            ..ApplicationQuery::default()
        };
        let listed = tx
            .applications()
            .list_owned("ann", &query, Page::FIRST)
            .await?;
        assert_eq!(names(&listed), expected, "{text:?}");
        assert_eq!(listed.total, expected.len() as u64, "{text:?}");
    }
    Ok(())
}

pub async fn it_is_sorted_by_every_column_in_both_directions(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    for (name, policy, status, created) in [
        ("beta", "Gold", ApplicationStatus::Approved, 3),
        ("Alpha", "Silver", ApplicationStatus::DeletePending, 2),
        ("Gamma", "Bronze", ApplicationStatus::Approved, 1),
    ] {
        let mut application = bench.samples.application("ann", name);
        application.settings.throttling_policy = policy.to_owned();
        application.status = status;
        application.created_at = at(created);
        tx.applications().insert(&application).await?;
    }
    for (sort_by, order, expected) in [
        (
            ApplicationSort::Name,
            SortOrder::Ascending,
            ["Alpha", "beta", "Gamma"],
        ),
        (
            ApplicationSort::Name,
            SortOrder::Descending,
            ["Gamma", "beta", "Alpha"],
        ),
        (
            ApplicationSort::ThrottlingPolicy,
            SortOrder::Ascending,
            ["Gamma", "beta", "Alpha"],
        ),
        (
            ApplicationSort::ThrottlingPolicy,
            SortOrder::Descending,
            ["Alpha", "beta", "Gamma"],
        ),
        (
            ApplicationSort::Status,
            SortOrder::Ascending,
            ["beta", "Gamma", "Alpha"],
        ),
        (
            ApplicationSort::Status,
            SortOrder::Descending,
            ["Alpha", "beta", "Gamma"],
        ),
        (
            ApplicationSort::CreatedAt,
            SortOrder::Ascending,
            ["Gamma", "Alpha", "beta"],
        ),
        (
            ApplicationSort::CreatedAt,
            SortOrder::Descending,
            ["beta", "Alpha", "Gamma"],
        ),
    ] {
        let query = ApplicationQuery {
            name_contains: String::new(),
            sort_by,
            order,
        };
        let listed = tx
            .applications()
            .list_owned("ann", &query, Page::FIRST)
            .await?;
        assert_eq!(names(&listed), expected, "{query:?}");
    }
    Ok(())
}

pub async fn pages_follow_each_other_and_know_the_total(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    for name in ["C", "A", "E", "B", "D"] {
        tx.applications()
            .insert(&bench.samples.application("ann", name))
            .await?;
    }
    let mut met = Vec::new();
    for offset in [0, 2, 4, 6] {
        let query = ApplicationQuery::default();
        let page = Page { offset, limit: 2 };
        let listed = tx.applications().list_owned("ann", &query, page).await?;
        assert_eq!(listed.total, 5);
        met.extend(names(&listed).into_iter().map(str::to_owned));
    }
    assert_eq!(met, ["A", "B", "C", "D", "E"]);
    Ok(())
}

pub async fn those_that_use_a_key_manager_are_listed_once(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    let (entra, weather, _) = bench
        .samples
        .stored_key_mapping(&mut *tx, "weather")
        .await?;
    let (okta, _, _) = bench.samples.stored_key_mapping(&mut *tx, "other").await?;
    let second = bench
        .samples
        .key_mapping(&weather, KeyType::Sandbox, &entra);
    tx.key_mappings().insert(&second).await?;
    let climate = bench.samples.application("bob", "Climate");
    tx.applications().insert(&climate).await?;
    let third = bench
        .samples
        .key_mapping(&climate, KeyType::Sandbox, &entra);
    tx.key_mappings().insert(&third).await?;

    let listed = tx.applications().list_using(entra.id, Page::FIRST).await?;
    assert_eq!(
        (names(&listed), listed.total),
        (vec!["Climate", "weather"], 2)
    );
    let page = Page {
        offset: 1,
        limit: 1,
    };
    let listed = tx.applications().list_using(entra.id, page).await?;
    assert_eq!((names(&listed), listed.total), (vec!["weather"], 2));
    let listed = tx.applications().list_using(okta.id, Page::FIRST).await?;
    assert_eq!(names(&listed), ["other"]);
    Ok(())
}

pub async fn a_scan_meets_everything_once_in_id_order(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    let mut expected = Vec::new();
    for number in 0..7 {
        let owner = if number % 2 == 0 { "ann" } else { "bob" };
        let application = bench.samples.application(owner, &format!("app {number}"));
        tx.applications().insert(&application).await?;
        expected.push(application.id);
    }
    expected.sort();
    let mut met = Vec::new();
    loop {
        let page = tx.applications().scan(met.last().copied(), 3).await?;
        assert!(page.len() <= 3);
        if page.is_empty() {
            break;
        }
        met.extend(page.iter().map(|application| application.id));
    }
    assert_eq!(met, expected);
    Ok(())
}
