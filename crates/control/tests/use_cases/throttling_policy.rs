//! Throttling policies: who defines them, who names them, and when they may go.

use control::Error;
use control::api::ImportApi;
use control::error::Noun;
use control::subscription::NewSubscription;
use domain::id::ThrottlingPolicyId;
use domain::throttling_policy::{
    BurstLimit, PolicyLevel, PolicySettings, ThrottlingPolicy, TimeUnit, built_in,
};

use crate::support::{PIZZA, World, actor, admin, ann, application_settings, publisher};

fn refused_fields(refused: Result<impl std::fmt::Debug, Error>) -> Vec<String> {
    let Err(Error::Invalid(invalid)) = refused else {
        panic!("{refused:?}");
    };
    invalid.0.into_iter().map(|error| error.field).collect()
}

fn in_use(refused: Result<(), Error>) -> String {
    let Err(Error::InUse { noun, reason }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(noun, Noun::ThrottlingPolicy);
    reason
}

impl World {
    async fn adds_policy(&self, level: PolicyLevel, name: &str) -> ThrottlingPolicy {
        let policies = self.control.policies();
        let settings = built_in(name, Some(100));
        policies.create(&admin(), level, settings).await.unwrap()
    }
}

#[tokio::test]
async fn an_administrator_defines_changes_and_deletes_a_policy() {
    let world = World::start().await;
    let policies = world.control.policies();
    let level = PolicyLevel::Subscription;
    let created = world.adds_policy(level, "Platinum").await;
    assert!(!created.is_built_in);
    let listed = policies.list(&ann(), level).await.unwrap();
    assert_eq!(listed.len(), 6);

    let settings = PolicySettings {
        burst: Some(BurstLimit {
            requests: 5,
            unit: TimeUnit::Second,
        }),
        stop_on_quota_reach: false,
        ..created.settings.clone()
    };
    let changed = policies
        .update(&admin(), level, created.id, settings.clone())
        .await
        .unwrap();
    assert_eq!((changed.settings, changed.version), (settings, 2));

    policies.delete(&admin(), level, created.id).await.unwrap();
    let gone = policies.get(&ann(), level, "Platinum").await;
    assert!(matches!(
        gone.unwrap_err(),
        Error::NotFound(Noun::ThrottlingPolicy)
    ));
    let mut audited = world.audited().await;
    audited.sort_unstable();
    assert_eq!(
        audited,
        [
            "throttling_policy.create",
            "throttling_policy.delete",
            "throttling_policy.update"
        ]
    );
}

#[tokio::test]
async fn nobody_but_an_administrator_defines_policies() {
    let world = World::start().await;
    let policies = world.control.policies();
    let level = PolicyLevel::Api;
    let id = world.adds_policy(level, "Narrow").await.id;
    for other in [ann(), publisher(), actor("eve", &[])] {
        let settings = built_in("Own", Some(1));
        for refused in [
            policies
                .create(&other, level, settings.clone())
                .await
                .map(drop),
            policies.update(&other, level, id, settings).await.map(drop),
            policies.delete(&other, level, id).await,
            policies.administered(&other, level).await.map(drop),
            policies.get_by_id(&other, level, id).await.map(drop),
        ] {
            assert!(matches!(refused, Err(Error::Forbidden(_))), "{refused:?}");
        }
    }
}

#[tokio::test]
async fn names_are_taken_once_and_never_change_and_built_in_ones_stay() {
    let world = World::start().await;
    let policies = world.control.policies();
    let level = PolicyLevel::Subscription;
    let taken = policies
        .create(&admin(), level, built_in("Gold", Some(1)))
        .await;
    assert!(matches!(
        taken.unwrap_err(),
        Error::AlreadyExists(Noun::ThrottlingPolicy)
    ));
    // Another level has names of its own.
    world.adds_policy(PolicyLevel::Application, "Gold").await;

    let gold = policies.get(&ann(), level, "Gold").await.unwrap();
    let renamed = policies
        .update(&admin(), level, gold.id, built_in("Golden", Some(1)))
        .await;
    assert_eq!(refused_fields(renamed), ["policyName"]);
    let reason = in_use(policies.delete(&admin(), level, gold.id).await);
    assert!(reason.contains("built in"), "{reason}");
    policies
        .update(&admin(), level, gold.id, built_in("Gold", Some(1)))
        .await
        .unwrap();
    let unlimited = policies.get(&ann(), level, "Unlimited").await.unwrap();
    let limited = policies
        .update(
            &admin(),
            level,
            unlimited.id,
            built_in("Unlimited", Some(1)),
        )
        .await;
    assert_eq!(refused_fields(limited), ["defaultLimit"]);
}

#[tokio::test]
async fn an_identifier_of_another_level_or_of_nothing_is_not_found() {
    let world = World::start().await;
    let policies = world.control.policies();
    let policy = world.adds_policy(PolicyLevel::Application, "Narrow").await;
    let unknown: ThrottlingPolicyId = "01890000-0000-7000-8000-000000000000".parse().unwrap();
    for (level, id) in [
        (PolicyLevel::Subscription, policy.id),
        (PolicyLevel::Application, unknown),
    ] {
        for refused in [
            policies.get_by_id(&admin(), level, id).await.map(drop),
            policies
                .update(&admin(), level, id, policy.settings.clone())
                .await
                .map(drop),
            policies.delete(&admin(), level, id).await,
        ] {
            assert!(matches!(
                refused.unwrap_err(),
                Error::NotFound(Noun::ThrottlingPolicy)
            ));
        }
    }
}

#[tokio::test]
async fn a_policy_that_somebody_names_is_not_deleted() {
    let world = World::start().await;
    let policies = world.control.policies();
    let plan = world.adds_policy(PolicyLevel::Subscription, "Plan").await;
    let whole = world.adds_policy(PolicyLevel::Api, "Whole").await;
    let own = world.adds_policy(PolicyLevel::Application, "Own").await;

    let overrides = ImportApi {
        policies: Some(vec!["Plan".to_owned()]),
        api_throttling_policy: Some("Whole".to_owned()),
        ..ImportApi::default()
    };
    let apis = world.control.apis();
    let api = apis
        .import(&publisher(), PIZZA.to_owned(), overrides)
        .await
        .unwrap();
    apis.change_lifecycle(&publisher(), api.id, "Publish")
        .await
        .unwrap();
    let mut settings = application_settings("weather");
    settings.throttling_policy = "Own".to_owned();
    let application = world
        .control
        .applications()
        .create(&ann(), settings)
        .await
        .unwrap();
    let new = NewSubscription {
        application_id: application.id,
        api_id: api.id,
        throttling_policy: "Plan".to_owned(),
    };
    world
        .control
        .subscriptions()
        .create(&ann(), new)
        .await
        .unwrap();

    for (policy, user) in [
        (&plan, "Pizza 1.0.0, 1 subscriptions"),
        (&whole, "Pizza 1.0.0"),
        (&own, "1 applications"),
    ] {
        let reason = in_use(policies.delete(&admin(), policy.level, policy.id).await);
        assert!(reason.ends_with(&format!("{user}.")), "{reason}");
    }
}
