//! APIs.

use domain::api::{Api, KeyManagerSelection, LifecycleState, Viewer, Visibility};

use super::samples::DEFINITION;
use super::{Bench, Outcome, assert_duplicate, assert_reference, assert_same, assert_stale};
use crate::api::ApiQuery;
use crate::page::{Listed, Page};

const NOUN: &str = "API";

fn names(listed: &Listed<Api>) -> Vec<&str> {
    listed
        .items
        .iter()
        .map(|api| api.settings.name.as_str())
        .collect()
}

pub async fn what_is_inserted_is_found(bench: &Bench) -> Outcome {
    let api = bench.samples.api("Weather", "1.0.0");
    let mut tx = bench.begin().await?;
    tx.apis().insert(&api, DEFINITION).await?;
    tx.commit().await?;

    let mut tx = bench.read().await?;
    assert_same(&tx.apis().find(api.id).await?, &Some(api));
    assert!(
        tx.apis()
            .find(bench.samples.api("Other", "1.0.0").id)
            .await?
            .is_none()
    );
    Ok(())
}

pub async fn an_update_replaces_the_settings_and_advances_the_version(bench: &Bench) -> Outcome {
    let mut api = bench.samples.api("Weather", "1.0.0");
    let mut tx = bench.begin().await?;
    tx.apis().insert(&api, DEFINITION).await?;
    let other = bench.samples.api("Climate", "2.0.0");
    api.settings = other.settings.clone();
    api.lifecycle = LifecycleState::Deprecated;
    api.updated_at = other.updated_at;
    tx.apis().update(&api).await?;
    api.version = 2;
    assert_same(&tx.apis().find(api.id).await?, &Some(api.clone()));
    // The second update starts from the version that the first one made.
    tx.apis().update(&api).await?;
    assert_eq!(
        tx.apis().find(api.id).await?.map(|api| api.version),
        Some(3)
    );
    Ok(())
}

pub async fn an_update_from_an_older_version_is_stale(bench: &Bench) -> Outcome {
    let api = bench.samples.api("Weather", "1.0.0");
    let mut tx = bench.begin().await?;
    tx.apis().insert(&api, DEFINITION).await?;
    tx.apis().update(&api).await?;
    assert_stale(tx.apis().update(&api).await, NOUN);
    Ok(())
}

pub async fn name_and_version_are_taken_once(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    tx.apis()
        .insert(&bench.samples.api("Weather", "1.0.0"), DEFINITION)
        .await?;
    tx.apis()
        .insert(&bench.samples.api("Weather", "2.0.0"), DEFINITION)
        .await?;
    let mut same = bench.samples.api("Weather", "1.0.0");
    same.settings.context = String::from("/elsewhere");
    assert_duplicate(
        tx.apis().insert(&same, DEFINITION).await,
        NOUN,
        "name and version",
    );
    Ok(())
}

pub async fn context_and_version_are_taken_once(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    tx.apis()
        .insert(&bench.samples.api("Weather", "1.0.0"), DEFINITION)
        .await?;
    let mut same = bench.samples.api("Forecast", "1.0.0");
    same.settings.context = String::from("/weather");
    assert_duplicate(
        tx.apis().insert(&same, DEFINITION).await,
        NOUN,
        "context and version",
    );
    Ok(())
}

pub async fn an_update_to_a_taken_name_or_context_is_refused(bench: &Bench) -> Outcome {
    let weather = bench.samples.api("Weather", "1.0.0");
    let climate = bench.samples.api("Climate", "1.0.0");
    let mut tx = bench.begin().await?;
    tx.apis().insert(&weather, DEFINITION).await?;
    tx.apis().insert(&climate, DEFINITION).await?;
    tx.commit().await?;

    let mut renamed = climate.clone();
    renamed.settings.name = String::from("Weather");
    let mut tx = bench.begin().await?;
    assert_duplicate(tx.apis().update(&renamed).await, NOUN, "name and version");
    drop(tx);
    let mut moved = climate;
    moved.settings.context = String::from("/weather");
    let mut tx = bench.begin().await?;
    assert_duplicate(tx.apis().update(&moved).await, NOUN, "context and version");
    Ok(())
}

