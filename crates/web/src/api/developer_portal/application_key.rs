//! Keys of an application: generate, map, read, change, regenerate the secret, clean up, delete.

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use control::Control;
use control::error::Noun;
use control::key_mapping::{Deletion, JobSteps, UpdateKeys};
use domain::id::{ApplicationId, KeyMappingId};
use domain::provisioning::{JournalEntry, StepEvent};
use domain::user::Actor;
use http::StatusCode;
use secrecy::ExposeSecret as _;
use serde::Serialize;
use utoipa::ToSchema;

use super::application::{WorkflowResponse, pending};
use super::application_key_body::{
    ApplicationKey, ApplicationKeyGenerateRequest, ApplicationKeyList,
    ApplicationKeyMappingRequest, ApplicationKeyReGenerateResponse, ApplicationKeyUpdateRequest,
    ApplicationToken,
};
use crate::api::admin::revocation::RevocationBody;
use crate::json::Json;
use crate::paging::count;
use crate::problem::{ErrorBody, Problem, describe, invalid};
use crate::query::identifier;

/// What a job did for these keys so far (an addition to WSO2's contract).
#[derive(Serialize, ToSchema)]
pub(crate) struct JobStepsList {
    count: u64,
    list: Vec<JobStepsBody>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = JobSteps)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JobStepsBody {
    /// `create_client`, `update_client`, `rotate_secret` or `delete_client`.
    #[schema(value_type = String)]
    kind: &'static str,
    /// `ready`, `running`, `compensating`, `succeeded` or `failed`.
    #[schema(value_type = String)]
    state: &'static str,
    attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_failure: Option<String>,
    steps: Vec<StepBody>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Step)]
pub(crate) struct StepBody {
    /// For example `create_application`.
    step: String,
    /// `started`, `finished` or `failed`.
    #[schema(value_type = String)]
    event: &'static str,
    /// RFC 3339, UTC.
    at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
}

impl From<JobSteps> for JobStepsBody {
    fn from(steps: JobSteps) -> Self {
        Self {
            kind: steps.job.kind.as_str(),
            state: steps.job.state.as_str(),
            attempts: steps.job.attempts,
            last_failure: steps.job.last_failure.as_ref().map(describe),
            steps: steps.journal.into_iter().map(StepBody::from).collect(),
        }
    }
}

impl From<JournalEntry> for StepBody {
    fn from(entry: JournalEntry) -> Self {
        let (event, failure) = match entry.event {
            StepEvent::Started { .. } => ("started", None),
            StepEvent::Finished { .. } => ("finished", None),
            StepEvent::Failed { failure } => ("failed", Some(describe(&failure))),
        };
        Self {
            step: entry.step,
            event,
            at: entry.at.to_string(),
            failure,
        }
    }
}

/// Creates an OAuth client in the key manager. Answers when it works, or with `keyState` CREATED when the key
/// manager takes longer than this request waits; the job goes on.
#[utoipa::path(
    post, path = "/applications/{applicationId}/generate-keys", tag = "Application Keys",
    params(("applicationId" = String, Path)), request_body = ApplicationKeyGenerateRequest,
    security(("OAuth2Security" = ["apim:subscribe", "apim:app_manage"])),
    responses(
        (status = 200, body = ApplicationKey), (status = 400, body = ErrorBody),
        (status = 403, body = ErrorBody), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)
    )
)]
pub(super) async fn generate_keys(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    Path(application): Path<String>,
    Json(body): Json<ApplicationKeyGenerateRequest>,
) -> Result<Json<ApplicationKey>, Problem> {
    let application = identifier(&application, Noun::Application)?;
    let wanted = control::key_mapping::GenerateKeys::from(body);
    let named = wanted.key_manager.clone();
    let generated = control
        .key_mappings()
        .generate(&actor, application, wanted)
        .await
        .map_err(invalid::of_application_keys)?;
    Ok(Json(ApplicationKey {
        key_manager: named,
        consumer_secret: generated
            .secret
            .map(|secret| secret.expose_secret().to_owned()),
        token: generated.token.map(ApplicationToken::from),
        ..ApplicationKey::without_secret(generated.mapping, &generated.key_manager)
    }))
}

