//! What gateways are told, and when.

use std::collections::BTreeMap;
use std::time::Duration;

use control::api::ImportApi;
use control::snapshot::SnapshotSubscription;
use domain::snapshot::{SnapshotChange, SnapshotUpdate};
use domain::throttling_policy::{PolicyLevel, built_in};

use crate::installation::{Installation, key_manager_settings, production_keys};
use crate::support::{
    PIZZA, admin, ann, application_settings, besides_built_in_policies, publisher,
};

/// Far above what a wake-up takes; reached only when none comes.
const TOO_LONG: Duration = Duration::from_secs(30);

async fn next(subscription: &mut SnapshotSubscription) -> SnapshotUpdate {
    tokio::time::timeout(TOO_LONG, subscription.next())
        .await
        .expect("an update")
}

fn kind(change: &SnapshotChange) -> String {
    let json = serde_json::to_value(change).unwrap();
    json["kind"].as_str().unwrap().to_owned()
}

/// Without the policies that every installation begins with, which are in every whole snapshot.
fn kinds(update: &SnapshotUpdate) -> Vec<String> {
    let changes = match update.base {
        Some(_) => update.changes.iter().collect(),
        None => besides_built_in_policies(update),
    };
    let mut kinds: Vec<_> = changes.into_iter().map(kind).collect();
    kinds.sort_unstable();
    kinds
}

/// What a gateway holds: every put entry by its kind and id, as JSON.
#[derive(Default, PartialEq, Debug)]
struct Held(BTreeMap<String, serde_json::Value>);

impl Held {
    fn apply(&mut self, update: &SnapshotUpdate) {
        if update.base.is_none() {
            self.0.clear();
        }
        for change in &update.changes {
            let json = serde_json::to_value(change).unwrap();
            let kind = kind(change);
            let (verb, noun) = kind.split_once('_').unwrap();
            let entry = &json["entry"];
            let id = entry.get("id").unwrap_or(entry);
            let key = format!("{noun} {id}");
            if verb == "put" {
                self.0.insert(key, entry.clone());
            } else {
                self.0.remove(&key);
            }
        }
    }
}

#[tokio::test]
async fn the_first_update_is_the_whole_and_the_next_one_only_what_changed() {
    let installation = Installation::start().await;
    installation.creates_key_manager("entra").await;
    installation.creates_application(&ann()).await;
    let mut subscription = installation.control.snapshots().subscribe();
    let whole = next(&mut subscription).await;
    assert_eq!(whole.base, None);
    assert_eq!(kinds(&whole), ["put_application", "put_key_manager"]);

    let applications = installation.control.applications();
    applications
        .create(&ann(), application_settings("second"))
        .await
        .unwrap();
    let difference = next(&mut subscription).await;
    assert_eq!(difference.base, Some(whole.revision));
    assert!(difference.revision > whole.revision);
    assert_eq!(kinds(&difference), ["put_application"]);
}

#[tokio::test]
async fn a_disabled_key_manager_is_taken_away() {
    let installation = Installation::start().await;
    let key_manager = installation.creates_key_manager("entra").await;
    let mut subscription = installation.control.snapshots().subscribe();
    next(&mut subscription).await;
    let mut off = key_manager_settings("entra");
    off.enabled = false;
    let key_managers = installation.control.key_managers();
    key_managers
        .update(&admin(), key_manager.id, off)
        .await
        .unwrap();
    assert_eq!(
        kinds(&next(&mut subscription).await),
        ["remove_key_manager"]
    );
    let mut late = installation.control.snapshots().subscribe();
    assert!(kinds(&next(&mut late).await).is_empty());
}

#[tokio::test]
async fn a_consumer_key_is_told_only_while_it_works() {
    let installation = Installation::without_runner().await;
    installation.creates_key_manager("entra").await;
    let application = installation.creates_application(&ann()).await;
    let mut subscription = installation.control.snapshots().subscribe();
    next(&mut subscription).await;
    let mappings = installation.control.key_mappings();
    let keys = mappings
        .generate(&ann(), application.id, production_keys("entra"))
        .await
        .unwrap();
    installation.work().await;
    assert_eq!(kinds(&next(&mut subscription).await), ["put_key_mapping"]);
    installation.clock.advance_seconds(1);
    mappings
        .delete(&ann(), application.id, keys.mapping.id)
        .await
        .unwrap();
    assert_eq!(
        kinds(&next(&mut subscription).await),
        ["remove_key_mapping"]
    );
}

#[tokio::test]
async fn no_secret_is_ever_told() {
    let installation = Installation::start().await;
    installation.creates_key_manager("entra").await;
    let application = installation.creates_application(&ann()).await;
    let keys = installation
        .control
        .key_mappings()
        .generate(&ann(), application.id, production_keys("entra"))
        .await
        .unwrap();
    let mut subscription = installation.control.snapshots().subscribe();
    let whole = next(&mut subscription).await;
    let told = serde_json::to_string(&whole).unwrap();
    assert!(told.contains(&keys.mapping.consumer_key.unwrap()));
    assert!(!told.contains("fake-secret") && !told.contains("the-management-secret"));
}

