//! Provisioning jobs and their journals.

use async_trait::async_trait;
use domain::id::{JobId, KeyMappingId};
use domain::provisioning::{JournalEntry, ProvisioningJob, StepEvent};
use jiff::Timestamp;

use crate::error::StoreError;

#[async_trait]
pub trait ProvisioningJobs: Send {
    async fn insert(&mut self, job: &ProvisioningJob) -> Result<(), StoreError>;

    /// Compares and advances the version.
    async fn update(&mut self, job: &ProvisioningJob) -> Result<(), StoreError>;

    async fn find(&mut self, id: JobId) -> Result<Option<ProvisioningJob>, StoreError>;

    /// Unfinished jobs that are due and whose lease, if any, has run out; oldest first. Jobs of one key mapping
    /// run one after the other: only the oldest unfinished one of each mapping is listed.
    async fn list_due(
        &mut self,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<ProvisioningJob>, StoreError>;

    /// The earliest instant at which an unfinished job becomes due.
    async fn next_due_at(&mut self) -> Result<Option<Timestamp>, StoreError>;

    /// All jobs of a mapping, newest first.
    async fn list_of(&mut self, mapping: KeyMappingId) -> Result<Vec<ProvisioningJob>, StoreError>;

    /// The newest jobs of all, finished or not.
    async fn list_recent(&mut self, limit: u32) -> Result<Vec<ProvisioningJob>, StoreError>;

    /// Appends to a job's journal; the sequence is given out here.
    async fn record(
        &mut self,
        job: JobId,
        step: &str,
        event: &StepEvent,
        at: Timestamp,
    ) -> Result<(), StoreError>;

    /// In order.
    async fn journal(&mut self, job: JobId) -> Result<Vec<JournalEntry>, StoreError>;
}
