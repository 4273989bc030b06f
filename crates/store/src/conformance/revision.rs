//! Revisions and deployments.

use super::samples::DEFINITION;
use super::{Bench, Outcome, assert_duplicate, assert_reference, assert_same};

const NOUN: &str = "revision";

pub async fn what_is_inserted_is_found_within_its_api(bench: &Bench) -> Outcome {
    let api = bench.samples.api("Weather", "1.0.0");
    let other = bench.samples.api("Climate", "1.0.0");
    let revision = bench.samples.revision(&api, 1);
    let mut tx = bench.begin().await?;
    tx.apis().insert(&api, DEFINITION).await?;
    tx.apis().insert(&other, DEFINITION).await?;
    tx.revisions().insert(&revision).await?;
    assert!(
        tx.revisions()
            .find_in(other.id, revision.id)
            .await?
            .is_none()
    );
    // A revision does not change with its API.
    let mut changed = api.clone();
    changed.settings.description = String::from("changed");
    tx.apis().update(&changed).await?;
    assert_same(
        &tx.revisions().find_in(api.id, revision.id).await?,
        &Some(revision),
    );
    Ok(())
}

pub async fn they_are_listed_by_number(bench: &Bench) -> Outcome {
    let api = bench.samples.api("Weather", "1.0.0");
    let mut tx = bench.begin().await?;
    tx.apis().insert(&api, DEFINITION).await?;
    for number in [2, 9, 10] {
        tx.revisions()
            .insert(&bench.samples.revision(&api, number))
            .await?;
    }
    let listed = tx.revisions().list_of(api.id).await?;
    let numbers: Vec<_> = listed.iter().map(|revision| revision.number).collect();
    assert_eq!(numbers, [2, 9, 10]);
    assert_same(
        &tx.revisions().find_in(api.id, listed[2].id).await?.as_ref(),
        &listed.last(),
    );
    Ok(())
}

pub async fn a_number_is_given_out_once_even_after_deletion(bench: &Bench) -> Outcome {
    let api = bench.samples.api("Weather", "1.0.0");
    let mut tx = bench.begin().await?;
    tx.apis().insert(&api, DEFINITION).await?;
    assert_eq!(tx.revisions().next_number(api.id).await?, 1);
    tx.revisions()
        .insert(&bench.samples.revision(&api, 1))
        .await?;
    let second = bench.samples.revision(&api, 2);
    tx.revisions().insert(&second).await?;
    tx.revisions().delete(second.id).await?;
    tx.revisions().delete(second.id).await?;
    assert_eq!(tx.revisions().next_number(api.id).await?, 3);
    tx.commit().await?;

    // Neither the number that is there nor the one that was.
    for number in [1, 2] {
        let mut tx = bench.begin().await?;
        let again = tx
            .revisions()
            .insert(&bench.samples.revision(&api, number))
            .await;
        assert_duplicate(again, NOUN, "number");
    }
    // Nor does an update of the API bring numbers back.
    let mut tx = bench.begin().await?;
    tx.apis().update(&api).await?;
    assert_eq!(tx.revisions().next_number(api.id).await?, 3);
    Ok(())
}

pub async fn a_number_is_counted_within_its_api(bench: &Bench) -> Outcome {
    let api = bench.samples.api("Weather", "1.0.0");
    let other = bench.samples.api("Climate", "1.0.0");
    let mut tx = bench.begin().await?;
    tx.apis().insert(&api, DEFINITION).await?;
    tx.apis().insert(&other, DEFINITION).await?;
    tx.revisions()
        .insert(&bench.samples.revision(&api, 1))
        .await?;
    assert_eq!(tx.revisions().next_number(other.id).await?, 1);
    tx.revisions()
        .insert(&bench.samples.revision(&other, 1))
        .await?;
    Ok(())
}

pub async fn a_revision_needs_its_api(bench: &Bench) -> Outcome {
    let never_stored = bench.samples.api("Weather", "1.0.0");
    let mut tx = bench.begin().await?;
    assert_reference(tx.revisions().next_number(never_stored.id).await, NOUN);
    drop(tx);
    let mut tx = bench.begin().await?;
    let revision = bench.samples.revision(&never_stored, 1);
    assert_reference(tx.revisions().insert(&revision).await, NOUN);
    Ok(())
}