#[tokio::test]
async fn an_api_is_told_when_it_is_deployed_and_taken_away_when_it_is_not() {
    let installation = Installation::start().await;
    let apis = installation.control.apis();
    let api = apis
        .import(&publisher(), PIZZA.to_owned(), ImportApi::default())
        .await
        .unwrap();
    let mut subscription = installation.control.snapshots().subscribe();
    assert!(kinds(&next(&mut subscription).await).is_empty());

    let revision = apis
        .create_revision(&publisher(), api.id, String::new())
        .await
        .unwrap();
    let target = control::api::revision::DeploymentTarget {
        environment: "Default".to_owned(),
        vhost: "localhost".to_owned(),
        display_on_devportal: true,
    };
    apis.deploy(&publisher(), api.id, revision.id, vec![target])
        .await
        .unwrap();
    let mut update = next(&mut subscription).await;
    while kinds(&update) != ["put_api"] {
        update = next(&mut subscription).await;
    }
    let mut elsewhere = installation.control.snapshots().subscribe_for("Elsewhere");
    assert!(kinds(&next(&mut elsewhere).await).is_empty());

    apis.undeploy(&publisher(), api.id, revision.id, &["Default".to_owned()])
        .await
        .unwrap();
    assert_eq!(kinds(&next(&mut subscription).await), ["remove_api"]);
}

#[tokio::test]
async fn a_gateway_that_applied_every_difference_holds_what_a_new_one_is_told() {
    let installation = Installation::start().await;
    let mut old = Held::default();
    let mut subscription = installation.control.snapshots().subscribe();
    old.apply(&next(&mut subscription).await);
    let mappings = installation.control.key_mappings();
    let applications = installation.control.applications();
    for name in ["one", "two", "three"] {
        installation.creates_key_manager(name).await;
        let application = applications
            .create(&ann(), application_settings(name))
            .await
            .unwrap();
        let keys = mappings
            .generate(&ann(), application.id, production_keys(name))
            .await
            .unwrap();
        old.apply(&next(&mut subscription).await);
        match name {
            "two" => {
                mappings
                    .delete(&ann(), application.id, keys.mapping.id)
                    .await
                    .unwrap();
            }
            "three" => {
                applications.delete(&ann(), application.id).await.unwrap();
            }
            _ => {}
        }
    }
    let mut fresh = installation.control.snapshots().subscribe();
    let whole = next(&mut fresh).await;
    let mut new = Held::default();
    new.apply(&whole);
    loop {
        let update = next(&mut subscription).await;
        old.apply(&update);
        if update.revision == whole.revision {
            break;
        }
    }
    assert_eq!(old, new);
}

#[tokio::test]
async fn a_gateway_from_a_future_that_was_lost_gets_the_whole() {
    let installation = Installation::start().await;
    installation.creates_key_manager("entra").await;
    let unknown = domain::snapshot::SnapshotRevision(1_000_000);
    let subscription = installation.control.snapshots().subscribe();
    let update = next(&mut subscription.resume_from(unknown)).await;
    assert_eq!(update.base, None);
    assert_eq!(kinds(&update), ["put_key_manager"]);
}

#[tokio::test]
async fn a_policy_is_told_as_gateways_count_it_and_taken_away_when_it_goes() {
    let installation = Installation::start().await;
    let mut subscription = installation.control.snapshots().subscribe();
    next(&mut subscription).await;
    let policies = installation.control.policies();
    let level = PolicyLevel::Subscription;
    let mut settings = built_in("Platinum", Some(100));
    let policy = policies
        .create(&admin(), level, settings.clone())
        .await
        .unwrap();
    let told = next(&mut subscription).await;
    let [SnapshotChange::PutThrottlingPolicy(entry)] = &told.changes[..] else {
        panic!("{told:?}");
    };
    assert_eq!((entry.level, entry.name.as_str()), (level, "Platinum"));
    assert_eq!(entry.quota, settings.quota);

    settings.stop_on_quota_reach = false;
    policies
        .update(&admin(), level, policy.id, settings)
        .await
        .unwrap();
    let told = next(&mut subscription).await;
    let [SnapshotChange::PutThrottlingPolicy(entry)] = &told.changes[..] else {
        panic!("{told:?}");
    };
    assert_eq!(entry.quota, None, "requests over the quota pass");

    policies.delete(&admin(), level, policy.id).await.unwrap();
    assert_eq!(
        kinds(&next(&mut subscription).await),
        ["remove_throttling_policy"]
    );
}
