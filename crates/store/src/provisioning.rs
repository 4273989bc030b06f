//! Provisioning jobs and their journals.

use async_trait::async_trait;
use domain::id::{JobId, KeyMappingId};
use domain::provisioning::{JournalEntry, ProvisioningJob, StepEvent};
use jiff::Timestamp;

use crate::error::StoreError;
use crate::sql::{Row, SqlTx, Statement, Table};

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

static PROVISIONING_JOBS: Table = Table {
    name: "provisioning_jobs",
    noun: "provisioning job",
    key: "id",
    unique: &[],
};

static PROVISIONING_JOURNAL: Table = Table {
    name: "provisioning_journal",
    noun: "journal entry",
    key: "job and sequence",
    unique: &[],
};

/// One column list for all that reads jobs.
macro_rules! select {
    ($rest:expr) => {
        concat!(
            "SELECT id, kind, key_mapping_id, key_manager_id, requested_by, state, attempts, due_at,
                    leased_until, last_failure, created_at, updated_at, version
             FROM provisioning_jobs AS job ",
            $rest
        )
    };
}

/// The oldest unfinished job of each key mapping: the only one of them that may run. Older means created
/// before; identifiers, which are ordered by creation too, decide between equals.
macro_rules! oldest_unfinished {
    () => {
        "job.state NOT IN ('succeeded', 'failed')
         AND NOT EXISTS (
             SELECT 1 FROM provisioning_jobs AS older
             WHERE older.key_mapping_id = job.key_mapping_id
               AND older.state NOT IN ('succeeded', 'failed')
               AND (older.created_at < job.created_at
                    OR (older.created_at = job.created_at AND older.id < job.id))
         ) "
    };
}

#[async_trait]
impl ProvisioningJobs for SqlTx {
    async fn insert(&mut self, job: &ProvisioningJob) -> Result<(), StoreError> {
        let statement = Statement::new(
            &PROVISIONING_JOBS,
            "INSERT INTO provisioning_jobs
                 (state, attempts, due_at, leased_until, last_failure, updated_at, id, version, kind,
                  key_mapping_id, key_manager_id, requested_by, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        );
        let statement = bind(statement, job)
            .word(&job.kind)
            .id(job.key_mapping_id)
            .id(job.key_manager_id)
            .text(&job.requested_by)
            .time(job.created_at);
        self.execute(statement).await.map(|_| ())
    }

    async fn update(&mut self, job: &ProvisioningJob) -> Result<(), StoreError> {
        // What is to be done, for whom and where, is what the job is; it stays.
        let statement = Statement::new(
            &PROVISIONING_JOBS,
            "UPDATE provisioning_jobs
             SET state = $1, attempts = $2, due_at = $3, leased_until = $4, last_failure = $5,
                 updated_at = $6, version = version + 1
             WHERE id = $7 AND version = $8",
        );
        self.execute_one(bind(statement, job)).await
    }

    async fn find(&mut self, id: JobId) -> Result<Option<ProvisioningJob>, StoreError> {
        let statement = Statement::new(&PROVISIONING_JOBS, select!("WHERE id = $1")).id(id);
        self.fetch_optional(statement)
            .await?
            .as_ref()
            .map(job)
            .transpose()
    }

    async fn list_due(
        &mut self,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<ProvisioningJob>, StoreError> {
        let statement = Statement::new(
            &PROVISIONING_JOBS,
            select!(concat!(
                "WHERE ",
                oldest_unfinished!(),
                "AND job.due_at <= $1 AND (job.leased_until IS NULL OR job.leased_until <= $1)
                 ORDER BY job.created_at, job.id LIMIT $2"
            )),
        )
        .time(now)
        .limit(limit);
        self.fetch_all(statement).await?.iter().map(job).collect()
    }

    async fn next_due_at(&mut self) -> Result<Option<Timestamp>, StoreError> {
        // A leased job is due again when its lease runs out, and a job behind another not before that one.
        let statement = Statement::new(
            &PROVISIONING_JOBS,
            concat!(
                "SELECT MIN(CASE WHEN job.leased_until > job.due_at THEN job.leased_until ELSE job.due_at END)
                     AS due_at
                 FROM provisioning_jobs AS job WHERE ",
                oldest_unfinished!()
            ),
        );
        match self.fetch_optional(statement).await? {
            Some(row) => row.optional_time("due_at"),
            None => Ok(None),
        }
    }

    async fn list_of(&mut self, mapping: KeyMappingId) -> Result<Vec<ProvisioningJob>, StoreError> {
        let statement = Statement::new(
            &PROVISIONING_JOBS,
            select!("WHERE key_mapping_id = $1 ORDER BY created_at DESC, id DESC"),
        )
        .id(mapping);
        self.fetch_all(statement).await?.iter().map(job).collect()
    }

    async fn list_recent(&mut self, limit: u32) -> Result<Vec<ProvisioningJob>, StoreError> {
        let statement = Statement::new(
            &PROVISIONING_JOBS,
            select!("ORDER BY created_at DESC, id DESC LIMIT $1"),
        )
        .limit(limit);
        self.fetch_all(statement).await?.iter().map(job).collect()
    }

    async fn record(
        &mut self,
        job: JobId,
        step: &str,
        event: &StepEvent,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let statement = Statement::new(
            &PROVISIONING_JOURNAL,
            "INSERT INTO provisioning_journal (job_id, sequence, step, event, recorded_at)
             SELECT $1, COALESCE(MAX(sequence), 0) + 1, $2, $3, $4
             FROM provisioning_journal WHERE job_id = $1",
        )
        .id(job)
        .text(step)
        .json(event)
        .time(at);
        self.execute(statement).await.map(|_| ())
    }

    async fn journal(&mut self, job: JobId) -> Result<Vec<JournalEntry>, StoreError> {
        let statement = Statement::new(
            &PROVISIONING_JOURNAL,
            "SELECT job_id, sequence, step, event, recorded_at FROM provisioning_journal
             WHERE job_id = $1 ORDER BY sequence",
        )
        .id(job);
        self.fetch_all(statement)
            .await?
            .iter()
            .map(journal_entry)
            .collect()
    }
}

/// $1 to $8, which insert and update share.
fn bind(statement: Statement, job: &ProvisioningJob) -> Statement {
    statement
        .word(&job.state)
        .integer(job.attempts.into())
        .time(job.due_at)
        .optional_time(job.leased_until)
        .optional_json(job.last_failure.as_ref())
        .time(job.updated_at)
        .id(job.id)
        .integer(job.version)
}

fn job(row: &Row) -> Result<ProvisioningJob, StoreError> {
    Ok(ProvisioningJob {
        id: row.id("id")?,
        kind: row.word("kind")?,
        key_mapping_id: row.id("key_mapping_id")?,
        key_manager_id: row.id("key_manager_id")?,
        requested_by: row.text("requested_by")?,
        state: row.word("state")?,
        attempts: row.unsigned("attempts")?,
        due_at: row.time("due_at")?,
        leased_until: row.optional_time("leased_until")?,
        last_failure: row.optional_json("last_failure")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
        version: row.integer("version")?,
    })
}

fn journal_entry(row: &Row) -> Result<JournalEntry, StoreError> {
    Ok(JournalEntry {
        job_id: row.id("job_id")?,
        sequence: row.integer("sequence")?,
        step: row.text("step")?,
        event: row.json("event")?,
        at: row.time("recorded_at")?,
    })
}