pub async fn deleting_takes_revisions_and_deployments_along(bench: &Bench) -> Outcome {
    let api = bench.samples.api("Weather", "1.0.0");
    let other = bench.samples.api("Climate", "1.0.0");
    let mut tx = bench.begin().await?;
    for api in [&api, &other] {
        tx.apis().insert(api, DEFINITION).await?;
        let revision = bench.samples.revision(api, 1);
        tx.revisions().insert(&revision).await?;
        tx.revisions()
            .deploy(&bench.samples.deployment(&revision, "Default"))
            .await?;
    }
    tx.apis().delete(api.id).await?;
    tx.apis().delete(api.id).await?;
    tx.commit().await?;

    let mut tx = bench.read().await?;
    assert!(tx.apis().find(api.id).await?.is_none());
    assert!(tx.revisions().list_of(api.id).await?.is_empty());
    assert!(tx.revisions().deployments_of(api.id).await?.is_empty());
    assert_eq!(tx.revisions().list_of(other.id).await?.len(), 1);
    assert_eq!(tx.revisions().deployments_of(other.id).await?.len(), 1);
    Ok(())
}

pub async fn one_that_is_subscribed_to_is_not_deleted(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    let (_, api, _) = bench
        .samples
        .stored_subscription(&mut *tx, "weather")
        .await?;
    let revision = bench.samples.revision(&api, 1);
    tx.revisions().insert(&revision).await?;
    tx.revisions()
        .deploy(&bench.samples.deployment(&revision, "Default"))
        .await?;
    tx.commit().await?;

    let mut tx = bench.begin().await?;
    assert_reference(tx.apis().delete(api.id).await, NOUN);
    drop(tx);
    let mut tx = bench.read().await?;
    assert!(tx.apis().find(api.id).await?.is_some());
    assert_eq!(tx.revisions().deployments_of(api.id).await?.len(), 1);
    Ok(())
}

pub async fn it_is_listed_by_part_of_its_name_in_any_letter_case(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    for name in ["Weather", "ÄrzteAPI", "climate", "Ärger"] {
        tx.apis()
            .insert(&bench.samples.api(name, "1.0.0"), DEFINITION)
            .await?;
    }
    for (text, expected) in [
        ("", vec!["climate", "Weather", "Ärger", "ÄrzteAPI"]),
        ("EAT", vec!["Weather"]),
        ("ä", vec!["Ärger", "ÄrzteAPI"]),
        ("Är", vec!["Ärger", "ÄrzteAPI"]),
        ("ather", vec!["Weather"]),
        ("rain", vec![]),
    ] {
        let query = ApiQuery {
            name_contains: text.to_owned(),
            ..ApiQuery::default()
        };
        let listed = tx.apis().list(&query, Page::FIRST).await?;
        assert_eq!(names(&listed), expected, "{text:?}");
        assert_eq!(listed.total, expected.len() as u64, "{text:?}");
    }
    Ok(())
}

pub async fn wildcards_in_a_search_are_ordinary_characters(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    for name in ["50%off", "a_b", "a~b", "axb", "a\\b"] {
        tx.apis()
            .insert(&bench.samples.api(name, "1.0.0"), DEFINITION)
            .await?;
    }
    for (text, expected) in [
        ("%", vec!["50%off"]),
        ("_", vec!["a_b"]),
        ("~", vec!["a~b"]),
        ("\\", vec!["a\\b"]),
        ("'", vec![]),
    ] {
        let query = ApiQuery {
            name_contains: text.to_owned(),
            ..ApiQuery::default()
        };
        assert_eq!(
            names(&tx.apis().list(&query, Page::FIRST).await?),
            expected,
            "{text:?}"
        );
    }
    Ok(())
}

pub async fn it_is_listed_by_lifecycle(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    for (name, lifecycle) in [
        ("A", LifecycleState::Created),
        ("B", LifecycleState::Published),
        ("C", LifecycleState::Published),
        ("D", LifecycleState::Retired),
    ] {
        let mut api = bench.samples.api(name, "1.0.0");
        api.lifecycle = lifecycle;
        tx.apis().insert(&api, DEFINITION).await?;
    }
    for (lifecycle, expected) in [
        (vec![], vec!["A", "B", "C", "D"]),
        (vec![LifecycleState::Published], vec!["B", "C"]),
        (
            vec![LifecycleState::Created, LifecycleState::Retired],
            vec!["A", "D"],
        ),
        (vec![LifecycleState::Blocked], vec![]),
    ] {
        let query = ApiQuery {
            name_contains: String::new(),
            lifecycle,
            viewer: Viewer::All,
        };
        let listed = tx.apis().list(&query, Page::FIRST).await?;
        assert_eq!(names(&listed), expected, "{query:?}");
        assert_eq!(listed.total, expected.len() as u64, "{query:?}");
    }
    Ok(())
}

pub async fn it_is_found_by_its_context_and_version(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    let api = bench.samples.api("Orders", "1.0.0");
    tx.apis().insert(&api, DEFINITION).await?;
    let next = bench.samples.api("Orders", "2.0.0");
    tx.apis().insert(&next, DEFINITION).await?;
    let context = api.settings.context.clone();
    assert_same(&tx.apis().find_at(&context, "1.0.0").await?, &Some(api));
    for (context, version) in [(context.as_str(), "3"), ("/nothing", "1.0.0"), ("", "")] {
        let found = tx.apis().find_at(context, version).await?;
        assert!(found.is_none(), "{context} {version}");
    }
    Ok(())
}

