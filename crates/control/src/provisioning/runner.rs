//! The job runner: takes due jobs, a bounded number side by side, and sleeps until the next one is due or a
//! commit of this process wakes it.

use std::time::Duration;

use tokio::task::JoinSet;

use super::lease::{Lease, RENEWAL};
use super::work;
use crate::{Control, Error};

/// How many jobs run side by side in one process.
const MOST_RUNNING: usize = 8;

/// Other processes write jobs too, and cannot wake us.
const POLL: Duration = Duration::from_secs(5);

/// After trouble with the store, or while a due job is held by another runner.
const PAUSE: Duration = Duration::from_secs(1);

/// What jobs under way get at shutdown before they are left to the next runner.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);

pub(super) async fn run(control: &Control, shutdown: impl Future<Output = ()> + Send) {
    let mut running = JoinSet::new();
    let mut changes = control.signals().job_changes();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        // Before looking at the store: a commit in between then ends the sleep at once.
        changes.borrow_and_update();
        let nap = match start_due(control, &mut running).await {
            Ok(nap) => nap,
            Err(error) => {
                tracing::error!(error = %crate::error::chain(&error), "due jobs cannot be read");
                PAUSE
            }
        };
        tokio::select! {
            () = &mut shutdown => break,
            _ = changes.changed() => {}
            Some(ended) = running.join_next(), if !running.is_empty() => report_panic(ended),
            () = tokio::time::sleep(nap) => {}
        }
    }
    let finishing = async { while running.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(SHUTDOWN_GRACE, finishing).await;
    running.shutdown().await;
}

pub(super) async fn run_due(control: &Control) -> Result<usize, Error> {
    let mut taken = 0;
    loop {
        let now = control.clock().now();
        let due = control
            .store()
            .read()
            .await?
            .jobs()
            .list_due(now, 1)
            .await?;
        let Some(job) = due.into_iter().next() else {
            return Ok(taken);
        };
        if let Some(lease) = Lease::take(control, job).await? {
            taken += 1;
            supervise(control, &lease).await;
        }
    }
}

/// Starts what is due and there is room for; says how long to sleep.
async fn start_due(control: &Control, running: &mut JoinSet<()>) -> Result<Duration, Error> {
    let room = MOST_RUNNING.saturating_sub(running.len());
    if room == 0 {
        return Ok(POLL);
    }
    let now = control.clock().now();
    let mut tx = control.store().read().await?;
    let limit = u32::try_from(room).unwrap_or(1);
    let due = tx.jobs().list_due(now, limit).await?;
    let next = tx.jobs().next_due_at().await?;
    drop(tx);
    for job in due {
        if let Some(lease) = Lease::take(control, job).await? {
            let control = control.clone();
            running.spawn(async move { supervise(&control, &lease).await });
        }
    }
    Ok(match next {
        None => POLL,
        Some(due_at) if due_at <= now => PAUSE,
        Some(due_at) => {
            Duration::try_from(due_at.duration_since(now)).map_or(POLL, |wait| wait.min(POLL))
        }
    })
}

/// Works on a job and keeps its lease meanwhile.
async fn supervise(control: &Control, lease: &Lease) {
    let renewing = async {
        loop {
            tokio::time::sleep(RENEWAL).await;
            match lease.renew(control).await {
                Ok(true) => {}
                // A lost lease ends the work at its next journal entry, not in the middle of a step.
                Ok(false) => std::future::pending().await,
                Err(error) => tracing::warn!(
                    job.id = %lease.id(), error = %crate::error::chain(&error), "a lease was not renewed"
                ),
            }
        }
    };
    let outcome = tokio::select! {
        outcome = work::carry_out(control, lease) => outcome,
        () = renewing => return,
    };
    if let Err(error) = outcome {
        // The lease runs out and the job is taken up again.
        tracing::error!(job.id = %lease.id(), error = %crate::error::chain(&error), "a job could not go on");
    }
}

fn report_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a job ended abnormally; it is taken up again when its lease has run out");
    }
}
