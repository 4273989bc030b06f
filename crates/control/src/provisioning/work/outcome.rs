//! The one transaction that ends a job's run: the job, its key mapping, the audit entry, what gateways must see.

use connectors::contract::ProvisionedClient;
use domain::key_mapping::{KeyMapping, KeyMappingState};
use domain::provider_failure::{FailureClass, ProviderFailure};
use domain::provisioning::{JobKind, JobState, ProvisioningJob};
use serde_json::json;
use store::StoreError;
use store::snapshot_change::ChangedNoun;

use super::Ended;
use crate::provisioning::backoff;
use crate::provisioning::lease::{Lease, LeasedWrite};
use crate::provisioning::schedule::finish_unneeded;
use crate::provisioning::{JOB_ACTOR, remove_application_when_idle};
use crate::{Control, Error, Transaction};

/// The client is there and its credential proven: the mapping is live.
pub(super) async fn created(
    control: &Control,
    lease: &Lease,
    client: ProvisionedClient,
) -> Result<(), Ended> {
    let (mut write, mapping) = succeed(control, lease).await?;
    let Some(mapping) = mapping else {
        return Err(Ended::LeaseLost);
    };
    let completed = KeyMapping {
        state: KeyMappingState::Completed,
        consumer_key: Some(client.consumer_key.clone()),
        consumer_secret: client.consumer_secret,
        provider_reference: client.provider_reference,
        updated_at: control.clock().now(),
        ..mapping
    };
    let updated = write.tx.key_mappings().update(&completed).await;
    updated.map_err(|error| match error {
        StoreError::Duplicate { .. } => Ended::Failed(taken(&client.consumer_key)),
        other => other.into(),
    })?;
    let details = json!({
        "consumerKey": client.consumer_key,
        "secretExpiresAt": client.secret_expires_at.map(|at| at.to_string()),
    });
    note(&mut write.tx, "key_mapping.completed", &completed, details).await?;
    Ok(write.commit().await?)
}

pub(super) async fn updated(control: &Control, lease: &Lease) -> Result<(), Ended> {
    let (write, _) = succeed(control, lease).await?;
    Ok(write.commit().await?)
}

/// The client is gone, and so is the mapping; the application too when it waited for that.
pub(super) async fn deleted(control: &Control, lease: &Lease) -> Result<(), Ended> {
    let (mut write, mapping) = succeed(control, lease).await?;
    if let Some(mapping) = mapping {
        remove(&mut write.tx, mapping).await?;
    }
    Ok(write.commit().await?)
}

/// What a failed or cancelled creation had made is gone.
pub(super) async fn undone(control: &Control, lease: &Lease) -> Result<(), Ended> {
    let write = lease.write(control, |job| end(job, JobState::Failed));
    let mut write = write.await?.ok_or(Ended::LeaseLost)?;
    write.tx.touched_jobs();
    let id = write.job().key_mapping_id;
    let mapping = write.tx.key_mappings().find(id).await?;
    if let Some(mapping) = mapping
        && mapping.state == KeyMappingState::Deprovisioning
    {
        remove(&mut write.tx, mapping).await?;
    }
    Ok(write.commit().await?)
}

/// Nothing is left that the job could be about.
pub(super) async fn orphaned(control: &Control, lease: &Lease) -> Result<(), Error> {
    let write = lease.write(control, |job| end(job, JobState::Succeeded));
    match write.await? {
        Some(write) => write.commit().await,
        None => Ok(()),
    }
}

/// Waits for the next attempt, or gives up: a creation is then undone, and its mapping says why.
pub(super) async fn failed(
    control: &Control,
    lease: &Lease,
    failure: ProviderFailure,
) -> Result<(), Error> {
    let now = control.clock().now();
    let job = lease.job().await;
    let undoing = job.state == JobState::Compensating;
    let again =
        undoing || (failure.is_retryable() && job.attempts < super::most_attempts(job.kind));
    let delay = backoff::delay(job.attempts, &failure, control.random());
    let write = lease.write(control, |job| {
        job.leased_until = None;
        job.last_failure = Some(failure.clone());
        if again {
            // What must be undone is never given up: it would stay behind at the key manager.
            if !undoing {
                job.state = JobState::Ready;
            }
            job.due_at = now + delay;
        } else if job.kind == JobKind::CreateClient {
            job.state = JobState::Compensating;
            job.attempts = 0;
            job.due_at = now;
        } else {
            job.state = JobState::Failed;
        }
    });
    let Some(mut write) = write.await? else {
        return lease.give_back(control).await;
    };
    write.tx.touched_jobs();
    if !again {
        gave_up(&mut write.tx, &job, failure).await?;
    }
    write.commit().await
}

async fn gave_up(
    tx: &mut Transaction<'_>,
    job: &ProvisioningJob,
    failure: ProviderFailure,
) -> Result<(), Error> {
    let Some(mapping) = tx.key_mappings().find(job.key_mapping_id).await? else {
        return Ok(());
    };
    let details = json!({ "job": job.kind, "failure": failure });
    if job.kind == JobKind::CreateClient && mapping.state == KeyMappingState::Provisioning {
        let failed = KeyMapping {
            state: KeyMappingState::Failed(failure),
            updated_at: tx.control().clock().now(),
            ..mapping.clone()
        };
        tx.key_mappings().update(&failed).await?;
    }
    note(tx, "key_mapping.failed", &mapping, details).await
}

/// The mapping and whatever still waits for it; its application when that waited for nothing else.
async fn remove(tx: &mut Transaction<'_>, mapping: KeyMapping) -> Result<(), Error> {
    for job in tx.jobs().list_of(mapping.id).await? {
        if !job.state.is_finished() {
            finish_unneeded(tx, job).await?;
        }
    }
    let details = json!({ "consumerKey": mapping.consumer_key });
    note(tx, "key_mapping.removed", &mapping, details).await?;
    tx.key_mappings().delete(mapping.id).await?;
    if let Some(application) = tx.applications().find(mapping.application_id).await? {
        remove_application_when_idle(tx, &application).await?;
    }
    Ok(())
}

/// Begins the unit of work in which the job succeeds, with the mapping as it is now.
pub(super) async fn succeed<'a>(
    control: &'a Control,
    lease: &'a Lease,
) -> Result<(LeasedWrite<'a>, Option<KeyMapping>), Ended> {
    let write = lease.write(control, |job| end(job, JobState::Succeeded));
    let mut write = write.await?.ok_or(Ended::LeaseLost)?;
    write.tx.touched_jobs();
    let id = write.job().key_mapping_id;
    let mapping = write.tx.key_mappings().find(id).await?;
    Ok((write, mapping))
}

pub(super) async fn note(
    tx: &mut Transaction<'_>,
    action: &str,
    mapping: &KeyMapping,
    details: serde_json::Value,
) -> Result<(), Error> {
    tx.changed(ChangedNoun::KeyMapping(mapping.id));
    tx.record_audit(JOB_ACTOR, action, mapping.id, details)
        .await
}

fn end(job: &mut ProvisioningJob, state: JobState) {
    job.state = state;
    job.leased_until = None;
    if state == JobState::Succeeded {
        job.last_failure = None;
    }
}

fn taken(consumer_key: &str) -> ProviderFailure {
    ProviderFailure::new(
        FailureClass::Rejected,
        "remember the client",
        format!("the consumer key {consumer_key} is already mapped at this key manager"),
    )
}
