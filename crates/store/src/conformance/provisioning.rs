//! Provisioning jobs and their journals.

use domain::id::JobId;
use domain::key_mapping::KeyType;
use domain::provisioning::{JobKind, JobState, ProvisioningJob, StepEvent};
use serde_json::json;

use super::samples::{at, failure};
use super::{Bench, Outcome, assert_reference, assert_same, assert_stale};
use crate::error::StoreError;
use crate::unit_of_work::Tx;

const NOUN: &str = "provisioning job";
/// Later than everything that the samples make by themselves.
const FOREVER: i64 = 1_000_000_000;

fn ids(jobs: &[ProvisioningJob]) -> Vec<JobId> {
    jobs.iter().map(|job| job.id).collect()
}

/// A stored job of a new key mapping, after `change`.
async fn stored_job(
    bench: &Bench,
    tx: &mut dyn Tx,
    name: &str,
    change: impl FnOnce(&mut ProvisioningJob),
) -> Result<ProvisioningJob, StoreError> {
    let (_, _, mapping) = bench.samples.stored_key_mapping(tx, name).await?;
    let mut job = bench.samples.job(&mapping);
    change(&mut job);
    tx.jobs().insert(&job).await?;
    Ok(job)
}

pub async fn what_is_inserted_is_found(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    for (number, kind) in [
        JobKind::CreateClient,
        JobKind::UpdateClient,
        JobKind::RotateSecret,
        JobKind::DeleteClient,
    ]
    .into_iter()
    .enumerate()
    {
        let job = stored_job(bench, &mut *tx, &number.to_string(), |job| {
            job.kind = kind;
            job.attempts = u32::MAX;
            job.leased_until = Some(at(1));
            job.last_failure = Some(failure());
        })
        .await?;
        assert_same(&tx.jobs().find(job.id).await?, &Some(job));
    }
    Ok(())
}

pub async fn an_update_replaces_what_may_change_and_advances_the_version(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    let mut job = stored_job(bench, &mut *tx, "weather", |_| ()).await?;
    for state in [
        JobState::Running,
        JobState::Compensating,
        JobState::Failed,
        JobState::Succeeded,
        JobState::Ready,
    ] {
        job.state = state;
        job.attempts += 1;
        job.due_at = at(7);
        job.leased_until = Some(at(8));
        job.last_failure = Some(failure());
        job.updated_at = at(9);
        tx.jobs().update(&job).await?;
        job.version += 1;
        assert_same(&tx.jobs().find(job.id).await?, &Some(job.clone()));
    }
    Ok(())
}

pub async fn an_update_from_an_older_version_is_stale(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    let job = stored_job(bench, &mut *tx, "weather", |_| ()).await?;
    tx.jobs().update(&job).await?;
    assert_stale(tx.jobs().update(&job).await, NOUN);
    Ok(())
}

pub async fn a_job_needs_its_mapping(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    let (key_manager, application, _) = bench
        .samples
        .stored_key_mapping(&mut *tx, "weather")
        .await?;
    let never_stored = bench
        .samples
        .key_mapping(&application, KeyType::Sandbox, &key_manager);
    let job = bench.samples.job(&never_stored);
    assert_reference(tx.jobs().insert(&job).await, NOUN);
    Ok(())
}

pub async fn due_jobs_come_oldest_first_and_no_more_than_asked_for(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    let mut jobs = Vec::new();
    // Created in this order, due in the other one.
    for (name, due) in [("a", 3), ("b", 2), ("c", 1)] {
        jobs.push(stored_job(bench, &mut *tx, name, |job| job.due_at = at(due)).await?);
    }
    assert_eq!(ids(&tx.jobs().list_due(at(3), 10).await?), ids(&jobs));
    assert_eq!(ids(&tx.jobs().list_due(at(3), 2).await?), ids(&jobs[..2]));
    Ok(())
}

pub async fn a_job_is_not_due_before_its_time(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    let job = stored_job(bench, &mut *tx, "weather", |job| job.due_at = at(100)).await?;
    assert!(tx.jobs().list_due(at(99), 10).await?.is_empty());
    assert_eq!(ids(&tx.jobs().list_due(at(100), 10).await?), [job.id]);
    Ok(())
}

