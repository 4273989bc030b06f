//! A unit of work of a use-case: the store's transaction, which also gathers what gateways must look at again,
//! and which wakes the publisher and the job runner once it is committed.

use std::fmt::Display;
use std::ops::{Deref, DerefMut};

use domain::provisioning::ProvisioningJob;
use serde_json::Value;
use store::snapshot_change::ChangedNoun;
use store::{StoreError, Tx};

use crate::audit::{self, Event};
use crate::{Control, Error};

/// How many revisions of the change log are kept for gateways that fell behind.
const KEPT_REVISIONS: u32 = 10_000;

/// The change log is trimmed once in so many revisions.
const TRIM_INTERVAL: i64 = 1_000;

/// How often a unit of work is tried that others overtake.
const MOST_ATTEMPTS: u32 = 5;

/// Dropping it rolls everything back. Repositories are reached through it directly: `tx.applications()`.
pub(crate) struct Transaction<'a> {
    control: &'a Control,
    tx: Box<dyn Tx>,
    changed: Vec<ChangedNoun>,
    has_jobs: bool,
}

impl<'a> Transaction<'a> {
    pub(crate) async fn begin(control: &'a Control) -> Result<Self, Error> {
        Ok(Self {
            control,
            tx: control.store().begin().await?,
            changed: Vec::new(),
            has_jobs: false,
        })
    }

    pub(crate) const fn control(&self) -> &'a Control {
        self.control
    }

    /// Gateways must look at this noun again.
    pub(crate) fn changed(&mut self, noun: ChangedNoun) {
        if !self.changed.contains(&noun) {
            self.changed.push(noun);
        }
    }

    /// Writes the audit entry of this change. The subject's kind is the part of `action` before the dot, for
    /// example `key_manager.create`.
    pub(crate) async fn record_audit(
        &mut self,
        username: &str,
        action: &str,
        subject_id: impl Display,
        details: Value,
    ) -> Result<(), Error> {
        let subject_kind = action.split('.').next().unwrap_or(action);
        let event = Event {
            action,
            subject_kind,
            subject_id: subject_id.to_string(),
            details,
        };
        let entry = audit::entry(self.control.dependencies(), username, event);
        self.tx.audit().record(&entry).await?;
        Ok(())
    }

    /// Hands work to the job runner, which starts on it as soon as this is committed.
    pub(crate) async fn schedule(&mut self, job: &ProvisioningJob) -> Result<(), Error> {
        self.tx.jobs().insert(job).await?;
        self.has_jobs = true;
        Ok(())
    }

    /// Some job was made due or finished in this unit of work.
    pub(crate) const fn touched_jobs(&mut self) {
        self.has_jobs = true;
    }

    pub(crate) async fn commit(mut self) -> Result<(), Error> {
        if !self.changed.is_empty() {
            let now = self.control.clock().now();
            let changes = self.tx.snapshot_changes();
            let revision = changes.record(&self.changed, now).await?;
            if revision.0 % TRIM_INTERVAL == 0 {
                changes.trim(KEPT_REVISIONS).await?;
            }
        }
        self.tx.commit().await?;
        if !self.changed.is_empty() {
            self.control.signals().snapshot_changed();
        }
        if self.has_jobs {
            self.control.signals().jobs_changed();
        }
        Ok(())
    }
}

/// Repeats a unit of work that somebody else's commit overtook, a few times: for changes that hold whatever the
/// other one changed, such as a removal. On PostgreSQL two units of work may read a row before either writes it; on
/// SQLite they take turns and this never repeats.
pub(crate) async fn repeat_when_overtaken<T, Work>(work: impl Fn() -> Work) -> Result<T, Error>
where
    Work: Future<Output = Result<T, Error>>,
{
    for _ in 1..MOST_ATTEMPTS {
        match work().await {
            Err(error) if was_overtaken(&error) => {}
            outcome => return outcome,
        }
    }
    work().await
}

fn was_overtaken(error: &Error) -> bool {
    match error {
        Error::Stale(_) => true,
        // A row that people do not know by name, such as a job.
        Error::Internal(source) => matches!(
            source.downcast_ref::<StoreError>(),
            Some(StoreError::Stale { .. })
        ),
        _ => false,
    }
}

impl Deref for Transaction<'_> {
    type Target = dyn Tx;

    fn deref(&self) -> &Self::Target {
        &*self.tx
    }
}

impl DerefMut for Transaction<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut *self.tx
    }
}
