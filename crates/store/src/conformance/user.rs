//! Users.

use super::samples::at;
use super::{Bench, Outcome, assert_duplicate, assert_same, assert_stale};

const NOUN: &str = "user";

pub async fn what_is_inserted_is_found(bench: &Bench) -> Outcome {
    let user = bench.samples.user("ann", &["subscriber", "meteorologist"]);
    let mut tx = bench.begin().await?;
    tx.users().insert(&user).await?;
    tx.commit().await?;
    let mut tx = bench.read().await?;
    assert_same(&tx.users().find("ann").await?, &Some(user));
    Ok(())
}

pub async fn a_username_is_taken_once(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    tx.users().insert(&bench.samples.user("ann", &[])).await?;
    let again = bench.samples.user("ann", &["admin"]);
    assert_duplicate(tx.users().insert(&again).await, NOUN, "username");
    Ok(())
}

pub async fn usernames_are_compared_exactly(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    tx.users().insert(&bench.samples.user("ann", &[])).await?;
    tx.users()
        .insert(&bench.samples.user("Ann", &["admin"]))
        .await?;
    for stranger in ["ANN", "ann ", "", "%", "an_"] {
        assert!(tx.users().find(stranger).await?.is_none(), "{stranger:?}");
    }
    assert_eq!(
        tx.users().find("ann").await?.map(|ann| ann.roles.len()),
        Some(0)
    );
    Ok(())
}

pub async fn an_update_replaces_roles_and_advances_the_version(bench: &Bench) -> Outcome {
    let mut user = bench.samples.user("ann", &["subscriber", "publisher"]);
    let mut tx = bench.begin().await?;
    tx.users().insert(&user).await?;
    user.password_hash = String::from("$argon2id$other");
    user.roles = vec!["publisher".to_owned(), "admin".to_owned()];
    user.enabled = false;
    user.updated_at = at(99);
    tx.users().update(&user).await?;
    user.version = 2;
    assert_same(&tx.users().find("ann").await?, &Some(user));
    Ok(())
}

pub async fn an_update_from_an_older_version_is_stale(bench: &Bench) -> Outcome {
    let user = bench.samples.user("ann", &["admin"]);
    let mut tx = bench.begin().await?;
    tx.users().insert(&user).await?;
    tx.users().update(&user).await?;
    assert_stale(tx.users().update(&user).await, NOUN);
    Ok(())
}

pub async fn they_are_listed_and_counted(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    assert_eq!(tx.users().count().await?, 0);
    for username in ["bob", "ann", "Zoe"] {
        tx.users()
            .insert(&bench.samples.user(username, &[]))
            .await?;
    }
    assert_eq!(tx.users().count().await?, 3);
    let listed = tx.users().list().await?;
    let usernames: Vec<_> = listed.iter().map(|user| user.username.as_str()).collect();
    assert_eq!(usernames, ["Zoe", "ann", "bob"]);
    Ok(())
}

pub async fn a_role_exists_while_somebody_holds_it(bench: &Bench) -> Outcome {
    let mut user = bench
        .samples
        .user("ann", &["meteorologist", "meteorologist"]);
    let mut tx = bench.begin().await?;
    tx.users().insert(&user).await?;
    tx.users()
        .insert(&bench.samples.user("bob", &["meteorologist", "admin"]))
        .await?;
    assert!(tx.users().role_exists("meteorologist").await?);
    assert!(!tx.users().role_exists("Meteorologist").await?);
    assert!(!tx.users().role_exists("meteor").await?);
    user.roles = vec!["writer".to_owned()];
    tx.users().update(&user).await?;
    assert!(
        tx.users().role_exists("meteorologist").await?,
        "bob still does"
    );
    assert!(tx.users().role_exists("writer").await?);
    user.version = 2;
    user.roles.clear();
    tx.users().update(&user).await?;
    assert!(!tx.users().role_exists("writer").await?);
    Ok(())
}
