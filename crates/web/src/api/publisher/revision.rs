//! Revisions of an API and their deployments.

use axum::Extension;
use axum::extract::{Path, State};
use control::Control;
use control::api::revision::{DeploymentTarget, RevisionView};
use control::error::Noun;
use domain::api::Deployment;
use domain::id::{ApiId, RevisionId};
use domain::user::Actor;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::json::{Json, JsonList};
use crate::paging::count;
use crate::problem::{ErrorBody, Problem};
use crate::query::{QueryString, identifier};

/// What a new revision is to say. The rest of WSO2's schema is accepted and ignored.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "fields that portals send back are accepted and ignored"
)]
pub(crate) struct ApiRevisionRequest {
    #[schema(max_length = 255)]
    description: Option<String>,
    id: Option<String>,
    display_name: Option<String>,
    #[schema(value_type = Option<String>)]
    created_time: Option<Value>,
    #[schema(value_type = Option<Object>)]
    api_info: Option<Value>,
    #[schema(value_type = Option<Vec<Object>>)]
    deployment_info: Option<Value>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = APIRevisionList)]
pub(crate) struct RevisionList {
    count: u64,
    list: Vec<RevisionBody>,
}

/// An immutable copy of an API.
#[derive(Serialize, ToSchema)]
#[schema(as = APIRevision)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RevisionBody {
    /// `Revision 1` and so on.
    display_name: String,
    id: String,
    description: String,
    /// Milliseconds since 1970.
    created_time: String,
    api_info: RevisionApi,
    deployment_info: Vec<DeploymentBody>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = APIRevisionAPIInfo)]
pub(crate) struct RevisionApi {
    id: String,
}

/// Where a revision is to be deployed. The rest of WSO2's schema is accepted and ignored.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "fields that portals send back are accepted and ignored"
)]
pub(crate) struct DeploymentRequest {
    /// A gateway environment, for example `Default`.
    name: String,
    vhost: Option<String>,
    display_on_devportal: Option<bool>,
    revision_uuid: Option<String>,
    status: Option<String>,
    #[schema(value_type = Option<String>)]
    deployed_time: Option<Value>,
    #[schema(value_type = Option<String>)]
    success_deployed_time: Option<Value>,
    live_gateway_count: Option<u64>,
    deployed_gateway_count: Option<u64>,
    failed_gateway_count: Option<u64>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = APIRevisionDeployment)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeploymentBody {
    revision_uuid: String,
    name: String,
    #[schema(value_type = String)]
    status: &'static str,
    vhost: String,
    display_on_devportal: bool,
    /// Milliseconds since 1970.
    deployed_time: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = APIRevisionDeploymentList)]
