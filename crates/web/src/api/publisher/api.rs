//! `/apis` of the publisher API.

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::IntoResponse;
use control::error::Noun;
use control::{ApiQuery, Control};
use domain::api::Api;
use domain::user::Actor;
use http::{StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::api_body::ApiBody;
use crate::api::developer_portal::name_in;
use crate::json::Json;
use crate::paging::{PageQuery, Pagination, count};
use crate::problem::{ErrorBody, Problem};
use crate::query::{QueryString, identifier};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ApiListQuery {
    /// Part of the name, any letter case; `name:` before it is accepted.
    query: Option<String>,
    limit: Option<u32>,
    offset: Option<u32>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = APIList)]
pub(crate) struct ApiList {
    count: u64,
    list: Vec<ApiInfo>,
    pagination: Pagination,
}

/// An API in the list.
#[derive(Serialize, ToSchema)]
#[schema(as = APIInfo)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApiInfo {
    id: String,
    name: String,
    description: String,
    context: String,
    version: String,
    provider: String,
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    kind: &'static str,
    #[schema(value_type = String)]
    life_cycle_status: &'static str,
    /// Milliseconds since 1970.
    created_time: String,
    /// Milliseconds since 1970.
    updated_time: String,
}

impl From<Api> for ApiInfo {
    fn from(api: Api) -> Self {
        Self {
            id: api.id.to_string(),
            name: api.settings.name,
            description: api.settings.description,
            context: api.settings.context,
            version: api.settings.version,
            provider: api.provider,
            kind: "HTTP",
            life_cycle_status: api.lifecycle.as_str(),
            created_time: api.created_at.as_millisecond().to_string(),
            updated_time: api.updated_at.as_millisecond().to_string(),
        }
    }
}

/// All APIs, by name.
#[utoipa::path(
    get, path = "/apis", tag = "APIs", params(ApiListQuery),
    security(("OAuth2Security" = ["apim:api_view", "apim:api_manage", "apim:api_import_export", "apim:api_list_view"])),
    responses((status = 200, body = ApiList))
)]
pub(super) async fn list_apis(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    QueryString(query): QueryString<ApiListQuery>,
) -> Result<Json<ApiList>, Problem> {
    let page = PageQuery {
        limit: query.limit,
        offset: query.offset,
    }
    .page();
    let text = query.query.unwrap_or_default();
    let wanted = ApiQuery {
        name_contains: name_in(&text).to_owned(),
        ..ApiQuery::default()
    };
    let listed = control.apis().list(&actor, &wanted, page).await?;
    let pagination = Pagination::of(&listed, page, "/apis", &[("query", &text)]);
    let list: Vec<_> = listed.items.into_iter().map(ApiInfo::from).collect();
    Ok(Json(ApiList {
        count: count(&list),
        list,
        pagination,
    }))
}

/// Makes an API from its settings; an OpenAPI document is written from the operations.
#[utoipa::path(
    post, path = "/apis", tag = "APIs", request_body = ApiBody,
    security(("OAuth2Security" = ["apim:api_create", "apim:api_manage"])),
    responses(
        (status = 201, body = ApiBody, headers(("Location" = String))),
        (status = 400, body = ErrorBody), (status = 409, body = ErrorBody)
    )
)]
pub(super) async fn create_api(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    Json(body): Json<Value>,
) -> Result<impl IntoResponse, Problem> {
    let settings = ApiBody::read(body)?.into_settings()?;
    let api = control.apis().create(&actor, settings).await?;
    Ok(created(&api))
}

/// One API.
#[utoipa::path(
    get, path = "/apis/{apiId}", tag = "APIs", params(("apiId" = String, Path)),
    security(("OAuth2Security" = ["apim:api_view", "apim:api_manage", "apim:api_import_export", "apim:api_product_import_export"])),
    responses((status = 200, body = ApiBody), (status = 404, body = ErrorBody))
)]
pub(super) async fn get_api(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    Path(id): Path<String>,
) -> Result<Json<ApiBody>, Problem> {
    let id = identifier(&id, Noun::Api)?;
    let api = control.apis().get(&actor, id).await?;
    Ok(Json(ApiBody::from(&api)))
}

/// Replaces an API's settings. Gateways serve the change with the next deployed revision.
#[utoipa::path(
    put, path = "/apis/{apiId}", tag = "APIs", params(("apiId" = String, Path)), request_body = ApiBody,
    security(("OAuth2Security" = ["apim:api_create", "apim:api_manage", "apim:api_publish"])),
    responses(
        (status = 200, body = ApiBody), (status = 400, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 412, body = ErrorBody)
    )
)]
pub(super) async fn update_api(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    Path(id): Path<String>,
    Json(body): Json<Value>,
) -> Result<Json<ApiBody>, Problem> {
    let id = identifier(&id, Noun::Api)?;
    let settings = ApiBody::read(body)?.into_settings()?;
    let api = control.apis().update(&actor, id, settings).await?;
    Ok(Json(ApiBody::from(&api)))
}

/// Deletes an API that has no subscriptions.
#[utoipa::path(
    delete, path = "/apis/{apiId}", tag = "APIs", params(("apiId" = String, Path)),
    security(("OAuth2Security" = ["apim:api_delete", "apim:api_manage", "apim:api_import_export"])),
    responses(
        (status = 200, description = "Deleted"),
        (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)
    )
)]
pub(super) async fn delete_api(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let id = identifier(&id, Noun::Api)?;
    control.apis().delete(&actor, id).await?;
    Ok(StatusCode::OK)
}

/// 201 with the new API and where it stands.
pub(super) fn created(api: &Api) -> impl IntoResponse + use<> {
    let location = format!("/api/am/publisher/v4/apis/{}", api.id);
    (
        StatusCode::CREATED,
        [(header::LOCATION, location)],
        Json(ApiBody::from(api)),
    )
}
