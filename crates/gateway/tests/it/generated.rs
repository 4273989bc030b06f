//! Worlds of chance: a request passes exactly where its issuer is allowed by the API, its client is an application's,
//! and that application's subscription lets keys of this type through.

use std::sync::Arc;

use domain::api::KeyManagerSelection;
use domain::id::KeyManagerId;
use domain::key_mapping::KeyType;
use domain::snapshot::{
    ApplicationEntry, KeyMappingEntry, SnapshotChange, SnapshotRevision, SnapshotUpdate,
    SubscriptionEntry,
};
use domain::subscription::SubscriptionStatus;
use proptest::prelude::*;
use serde_json::json;

use crate::support::signer::FIRST;
use crate::support::world::{World, claims, id, mapping, signed, subscription, v2_issuer, with};

const ISSUERS: [&str; 3] = ["", "https://second.example", "https://nobody.example"];
const NAMES: [&str; 2] = ["AzureAD", "Second"];

/// What of a world decides. Key managers by their number, the third issuer is nobody's.
#[derive(Clone, Debug)]
struct Case {
    issuer: usize,
    /// `None`: the API accepts all key managers.
    accepted: Option<Vec<usize>>,
    /// Where the client is known: key manager, and the type of its keys.
    mapped: Vec<(usize, KeyType)>,
    has_application: bool,
    subscribed: Subscribed,
    has_production: bool,
    has_sandbox: bool,
    is_blocked: bool,
}

#[derive(Clone, Copy, Debug)]
enum Subscribed {
    No,
    As(SubscriptionStatus),
    /// Another application is, or this one to another API.
    Elsewhere,
    Other,
}

impl Case {
    /// In other words than the gateway's.
    fn may_pass(&self) -> bool {
        use KeyType::Production;
        use SubscriptionStatus::{ProdOnlyBlocked, Unblocked};
        let Some(&(_, key_type)) = self.mapped.iter().find(|(known, _)| *known == self.issuer)
        else {
            return false;
        };
        let is_accepted = match &self.accepted {
            None => self.issuer < NAMES.len(),
            Some(accepted) => accepted.contains(&self.issuer),
        };
        let is_open = match self.subscribed {
            Subscribed::As(Unblocked) => true,
            Subscribed::As(ProdOnlyBlocked) => key_type != Production,
            _ => false,
        };
        let has_endpoint = if key_type == Production {
            self.has_production
        } else {
            self.has_sandbox
        };
        is_accepted && is_open && has_endpoint && self.has_application && !self.is_blocked
    }

    fn changes(&self, world: &World) -> Vec<SnapshotChange> {
        let mut second = world.key_manager.clone();
        second.id = id(11);
        NAMES[1].clone_into(&mut second.name);
        second.profile.issuers = vec![ISSUERS[1].to_owned()];
        let mut api = world.api.clone();
        let endpoint = api.endpoints.production[0].clone();
        let endpoints = |has: bool| {
            if has {
                vec![endpoint.clone()]
            } else {
                Vec::new()
            }
        };
        api.endpoints.production = endpoints(self.has_production);
        api.endpoints.sandbox = endpoints(self.has_sandbox);
        api.blocked = self.is_blocked;
        if let Some(accepted) = &self.accepted {
            let names = accepted.iter().map(|&one| NAMES[one].to_owned());
            api.key_managers = KeyManagerSelection::Only(names.collect());
        }
        let mut changes = vec![
            SnapshotChange::PutKeyManager(Arc::new(world.key_manager.clone())),
            SnapshotChange::PutKeyManager(Arc::new(second)),
            SnapshotChange::PutApi(Arc::new(api)),
        ];
        if self.has_application {
            changes.push(SnapshotChange::PutApplication(Arc::new(ApplicationEntry {
                id: id(2),
                name: "weather".to_owned(),
                owner: "ann".to_owned(),
                throttling_policy: "Unlimited".to_owned(),
                attributes: std::collections::BTreeMap::new(),
            })));
        }
        for &(key_manager, key_type) in &self.mapped {
            let key_manager_id: KeyManagerId = id([10, 11][key_manager]);
            changes.push(SnapshotChange::PutKeyMapping(KeyMappingEntry {
                id: id(30 + u32::from(key_manager == 1)),
                key_manager_id,
                ..mapping(key_type)
            }));
        }
        let open = subscription(SubscriptionStatus::Unblocked);
        let subscription = match self.subscribed {
            Subscribed::No => None,
            Subscribed::As(status) => Some(subscription(status)),
            Subscribed::Elsewhere => Some(SubscriptionEntry {
                api_id: id(77),
                ..open
            }),
            Subscribed::Other => Some(SubscriptionEntry {
                application_id: id(78),
                ..open
            }),
        };
        changes.extend(subscription.map(SnapshotChange::PutSubscription));
        changes
    }
}