pub(crate) struct DeploymentList {
    list: Vec<DeploymentBody>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct RevisionListQuery {
    /// `deployed:true` or `deployed:false`.
    query: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeployQuery {
    revision_id: String,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UndeployQuery {
    revision_id: String,
    /// From wherever it is deployed; the body may then be `[]`.
    all_environments: Option<bool>,
}

impl From<RevisionView> for RevisionBody {
    fn from(view: RevisionView) -> Self {
        let revision = view.revision;
        Self {
            display_name: revision.display_name(),
            id: revision.id.to_string(),
            description: revision.description,
            created_time: revision.created_at.as_millisecond().to_string(),
            api_info: RevisionApi {
                id: revision.api_id.to_string(),
            },
            deployment_info: view
                .deployments
                .into_iter()
                .map(DeploymentBody::from)
                .collect(),
        }
    }
}

impl From<Deployment> for DeploymentBody {
    fn from(deployment: Deployment) -> Self {
        Self {
            revision_uuid: deployment.revision_id.to_string(),
            name: deployment.environment,
            status: "APPROVED",
            vhost: deployment.vhost,
            display_on_devportal: deployment.display_on_devportal,
            deployed_time: deployment.deployed_at.as_millisecond().to_string(),
        }
    }
}

impl From<DeploymentRequest> for DeploymentTarget {
    fn from(request: DeploymentRequest) -> Self {
        Self {
            environment: request.name,
            vhost: request.vhost.unwrap_or_default(),
            display_on_devportal: request.display_on_devportal.unwrap_or(true),
        }
    }
}

/// An API's revisions, by number.
#[utoipa::path(
    get, path = "/apis/{apiId}/revisions", tag = "API Revisions",
    params(("apiId" = String, Path), RevisionListQuery),
    security(("OAuth2Security" = ["apim:api_view", "apim:api_create", "apim:api_manage", "apim:api_publish", "apim:api_import_export"])),
    responses((status = 200, body = RevisionList), (status = 404, body = ErrorBody))
)]
pub(super) async fn list_revisions(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    Path(id): Path<String>,
    QueryString(query): QueryString<RevisionListQuery>,
) -> Result<Json<RevisionList>, Problem> {
    let id = identifier(&id, Noun::Api)?;
    let revisions = control.apis().revisions(&actor, id).await?;
    let wanted = |view: &RevisionView| match query.query.as_deref() {
        Some("deployed:true") => !view.deployments.is_empty(),
        Some("deployed:false") => view.deployments.is_empty(),
        _ => true,
    };
    let list: Vec<_> = revisions
        .into_iter()
        .filter(wanted)
        .map(RevisionBody::from)
        .collect();
    Ok(Json(RevisionList {
        count: count(&list),
        list,
    }))
}

/// Copies the API as it is now. At most five revisions exist at a time.
#[utoipa::path(
    post, path = "/apis/{apiId}/revisions", tag = "API Revisions", params(("apiId" = String, Path)),
    request_body = ApiRevisionRequest,
    security(("OAuth2Security" = ["apim:api_create", "apim:api_manage", "apim:api_publish", "apim:api_import_export"])),
    responses(
        (status = 201, body = RevisionBody),
        (status = 400, body = ErrorBody), (status = 404, body = ErrorBody)
    )
)]
pub(super) async fn create_revision(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    Path(id): Path<String>,
    Json(body): Json<ApiRevisionRequest>,
) -> Result<(StatusCode, Json<RevisionBody>), Problem> {
    let id = identifier(&id, Noun::Api)?;
    let revision = control
        .apis()
        .create_revision(&actor, id, body.description.unwrap_or_default())
        .await?;
    let view = RevisionView {
        revision,
        deployments: Vec::new(),
    };
    Ok((StatusCode::CREATED, Json(view.into())))
}

/// One revision.
#[utoipa::path(
    get, path = "/apis/{apiId}/revisions/{revisionId}", tag = "API Revisions",
    params(("apiId" = String, Path), ("revisionId" = String, Path)),
    security(("OAuth2Security" = ["apim:api_view", "apim:api_create", "apim:api_manage", "apim:api_publish"])),
    responses((status = 200, body = RevisionBody), (status = 404, body = ErrorBody))
)]
pub(super) async fn get_revision(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    Path((id, revision)): Path<(String, String)>,
) -> Result<Json<RevisionBody>, Problem> {
    let (id, revision) = identifiers(&id, &revision)?;
    Ok(Json(
        control.apis().revision(&actor, id, revision).await?.into(),
    ))
}

/// Deletes a revision that is not deployed; answers with those that remain.
#[utoipa::path(
    delete, path = "/apis/{apiId}/revisions/{revisionId}", tag = "API Revisions",
    params(("apiId" = String, Path), ("revisionId" = String, Path)),
    security(("OAuth2Security" = ["apim:api_create", "apim:api_manage", "apim:api_publish", "apim:api_import_export"])),
    responses(
        (status = 200, body = RevisionList),
        (status = 404, body = ErrorBody), (status = 412, body = ErrorBody)
    )
)]
pub(super) async fn delete_revision(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    Path((id, revision)): Path<(String, String)>,
) -> Result<Json<RevisionList>, Problem> {
    let (id, revision) = identifiers(&id, &revision)?;
    let apis = control.apis();
    apis.delete_revision(&actor, id, revision).await?;
    let remaining = apis.revisions(&actor, id).await?;
    let list: Vec<_> = remaining.into_iter().map(RevisionBody::from).collect();
    Ok(Json(RevisionList {
        count: count(&list),
        list,
    }))
}

