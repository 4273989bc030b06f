//! A request that waits for its job, as long as its patience lasts.

use std::time::Duration;

use domain::id::JobId;
use domain::provisioning::{JobState, ProvisioningJob};

use crate::{Control, Error};

/// Jobs may be carried out by another process, which cannot wake us.
const POLL: Duration = Duration::from_secs(1);

/// Waits until all these jobs are finished, or gone together with their key mapping. Says whether they are;
/// false when the configured patience ended first.
pub(crate) async fn wait_for_jobs(control: &Control, jobs: &[JobId]) -> Result<bool, Error> {
    wait(control, jobs, |job| job.state.is_finished()).await
}

/// As [`wait_for_jobs`], but does not wait for the clean-up after a creation that failed for good.
pub(crate) async fn wait_for_outcome(control: &Control, job: JobId) -> Result<bool, Error> {
    let is_decided =
        |job: &ProvisioningJob| job.state.is_finished() || job.state == JobState::Compensating;
    wait(control, &[job], is_decided).await
}

async fn wait(
    control: &Control,
    jobs: &[JobId],
    is_settled: impl Fn(&ProvisioningJob) -> bool + Send + Sync,
) -> Result<bool, Error> {
    let mut changes = control.signals().job_changes();
    let waiting = async {
        for &id in jobs {
            loop {
                changes.borrow_and_update();
                let found = control.store().read().await?.jobs().find(id).await?;
                if found.is_none_or(|job| is_settled(&job)) {
                    break;
                }
                // Woken or not, the store is asked again.
                let _ = tokio::time::timeout(POLL, changes.changed()).await;
            }
        }
        Ok(())
    };
    match tokio::time::timeout(control.settings().request_patience, waiting).await {
        Ok(outcome) => outcome.map(|()| true),
        Err(_) => Ok(false),
    }
}
