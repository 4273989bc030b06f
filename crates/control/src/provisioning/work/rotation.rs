//! A new client secret without a gap: added, proven, delivered; what it replaces is removed by a second job after
//! the grace period. Only secrets that Claviger added are ever removed.

use connectors::contract::{ClientSecrets, ListedSecret, SecretSpecification};
use connectors::{Connector, Journal};
use domain::key_mapping::KeyMapping;
use domain::provider_failure::{FailureClass, ProviderFailure};
use domain::provisioning::{JobKind, StepEvent};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::subject::Subject;
use super::{Ended, outcome};
use crate::provisioning::journal::JobJournal;
use crate::provisioning::lease::Lease;
use crate::provisioning::{JOB_ACTOR, new_job};
use crate::{Control, Error, Transaction};

/// Journal step: which secrets stood at the key manager before.
const LIST: &str = "list_secrets";

/// Journal step of the second job: the new secret is delivered, these are to go.
const RETIRE: &str = "retire_secrets";

/// Of the secrets that are replaced, so many keep working for the grace period; with more rotations than that
/// within one period the oldest go at once, so that no credential limit is ever reached.
const KEPT_IN_GRACE: usize = 2;

pub(super) async fn carry_out(
    control: &Control,
    lease: &Lease,
    subject: &Subject,
    connector: &dyn Connector,
    journal: &mut JobJournal<'_>,
) -> Result<(), Ended> {
    let (Some(secrets), Some(client)) = (connector.secrets(), subject.reference()) else {
        return Err(Ended::Failed(unsupported()));
    };
    if let Some(retired) = journal.intent(RETIRE) {
        for key_id in texts(&retired["keyIds"]) {
            secrets.remove(&client, &key_id).await?;
        }
        return outcome::updated(control, lease).await;
    }
    let before = secrets_before(secrets, subject, journal).await?;
    let wanted = SecretSpecification {
        description: format!("Claviger {}", subject.mapping.id),
        lifetime: None,
    };
    let issued = secrets.add(&client, &wanted, journal).await?;
    let (mut write, mapping) = outcome::succeed(control, lease).await?;
    let Some(mapping) = mapping else {
        return Err(Ended::LeaseLost);
    };
    let rotated = KeyMapping {
        consumer_secret: Some(issued.secret),
        updated_at: control.clock().now(),
        ..mapping
    };
    write.tx.key_mappings().update(&rotated).await?;
    let (in_grace, at_once) = split(&before);
    let now = control.clock().now();
    let ends = now + control.settings().secret_grace_period;
    retire(&mut write.tx, &rotated, at_once, now).await?;
    retire(&mut write.tx, &rotated, in_grace, ends).await?;
    let details = json!({
        "keyId": issued.key_id,
        "expiresAt": issued.expires_at.map(|at| at.to_string()),
    });
    outcome::note(
        &mut write.tx,
        "key_mapping.secret_rotated",
        &rotated,
        details,
    )
    .await?;
    Ok(write.commit().await?)
}

/// The key ids of our secrets from before this rotation, newest first; remembered, so that a resumed job does
/// not count its own new secret among them.
async fn secrets_before(
    secrets: &dyn ClientSecrets,
    subject: &Subject,
    journal: &mut JobJournal<'_>,
) -> Result<Vec<String>, Ended> {
    if let Some(facts) = journal.facts(LIST) {
        return Ok(texts(&facts["keyIds"]));
    }
    let Some(client) = subject.reference() else {
        return Ok(Vec::new());
    };
    journal.started(LIST, json!({})).await?;
    let mut ours: Vec<ListedSecret> = secrets.list(&client).await?;
    ours.retain(|secret| secret.added_by_claviger);
    // Where the provider tells no times, its list is taken to be in order of creation.
    ours.sort_by_key(|secret| secret.starts_at);
    let key_ids: Vec<String> = ours.into_iter().rev().map(|one| one.key_id).collect();
    journal.finished(LIST, json!({ "keyIds": key_ids })).await?;
    Ok(key_ids)
}

fn split(before: &[String]) -> (&[String], &[String]) {
    before.split_at(before.len().min(KEPT_IN_GRACE))
}

async fn retire(
    tx: &mut Transaction<'_>,
    mapping: &KeyMapping,
    key_ids: &[String],
    due_at: Timestamp,
) -> Result<(), Error> {
    if key_ids.is_empty() {
        return Ok(());
    }
    let control = tx.control();
    let mut job = new_job(control, JobKind::RotateSecret, mapping, JOB_ACTOR);
    // Jobs of one mapping run in the order of their creation. This one comes into being when it is due, or it
    // would hold up all others for the whole grace period.
    job.created_at = due_at;
    job.due_at = due_at;
    tx.schedule(&job).await?;
    let intent = json!({ "keyIds": key_ids });
    let event = StepEvent::Started { intent };
    tx.jobs()
        .record(job.id, RETIRE, &event, control.clock().now())
        .await?;
    Ok(())
}

fn texts(value: &Value) -> Vec<String> {
    let items = value.as_array().into_iter().flatten();
    items.filter_map(Value::as_str).map(str::to_owned).collect()
}

fn unsupported() -> ProviderFailure {
    ProviderFailure::new(
        FailureClass::Rejected,
        "add secret",
        "this type of key manager does not add and remove secrets",
    )
}
