//! Work at key managers, as journaled jobs: a job is written together with the change that needs it and carried
//! out after the commit, so that a crash anywhere is resumed or undone.
//!
//! What a step does at the provider is the connector's; what a finished job means for its key mapping stands in
//! [`work`].

mod backoff;
mod journal;
mod lease;
mod runner;
mod schedule;
mod waiting;
mod work;

use domain::provisioning::{JournalEntry, ProvisioningJob};
use domain::user::Actor;

use crate::identity::authorization::require;
use crate::{Control, Error};

pub(crate) use schedule::{
    new_job, remove_application_when_idle, schedule_client_deletions, schedule_client_updates,
    schedule_last, schedule_removal,
};
pub(crate) use waiting::{wait_for_jobs, wait_for_outcome};

/// The name under which jobs write audit entries: nobody pressed a button at that moment.
pub(crate) const JOB_ACTOR: &str = "claviger";

/// A job and what it did so far.
#[derive(Clone, Debug)]
pub struct JobSteps {
    pub job: ProvisioningJob,
    pub journal: Vec<JournalEntry>,
}

/// Whether what was asked to go is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    Done,
    /// A job is still removing clients at a key manager; the rest follows by itself.
    Pending,
}

/// The provisioning jobs.
#[derive(Clone, Copy)]
pub struct Jobs<'a> {
    control: &'a Control,
}

impl<'a> Jobs<'a> {
    pub(crate) const fn new(control: &'a Control) -> Self {
        Self { control }
    }

    /// The newest jobs of all key mappings, at most `limit` (at most 1,000). Administrators only.
    pub async fn recent(&self, actor: &Actor, limit: u32) -> Result<Vec<ProvisioningJob>, Error> {
        require(actor, &["apim:admin", "apim:keymanagers_manage"])?;
        let mut tx = self.control.store().read().await?;
        Ok(tx.jobs().list_recent(limit.min(1_000)).await?)
    }

    /// Carries out jobs until `shutdown` is ready. Several processes may do so over one database: a job is
    /// leased to one of them at a time. Jobs under way at shutdown get a few seconds to finish; what then
    /// remains is resumed by whoever runs next.
    pub async fn run(&self, shutdown: impl Future<Output = ()> + Send) {
        runner::run(self.control, shutdown).await;
    }

    /// Carries out what is due at this moment, one job after the other, until nothing is; says how many times a
    /// job was taken up. For the command line and tests; a server uses [`Jobs::run`].
    pub async fn run_due(&self) -> Result<usize, Error> {
        runner::run_due(self.control).await
    }
}