pub async fn a_leased_job_is_due_again_when_its_lease_runs_out(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    let job = stored_job(bench, &mut *tx, "weather", |job| {
        job.state = JobState::Running;
        job.due_at = at(0);
        job.leased_until = Some(at(100));
    })
    .await?;
    assert!(tx.jobs().list_due(at(99), 10).await?.is_empty());
    assert_eq!(ids(&tx.jobs().list_due(at(100), 10).await?), [job.id]);
    Ok(())
}

pub async fn a_finished_job_is_never_due(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    for (name, state) in [("a", JobState::Succeeded), ("b", JobState::Failed)] {
        stored_job(bench, &mut *tx, name, |job| job.state = state).await?;
    }
    assert!(tx.jobs().list_due(at(FOREVER), 10).await?.is_empty());
    assert_eq!(tx.jobs().next_due_at().await?, None);
    let compensating = stored_job(bench, &mut *tx, "c", |job| {
        job.state = JobState::Compensating;
    })
    .await?;
    assert_eq!(
        ids(&tx.jobs().list_due(at(FOREVER), 10).await?),
        [compensating.id]
    );
    Ok(())
}

pub async fn jobs_of_one_mapping_run_one_after_the_other(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    let (_, _, mapping) = bench
        .samples
        .stored_key_mapping(&mut *tx, "weather")
        .await?;
    let mut jobs = Vec::new();
    for _ in 0..3 {
        let job = bench.samples.job(&mapping);
        tx.jobs().insert(&job).await?;
        jobs.push(job);
    }
    for job in &mut jobs {
        assert_eq!(ids(&tx.jobs().list_due(at(FOREVER), 10).await?), [job.id]);
        job.state = JobState::Succeeded;
        tx.jobs().update(job).await?;
    }
    assert!(tx.jobs().list_due(at(FOREVER), 10).await?.is_empty());
    Ok(())
}

pub async fn a_waiting_job_holds_back_the_younger_ones_of_its_mapping_only(
    bench: &Bench,
) -> Outcome {
    let mut tx = bench.begin().await?;
    for (name, leased) in [("leased", true), ("not yet due", false)] {
        let (_, _, mapping) = bench.samples.stored_key_mapping(&mut *tx, name).await?;
        let mut older = bench.samples.job(&mapping);
        if leased {
            older.leased_until = Some(at(2 * FOREVER));
        } else {
            older.due_at = at(2 * FOREVER);
        }
        tx.jobs().insert(&older).await?;
        tx.jobs().insert(&bench.samples.job(&mapping)).await?;
    }
    let free = stored_job(bench, &mut *tx, "free", |_| ()).await?;
    assert_eq!(ids(&tx.jobs().list_due(at(FOREVER), 10).await?), [free.id]);
    Ok(())
}

pub async fn jobs_that_are_created_at_once_run_in_id_order(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    let (_, _, mapping) = bench
        .samples
        .stored_key_mapping(&mut *tx, "weather")
        .await?;
    let first = bench.samples.job(&mapping);
    let mut second = bench.samples.job(&mapping);
    second.created_at = first.created_at;
    tx.jobs().insert(&second).await?;
    tx.jobs().insert(&first).await?;
    assert_eq!(ids(&tx.jobs().list_due(at(FOREVER), 10).await?), [first.id]);
    Ok(())
}

