//! Transactions.

use domain::snapshot::SnapshotRevision;

use super::bench::all;
use super::samples::at;
use super::{Bench, Outcome, assert_duplicate, refused};
use crate::error::StoreError;
use crate::snapshot_change::ChangedNoun;

pub async fn the_database_answers(bench: &Bench) -> Outcome {
    bench.store().ping().await
}

pub async fn what_is_not_committed_is_rolled_back(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    tx.users()
        .insert(&bench.samples.user("ann", &["admin"]))
        .await?;
    let (key_manager, _, _) = bench
        .samples
        .stored_key_mapping(&mut *tx, "weather")
        .await?;
    drop(tx);
    let mut tx = bench.read().await?;
    assert_eq!(tx.users().count().await?, 0);
    assert!(!tx.users().role_exists("admin").await?);
    assert!(tx.key_managers().find(key_manager.id).await?.is_none());
    Ok(())
}

pub async fn what_is_not_committed_is_seen_by_nobody(bench: &Bench) -> Outcome {
    let mut writing = bench.begin().await?;
    writing
        .users()
        .insert(&bench.samples.user("ann", &[]))
        .await?;
    assert_eq!(writing.users().count().await?, 1, "the writer sees its own");
    assert_eq!(bench.read().await?.users().count().await?, 0);
    writing.commit().await?;
    assert_eq!(bench.read().await?.users().count().await?, 1);
    Ok(())
}

pub async fn a_read_sees_one_state_from_first_to_last(bench: &Bench) -> Outcome {
    let mut reading = bench.read().await?;
    assert_eq!(reading.users().count().await?, 0);
    let mut tx = bench.begin().await?;
    tx.users().insert(&bench.samples.user("ann", &[])).await?;
    tx.commit().await?;
    assert_eq!(reading.users().count().await?, 0);
    assert!(reading.users().list().await?.is_empty());
    drop(reading);
    assert_eq!(bench.read().await?.users().count().await?, 1);
    Ok(())
}

pub async fn a_read_cannot_write(bench: &Bench) -> Outcome {
    let mut tx = bench.read().await?;
    let written = tx.users().insert(&bench.samples.user("ann", &[])).await;
    assert!(matches!(refused(written), StoreError::Unavailable(_)));
    drop(tx);
    assert_eq!(bench.read().await?.users().count().await?, 0);
    Ok(())
}

pub async fn a_refused_write_ends_its_transaction_and_not_the_next_one(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    tx.users().insert(&bench.samples.user("ann", &[])).await?;
    tx.commit().await?;
    // More often than there are connections: none may come back broken.
    for _ in 0..12 {
        let mut tx = bench.begin().await?;
        tx.users().insert(&bench.samples.user("bob", &[])).await?;
        let again = tx.users().insert(&bench.samples.user("ann", &[])).await;
        assert_duplicate(again, "user", "username");
        drop(tx);
    }
    let mut tx = bench.begin().await?;
    assert_eq!(
        tx.users().count().await?,
        1,
        "bob went with his transactions"
    );
    tx.users().insert(&bench.samples.user("bob", &[])).await?;
    tx.commit().await
}

pub async fn writers_at_the_same_time_wait_for_each_other(bench: &Bench) -> Outcome {
    let write = |number: usize| async move {
        let mut tx = bench.begin().await?;
        let before = tx.snapshot_changes().newest().await?;
        tokio::task::yield_now().await;
        tx.users()
            .insert(&bench.samples.user(&format!("user{number}"), &[]))
            .await?;
        let changed = [ChangedNoun::Api(bench.samples.api("Weather", "1.0.0").id)];
        let revision = tx.snapshot_changes().record(&changed, at(0)).await?;
        assert!(revision > before);
        tx.commit().await?;
        Ok::<_, StoreError>(revision)
    };
    let mut revisions = all((0..16).map(write)).await?;
    revisions.sort();
    assert_eq!(
        revisions,
        (1..=16).map(SnapshotRevision).collect::<Vec<_>>()
    );
    assert_eq!(bench.read().await?.users().count().await?, 16);
    Ok(())
}