/// Mostly what lets a request through, so that many cases hang on one thing only.
fn case() -> impl Strategy<Value = Case> {
    use SubscriptionStatus as S;
    let statuses = [
        S::Unblocked,
        S::Blocked,
        S::ProdOnlyBlocked,
        S::OnHold,
        S::Rejected,
    ];
    let subscribed = prop_oneof![
        4 => Just(Subscribed::As(S::Unblocked)),
        5 => prop::sample::select(statuses.to_vec()).prop_map(Subscribed::As),
        1 => Just(Subscribed::No),
        1 => Just(Subscribed::Elsewhere),
        1 => Just(Subscribed::Other),
    ];
    let key_type = prop::sample::select(vec![KeyType::Production, KeyType::Sandbox]);
    let mapped = (
        prop::option::weighted(0.8, key_type.clone()),
        prop::option::weighted(0.8, key_type),
    )
        .prop_map(|(first, second)| {
            let both = [first, second].into_iter().enumerate();
            both.filter_map(|(number, key_type)| Some((number, key_type?)))
                .collect()
        });
    let accepted = prop::option::of(prop::sample::subsequence(vec![0, 1], 0..=2));
    let likely = || prop::bool::weighted(0.85);
    (
        prop_oneof![9 => 0_usize..2, 1 => Just(2)],
        accepted,
        mapped,
        likely(),
        subscribed,
        likely(),
        likely(),
        prop::bool::weighted(0.05),
    )
        .prop_map(
            |(
                issuer,
                accepted,
                mapped,
                has_application,
                subscribed,
                has_production,
                has_sandbox,
                is_blocked,
            )| Case {
                issuer,
                accepted,
                mapped,
                has_application,
                subscribed,
                has_production,
                has_sandbox,
                is_blocked,
            },
        )
}

#[test]
fn a_request_passes_in_exactly_the_worlds_that_allow_it() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let world = runtime.block_on(World::start());
    // The same three tokens in all worlds: nothing that was remembered of one may count in the next.
    let first = v2_issuer();
    let tokens = [first.as_str(), ISSUERS[1], ISSUERS[2]]
        .map(|issuer| signed(&FIRST, &with(claims(), "iss", json!(issuer))));
    let outcomes = std::cell::Cell::new([0_u32; 2]);
    proptest!(ProptestConfig::with_cases(600), |(case in case())| {
        let whole = SnapshotUpdate {
            base: None,
            revision: SnapshotRevision(1),
            changes: case.changes(&world),
        };
        world.gateway.apply(whole).expect("a whole");
        let token = &tokens[case.issuer];
        let may_pass = case.may_pass();
        // Asked twice: verified, and remembered.
        for _ in 0..2 {
            let answer = runtime.block_on(world.call(token));
            prop_assert_eq!(answer.status == 200, may_pass, "{} {:?}", answer.text(), case);
        }
        prop_assert_eq!(runtime.block_on(world.explain(token)).accepted, may_pass);
        let mut counts = outcomes.get();
        counts[usize::from(may_pass)] += 1;
        outcomes.set(counts);
    });
    let [refused, passed] = outcomes.get();
    assert!(
        refused > 100 && passed > 50,
        "{refused} refused, {passed} passed: too much of one kind"
    );
}
