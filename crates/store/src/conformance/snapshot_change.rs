//! The log of changes that gateways follow.

use domain::blocking_condition::BlockedSubject;
use domain::revocation::RevokedSubject;
use domain::snapshot::SnapshotRevision;

use super::samples::at;
use super::{Bench, Outcome};
use crate::snapshot_change::ChangedNoun;

fn nouns(bench: &Bench) -> [ChangedNoun; 8] {
    let key_manager = bench.samples.key_manager("Entra");
    let application = bench.samples.application("ann", "Weather");
    let api = bench.samples.api("Weather", "1.0.0");
    let mapping = bench.samples.key_mapping(
        &application,
        domain::key_mapping::KeyType::Sandbox,
        &key_manager,
    );
    let condition = bench
        .samples
        .blocking_condition(BlockedSubject::User("ann".to_owned()));
    let revocation = bench.samples.revocation(RevokedSubject::Token {
        digest: "aa11".to_owned(),
    });
    [
        ChangedNoun::KeyManager(key_manager.id),
        ChangedNoun::Api(api.id),
        ChangedNoun::Application(application.id),
        ChangedNoun::KeyMapping(mapping.id),
        ChangedNoun::Subscription(bench.samples.subscription(&application, &api).id),
        ChangedNoun::BlockingCondition(condition.id),
        ChangedNoun::Revocation(revocation.id),
        ChangedNoun::ThrottlingPolicy(
            bench
                .samples
                .throttling_policy(domain::throttling_policy::PolicyLevel::Api, "Own")
                .id,
        ),
    ]
}

/// Commits one change in a transaction of its own.
async fn commit_one(bench: &Bench) -> Result<SnapshotRevision, crate::StoreError> {
    let mut tx = bench.begin().await?;
    let revision = tx
        .snapshot_changes()
        .record(&nouns(bench)[..1], at(0))
        .await?;
    tx.commit().await?;
    Ok(revision)
}

pub async fn nothing_was_changed_at_first(bench: &Bench) -> Outcome {
    let mut tx = bench.read().await?;
    assert_eq!(tx.snapshot_changes().newest().await?, SnapshotRevision(0));
    let listed = tx
        .snapshot_changes()
        .list_after(SnapshotRevision(0), 10)
        .await?;
    assert_eq!(listed, Some(vec![]));
    Ok(())
}

pub async fn changes_are_listed_in_the_order_of_their_recording(bench: &Bench) -> Outcome {
    let nouns = nouns(bench);
    let mut tx = bench.begin().await?;
    let first = tx.snapshot_changes().record(&nouns[..2], at(0)).await?;
    tx.commit().await?;
    let mut tx = bench.begin().await?;
    let second = tx.snapshot_changes().record(&nouns[2..], at(1)).await?;
    tx.commit().await?;
    assert!(second > first);

    let mut tx = bench.read().await?;
    assert_eq!(tx.snapshot_changes().newest().await?, second);
    let listed = tx
        .snapshot_changes()
        .list_after(SnapshotRevision(0), 10)
        .await?;
    let listed = listed.expect("nothing was forgotten");
    assert!(listed.is_sorted_by(|(one, _), (next, _)| one < next));
    assert_eq!(
        listed.iter().map(|(_, noun)| *noun).collect::<Vec<_>>(),
        nouns
    );
    assert_eq!(listed[1].0, first);
    assert_eq!(listed.last().map(|(revision, _)| *revision), Some(second));
    let later = tx.snapshot_changes().list_after(first, 10).await?;
    assert_eq!(later.expect("nothing was forgotten"), listed[2..]);
    assert_eq!(
        tx.snapshot_changes().list_after(second, 10).await?,
        Some(vec![])
    );
    Ok(())
}

pub async fn recording_nothing_changes_nothing(bench: &Bench) -> Outcome {
    let before = commit_one(bench).await?;
    let mut tx = bench.begin().await?;
    assert_eq!(tx.snapshot_changes().record(&[], at(0)).await?, before);
    assert_eq!(tx.snapshot_changes().newest().await?, before);
    Ok(())
}