pub async fn the_next_due_time_heeds_leases_and_the_order_of_jobs(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    assert_eq!(tx.jobs().next_due_at().await?, None);
    stored_job(bench, &mut *tx, "later", |job| job.due_at = at(500)).await?;
    assert_eq!(tx.jobs().next_due_at().await?, Some(at(500)));
    // Due long ago, but held until its lease runs out.
    let mut leased = stored_job(bench, &mut *tx, "leased", |job| {
        job.due_at = at(0);
        job.leased_until = Some(at(300));
    })
    .await?;
    assert_eq!(tx.jobs().next_due_at().await?, Some(at(300)));
    // Due long ago, but behind that one.
    let mapping = tx
        .key_mappings()
        .find(leased.key_mapping_id)
        .await?
        .expect("it was stored");
    let mut behind = bench.samples.job(&mapping);
    behind.due_at = at(0);
    tx.jobs().insert(&behind).await?;
    assert_eq!(tx.jobs().next_due_at().await?, Some(at(300)));
    leased.state = JobState::Succeeded;
    tx.jobs().update(&leased).await?;
    assert_eq!(tx.jobs().next_due_at().await?, Some(at(0)));
    // A lease that ran out before the job is due again (a retry that waits) does not bring it forward.
    behind.leased_until = Some(at(50));
    behind.due_at = at(100);
    tx.jobs().update(&behind).await?;
    assert_eq!(tx.jobs().next_due_at().await?, Some(at(100)));
    Ok(())
}

pub async fn jobs_of_a_mapping_are_listed_newest_first(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    let (_, _, mapping) = bench
        .samples
        .stored_key_mapping(&mut *tx, "weather")
        .await?;
    stored_job(bench, &mut *tx, "other", |_| ()).await?;
    let mut first = bench.samples.job(&mapping);
    first.state = JobState::Failed;
    let second = bench.samples.job(&mapping);
    tx.jobs().insert(&first).await?;
    tx.jobs().insert(&second).await?;
    assert_eq!(
        ids(&tx.jobs().list_of(mapping.id).await?),
        [second.id, first.id]
    );
    Ok(())
}

pub async fn recent_jobs_are_listed_newest_first(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    let mut jobs = Vec::new();
    for (name, state) in [
        ("a", JobState::Succeeded),
        ("b", JobState::Ready),
        ("c", JobState::Failed),
    ] {
        jobs.push(stored_job(bench, &mut *tx, name, |job| job.state = state).await?);
    }
    jobs.reverse();
    assert_eq!(ids(&tx.jobs().list_recent(10).await?), ids(&jobs));
    assert_eq!(ids(&tx.jobs().list_recent(2).await?), ids(&jobs[..2]));
    Ok(())
}

pub async fn a_journal_counts_from_one_within_its_job(bench: &Bench) -> Outcome {
    let events = [
        StepEvent::Started {
            intent: json!({"uniqueName": "claviger-1"}),
        },
        StepEvent::Failed { failure: failure() },
        StepEvent::Finished {
            facts: json!({"appId": "5f0e", "tags": ["ä"]}),
        },
    ];
    let mut tx = bench.begin().await?;
    let first = stored_job(bench, &mut *tx, "a", |_| ()).await?;
    let second = stored_job(bench, &mut *tx, "b", |_| ()).await?;
    for (number, event) in (0..).zip(&events) {
        tx.jobs()
            .record(first.id, "create_application", event, at(number))
            .await?;
        tx.jobs()
            .record(second.id, "add_secret", event, at(number))
            .await?;
    }
    tx.commit().await?;

    let mut tx = bench.read().await?;
    for (job, step) in [(first, "create_application"), (second, "add_secret")] {
        let journal = tx.jobs().journal(job.id).await?;
        assert_eq!(journal.len(), events.len());
        for ((number, entry), event) in (0..).zip(journal).zip(&events) {
            assert_eq!(entry.job_id, job.id);
            assert_eq!(entry.sequence, number + 1);
            assert_eq!(entry.step, step);
            assert_eq!(entry.event, *event);
            assert_eq!(entry.at, at(number));
        }
    }
    Ok(())
}

pub async fn a_journal_needs_its_job(bench: &Bench) -> Outcome {
    let mut tx = bench.begin().await?;
    let (_, _, mapping) = bench
        .samples
        .stored_key_mapping(&mut *tx, "weather")
        .await?;
    let never_stored = bench.samples.job(&mapping);
    let event = StepEvent::Started { intent: json!({}) };
    let recorded = tx
        .jobs()
        .record(never_stored.id, "create", &event, at(0))
        .await;
    assert_reference(recorded, "journal entry");
    Ok(())
}