/// Connects a client that already exists in the key manager. It is never changed or deleted there.
#[utoipa::path(
    post, path = "/applications/{applicationId}/map-keys", tag = "Application Keys",
    params(("applicationId" = String, Path)), request_body = ApplicationKeyMappingRequest,
    security(("OAuth2Security" = ["apim:subscribe", "apim:app_manage"])),
    responses(
        (status = 200, body = ApplicationKey), (status = 400, body = ErrorBody),
        (status = 403, body = ErrorBody), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)
    )
)]
pub(super) async fn map_keys(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    Path(application): Path<String>,
    Json(body): Json<ApplicationKeyMappingRequest>,
) -> Result<Json<ApplicationKey>, Problem> {
    let application = identifier(&application, Noun::Application)?;
    let wanted = control::key_mapping::MapKeys::from(body);
    let named = wanted.key_manager.clone();
    let (mapping, key_manager) = control
        .key_mappings()
        .map(&actor, application, wanted)
        .await
        .map_err(invalid::of_application_keys)?;
    Ok(Json(ApplicationKey {
        key_manager: named,
        ..ApplicationKey::without_secret(mapping, &key_manager)
    }))
}

/// All keys of an application. No key manager is asked.
#[utoipa::path(
    get, path = "/applications/{applicationId}/oauth-keys", tag = "Application Keys",
    params(("applicationId" = String, Path)),
    security(("OAuth2Security" = ["apim:subscribe", "apim:app_manage"])),
    responses((status = 200, body = ApplicationKeyList), (status = 404, body = ErrorBody))
)]
pub(super) async fn list_keys(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    Path(application): Path<String>,
) -> Result<Json<ApplicationKeyList>, Problem> {
    let application = identifier(&application, Noun::Application)?;
    let keys = control.key_mappings().list(&actor, application).await?;
    let list: Vec<_> = keys
        .into_iter()
        .map(|(mapping, key_manager)| ApplicationKey::without_secret(mapping, &key_manager))
        .collect();
    Ok(Json(ApplicationKeyList {
        count: count(&list),
        list,
    }))
}

/// Keys of one key manager.
#[utoipa::path(
    get, path = "/applications/{applicationId}/oauth-keys/{keyMappingId}", tag = "Application Keys",
    params(("applicationId" = String, Path), ("keyMappingId" = String, Path)),
    security(("OAuth2Security" = ["apim:subscribe", "apim:app_manage"])),
    responses((status = 200, body = ApplicationKey), (status = 404, body = ErrorBody))
)]
pub(super) async fn get_key(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    Path(path): Path<(String, String)>,
) -> Result<Json<ApplicationKey>, Problem> {
    let (application, id) = identifiers(&path)?;
    let (mapping, key_manager) = control.key_mappings().get(&actor, application, id).await?;
    Ok(Json(ApplicationKey::without_secret(mapping, &key_manager)))
}

/// Changes grant types, callback URL and the connector's fields. Never makes a secret.
#[utoipa::path(
    put, path = "/applications/{applicationId}/oauth-keys/{keyMappingId}", tag = "Application Keys",
    params(("applicationId" = String, Path), ("keyMappingId" = String, Path)),
    request_body = ApplicationKeyUpdateRequest,
    security(("OAuth2Security" = ["apim:subscribe", "apim:app_manage"])),
    responses(
        (status = 200, body = ApplicationKey),
        (status = 400, body = ErrorBody), (status = 404, body = ErrorBody)
    )
)]
pub(super) async fn update_key(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    Path(path): Path<(String, String)>,
    Json(body): Json<ApplicationKeyUpdateRequest>,
) -> Result<Json<ApplicationKey>, Problem> {
    let (application, id) = identifiers(&path)?;
    let (mapping, key_manager) = control
        .key_mappings()
        .update(&actor, application, id, UpdateKeys::from(body))
        .await
        .map_err(invalid::of_application_keys)?;
    Ok(Json(ApplicationKey::without_secret(mapping, &key_manager)))
}

/// Removes keys. A client that was created here goes from the key manager as well; a mapped one stays there.
#[utoipa::path(
    delete, path = "/applications/{applicationId}/oauth-keys/{keyMappingId}", tag = "Application Keys",
    params(("applicationId" = String, Path), ("keyMappingId" = String, Path)),
    security(("OAuth2Security" = ["apim:subscribe", "apim:app_manage"])),
    responses(
        (status = 200, description = "Deleted"), (status = 202, body = WorkflowResponse),
        (status = 404, body = ErrorBody)
    )
)]
pub(super) async fn delete_key(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    Path(path): Path<(String, String)>,
) -> Result<Response, Problem> {
    let (application, id) = identifiers(&path)?;
    let deletion = control
        .key_mappings()
        .delete(&actor, application, id)
        .await?;
    Ok(deleted(deletion, application, id))
}

