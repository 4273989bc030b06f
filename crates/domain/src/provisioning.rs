//! Work at a key manager, journaled so that a crash anywhere resumes or is undone.
//!
//! A job is written in the same transaction as the change that needs it. Each step the connector takes is
//! recorded before it starts and after it ends; what it learnt (object ids, never secrets) is the step's facts.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::{JobId, KeyManagerId, KeyMappingId};
use crate::provider_failure::ProviderFailure;

#[derive(Clone, Debug)]
pub struct ProvisioningJob {
    pub id: JobId,
    pub kind: JobKind,
    pub key_mapping_id: KeyMappingId,
    pub key_manager_id: KeyManagerId,
    /// Who asked for it.
    pub requested_by: String,
    pub state: JobState,
    /// How many times a runner took it.
    pub attempts: u32,
    /// Not before this instant.
    pub due_at: Timestamp,
    /// While a runner works on it: until when it holds it. After that another runner may take over.
    pub leased_until: Option<Timestamp>,
    pub last_failure: Option<ProviderFailure>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub version: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    CreateClient,
    UpdateClient,
    RotateSecret,
    DeleteClient,
}

impl JobKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CreateClient => "create_client",
            Self::UpdateClient => "update_client",
            Self::RotateSecret => "rotate_secret",
            Self::DeleteClient => "delete_client",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    Ready,
    Running,
    /// Failed for good; what was made is being removed.
    Compensating,
    Succeeded,
    /// Failed for good, and nothing is left behind.
    Failed,
}

impl JobState {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Running => "running",
            Self::Compensating => "compensating",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }

    pub const fn is_finished(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }
}

/// One line of a job's journal.
#[derive(Clone, Debug)]
pub struct JournalEntry {
    pub job_id: JobId,
    /// Position within the job, from 1.
    pub sequence: i64,
    /// The connector's name for the step, for example `create_application`.
    pub step: String,
    pub event: StepEvent,
    pub at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum StepEvent {
    /// Written before the step touches the provider; `intent` is what is needed to recognise its effect later.
    Started {
        intent: Value,
    },
    /// Written after; `facts` is what later steps and the clean-up need.
    Finished {
        facts: Value,
    },
    Failed {
        failure: ProviderFailure,
    },
}
