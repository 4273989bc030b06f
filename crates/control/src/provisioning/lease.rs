//! A job while one runner holds it. The store's row is compared with every write, so that a runner that lost its
//! lease, or whose job was cancelled, cannot write any more.

use std::time::Duration;

use domain::id::JobId;
use domain::provisioning::{JobState, ProvisioningJob};
use jiff::Timestamp;
use store::{StoreError, Tx};
use tokio::sync::{Mutex, MutexGuard};

use crate::{Control, Error, Transaction};

/// After a crash another runner takes a job over after this long.
pub(super) const LEASE: Duration = Duration::from_secs(30);

/// A runner at work renews its lease this often.
pub(super) const RENEWAL: Duration = Duration::from_secs(10);

/// The journal writes, the renewal and the completion share the row's version through the lock.
pub(super) struct Lease {
    id: JobId,
    held: Mutex<ProvisioningJob>,
}

/// A unit of work under a lease: the job's row is already written in it.
pub(super) struct LeasedWrite<'a> {
    held: MutexGuard<'a, ProvisioningJob>,
    pub(super) tx: Transaction<'a>,
    written: ProvisioningJob,
}

impl LeasedWrite<'_> {
    pub(super) const fn job(&self) -> &ProvisioningJob {
        &self.written
    }

    pub(super) async fn commit(mut self) -> Result<(), Error> {
        self.tx.commit().await?;
        *self.held = self.written;
        Ok(())
    }
}

/// The job is no longer ours to work on.
#[derive(Debug, thiserror::Error)]
#[error("the job was cancelled or taken over by another runner")]
pub(super) struct LeaseLost;

impl Lease {
    /// Takes a due job; `None` when somebody else was faster.
    pub(super) async fn take(
        control: &Control,
        mut job: ProvisioningJob,
    ) -> Result<Option<Self>, Error> {
        let now = control.clock().now();
        if job.state != JobState::Compensating {
            job.state = JobState::Running;
        }
        job.attempts = job.attempts.saturating_add(1);
        job.leased_until = Some(now + LEASE);
        job.updated_at = now;
        let mut tx = control.store().begin().await?;
        match tx.jobs().update(&job).await {
            Ok(()) => {}
            Err(StoreError::Stale { .. }) => return Ok(None),
            Err(other) => return Err(other.into()),
        }
        let Some(held) = tx.jobs().find(job.id).await? else {
            return Ok(None);
        };
        tx.commit().await?;
        Ok(Some(Self {
            id: held.id,
            held: Mutex::new(held),
        }))
    }

    pub(super) const fn id(&self) -> JobId {
        self.id
    }

    /// The job as it was last written under this lease.
    pub(super) async fn job(&self) -> ProvisioningJob {
        self.held.lock().await.clone()
    }

    /// Begins a unit of work under the lease, with the job as `change` edits it. `None`: the lease is lost and
    /// nothing is written.
    pub(super) async fn write<'a>(
        &'a self,
        control: &'a Control,
        change: impl FnOnce(&mut ProvisioningJob) + Send,
    ) -> Result<Option<LeasedWrite<'a>>, Error> {
        let held = self.held.lock().await;
        let mut tx = control.begin().await?;
        let mut job = held.clone();
        change(&mut job);
        job.updated_at = control.clock().now();
        match tx.jobs().update(&job).await {
            Ok(()) => {}
            Err(StoreError::Stale { .. }) => return Ok(None),
            Err(other) => return Err(other.into()),
        }
        let Some(written) = tx.jobs().find(job.id).await? else {
            return Ok(None);
        };
        Ok(Some(LeasedWrite { held, tx, written }))
    }

    /// Keeps the job for another while. False when it is no longer ours.
    pub(super) async fn renew(&self, control: &Control) -> Result<bool, Error> {
        let until = control.clock().now() + LEASE;
        let write = self.write(control, |job| job.leased_until = Some(until));
        let Some(write) = write.await? else {
            return Ok(false);
        };
        write.commit().await?;
        Ok(true)
    }

    /// Gives back a job that was cancelled under our hands, so that its clean-up need not wait for the lease to
    /// run out. Not when somebody else has leased it meanwhile.
    pub(super) async fn give_back(&self, control: &Control) -> Result<(), Error> {
        let ours = self.held.lock().await.leased_until;
        let mut tx = control.begin().await?;
        let Some(mut job) = find_unfinished(&mut *tx, self.id).await? else {
            return Ok(());
        };
        if job.leased_until != ours {
            return Ok(());
        }
        release(&mut job, control.clock().now());
        tx.jobs().update(&job).await?;
        tx.touched_jobs();
        tx.commit().await
    }
}

async fn find_unfinished(tx: &mut dyn Tx, id: JobId) -> Result<Option<ProvisioningJob>, Error> {
    let found = tx.jobs().find(id).await?;
    Ok(found.filter(|job| !job.state.is_finished()))
}

fn release(job: &mut ProvisioningJob, now: Timestamp) {
    job.leased_until = None;
    job.due_at = now;
    job.updated_at = now;
}
