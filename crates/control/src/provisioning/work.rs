//! One run of a job: what is asked of the connector, and what the outcome means for the key mapping.

mod outcome;
mod rotation;
mod subject;

use connectors::{Connector, ConnectorError};
use domain::provider_failure::{FailureClass, ProviderFailure};
use domain::provisioning::{JobKind, JobState, ProvisioningJob};

use super::journal::JobJournal;
use super::lease::Lease;
use crate::{Control, Error};
use subject::Subject;

/// How often a job is taken up before it counts as failed for good. With the waits in between: some minutes for
/// a creation, which a person waits for; about a day for the rest.
const MOST_CREATION_ATTEMPTS: u32 = 10;
const MOST_ATTEMPTS: u32 = 40;

/// Why a run ended without success.
enum Ended {
    Failed(ProviderFailure),
    /// The job was cancelled or taken over; or the store does not answer, and the lease runs out by itself.
    LeaseLost,
    Internal(Error),
}

/// Works on a leased job until it is finished, has failed, or must wait.
pub(super) async fn carry_out(control: &Control, lease: &Lease) -> Result<(), Error> {
    let job = lease.job().await;
    let Some(subject) = Subject::load(control, &job).await? else {
        return outcome::orphaned(control, lease).await;
    };
    let mut journal = JobJournal::open(control, lease).await?;
    let ended = match attempt(control, lease, &job, &subject, &mut journal).await {
        Ok(()) => {
            tracing::info!(job.id = %job.id, job.kind = job.kind.as_str(), "job done");
            return Ok(());
        }
        Err(ended) => ended,
    };
    match ended {
        Ended::LeaseLost => lease.give_back(control).await,
        Ended::Internal(error) => Err(error),
        Ended::Failed(failure) => {
            tracing::warn!(
                job.id = %job.id, job.kind = job.kind.as_str(), job.attempts = job.attempts,
                operation = failure.operation, status = failure.status, code = failure.code,
                request.id = failure.request_id, "a job's run failed: {failure}"
            );
            if journal.failed(&failure).await.is_err() {
                return lease.give_back(control).await;
            }
            outcome::failed(control, lease, failure).await
        }
    }
}

async fn attempt(
    control: &Control,
    lease: &Lease,
    job: &ProvisioningJob,
    subject: &Subject,
    journal: &mut JobJournal<'_>,
) -> Result<(), Ended> {
    if job.state != JobState::Compensating && job.attempts > most_attempts(job.kind) {
        return Err(Ended::Failed(interrupted_too_often(job)));
    }
    let connector = control
        .connectors()
        .of(control.dependencies(), &subject.key_manager)
        .map_err(|error| Ended::Failed(cannot_open(&error)))?;
    let connector: &dyn Connector = &*connector;
    if job.state == JobState::Compensating {
        connector
            .undo_create(&subject.specification(), journal)
            .await?;
        return outcome::undone(control, lease).await;
    }
    match job.kind {
        JobKind::CreateClient => {
            let wanted = subject.specification();
            let client = connector.create_client(&wanted, journal).await?;
            outcome::created(control, lease, client).await
        }
        JobKind::UpdateClient => {
            if let Some(client) = subject.reference() {
                let wanted = subject.specification();
                connector.update_client(&client, &wanted, journal).await?;
            }
            outcome::updated(control, lease).await
        }
        JobKind::RotateSecret => {
            rotation::carry_out(control, lease, subject, connector, journal).await
        }
        JobKind::DeleteClient => {
            if let Some(client) = subject.reference() {
                connector.delete_client(&client, journal).await?;
            }
            outcome::deleted(control, lease).await
        }
    }
}

const fn most_attempts(kind: JobKind) -> u32 {
    match kind {
        JobKind::CreateClient => MOST_CREATION_ATTEMPTS,
        JobKind::UpdateClient | JobKind::RotateSecret | JobKind::DeleteClient => MOST_ATTEMPTS,
    }
}

/// A job that takes its process down with it must not do so for ever.
fn interrupted_too_often(job: &ProvisioningJob) -> ProviderFailure {
    job.last_failure.clone().unwrap_or_else(|| {
        ProviderFailure::new(
            FailureClass::Rejected,
            job.kind.as_str(),
            "was interrupted too often; given up",
        )
    })
}

fn cannot_open(error: &Error) -> ProviderFailure {
    let mut failure = ProviderFailure::new(
        FailureClass::Misconfigured,
        "open the key manager",
        crate::error::chain(error),
    );
    failure.advice = Some("Correct the key manager's settings (admin API).".to_owned());
    failure
}

impl From<ConnectorError> for Ended {
    fn from(error: ConnectorError) -> Self {
        match error {
            ConnectorError::Provider(failure) => Self::Failed(failure),
            ConnectorError::Journal(_) => Self::LeaseLost,
        }
    }
}

impl From<Error> for Ended {
    fn from(error: Error) -> Self {
        Self::Internal(error)
    }
}

impl From<store::StoreError> for Ended {
    fn from(error: store::StoreError) -> Self {
        Self::Internal(error.into())
    }
}