pub async fn pages_follow_each_other_and_know_the_total(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    for name in ["C", "A", "E", "B", "D"] {
        tx.apis()
            .insert(&bench.samples.api(name, "1.0.0"), DEFINITION)
            .await?;
    }
    let mut met = Vec::new();
    for offset in [0, 2, 4, 6] {
        let listed = tx
            .apis()
            .list(&ApiQuery::default(), Page { offset, limit: 2 })
            .await?;
        assert_eq!(listed.total, 5);
        met.extend(names(&listed).into_iter().map(str::to_owned));
    }
    assert_eq!(met, ["A", "B", "C", "D", "E"]);
    Ok(())
}

pub async fn those_that_name_a_key_manager_are_listed(bench: &Bench) -> Outcome {
    let naming = |names: &[&str]| {
        KeyManagerSelection::Only(names.iter().map(|&name| name.to_owned()).collect())
    };
    let mut tx = bench.begin().await?;
    let mut stored = Vec::new();
    for (name, selection) in [
        ("All", KeyManagerSelection::All),
        ("Both", naming(&["Entra", "Okta", "Entra"])),
        ("Another", naming(&["Entra"])),
        ("None", naming(&[])),
    ] {
        let mut api = bench.samples.api(name, "1.0.0");
        api.settings.key_managers = selection;
        tx.apis().insert(&api, DEFINITION).await?;
        stored.push(api);
    }
    let listed = tx
        .apis()
        .list_naming_key_manager("Entra", Page::FIRST)
        .await?;
    assert_eq!(names(&listed), ["Another", "Both"]);
    assert_eq!(listed.total, 2);
    let second = Page {
        offset: 1,
        limit: 1,
    };
    let listed = tx.apis().list_naming_key_manager("Entra", second).await?;
    assert_eq!((names(&listed), listed.total), (vec!["Both"], 2));
    assert_eq!(
        tx.apis()
            .list_naming_key_manager("entra", Page::FIRST)
            .await?
            .total,
        0
    );

    // An update changes who is named.
    stored[1].settings.key_managers = naming(&["Okta"]);
    tx.apis().update(&stored[1]).await?;
    let listed = tx
        .apis()
        .list_naming_key_manager("Entra", Page::FIRST)
        .await?;
    assert_eq!(names(&listed), ["Another"]);
    let listed = tx
        .apis()
        .list_naming_key_manager("Okta", Page::FIRST)
        .await?;
    assert_eq!(names(&listed), ["Both"]);
    Ok(())
}

pub async fn a_large_definition_is_kept_to_the_byte(bench: &Bench) -> Outcome {
    let api = bench.samples.api("Weather", "1.0.0");
    let line = "  description: \"Größe \u{1F326} \\n\"\r\n\t";
    let definition = line.repeat(1 + 10 * 1024 * 1024 / line.len());
    let mut tx = bench.begin().await?;
    tx.apis().insert(&api, &definition).await?;
    tx.commit().await?;
    let found = bench.read().await?.apis().definition(api.id).await?;
    assert!(found == Some(definition));
    Ok(())
}

pub async fn a_definition_is_replaced_on_its_own_and_an_update_leaves_it(bench: &Bench) -> Outcome {
    let api = bench.samples.api("Weather", "1.0.0");
    let other = bench.samples.api("Climate", "1.0.0");
    let mut tx = bench.begin().await?;
    for api in [&api, &other] {
        tx.apis().insert(api, "first").await?;
    }
    tx.apis().update(&api).await?;
    assert_eq!(
        tx.apis().definition(api.id).await?.unwrap_or_default(),
        "first"
    );
    tx.apis().replace_definition(api.id, "second").await?;
    assert_eq!(
        tx.apis().definition(api.id).await?.unwrap_or_default(),
        "second"
    );
    assert_eq!(
        tx.apis().definition(other.id).await?.unwrap_or_default(),
        "first"
    );
    let version = tx.apis().find(api.id).await?.map(|api| api.version);
    assert_eq!(version, Some(2));

    let missing = bench.samples.api("Missing", "1.0.0").id;
    assert!(tx.apis().definition(missing).await?.is_none());
    assert_stale(tx.apis().replace_definition(missing, "third").await, NOUN);
    Ok(())
}

