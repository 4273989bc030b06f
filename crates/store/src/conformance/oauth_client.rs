//! OAuth clients.

use super::{Bench, Outcome, assert_duplicate, assert_same, assert_stale};

const NOUN: &str = "OAuth client";

pub async fn what_is_inserted_is_found_by_client_id_and_by_name(bench: &Bench) -> Outcome {
    let client = bench.samples.oauth_client("ann", "apictl");
    let mut tx = bench.begin().await?;
    tx.oauth_clients().insert(&client).await?;
    tx.commit().await?;

    let mut tx = bench.read().await?;
    let by_id = tx
        .oauth_clients()
        .find_by_client_id(&client.client_id)
        .await?;
    let by_name = tx.oauth_clients().find_by_name("ann", "apictl").await?;
    assert_same(&by_id, &by_name);
    assert_same(&by_id, &Some(client));
    assert!(
        tx.oauth_clients()
            .find_by_client_id("client")
            .await?
            .is_none()
    );
    assert!(
        tx.oauth_clients()
            .find_by_name("bob", "apictl")
            .await?
            .is_none()
    );
    Ok(())
}

pub async fn an_owner_has_a_name_once_and_another_owner_may_have_it_too(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    tx.oauth_clients()
        .insert(&bench.samples.oauth_client("ann", "apictl"))
        .await?;
    tx.oauth_clients()
        .insert(&bench.samples.oauth_client("bob", "apictl"))
        .await?;
    let again = bench.samples.oauth_client("ann", "apictl");
    assert_duplicate(tx.oauth_clients().insert(&again).await, NOUN, "name");
    Ok(())
}

pub async fn a_client_id_is_taken_once(bench: &Bench) -> Outcome {
    let first = bench.samples.oauth_client("ann", "apictl");
    let mut second = bench.samples.oauth_client("bob", "script");
    second.client_id.clone_from(&first.client_id);
    let mut tx = bench.begin().await?;
    tx.oauth_clients().insert(&first).await?;
    assert_duplicate(tx.oauth_clients().insert(&second).await, NOUN, "client id");
    Ok(())
}

pub async fn an_update_replaces_the_secret_hash_and_the_grant_types(bench: &Bench) -> Outcome {
    let mut client = bench.samples.oauth_client("ann", "apictl");
    let other = bench.samples.oauth_client("ann", "other");
    let mut tx = bench.begin().await?;
    tx.oauth_clients().insert(&client).await?;
    tx.oauth_clients().insert(&other).await?;
    client.secret_hash = String::from("00ff");
    client.callback_url = String::from("https://new.example/");
    client.grant_types = vec!["password".to_owned()];
    tx.oauth_clients().update(&client).await?;
    let found = tx.oauth_clients().find_by_name("ann", "apictl").await?;
    assert_same(&found, &Some(client));
    assert_same(
        &tx.oauth_clients().find_by_name("ann", "other").await?,
        &Some(other),
    );
    Ok(())
}

pub async fn an_update_of_one_that_is_not_there_is_stale(bench: &Bench) -> Outcome {
    let client = bench.samples.oauth_client("ann", "apictl");
    let mut tx = bench.begin().await?;
    assert_stale(tx.oauth_clients().update(&client).await, NOUN);
    Ok(())
}

pub async fn those_of_an_owner_are_counted(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    for (owner, name) in [("ann", "a"), ("ann", "b"), ("bob", "c")] {
        tx.oauth_clients()
            .insert(&bench.samples.oauth_client(owner, name))
            .await?;
    }
    assert_eq!(tx.oauth_clients().count_of("ann").await?, 2);
    assert_eq!(tx.oauth_clients().count_of("bob").await?, 1);
    assert_eq!(tx.oauth_clients().count_of("").await?, 0);
    Ok(())
}