pub async fn a_list_that_was_cut_is_continued_without_a_gap(bench: &Bench) -> Outcome {
    let nouns = nouns(bench);
    let mut tx = bench.begin().await?;
    tx.snapshot_changes().record(&nouns, at(0)).await?;
    let mut met = Vec::new();
    let mut after = SnapshotRevision(0);
    loop {
        let page = tx.snapshot_changes().list_after(after, 2).await?;
        let page = page.expect("nothing was forgotten");
        assert!(page.len() <= 2);
        let Some((last, _)) = page.last() else {
            break;
        };
        after = *last;
        met.extend(page.into_iter().map(|(_, noun)| noun));
    }
    assert_eq!(met, nouns);
    Ok(())
}

pub async fn what_was_forgotten_needs_a_whole_snapshot(bench: &Bench) -> Outcome {
    let mut revisions = Vec::new();
    for _ in 0..5 {
        revisions.push(commit_one(bench).await?);
    }
    let mut tx = bench.begin().await?;
    tx.snapshot_changes().trim(2).await?;
    tx.commit().await?;

    let mut tx = bench.read().await?;
    let changes = tx.snapshot_changes();
    assert_eq!(changes.newest().await?, revisions[4]);
    assert_eq!(changes.list_after(SnapshotRevision(0), 10).await?, None);
    assert_eq!(changes.list_after(revisions[1], 10).await?, None);
    // Whoever stands at the last one that was forgotten has missed nothing.
    let listed = changes
        .list_after(revisions[2], 10)
        .await?
        .expect("both are kept");
    let kept: Vec<_> = listed.iter().map(|(revision, _)| *revision).collect();
    assert_eq!(kept, revisions[3..]);
    Ok(())
}

pub async fn trimming_forgets_nothing_that_is_to_be_kept(bench: &Bench) -> Outcome {
    commit_one(bench).await?;
    let newest = commit_one(bench).await?;
    let mut tx = bench.begin().await?;
    tx.snapshot_changes().trim(2).await?;
    tx.snapshot_changes().trim(1_000).await?;
    let listed = tx
        .snapshot_changes()
        .list_after(SnapshotRevision(0), 10)
        .await?;
    assert_eq!(listed.map(|listed| listed.len()), Some(2));
    tx.snapshot_changes().trim(0).await?;
    assert_eq!(tx.snapshot_changes().newest().await?, newest);
    // What is forgotten stays forgotten.
    tx.snapshot_changes().trim(1_000).await?;
    assert_eq!(
        tx.snapshot_changes()
            .list_after(SnapshotRevision(0), 10)
            .await?,
        None
    );
    assert_eq!(
        tx.snapshot_changes().list_after(newest, 10).await?,
        Some(vec![])
    );
    Ok(())
}

pub async fn a_revision_of_the_future_needs_a_whole_snapshot(bench: &Bench) -> Outcome {
    let newest = commit_one(bench).await?;
    let mut tx = bench.read().await?;
    let future = SnapshotRevision(newest.0 + 1);
    assert_eq!(tx.snapshot_changes().list_after(future, 10).await?, None);
    Ok(())
}

pub async fn a_rolled_back_change_leaves_no_gap(bench: &Bench) -> Outcome {
    let before = commit_one(bench).await?;
    let mut tx = bench.begin().await?;
    tx.snapshot_changes().record(&nouns(bench), at(0)).await?;
    drop(tx);
    let after = commit_one(bench).await?;
    assert_eq!(after.0, before.0 + 1);
    Ok(())
}

/// Whoever sees a revision sees all revisions before it, however many transactions commit at the same time.
pub async fn revisions_become_visible_in_their_own_order(bench: &Bench) -> Outcome {
    const WRITERS: usize = 8;
    let follow = async {
        let mut after = SnapshotRevision(0);
        while after.0 < i64::try_from(WRITERS).expect("a small number") {
            let mut tx = bench.read().await?;
            let listed = tx.snapshot_changes().list_after(after, 100).await?;
            for (revision, _) in listed.expect("nothing was forgotten") {
                assert_eq!(revision.0, after.0 + 1, "a revision was passed over");
                after = revision;
            }
            drop(tx);
            tokio::task::yield_now().await;
        }
        Ok::<_, crate::StoreError>(())
    };
    let mut writers = Vec::new();
    for _ in 0..WRITERS {
        writers.push(commit_one(bench));
    }
    let (written, followed) = tokio::join!(super::bench::all(writers), follow);
    followed?;
    let mut revisions = written?;
    revisions.sort();
    assert_eq!(revisions.len(), WRITERS);
    Ok(())
}