/// Makes a new secret and shows it, once. The old one keeps working for the grace period.
#[utoipa::path(
    post, path = "/applications/{applicationId}/oauth-keys/{keyMappingId}/regenerate-secret",
    tag = "Application Keys",
    params(("applicationId" = String, Path), ("keyMappingId" = String, Path)),
    security(("OAuth2Security" = ["apim:subscribe", "apim:app_manage"])),
    responses(
        (status = 200, body = ApplicationKeyReGenerateResponse), (status = 404, body = ErrorBody),
        (status = 501, body = ErrorBody)
    )
)]
pub(super) async fn regenerate_secret(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    Path(path): Path<(String, String)>,
) -> Result<Json<ApplicationKeyReGenerateResponse>, Problem> {
    let (application, id) = identifiers(&path)?;
    let (mapping, secret) = control
        .key_mappings()
        .regenerate_secret(&actor, application, id)
        .await?;
    Ok(Json(ApplicationKeyReGenerateResponse {
        consumer_key: mapping.consumer_key,
        consumer_secret: secret.expose_secret().to_owned(),
    }))
}

/// Ends all access tokens that were issued to these keys until now: what to do after a secret leaked, together with a
/// new secret (an addition to WSO2's contract). Gateways refuse them within a second.
#[utoipa::path(
    post, path = "/applications/{applicationId}/oauth-keys/{keyMappingId}/revoke-tokens",
    tag = "Application Keys",
    params(("applicationId" = String, Path), ("keyMappingId" = String, Path)),
    security(("OAuth2Security" = ["apim:subscribe", "apim:app_manage"])),
    responses(
        (status = 200, body = RevocationBody), (status = 400, body = ErrorBody),
        (status = 404, body = ErrorBody)
    )
)]
pub(super) async fn revoke_tokens(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    Path(path): Path<(String, String)>,
) -> Result<Json<RevocationBody>, Problem> {
    let (application, id) = identifiers(&path)?;
    let view = control
        .revocations()
        .create_for_key(&actor, application, id)
        .await?;
    Ok(Json(RevocationBody::from(view)))
}

/// Removes keys whose creation failed or hangs, with whatever was made at the key manager.
#[utoipa::path(
    post, path = "/applications/{applicationId}/oauth-keys/{keyMappingId}/clean-up",
    tag = "Application Keys",
    params(("applicationId" = String, Path), ("keyMappingId" = String, Path)),
    security(("OAuth2Security" = ["apim:subscribe", "apim:app_manage"])),
    responses(
        (status = 200, description = "Cleaned up"), (status = 202, body = WorkflowResponse),
        (status = 404, body = ErrorBody), (status = 412, body = ErrorBody)
    )
)]
pub(super) async fn clean_up_key(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    Path(path): Path<(String, String)>,
) -> Result<Response, Problem> {
    let (application, id) = identifiers(&path)?;
    let deletion = control
        .key_mappings()
        .clean_up(&actor, application, id)
        .await?;
    Ok(deleted(deletion, application, id))
}

/// What was done at the key manager for these keys, newest job first (an addition to WSO2's contract).
#[utoipa::path(
    get, path = "/applications/{applicationId}/oauth-keys/{keyMappingId}/steps", tag = "Application Keys",
    params(("applicationId" = String, Path), ("keyMappingId" = String, Path)),
    security(("OAuth2Security" = ["apim:subscribe", "apim:app_manage"])),
    responses((status = 200, body = JobStepsList), (status = 404, body = ErrorBody))
)]
pub(super) async fn list_steps(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    Path(path): Path<(String, String)>,
) -> Result<Json<JobStepsList>, Problem> {
    let (application, id) = identifiers(&path)?;
    let steps = control
        .key_mappings()
        .steps(&actor, application, id)
        .await?;
    let list: Vec<_> = steps.into_iter().map(JobStepsBody::from).collect();
    Ok(Json(JobStepsList {
        count: count(&list),
        list,
    }))
}

pub(super) fn identifiers(
    (application, id): &(String, String),
) -> Result<(ApplicationId, KeyMappingId), Problem> {
    Ok((
        identifier(application, Noun::Application)?,
        identifier(id, Noun::KeyMapping)?,
    ))
}

fn deleted(deletion: Deletion, application: ApplicationId, id: KeyMappingId) -> Response {
    match deletion {
        Deletion::Done => StatusCode::OK.into_response(),
        Deletion::Pending => pending(format!(
            "/api/am/devportal/v3/applications/{application}/oauth-keys/{id}"
        )),
    }
}
