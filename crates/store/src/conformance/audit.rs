//! The audit log.

use domain::audit::AuditEntry;

use super::{Bench, Outcome, assert_same};
use crate::page::{Listed, Page};

fn subjects(listed: &Listed<AuditEntry>) -> Vec<&str> {
    listed
        .items
        .iter()
        .map(|entry| entry.subject_id.as_str())
        .collect()
}

async fn record(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    for (kind, id) in [
        ("api", "1"),
        ("key_manager", "1"),
        ("api", "2"),
        ("api", "1"),
    ] {
        tx.audit()
            .record(&bench.samples.audit_entry(kind, id))
            .await?;
    }
    tx.commit().await
}

pub async fn what_is_recorded_is_listed_newest_first(bench: &Bench) -> Outcome {
    let first = bench.samples.audit_entry("api", "1");
    let second = bench.samples.audit_entry("api", "2");
    // One instant: the later identifier is the newer entry.
    let mut third = bench.samples.audit_entry("api", "3");
    third.at = second.at;
    let mut tx = bench.begin().await?;
    for entry in [&second, &third, &first] {
        tx.audit().record(entry).await?;
    }
    tx.commit().await?;
    let listed = bench
        .read()
        .await?
        .audit()
        .list("", "", Page::FIRST)
        .await?;
    assert_same(&listed.items, &vec![third, second, first]);
    Ok(())
}

pub async fn it_is_listed_by_subject(bench: &Bench) -> Outcome {
    record(bench).await?;
    let mut tx = bench.read().await?;
    for (kind, id, expected) in [
        ("", "", vec!["1", "2", "1", "1"]),
        ("api", "", vec!["1", "2", "1"]),
        ("", "1", vec!["1", "1", "1"]),
        ("api", "2", vec!["2"]),
        ("key_manager", "2", vec![]),
    ] {
        let listed = tx.audit().list(kind, id, Page::FIRST).await?;
        assert_eq!(subjects(&listed), expected, "{kind:?} {id:?}");
        assert_eq!(listed.total, expected.len() as u64, "{kind:?} {id:?}");
    }
    Ok(())
}

pub async fn pages_follow_each_other_and_know_the_total(bench: &Bench) -> Outcome {
    record(bench).await?;
    let mut tx = bench.read().await?;
    let mut met = Vec::new();
    for offset in [0, 2, 4] {
        let listed = tx
            .audit()
            .list("api", "", Page { offset, limit: 2 })
            .await?;
        assert_eq!(listed.total, 3);
        met.extend(subjects(&listed).into_iter().map(str::to_owned));
    }
    assert_eq!(met, ["1", "2", "1"]);
    Ok(())
}
