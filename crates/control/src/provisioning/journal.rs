//! A job's journal as connectors write it: durable before a call returns, and only under the job's lease.

use async_trait::async_trait;
use connectors::{ConnectorError, Journal};
use domain::provider_failure::ProviderFailure;
use domain::provisioning::{JournalEntry, StepEvent};
use serde_json::Value;

use super::lease::{LEASE, Lease, LeaseLost};
use crate::{Control, Error};

pub(super) struct JobJournal<'a> {
    control: &'a Control,
    lease: &'a Lease,
    entries: Vec<JournalEntry>,
}

impl<'a> JobJournal<'a> {
    /// With what earlier runs wrote.
    pub(super) async fn open(control: &'a Control, lease: &'a Lease) -> Result<Self, Error> {
        let mut tx = control.store().read().await?;
        let entries = tx.jobs().journal(lease.id()).await?;
        Ok(Self {
            control,
            lease,
            entries,
        })
    }

    /// The step that was started last and has neither finished nor failed.
    fn open_step(&self) -> Option<&str> {
        let last = self.entries.last()?;
        matches!(last.event, StepEvent::Started { .. }).then_some(last.step.as_str())
    }

    /// Notes why a run of the job ended, at the step where it ended.
    pub(super) async fn failed(&mut self, failure: &ProviderFailure) -> Result<(), ConnectorError> {
        let step = self.open_step().unwrap_or(&failure.operation).to_owned();
        let failure = failure.clone();
        self.append(&step, StepEvent::Failed { failure }).await
    }

    async fn append(&mut self, step: &str, event: StepEvent) -> Result<(), ConnectorError> {
        let now = self.control.clock().now();
        let id = self.lease.id();
        let write = self
            .lease
            .write(self.control, |job| job.leased_until = Some(now + LEASE))
            .await
            .map_err(not_written)?;
        let Some(mut write) = write else {
            return Err(not_written(LeaseLost));
        };
        let recorded = write.tx.jobs().record(id, step, &event, now).await;
        recorded.map_err(not_written)?;
        write.commit().await.map_err(not_written)?;
        let sequence = self.entries.last().map_or(0, |entry| entry.sequence) + 1;
        self.entries.push(JournalEntry {
            job_id: id,
            sequence,
            step: step.to_owned(),
            event,
            at: now,
        });
        Ok(())
    }
}

#[async_trait]
impl Journal for JobJournal<'_> {
    async fn started(&mut self, step: &'static str, intent: Value) -> Result<(), ConnectorError> {
        self.append(step, StepEvent::Started { intent }).await
    }

    async fn finished(&mut self, step: &'static str, facts: Value) -> Result<(), ConnectorError> {
        self.append(step, StepEvent::Finished { facts }).await
    }

    fn intent(&self, step: &str) -> Option<Value> {
        let newest = self.entries.iter().rev();
        newest
            .filter(|entry| entry.step == step)
            .find_map(|entry| match &entry.event {
                StepEvent::Started { intent } => Some(intent.clone()),
                StepEvent::Finished { .. } | StepEvent::Failed { .. } => None,
            })
    }

    fn facts(&self, step: &str) -> Option<Value> {
        let newest = self.entries.iter().rev();
        newest
            .filter(|entry| entry.step == step)
            .find_map(|entry| match &entry.event {
                StepEvent::Finished { facts } => Some(facts.clone()),
                StepEvent::Started { .. } | StepEvent::Failed { .. } => None,
            })
    }
}

fn not_written(error: impl std::error::Error + Send + Sync + 'static) -> ConnectorError {
    ConnectorError::Journal(Box::new(error))
}
