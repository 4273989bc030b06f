//! Versions, views and indexes under any order of writes.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use uuid::Uuid;

use super::{Field, Table};
use crate::{
    directory::{Kind, User},
    random::Random,
    replica::{Aspect, Delay, Place, ReplicationDelays, View, Write},
};

const TENANT: Uuid = Uuid::from_u128(1);
const PLACES: [Place; 6] = [
    Place::Primary,
    Place::Replica(0),
    Place::Replica(1),
    Place::List,
    Place::Search,
    Place::TokenService(Aspect::Object),
];

fn user(id: u128, name: u8) -> Arc<User> {
    Arc::new(User {
        id: Uuid::from_u128(id),
        tenant_id: TENANT,
        user_principal_name: format!("name-{name}@example.com"),
        display_name: format!("Name {name}"),
        account_enabled: true,
        mail: None,
        given_name: None,
        surname: None,
        directory_roles: Vec::new(),
        password_hash: String::new(),
    })
}

fn at(second: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second)
}

#[derive(Clone, Debug)]
enum Step {
    Put { id: u128, name: u8 },
    Remove { id: u128 },
    Wait { seconds: i64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1..4u128, 0..3u8).prop_map(|(id, name)| Step::Put { id, name }),
        1 => (1..4u128).prop_map(|id| Step::Remove { id }),
        2 => (0..6i64).prop_map(|seconds| Step::Wait { seconds }),
    ]
}

/// When each write happened and what it left.
type History = Vec<(i64, Option<u8>)>;

proptest! {
    #[test]
    fn every_place_sees_a_version_that_was_written_and_at_last_the_newest(
        steps in prop::collection::vec(step(), 1..40),
        most in 0..9000u32,
        seed in any::<u64>(),
    ) {
        let delay = Delay::between(0, most);
        let delays = ReplicationDelays {
            replicas: 2, create: delay, update: delay, delete: delay, list: delay, search: delay,
            ..ReplicationDelays::default()
        };
        let random = Random::new(Some(seed), "test");
        let mut table = Table::<User>::default();
        let mut histories: [History; 4] = Default::default();
        let mut now = 0;
        for step in steps {
            table.settle(at(now));
            match step {
                Step::Put { id, name } => {
                    let write = table.kind_of_write(Uuid::from_u128(id));
                    let schedule = delays.schedule(Kind::User, write, at(now), &random);
                    table.put(user(id, name), schedule);
                    histories[usize::try_from(id).unwrap()].push((now, Some(name)));
                }
                Step::Remove { id } => {
                    let schedule = delays.schedule(Kind::User, Write::Delete, at(now), &random);
                    if table.remove(Uuid::from_u128(id), schedule).is_some() {
                        histories[usize::try_from(id).unwrap()].push((now, None));
                    }
                }
                Step::Wait { seconds } => now += seconds,
            }
            check(&table, &histories, now, i64::from(most) / 1000 + 1)?;
        }
        let end = now + 100;
        table.settle(at(end));
        check(&table, &histories, end, 0)?;
        let live = histories.iter().filter(|history| matches!(history.last(), Some((_, Some(_)))));
        let live = live.count();
        prop_assert_eq!(table.count(TENANT), live);
        prop_assert_eq!(table.all_newest().count(), live);
        prop_assert_eq!(table.index.len(), live * 2);
        prop_assert_eq!(table.records.len(), live);
        prop_assert_eq!(table.order.len(), live);
    }
}

/// Each place sees one of the versions that may still be on their way, and finds what it sees.
fn check(
    table: &Table<User>,
    histories: &[History],
    now: i64,
    lag: i64,
) -> Result<(), TestCaseError> {
    for (number, history) in histories.iter().enumerate().skip(1) {
        let id = Uuid::from_u128(u128::try_from(number).unwrap());
        let newest = history.last().and_then(|(_, name)| *name);
        for place in PLACES {
            let view = View {
                place,
                now: at(now),
            };
            let seen = table.get(id, view);
            let name = seen.as_ref().map(|user| user.display_name.clone());
            let is = |name: Option<u8>| name.map(|name| format!("Name {name}"));
            if place == Place::Primary {
                prop_assert_eq!(&name, &is(newest));
            }
            // The newest version that is older than the lag, or any later one, or none before it.
            let floor = history.iter().rposition(|(time, _)| *time + lag <= now);
            let possible = &history[floor.unwrap_or(0)..];
            let is_possible = possible.iter().any(|(_, one)| is(*one) == name)
                || (floor.is_none() && name.is_none());
            prop_assert!(
                is_possible,
                "{place:?} sees {name:?} of {history:?} at {now}"
            );
            if let Some(user) = seen {
                let found = table.find(Field::DisplayName, &user.display_name, view);
                prop_assert!(found.iter().any(|one| one.id == id));
                let found = table.find_prefix(TENANT, Field::DisplayName, "name ", 0, view);
                prop_assert!(found.iter().any(|(_, one)| one.id == id));
                prop_assert!(table.list(TENANT, 0, view).any(|(_, one)| one.id == id));
            }
        }
    }
    Ok(())
}