pub async fn a_definition_stands_in_its_own_column_only(bench: &Bench) -> Outcome {
    let api = bench.samples.api("Weather", "1.0.0");
    let mut tx = bench.begin().await?;
    tx.apis().insert(&api, "the-document").await?;
    tx.commit().await?;
    let settings = bench.stored_text("SELECT settings FROM apis").await;
    assert!(!settings[0].contains("the-document") && !settings[0].contains("definition"));
    let definitions = bench.stored_text("SELECT definition FROM apis").await;
    assert_eq!(definitions, ["the-document"]);
    Ok(())
}

pub async fn a_viewer_is_shown_and_counted_what_is_meant_for_them(bench: &Bench) -> Outcome {
    let roles = |roles: &[&str]| {
        roles
            .iter()
            .map(|&role| role.to_owned())
            .collect::<Vec<_>>()
    };
    let mut tx = bench.begin().await?;
    let mut stored = Vec::new();
    for (name, visibility) in [
        ("A", Visibility::Public),
        ("B", Visibility::Private),
        (
            "C",
            Visibility::Restricted(roles(&["partner", "staff", "partner"])),
        ),
        ("D", Visibility::Restricted(roles(&["par_ner"]))),
        ("E", Visibility::Restricted(roles(&["Partner"]))),
        ("F", Visibility::Restricted(roles(&["part", "%"]))),
        ("G", Visibility::Restricted(roles(&[]))),
    ] {
        let mut api = bench.samples.api(name, "1.0.0");
        api.settings.visibility = visibility;
        tx.apis().insert(&api, DEFINITION).await?;
        stored.push(api);
    }
    for viewer in [
        Viewer::All,
        Viewer::Anonymous,
        Viewer::SignedIn(roles(&[])),
        Viewer::SignedIn(roles(&["partner"])),
        Viewer::SignedIn(roles(&["staff", "partner"])),
        Viewer::SignedIn(roles(&["PARTNER", "part"])),
        Viewer::SignedIn(roles(&["%", "par_ner"])),
        Viewer::SignedIn(roles(&["", "PUBLIC", "RESTRICTED"])),
    ] {
        let expected: Vec<&str> = stored
            .iter()
            .filter(|api| viewer.sees(&api.settings.visibility))
            .map(|api| api.settings.name.as_str())
            .collect();
        let query = ApiQuery {
            viewer,
            ..ApiQuery::default()
        };
        let listed = tx.apis().list(&query, Page::FIRST).await?;
        assert_eq!(names(&listed), expected, "{query:?}");
        assert_eq!(listed.total, expected.len() as u64, "{query:?}");
        let last = Page {
            offset: u32::try_from(expected.len()).expect("a handful") - 1,
            limit: 1,
        };
        let listed = tx.apis().list(&query, last).await?;
        assert_eq!(names(&listed), expected[expected.len() - 1..], "{query:?}");
        assert_eq!(listed.total, expected.len() as u64, "{query:?}");
    }
    Ok(())
}

pub async fn a_change_of_visibility_changes_who_is_shown_it(bench: &Bench) -> Outcome {
    let partner = ApiQuery {
        viewer: Viewer::SignedIn(vec!["partner".to_owned()]),
        ..ApiQuery::default()
    };
    let mut api = bench.samples.api("Weather", "1.0.0");
    let mut tx = bench.begin().await?;
    api.settings.visibility = Visibility::Restricted(vec!["partner".to_owned()]);
    tx.apis().insert(&api, DEFINITION).await?;
    assert_eq!(tx.apis().list(&partner, Page::FIRST).await?.total, 1);
    for (visibility, total) in [
        (Visibility::Restricted(vec!["staff".to_owned()]), 0),
        (Visibility::Private, 1),
        (Visibility::Restricted(Vec::new()), 0),
        (Visibility::Public, 1),
    ] {
        api.settings.visibility = visibility;
        tx.apis().update(&api).await?;
        api.version += 1;
        let listed = tx.apis().list(&partner, Page::FIRST).await?;
        assert_eq!(listed.total, total, "{:?}", api.settings.visibility);
        assert_eq!(listed.items.len() as u64, total);
    }
    Ok(())
}

pub async fn a_role_with_a_comma_opens_nothing(bench: &Bench) -> Outcome {
    let mut api = bench.samples.api("Weather", "1.0.0");
    api.settings.visibility = Visibility::Restricted(vec!["a,,b".to_owned(), "c".to_owned()]);
    let mut tx = bench.begin().await?;
    tx.apis().insert(&api, DEFINITION).await?;
    for held in [vec!["a", "b"], vec!["x,c,y"]] {
        let query = ApiQuery {
            viewer: Viewer::SignedIn(held.into_iter().map(str::to_owned).collect()),
            ..ApiQuery::default()
        };
        assert_eq!(tx.apis().list(&query, Page::FIRST).await?.total, 0);
    }
    Ok(())
}