pub async fn of_two_updates_from_one_version_one_is_stale(bench: &Bench) -> Outcome {
    let application = bench.samples.application("ann", "Weather");
    let mut tx = bench.begin().await?;
    tx.applications().insert(&application).await?;
    tx.commit().await?;
    let update = |description: &'static str| {
        let mut changed = application.clone();
        changed.settings.description = String::from(description);
        async move {
            let mut tx = bench.begin().await?;
            tokio::task::yield_now().await;
            tx.applications().update(&changed).await?;
            tx.commit().await
        }
    };
    let (one, other) = tokio::join!(update("one"), update("other"));
    let winner = match (one, other) {
        (
            Ok(()),
            Err(StoreError::Stale {
                noun: "application",
            }),
        ) => "one",
        (
            Err(StoreError::Stale {
                noun: "application",
            }),
            Ok(()),
        ) => "other",
        both => panic!("{both:?}"),
    };
    let found = bench
        .read()
        .await?
        .applications()
        .find(application.id)
        .await?;
    assert_eq!(
        found.map(|found| found.settings.description).as_deref(),
        Some(winner)
    );
    Ok(())
}

/// On SQLite a deferred transaction would fail at once (SQLITE_BUSY_SNAPSHOT), whatever the busy timeout.
pub async fn a_writer_that_reads_first_is_not_refused_for_it(bench: &Bench) -> Outcome {
    let register = |number: usize| async move {
        let mut tx = bench.begin().await?;
        let username = format!("user{number}");
        assert!(tx.users().find(&username).await?.is_none());
        tokio::task::yield_now().await;
        tx.users()
            .insert(&bench.samples.user(&username, &[]))
            .await?;
        tx.commit().await
    };
    all((0..8).map(register)).await?;
    assert_eq!(bench.read().await?.users().count().await?, 8);
    Ok(())
}

pub async fn a_cancelled_transaction_gives_its_connection_back(bench: &Bench) -> Outcome {
    for _ in 0..12 {
        let work = async {
            let mut tx = bench.begin().await?;
            tx.users().insert(&bench.samples.user("ann", &[])).await?;
            // Whoever waits for this goes away in the middle of the transaction.
            std::future::pending::<()>().await;
            tx.commit().await
        };
        tokio::select! {
            biased;
            () = polled_often() => (),
            finished = work => panic!("it waits for ever: {finished:?}"),
        }
    }
    assert_eq!(bench.begin().await?.users().count().await?, 0);
    Ok(())
}

/// Whoever is next must not find the transaction that was being begun.
pub async fn a_beginning_that_is_given_up_at_any_point_leaves_nothing_behind(
    bench: &Bench,
) -> Outcome {
    for wakes in 0..12 {
        for _ in 0..super::bench::CONNECTIONS {
            given_up_after(wakes, bench.read()).await;
        }
        let name = format!("ann-{wakes}");
        let mut tx = bench.begin().await?;
        tx.users().insert(&bench.samples.user(&name, &[])).await?;
        tx.commit().await?;
        for _ in 0..super::bench::CONNECTIONS {
            given_up_after(wakes, bench.begin()).await;
        }
        assert_eq!(bench.read().await?.users().count().await?, wakes + 1);
    }
    Ok(())
}

/// Drops `work` when it has been woken so often, wherever it is by then.
async fn given_up_after<T>(wakes: u64, work: impl Future<Output = T>) {
    let mut work = std::pin::pin!(work);
    let mut polls = 0;
    std::future::poll_fn(|context| {
        polls += 1;
        if work.as_mut().poll(context).is_ready() || polls > wakes {
            return std::task::Poll::Ready(());
        }
        std::task::Poll::Pending
    })
    .await;
}

/// Gives the other branch of a `select!` some turns, and then goes on; where it was by then does not matter.
async fn polled_often() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

pub async fn a_full_pool_is_unavailable_and_not_a_wait_without_end(bench: &Bench) -> Outcome {
    let mut held = Vec::new();
    for _ in 0..super::bench::CONNECTIONS {
        held.push(bench.read().await?);
    }
    assert!(matches!(
        refused(bench.read().await),
        StoreError::Unavailable(_)
    ));
    held.pop();
    bench.read().await?.users().count().await?;
    Ok(())
}
