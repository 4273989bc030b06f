//! Which jobs a change needs: written in the change's own transaction.

use std::time::Duration;

use domain::application::{Application, ApplicationStatus};
use domain::id::{ApplicationId, JobId};
use domain::key_mapping::{CreateMode, KeyMapping, KeyMappingState};
use domain::provisioning::{JobKind, JobState, ProvisioningJob};
use serde_json::json;
use store::snapshot_change::ChangedNoun;

use super::JOB_ACTOR;
use crate::{Control, Error, Transaction, subscription};

/// What the store tells apart.
const LEAST_INTERVAL: Duration = Duration::from_micros(1);

/// A job that is due at once.
pub(crate) fn new_job(
    control: &Control,
    kind: JobKind,
    mapping: &KeyMapping,
    requested_by: &str,
) -> ProvisioningJob {
    let now = control.clock().now();
    ProvisioningJob {
        id: JobId::generate(control.clock(), control.random()),
        kind,
        key_mapping_id: mapping.id,
        key_manager_id: mapping.key_manager_id,
        requested_by: requested_by.to_owned(),
        state: JobState::Ready,
        attempts: 0,
        due_at: now,
        leased_until: None,
        last_failure: None,
        created_at: now,
        updated_at: now,
        version: 1,
    }
}

/// Schedules a job behind all that its mapping still waits for. The clocks of nodes differ, and the order alone keeps
/// the undoing of one creation from removing what the next one makes.
pub(crate) async fn schedule_last(
    tx: &mut Transaction<'_>,
    job: ProvisioningJob,
) -> Result<ProvisioningJob, Error> {
    let others = tx.jobs().list_of(job.key_mapping_id).await?;
    let earlier = others.iter().filter(|other| !other.state.is_finished());
    let behind = earlier.map(|other| other.created_at + LEAST_INTERVAL).max();
    let job = ProvisioningJob {
        created_at: behind.map_or(job.created_at, |behind| behind.max(job.created_at)),
        ..job
    };
    tx.schedule(&job).await?;
    Ok(job)
}

/// Brings the names of all clients that we created for an application in line with it; after a rename.
pub(crate) async fn schedule_client_updates(
    tx: &mut Transaction<'_>,
    application: ApplicationId,
    requested_by: &str,
) -> Result<Vec<JobId>, Error> {
    let mut scheduled = Vec::new();
    for mapping in tx.key_mappings().list_of(application).await? {
        if mapping.mode == CreateMode::Created && mapping.state.is_live() {
            let job = new_job(tx.control(), JobKind::UpdateClient, &mapping, requested_by);
            tx.schedule(&job).await?;
            scheduled.push(job.id);
        }
    }
    Ok(scheduled)
}

/// Removes all key mappings of an application; clients that we created go by jobs, whose ids are the answer.
/// Mapped clients stay untouched at their key managers. Call [`remove_application_when_idle`] afterwards.
pub(crate) async fn schedule_client_deletions(
    tx: &mut Transaction<'_>,
    application: ApplicationId,
    requested_by: &str,
) -> Result<Vec<JobId>, Error> {
    let mut scheduled = Vec::new();
    for mapping in tx.key_mappings().list_of(application).await? {
        scheduled.extend(schedule_removal(tx, mapping, requested_by).await?);
    }
    Ok(scheduled)
}

/// Removes one key mapping, whatever its state: at once where nothing of ours stands at the key manager, else by
/// the job whose id is the answer.
pub(crate) async fn schedule_removal(
    tx: &mut Transaction<'_>,
    mapping: KeyMapping,
    requested_by: &str,
) -> Result<Option<JobId>, Error> {
    let jobs = tx.jobs().list_of(mapping.id).await?;
    let unfinished: Vec<_> = jobs
        .into_iter()
        .filter(|job| !job.state.is_finished())
        .collect();
    let ours = mapping.mode == CreateMode::Created && mapping.consumer_key.is_some();
    if !ours && unfinished.is_empty() {
        tx.key_mappings().delete(mapping.id).await?;
        tx.changed(ChangedNoun::KeyMapping(mapping.id));
        return Ok(None);
    }
    let mut last = None;
    let mut has_deletion = false;
    for job in unfinished {
        has_deletion |= job.kind == JobKind::DeleteClient;
        last = Some(job.id);
        if job.kind == JobKind::CreateClient {
            cancel_creation(tx, job).await?;
        } else if job.kind == JobKind::DeleteClient {
            hurry(tx, job).await?;
        } else if job.leased_until.is_none() {
            // Pointless now: the whole client goes.
            finish_unneeded(tx, job).await?;
        }
    }
    let deprovisioning = KeyMapping {
        state: KeyMappingState::Deprovisioning,
        updated_at: tx.control().clock().now(),
        ..mapping
    };
    tx.key_mappings().update(&deprovisioning).await?;
    tx.changed(ChangedNoun::KeyMapping(deprovisioning.id));
    if ours && !has_deletion {
        let job = new_job(
            tx.control(),
            JobKind::DeleteClient,
            &deprovisioning,
            requested_by,
        );
        tx.schedule(&job).await?;
        last = Some(job.id);
    }
    Ok(last)
}

/// Turns a creation into its own undoing. A runner that is working on it finds its lease worthless at the next
/// journal entry; what it has made until then is in the journal and is removed.
async fn cancel_creation(tx: &mut Transaction<'_>, job: ProvisioningJob) -> Result<(), Error> {
    if job.state == JobState::Compensating {
        return hurry(tx, job).await;
    }
    let now = tx.control().clock().now();
    let cancelled = ProvisioningJob {
        state: JobState::Compensating,
        attempts: 0,
        due_at: now,
        updated_at: now,
        ..job
    };
    tx.jobs().update(&cancelled).await?;
    tx.touched_jobs();
    Ok(())
}

/// Removes an application that waits for deletion once its last key mapping is gone. Says whether it did.
pub(crate) async fn remove_application_when_idle(
    tx: &mut Transaction<'_>,
    application: &Application,
) -> Result<bool, Error> {
    if application.status != ApplicationStatus::DeletePending
        || !tx.key_mappings().list_of(application.id).await?.is_empty()
    {
        return Ok(false);
    }
    // One may have been made beside the deletion.
    subscription::end_all_of(tx, application.id).await?;
    tx.applications().delete(application.id).await?;
    tx.changed(ChangedNoun::Application(application.id));
    let details = json!({ "name": application.settings.name, "owner": application.owner });
    tx.record_audit(JOB_ACTOR, "application.removed", application.id, details)
        .await?;
    Ok(true)
}

async fn hurry(tx: &mut Transaction<'_>, job: ProvisioningJob) -> Result<(), Error> {
    let now = tx.control().clock().now();
    if job.leased_until.is_none() && job.due_at > now {
        let hurried = ProvisioningJob {
            due_at: now,
            updated_at: now,
            ..job
        };
        tx.jobs().update(&hurried).await?;
        tx.touched_jobs();
    }
    Ok(())
}

/// Ends a job that has nothing left to do.
pub(super) async fn finish_unneeded(
    tx: &mut Transaction<'_>,
    job: ProvisioningJob,
) -> Result<(), Error> {
    let finished = ProvisioningJob {
        state: JobState::Succeeded,
        leased_until: None,
        updated_at: tx.control().clock().now(),
        ..job
    };
    tx.jobs().update(&finished).await?;
    tx.touched_jobs();
    Ok(())
}