pub async fn a_deployment_replaces_the_one_before_it_in_its_environment(bench: &Bench) -> Outcome {
    let api = bench.samples.api("Weather", "1.0.0");
    let first = bench.samples.revision(&api, 1);
    let second = bench.samples.revision(&api, 2);
    let mut tx = bench.begin().await?;
    tx.apis().insert(&api, DEFINITION).await?;
    tx.revisions().insert(&first).await?;
    tx.revisions().insert(&second).await?;
    let old = bench.samples.deployment(&first, "Default");
    let elsewhere = bench.samples.deployment(&first, "Europe");
    let mut new = bench.samples.deployment(&second, "Default");
    new.vhost = String::from("new.example");
    new.display_on_devportal = false;
    for deployment in [&old, &elsewhere, &new] {
        tx.revisions().deploy(deployment).await?;
    }
    assert_eq!(
        tx.revisions().deployments_of(api.id).await?,
        [new, elsewhere]
    );
    Ok(())
}

pub async fn undeploying_says_whether_there_was_something(bench: &Bench) -> Outcome {
    let api = bench.samples.api("Weather", "1.0.0");
    let revision = bench.samples.revision(&api, 1);
    let mut tx = bench.begin().await?;
    tx.apis().insert(&api, DEFINITION).await?;
    tx.revisions().insert(&revision).await?;
    tx.revisions()
        .deploy(&bench.samples.deployment(&revision, "Default"))
        .await?;
    assert!(!tx.revisions().undeploy(api.id, "default").await?);
    assert!(tx.revisions().undeploy(api.id, "Default").await?);
    assert!(!tx.revisions().undeploy(api.id, "Default").await?);
    tx.revisions().delete(revision.id).await?;
    Ok(())
}

pub async fn one_that_is_deployed_is_not_deleted(bench: &Bench) -> Outcome {
    let api = bench.samples.api("Weather", "1.0.0");
    let revision = bench.samples.revision(&api, 1);
    let mut tx = bench.begin().await?;
    tx.apis().insert(&api, DEFINITION).await?;
    tx.revisions().insert(&revision).await?;
    tx.revisions()
        .deploy(&bench.samples.deployment(&revision, "Default"))
        .await?;
    assert_reference(tx.revisions().delete(revision.id).await, NOUN);
    Ok(())
}

pub async fn a_revision_of_another_api_is_not_deployed(bench: &Bench) -> Outcome {
    let api = bench.samples.api("Weather", "1.0.0");
    let other = bench.samples.api("Climate", "1.0.0");
    let revision = bench.samples.revision(&other, 1);
    let mut tx = bench.begin().await?;
    tx.apis().insert(&api, DEFINITION).await?;
    tx.apis().insert(&other, DEFINITION).await?;
    tx.revisions().insert(&revision).await?;
    let mut deployment = bench.samples.deployment(&revision, "Default");
    deployment.api_id = api.id;
    assert_reference(tx.revisions().deploy(&deployment).await, "deployment");
    Ok(())
}

pub async fn all_deployments_are_listed(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    let mut expected = Vec::new();
    for name in ["Weather", "Climate"] {
        let api = bench.samples.api(name, "1.0.0");
        let revision = bench.samples.revision(&api, 1);
        tx.apis().insert(&api, DEFINITION).await?;
        tx.revisions().insert(&revision).await?;
        for environment in ["Default", "Europe"] {
            let deployment = bench.samples.deployment(&revision, environment);
            tx.revisions().deploy(&deployment).await?;
            expected.push(deployment);
        }
    }
    assert_eq!(tx.revisions().list_deployments().await?, expected);
    Ok(())
}

pub async fn it_keeps_the_definition_that_its_api_had(bench: &Bench) -> Outcome {
    let api = bench.samples.api("Weather", "1.0.0");
    let mut tx = bench.begin().await?;
    tx.apis().insert(&api, "first").await?;
    tx.revisions()
        .insert(&bench.samples.revision(&api, 1))
        .await?;
    tx.apis().replace_definition(api.id, "second").await?;
    tx.revisions()
        .insert(&bench.samples.revision(&api, 2))
        .await?;
    tx.commit().await?;
    let kept = bench
        .stored_text("SELECT definition FROM revisions ORDER BY number")
        .await;
    assert_eq!(kept, ["first", "second"]);
    Ok(())
}
