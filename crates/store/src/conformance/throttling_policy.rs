//! Throttling policies.

use domain::throttling_policy::{BUILT_IN, PolicyLevel, built_in};

use super::samples::{DEFINITION, at};
use super::{Bench, Outcome, assert_duplicate, assert_same, assert_stale};
use crate::throttling_policy::PolicyUsage;

const NOUN: &str = "throttling policy";

pub async fn a_database_begins_with_the_built_in_ones(bench: &Bench) -> Outcome {
    let mut tx = bench.read().await?;
    let mut found = 0;
    for level in PolicyLevel::ALL {
        found += tx.throttling_policies().list(level).await?.len();
    }
    assert_eq!(found, BUILT_IN.len());
    for (level, name, requests) in BUILT_IN {
        let policies = tx.throttling_policies();
        let policy = policies.find_by_name(level, name).await?;
        let policy = policy.unwrap_or_else(|| panic!("{level:?} {name}"));
        assert_eq!(policy.settings, built_in(name, requests));
        assert!(policy.is_built_in);
        assert_eq!(policy.version, 1);
    }
    Ok(())
}

pub async fn what_is_inserted_is_found_by_id_and_by_name(bench: &Bench) -> Outcome {
    let policy = bench
        .samples
        .throttling_policy(PolicyLevel::Subscription, "Platinum");
    let mut tx = bench.begin().await?;
    tx.throttling_policies().insert(&policy).await?;
    tx.commit().await?;

    let mut tx = bench.read().await?;
    let policies = tx.throttling_policies();
    let by_id = policies.find(policy.id).await?;
    let by_name = policies
        .find_by_name(PolicyLevel::Subscription, "Platinum")
        .await?;
    for found in [by_id, by_name] {
        assert_same(&found, &Some(policy.clone()));
    }
    // Level and letter case belong to the name.
    for (level, name) in [
        (PolicyLevel::Api, "Platinum"),
        (PolicyLevel::Subscription, "platinum"),
    ] {
        assert!(policies.find_by_name(level, name).await?.is_none());
    }
    Ok(())
}

pub async fn a_name_is_taken_once_at_its_level(bench: &Bench) -> Outcome {
    let sample = |level| bench.samples.throttling_policy(level, "Platinum");
    let mut tx = bench.begin().await?;
    for level in PolicyLevel::ALL {
        tx.throttling_policies().insert(&sample(level)).await?;
    }
    let again = tx
        .throttling_policies()
        .insert(&sample(PolicyLevel::Api))
        .await;
    assert_duplicate(again, NOUN, "level and name");
    Ok(())
}

pub async fn an_update_replaces_the_settings_and_advances_the_version(bench: &Bench) -> Outcome {
    let mut policy = bench
        .samples
        .throttling_policy(PolicyLevel::Subscription, "Platinum");
    let mut tx = bench.begin().await?;
    tx.throttling_policies().insert(&policy).await?;
    policy.settings = built_in("Platinum", Some(9));
    policy.updated_at = at(99);
    tx.throttling_policies().update(&policy).await?;
    policy.version = 2;
    let found = tx.throttling_policies().find(policy.id).await?;
    assert_same(&found, &Some(policy));
    Ok(())
}

pub async fn an_update_from_an_older_version_is_stale(bench: &Bench) -> Outcome {
    let mut policy = bench
        .samples
        .throttling_policy(PolicyLevel::Api, "Platinum");
    let mut tx = bench.begin().await?;
    tx.throttling_policies().insert(&policy).await?;
    tx.throttling_policies().update(&policy).await?;
    assert_stale(tx.throttling_policies().update(&policy).await, NOUN);
    // Others refer to the name: it is never replaced.
    policy.version = 2;
    "Other".clone_into(&mut policy.settings.name);
    assert_stale(tx.throttling_policies().update(&policy).await, NOUN);
    Ok(())
}

pub async fn one_that_is_deleted_is_gone_and_may_be_deleted_again(bench: &Bench) -> Outcome {
    let policy = bench
        .samples
        .throttling_policy(PolicyLevel::Api, "Platinum");
    let mut tx = bench.begin().await?;
    tx.throttling_policies().insert(&policy).await?;
    for _ in 0..2 {
        tx.throttling_policies().delete(policy.id).await?;
        assert!(tx.throttling_policies().find(policy.id).await?.is_none());
    }
    Ok(())
}

pub async fn they_are_listed_by_level_and_name(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    for name in ["zebra", "Aardvark"] {
        let policy = bench
            .samples
            .throttling_policy(PolicyLevel::Application, name);
        tx.throttling_policies().insert(&policy).await?;
    }
    let listed = tx
        .throttling_policies()
        .list(PolicyLevel::Application)
        .await?;
    let names: Vec<_> = listed
        .iter()
        .map(|policy| policy.settings.name.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "10PerMin",
            "20PerMin",
            "50PerMin",
            "Aardvark",
            "Unlimited",
            "zebra"
        ]
    );
    Ok(())
}

pub async fn who_names_one_is_told_by_level(bench: &Bench) -> Outcome {
    let application = bench.samples.application("ann", "Weather");
    let mut api = bench.samples.api("Weather", "1.0.0");
    api.settings.policies = vec!["A_1".to_owned()];
    api.settings.api_throttling_policy = Some("B_1".to_owned());
    // The same word elsewhere is no use of the policy.
    "\"C_1\" and AX1".clone_into(&mut api.settings.description);
    api.settings.operations[0].throttling_policy = Some("D_1".to_owned());
    let mut subscription = bench.samples.subscription(&application, &api);
    "A_1".clone_into(&mut subscription.throttling_policy);
    let mut tx = bench.begin().await?;
    tx.apis().insert(&api, DEFINITION).await?;
    tx.applications().insert(&application).await?;
    tx.subscriptions().insert(&subscription).await?;

    let named = PolicyUsage {
        apis: vec!["Weather 1.0.0".to_owned()],
        ..PolicyUsage::default()
    };
    let plan = application.settings.throttling_policy.as_str();
    for (level, name, expected) in [
        (
            PolicyLevel::Subscription,
            "A_1",
            PolicyUsage {
                subscriptions: 1,
                ..named.clone()
            },
        ),
        (PolicyLevel::Api, "B_1", named.clone()),
        (PolicyLevel::Api, "D_1", named),
        (
            PolicyLevel::Application,
            plan,
            PolicyUsage {
                applications: 1,
                ..PolicyUsage::default()
            },
        ),
        (PolicyLevel::Api, "A_1", PolicyUsage::default()),
        (PolicyLevel::Api, "C_1", PolicyUsage::default()),
        (PolicyLevel::Subscription, "AX1", PolicyUsage::default()),
        (PolicyLevel::Subscription, plan, PolicyUsage::default()),
    ] {
        let usage = tx.throttling_policies().usage(level, name).await?;
        assert_eq!(usage, expected, "{level:?} {name}");
    }
    Ok(())
}

pub async fn one_that_only_a_revision_names_is_in_use(bench: &Bench) -> Outcome {
    let mut api = bench.samples.api("Weather", "1.0.0");
    api.settings.policies = vec!["Platinum".to_owned()];
    let mut tx = bench.begin().await?;
    tx.apis().insert(&api, DEFINITION).await?;
    let revision = bench.samples.revision(&api, 1);
    tx.revisions().insert(&revision).await?;
    api.settings.policies.clear();
    tx.apis().update(&api).await?;
    let usage = tx
        .throttling_policies()
        .usage(PolicyLevel::Subscription, "Platinum")
        .await?;
    assert_eq!(usage.apis, ["Weather 1.0.0"]);
    Ok(())
}
