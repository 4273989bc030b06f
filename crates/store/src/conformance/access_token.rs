//! Access tokens.

use super::samples::at;
use super::{Bench, Outcome, assert_duplicate, assert_same};

pub async fn what_is_inserted_is_found_by_its_hash(bench: &Bench) -> Outcome {
    let token = bench.samples.access_token("aa11");
    let mut tx = bench.begin().await?;
    tx.access_tokens().insert(&token).await?;
    tx.access_tokens()
        .insert(&bench.samples.access_token("bb22"))
        .await?;
    tx.commit().await?;

    let mut tx = bench.read().await?;
    assert_same(&tx.access_tokens().find("aa11").await?, &Some(token));
    assert!(tx.access_tokens().find("AA11").await?.is_none());
    assert!(tx.access_tokens().find("").await?.is_none());
    Ok(())
}

pub async fn one_hash_is_kept_once(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    tx.access_tokens()
        .insert(&bench.samples.access_token("aa11"))
        .await?;
    let again = tx
        .access_tokens()
        .insert(&bench.samples.access_token("aa11"))
        .await;
    assert_duplicate(again, "access token", "hash");
    Ok(())
}

pub async fn a_deleted_token_is_not_found(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    tx.access_tokens()
        .insert(&bench.samples.access_token("aa11"))
        .await?;
    tx.access_tokens()
        .insert(&bench.samples.access_token("bb22"))
        .await?;
    tx.access_tokens().delete("aa11").await?;
    tx.access_tokens().delete("aa11").await?;
    assert!(tx.access_tokens().find("aa11").await?.is_none());
    assert!(tx.access_tokens().find("bb22").await?.is_some());
    Ok(())
}

pub async fn expired_tokens_go_and_the_others_stay(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    for (hash, expires_at) in [("past", at(1)), ("now", at(2)), ("future", at(3))] {
        let mut token = bench.samples.access_token(hash);
        token.expires_at = expires_at;
        tx.access_tokens().insert(&token).await?;
    }
    assert_eq!(tx.access_tokens().delete_expired(at(2)).await?, 2);
    assert_eq!(tx.access_tokens().delete_expired(at(2)).await?, 0);
    assert!(tx.access_tokens().find("now").await?.is_none());
    assert!(tx.access_tokens().find("future").await?.is_some());
    Ok(())
}

pub async fn a_users_tokens_go_and_the_others_stay(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    for (hash, username) in [("aa11", "ann"), ("aa22", "ann"), ("bb11", "bob")] {
        let mut token = bench.samples.access_token(hash);
        token.username = username.to_owned();
        tx.access_tokens().insert(&token).await?;
    }
    tx.access_tokens().delete_of("ann").await?;
    assert!(tx.access_tokens().find("aa11").await?.is_none());
    assert!(tx.access_tokens().find("aa22").await?.is_none());
    assert!(tx.access_tokens().find("bb11").await?.is_some());
    Ok(())
}