/// Puts a revision onto gateways.
#[utoipa::path(
    post, path = "/apis/{apiId}/deploy-revision", tag = "API Revisions",
    params(("apiId" = String, Path), DeployQuery), request_body = Vec<DeploymentRequest>,
    security(("OAuth2Security" = ["apim:api_create", "apim:api_manage", "apim:api_publish"])),
    responses(
        (status = 201, body = Vec<DeploymentBody>),
        (status = 400, body = ErrorBody), (status = 404, body = ErrorBody)
    )
)]
pub(super) async fn deploy_revision(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    Path(id): Path<String>,
    QueryString(query): QueryString<DeployQuery>,
    JsonList(body): JsonList<DeploymentRequest>,
) -> Result<(StatusCode, Json<Vec<DeploymentBody>>), Problem> {
    let (id, revision) = identifiers(&id, &query.revision_id)?;
    let targets = body.into_iter().map(DeploymentTarget::from).collect();
    let deployed = control.apis().deploy(&actor, id, revision, targets).await?;
    let list = deployed.into_iter().map(DeploymentBody::from).collect();
    Ok((StatusCode::CREATED, Json(list)))
}

/// Takes a revision down from gateways; answers with where it is still deployed.
#[utoipa::path(
    post, path = "/apis/{apiId}/undeploy-revision", tag = "API Revisions",
    params(("apiId" = String, Path), UndeployQuery), request_body = Vec<DeploymentRequest>,
    security(("OAuth2Security" = ["apim:api_create", "apim:api_manage", "apim:api_publish", "apim:api_import_export"])),
    responses(
        (status = 201, body = Vec<DeploymentBody>),
        (status = 400, body = ErrorBody), (status = 404, body = ErrorBody)
    )
)]
pub(super) async fn undeploy_revision(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    Path(id): Path<String>,
    QueryString(query): QueryString<UndeployQuery>,
    JsonList(body): JsonList<DeploymentRequest>,
) -> Result<(StatusCode, Json<Vec<DeploymentBody>>), Problem> {
    let (id, revision) = identifiers(&id, &query.revision_id)?;
    let apis = control.apis();
    let environments: Vec<String> = if query.all_environments.unwrap_or(false) {
        let deployed = apis.revision(&actor, id, revision).await?.deployments;
        deployed.into_iter().map(|one| one.environment).collect()
    } else {
        body.into_iter().map(|target| target.name).collect()
    };
    apis.undeploy(&actor, id, revision, &environments).await?;
    let remaining = apis.revision(&actor, id, revision).await?.deployments;
    let list = remaining.into_iter().map(DeploymentBody::from).collect();
    Ok((StatusCode::CREATED, Json(list)))
}

/// Where the API is deployed.
#[utoipa::path(
    get, path = "/apis/{apiId}/deployments", tag = "API Revisions", params(("apiId" = String, Path)),
    security(("OAuth2Security" = ["apim:api_view", "apim:api_create", "apim:api_manage", "apim:api_publish"])),
    responses((status = 200, body = DeploymentList), (status = 404, body = ErrorBody))
)]
pub(super) async fn list_deployments(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    Path(id): Path<String>,
) -> Result<Json<DeploymentList>, Problem> {
    let id = identifier(&id, Noun::Api)?;
    let deployments = control.apis().deployments(&actor, id).await?;
    Ok(Json(DeploymentList {
        list: deployments.into_iter().map(DeploymentBody::from).collect(),
    }))
}

fn identifiers(api: &str, revision: &str) -> Result<(ApiId, RevisionId), Problem> {
    Ok((
        identifier(api, Noun::Api)?,
        identifier(revision, Noun::Revision)?,
    ))
}
