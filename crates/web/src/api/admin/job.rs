//! Provisioning jobs, as an administrator watches them (an addition to WSO2's contract).

use axum::Extension;
use axum::extract::State;
use control::Control;
use domain::provisioning::ProvisioningJob;
use domain::user::Actor;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::json::Json;
use crate::paging::count;
use crate::problem::{Problem, describe};
use crate::query::QueryString;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct JobQuery {
    /// At most this many; 1 to 1000, 25 when absent.
    limit: Option<u32>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct JobList {
    count: u64,
    list: Vec<JobBody>,
}

/// A unit of work at a key manager.
#[derive(Serialize, ToSchema)]
#[schema(as = Job)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JobBody {
    id: String,
    /// `create_client`, `update_client`, `rotate_secret` or `delete_client`.
    kind: &'static str,
    key_mapping_id: String,
    key_manager_id: String,
    requested_by: String,
    /// `ready`, `running`, `compensating`, `succeeded` or `failed`.
    state: &'static str,
    attempts: u32,
    /// RFC 3339, UTC; the job rests until then.
    due_at: String,
    /// The provider's own words.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_failure: Option<String>,
    created_at: String,
    updated_at: String,
}

impl From<ProvisioningJob> for JobBody {
    fn from(job: ProvisioningJob) -> Self {
        Self {
            id: job.id.to_string(),
            kind: job.kind.as_str(),
            key_mapping_id: job.key_mapping_id.to_string(),
            key_manager_id: job.key_manager_id.to_string(),
            requested_by: job.requested_by,
            state: job.state.as_str(),
            attempts: job.attempts,
            due_at: job.due_at.to_string(),
            last_failure: job.last_failure.as_ref().map(describe),
            created_at: job.created_at.to_string(),
            updated_at: job.updated_at.to_string(),
        }
    }
}

/// The newest provisioning jobs (an addition to WSO2's contract).
#[utoipa::path(
    get, path = "/jobs", tag = "Jobs", params(JobQuery),
    security(("OAuth2Security" = ["apim:admin", "apim:keymanagers_manage"])),
    responses((status = 200, body = JobList))
)]
pub(super) async fn list_jobs(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    QueryString(query): QueryString<JobQuery>,
) -> Result<Json<JobList>, Problem> {
    let limit = query.limit.unwrap_or(25).clamp(1, 1_000);
    let jobs = control.jobs().recent(&actor, limit).await?;
    let list: Vec<_> = jobs.into_iter().map(JobBody::from).collect();
    Ok(Json(JobList {
        count: count(&list),
        list,
    }))
}
