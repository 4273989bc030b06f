//! `/applications` of the developer portal API.

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use control::application::ApplicationView;
use control::error::Noun;
use control::provisioning::Deletion;
use control::{ApplicationQuery, ApplicationSort, Control, SortOrder};
use domain::application::ApplicationSettings;
use domain::user::Actor;
use http::{StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::application_body::{ApplicationBody, ApplicationInfo};
use crate::json::Json;
use crate::paging::{PageQuery, Pagination, count};
use crate::problem::{ErrorBody, Problem};
use crate::query::{QueryString, identifier};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApplicationListQuery {
    /// Part of the name, any letter case.
    query: Option<String>,
    /// `name`, `throttlingPolicy`, `status` or `createdTime`.
    sort_by: Option<String>,
    /// `asc` or `desc`.
    sort_order: Option<String>,
    limit: Option<u32>,
    offset: Option<u32>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct ApplicationList {
    count: u64,
    list: Vec<ApplicationInfo>,
    pagination: Pagination,
}

/// What is not finished when the answer is sent.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WorkflowResponse {
    #[schema(value_type = String)]
    workflow_status: &'static str,
    json_payload: String,
}

/// The caller's own applications.
#[utoipa::path(
    get, path = "/applications", tag = "Applications", params(ApplicationListQuery),
    security(("OAuth2Security" = ["apim:subscribe", "apim:app_manage", "apim:app_import_export"])),
    responses((status = 200, body = ApplicationList), (status = 400, body = ErrorBody))
)]
pub(super) async fn list_applications(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    QueryString(query): QueryString<ApplicationListQuery>,
) -> Result<Json<ApplicationList>, Problem> {
    let page = PageQuery {
        limit: query.limit,
        offset: query.offset,
    }
    .page();
    let text = query.query.unwrap_or_default();
    let wanted = ApplicationQuery {
        name_contains: text.clone(),
        sort_by: sort_by(query.sort_by.as_deref())?,
        order: sort_order(query.sort_order.as_deref())?,
    };
    let listed = control.applications().list(&actor, &wanted, page).await?;
    let filter = [
        ("query", text.as_str()),
        ("sortBy", query.sort_by.as_deref().unwrap_or_default()),
        ("sortOrder", query.sort_order.as_deref().unwrap_or_default()),
    ];
    let pagination = Pagination::of(&listed, page, "/applications", &filter);
    let list: Vec<_> = listed
        .items
        .into_iter()
        .map(ApplicationInfo::from)
        .collect();
    Ok(Json(ApplicationList {
        count: count(&list),
        list,
        pagination,
    }))
}

/// Creates an application that the caller owns.
#[utoipa::path(
    post, path = "/applications", tag = "Applications", request_body = ApplicationBody,
    security(("OAuth2Security" = ["apim:subscribe", "apim:app_manage"])),
    responses(
        (status = 201, body = ApplicationBody, headers(("Location" = String))),
        (status = 400, body = ErrorBody), (status = 409, body = ErrorBody)
    )
)]
pub(super) async fn create_application(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    Json(body): Json<ApplicationBody>,
) -> Result<impl IntoResponse, Problem> {
    let application = control
        .applications()
        .create(&actor, ApplicationSettings::from(body))
        .await?;
    let location = format!("/api/am/devportal/v3/applications/{}", application.id);
    let view = ApplicationView {
        application,
        subscription_count: 0,
    };
    Ok((
        StatusCode::CREATED,
        [(header::LOCATION, location)],
        Json(ApplicationBody::from(view)),
    ))
}

/// One of the caller's applications.
#[utoipa::path(
    get, path = "/applications/{applicationId}", tag = "Applications",
    params(("applicationId" = String, Path)),
    security(("OAuth2Security" = ["apim:subscribe", "apim:app_manage"])),
    responses((status = 200, body = ApplicationBody), (status = 404, body = ErrorBody))
)]
pub(super) async fn get_application(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    Path(id): Path<String>,
) -> Result<Json<ApplicationBody>, Problem> {
    let id = identifier(&id, Noun::Application)?;
    let view = control.applications().view(&actor, id).await?;
    Ok(Json(view.into()))
}

/// Replaces an application's settings. A new name reaches the clients that were created for it.
#[utoipa::path(
    put, path = "/applications/{applicationId}", tag = "Applications",
    params(("applicationId" = String, Path)), request_body = ApplicationBody,
    security(("OAuth2Security" = ["apim:subscribe", "apim:app_manage"])),
    responses(
        (status = 200, body = ApplicationBody),
        (status = 400, body = ErrorBody), (status = 404, body = ErrorBody), (status = 412, body = ErrorBody)
    )
)]
pub(super) async fn update_application(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    Path(id): Path<String>,
    Json(body): Json<ApplicationBody>,
) -> Result<Json<ApplicationBody>, Problem> {
    let id = identifier(&id, Noun::Application)?;
    let applications = control.applications();
    applications
        .update(&actor, id, ApplicationSettings::from(body))
        .await?;
    Ok(Json(applications.view(&actor, id).await?.into()))
}

/// Deletes an application, its subscriptions and the clients that were created for it. 202 while a key manager
/// still has to let go of a client.
#[utoipa::path(
    delete, path = "/applications/{applicationId}", tag = "Applications",
    params(("applicationId" = String, Path)),
    security(("OAuth2Security" = ["apim:subscribe", "apim:app_manage", "apim:app_import_export"])),
    responses(
        (status = 200, description = "Deleted"),
        (status = 202, body = WorkflowResponse, headers(("Location" = String))),
        (status = 404, body = ErrorBody)
    )
)]
pub(super) async fn delete_application(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = identifier(&id, Noun::Application)?;
    Ok(match control.applications().delete(&actor, id).await? {
        Deletion::Done => StatusCode::OK.into_response(),
        Deletion::Pending => pending(format!("/api/am/devportal/v3/applications/{id}")),
    })
}

/// 202: the rest happens by itself, and `location` tells when it is gone.
pub(super) fn pending(location: String) -> Response {
    let body = WorkflowResponse {
        workflow_status: "CREATED",
        json_payload: String::new(),
    };
    (
        StatusCode::ACCEPTED,
        [(header::LOCATION, location)],
        Json(body),
    )
        .into_response()
}

fn sort_by(text: Option<&str>) -> Result<ApplicationSort, Problem> {
    match text {
        None | Some("" | "name") => Ok(ApplicationSort::Name),
        Some("throttlingPolicy") => Ok(ApplicationSort::ThrottlingPolicy),
        Some("status") => Ok(ApplicationSort::Status),
        Some("createdTime") => Ok(ApplicationSort::CreatedAt),
        Some(_) => Err(Problem::bad_request(
            "sortBy must be name, throttlingPolicy, status or createdTime.",
        )),
    }
}

fn sort_order(text: Option<&str>) -> Result<SortOrder, Problem> {
    match text {
        None | Some("" | "asc") => Ok(SortOrder::Ascending),
        Some("desc") => Ok(SortOrder::Descending),
        Some(_) => Err(Problem::bad_request("sortOrder must be asc or desc.")),
    }
}
