//! Revocations.

use domain::id::KeyManagerId;
use domain::revocation::{Revocation, RevokedSubject};

use super::samples::at;
use super::{Bench, Outcome, assert_duplicate};
use crate::page::Page;

const NOUN: &str = "revocation";

fn token(digest: &str) -> RevokedSubject {
    RevokedSubject::Token {
        digest: digest.to_owned(),
    }
}

fn subjects(key_manager_id: KeyManagerId) -> [RevokedSubject; 3] {
    [
        token("aa11"),
        RevokedSubject::TokenId {
            key_manager_id,
            token_id: "jti – \"1\"".to_owned(),
        },
        RevokedSubject::ConsumerKey {
            key_manager_id,
            consumer_key: "client-1".to_owned(),
            issued_before: at(1),
        },
    ]
}

pub async fn every_subject_is_found_as_it_was_inserted(bench: &Bench) -> Outcome {
    let key_manager = bench.samples.key_manager("Entra").id;
    for (index, subject) in subjects(key_manager).into_iter().enumerate() {
        let mut revocation = bench.samples.revocation(subject);
        if index == 1 {
            revocation.expires_at = None;
        }
        let mut tx = bench.begin().await?;
        tx.revocations().insert(&revocation).await?;
        tx.commit().await?;
        let mut tx = bench.read().await?;
        let found = tx.revocations().find(revocation.id).await?;
        assert_eq!(found.as_ref(), Some(&revocation));
        let key = revocation.subject.key();
        let found = tx.revocations().find_by_key(&key).await?;
        assert_eq!(found, Some(revocation));
    }
    let mut tx = bench.read().await?;
    assert_eq!(tx.revocations().find_by_key("token:AA11").await?, None);
    Ok(())
}

pub async fn one_subject_is_revoked_once(bench: &Bench) -> Outcome {
    let key_manager = bench.samples.key_manager("Entra").id;
    for subject in subjects(key_manager) {
        let mut tx = bench.begin().await?;
        let first = bench.samples.revocation(subject.clone());
        tx.revocations().insert(&first).await?;
        let again = match subject {
            RevokedSubject::ConsumerKey {
                key_manager_id,
                consumer_key,
                ..
            } => RevokedSubject::ConsumerKey {
                key_manager_id,
                consumer_key,
                issued_before: at(9),
            },
            other => other,
        };
        let again = bench.samples.revocation(again);
        assert_duplicate(tx.revocations().insert(&again).await, NOUN, "subject");
    }
    Ok(())
}

pub async fn a_deleted_one_is_gone(bench: &Bench) -> Outcome {
    let first = bench.samples.revocation(token("aa11"));
    let second = bench.samples.revocation(token("bb22"));
    let mut tx = bench.begin().await?;
    tx.revocations().insert(&first).await?;
    tx.revocations().insert(&second).await?;
    tx.revocations().delete(first.id).await?;
    tx.revocations().delete(first.id).await?;
    assert_eq!(tx.revocations().find(first.id).await?, None);
    assert_eq!(tx.revocations().find(second.id).await?, Some(second));
    Ok(())
}

pub async fn those_that_have_expired_are_listed_and_the_others_stay(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    let mut ids = Vec::new();
    for (digest, expires_at) in [
        ("now", Some(at(2))),
        ("past", Some(at(1))),
        ("future", Some(at(3))),
        ("never", None),
    ] {
        let revocation = Revocation {
            expires_at,
            ..bench.samples.revocation(token(digest))
        };
        ids.push(revocation.id);
        tx.revocations().insert(&revocation).await?;
    }
    let expired = tx.revocations().list_expired(at(2), 10).await?;
    assert_eq!(expired, [ids[1], ids[0]]);
    let expired = tx.revocations().list_expired(at(2), 1).await?;
    assert_eq!(expired, [ids[1]]);
    let expired = tx.revocations().list_expired(at(0), 10).await?;
    assert_eq!(expired, []);
    Ok(())
}

pub async fn they_are_listed_newest_first_in_pages(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    let mut ids = Vec::new();
    for number in 0..5 {
        let revocation = bench.samples.revocation(token(&number.to_string()));
        ids.push(revocation.id);
        tx.revocations().insert(&revocation).await?;
    }
    ids.reverse();
    for (offset, expected) in [(0, &ids[0..2]), (2, &ids[2..4]), (4, &ids[4..]), (5, &[])] {
        let page = Page { offset, limit: 2 };
        let listed = tx.revocations().list(page).await?;
        let listed_ids: Vec<_> = listed.items.iter().map(|one| one.id).collect();
        assert_eq!((listed_ids.as_slice(), listed.total), (expected, 5));
    }
    Ok(())
}

pub async fn a_scan_meets_everything_once_in_id_order(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    let mut expected = Vec::new();
    for number in 0..5 {
        let revocation = bench.samples.revocation(token(&number.to_string()));
        expected.push(revocation.clone());
        tx.revocations().insert(&revocation).await?;
    }
    let mut met = Vec::new();
    loop {
        let after = met.last().map(|last: &Revocation| last.id);
        let batch = tx.revocations().scan(after, 2).await?;
        if batch.is_empty() {
            break;
        }
        met.extend(batch);
    }
    assert_eq!(met, expected);
    Ok(())
}
