//! Several key managers of one issuer on one API: whose token it is, and that memory never says otherwise.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::api::KeyManagerSelection;
use domain::key_manager::TokenValidation;
use domain::key_mapping::KeyType;
use domain::snapshot::{KeyMappingEntry, SnapshotChange};

use crate::support::world::{World, id, mapping, token};

fn mapping_of(key_manager: u32) -> SnapshotChange {
    SnapshotChange::PutKeyMapping(KeyMappingEntry {
        id: id(30 + key_manager),
        key_manager_id: id(key_manager),
        ..mapping(KeyType::Production)
    })
}

/// The world with a second, younger key manager of the same issuer.
async fn world_of_two() -> World {
    let world = World::start().await;
    world.change(vec![second(&world, Vec::new())]);
    world
}

fn second(world: &World, token_validation: Vec<TokenValidation>) -> SnapshotChange {
    let mut second = world.key_manager.clone();
    second.id = id(12);
    "Second".clone_into(&mut second.name);
    second.token_validation = token_validation;
    SnapshotChange::PutKeyManager(Arc::new(second))
}

async fn chosen(world: &World) -> String {
    let explanation = world.explain(&token()).await;
    let mut checks = explanation.checks.iter();
    let issuer = checks
        .find(|check| check.name == "issuer")
        .expect("a check");
    let seen = issuer.seen.as_deref().unwrap_or_default();
    seen.split_once(", taken by key manager ")
        .map_or("the only one", |(_, rest)| rest)
        .to_owned()
}

#[tokio::test]
async fn the_key_manager_that_knows_the_client_goes_before_an_older_one() {
    let world = world_of_two().await;
    world.passes(&token()).await;
    assert_eq!(
        chosen(&world).await,
        "AzureAD, which knows the token's client"
    );

    // The keys move to the second: what is remembered of the token follows at once.
    world.change(vec![
        SnapshotChange::RemoveKeyMapping(id(3)),
        mapping_of(12),
    ]);
    world.passes(&token()).await;
    assert_eq!(
        chosen(&world).await,
        "Second, which knows the token's client"
    );

    // Both know the client: the older.
    world.change(vec![mapping_of(10)]);
    world.passes(&token()).await;
    assert_eq!(
        chosen(&world).await,
        "AzureAD, which knows the token's client"
    );
}

#[tokio::test]
async fn a_client_that_nobody_knows_is_refused_in_the_name_of_the_oldest() {
    let world = world_of_two().await;
    world.change(vec![SnapshotChange::RemoveKeyMapping(id(3))]);
    assert_eq!(world.reason(&token()).await, "client_unmapped");
    assert_eq!(world.refusal(&token()).await, (403, "900908".to_owned()));
    assert_eq!(
        chosen(&world).await,
        "AzureAD, the oldest of several: none knows the token's client"
    );
    world.change(vec![mapping_of(12)]);
    world.passes(&token()).await;
}

#[tokio::test]
async fn a_key_manager_whose_options_refuse_the_token_is_no_choice() {
    let world = world_of_two().await;
    world.change(vec![
        SnapshotChange::RemoveKeyMapping(id(3)),
        mapping_of(12),
    ]);
    world.passes(&token()).await;
    let strangers = TokenValidation::Jwt {
        claims: BTreeMap::from([("tid".to_owned(), "other".to_owned())]),
    };
    world.change(vec![second(&world, vec![strangers])]);
    assert_eq!(world.refusal(&token()).await, (403, "900908".to_owned()));
    assert_eq!(chosen(&world).await, "the only one");
}

#[tokio::test]
async fn each_api_chooses_among_its_own_key_managers() {
    let world = world_of_two().await;
    world.passes(&token()).await;
    world.change_api(|api| {
        api.key_managers = KeyManagerSelection::Only(vec!["Second".to_owned()]);
    });
    assert_eq!(world.refusal(&token()).await, (403, "900908".to_owned()));
    world.change(vec![mapping_of(12)]);
    world.passes(&token()).await;
    world.change(vec![SnapshotChange::RemoveKeyManager(id(12))]);
    assert_eq!(world.reason(&token()).await, "key_manager_not_allowed");
    assert_eq!(world.refusal(&token()).await, (401, "900901".to_owned()));
}
