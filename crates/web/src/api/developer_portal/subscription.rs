//! `/subscriptions` of the developer portal API.

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::IntoResponse;
use control::error::Noun;
use control::subscription::{NewSubscription, SubscriptionView};
use control::{Control, Listed};
use domain::user::Actor;
use http::{StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::api::ApiInfo;
use super::application_body::ApplicationInfo;
use crate::json::Json;
use crate::paging::{PageQuery, Pagination, count};
use crate::problem::{ErrorBody, Problem};
use crate::query::{QueryString, identifier};

/// Either an API or an application must be named.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SubscriptionQuery {
    api_id: Option<String>,
    application_id: Option<String>,
    limit: Option<u32>,
    offset: Option<u32>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct SubscriptionList {
    count: u64,
    list: Vec<SubscriptionBody>,
    pagination: Pagination,
}

/// An application's subscription to an API, under a business plan.
#[derive(Serialize, ToSchema)]
#[schema(as = Subscription)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SubscriptionBody {
    subscription_id: String,
    application_id: String,
    api_id: String,
    api_info: ApiInfo,
    application_info: ApplicationInfo,
    throttling_policy: String,
    requested_throttling_policy: String,
    /// `UNBLOCKED`, `BLOCKED`, `PROD_ONLY_BLOCKED`, `ON_HOLD` or `REJECTED`.
    #[schema(value_type = String)]
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    redirection_params: Option<String>,
}

/// What a developer asks for. The rest of WSO2's schema is accepted and ignored.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "fields that portals send back are accepted and ignored"
)]
pub(crate) struct SubscriptionRequest {
    application_id: String,
    api_id: String,
    /// Business plan that the API offers.
    throttling_policy: String,
    subscription_id: Option<String>,
    #[schema(value_type = Option<Object>)]
    api_info: Option<Value>,
    #[schema(value_type = Option<Object>)]
    application_info: Option<Value>,
    /// On an update, the plan to move to.
    requested_throttling_policy: Option<String>,
    status: Option<String>,
    redirection_params: Option<String>,
}

impl From<SubscriptionView> for SubscriptionBody {
    fn from(view: SubscriptionView) -> Self {
        let subscription = view.subscription;
        Self {
            subscription_id: subscription.id.to_string(),
            application_id: subscription.application_id.to_string(),
            api_id: subscription.api_id.to_string(),
            api_info: view.api.into(),
            application_info: view.application.into(),
            requested_throttling_policy: subscription.throttling_policy.clone(),
            throttling_policy: subscription.throttling_policy,
            status: subscription.status.as_str(),
            redirection_params: None,
        }
    }
}

/// Subscriptions of one of the caller's applications, or of all of them to one API.
#[utoipa::path(
    get, path = "/subscriptions", tag = "Subscriptions", params(SubscriptionQuery),
    security(("OAuth2Security" = ["apim:subscribe", "apim:sub_manage"])),
    responses((status = 200, body = SubscriptionList), (status = 400, body = ErrorBody))
)]
pub(super) async fn list_subscriptions(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    QueryString(query): QueryString<SubscriptionQuery>,
) -> Result<Json<SubscriptionList>, Problem> {
    let page = PageQuery {
        limit: query.limit,
        offset: query.offset,
    }
    .page();
    let subscriptions = control.subscriptions();
    let api = query.api_id.as_deref().filter(|id| !id.is_empty());
    let application = query.application_id.as_deref().filter(|id| !id.is_empty());
    let listed = match (application, api) {
        (Some(application), None) => {
            let id = identifier(application, Noun::Application)?;
            subscriptions.list_of_application(&actor, id, page).await?
        }
        (None, Some(api)) => {
            let id = identifier(api, Noun::Api)?;
            subscriptions.list_own_of_api(&actor, id, page).await?
        }
        _ => {
            return Err(Problem::bad_request("Give either apiId or applicationId."));
        }
    };
    let filter = [
        ("apiId", api.unwrap_or_default()),
        ("applicationId", application.unwrap_or_default()),
    ];
    let pagination = Pagination::of(&listed, page, "/subscriptions", &filter);
    Ok(Json(list_of(listed, pagination)))
}

/// Subscribes one of the caller's applications to an API.
#[utoipa::path(
    post, path = "/subscriptions", tag = "Subscriptions", request_body = SubscriptionRequest,
    security(("OAuth2Security" = ["apim:subscribe", "apim:sub_manage"])),
    responses(
        (status = 201, body = SubscriptionBody, headers(("Location" = String))),
        (status = 400, body = ErrorBody), (status = 409, body = ErrorBody)
    )
)]
pub(super) async fn create_subscription(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    Json(body): Json<SubscriptionRequest>,
) -> Result<impl IntoResponse, Problem> {
    let new = NewSubscription {
        application_id: identifier(&body.application_id, Noun::Application)?,
        api_id: identifier(&body.api_id, Noun::Api)?,
        throttling_policy: body.throttling_policy,
    };
    let view = control.subscriptions().create(&actor, new).await?;
    let location = format!(
        "/api/am/devportal/v3/subscriptions/{}",
        view.subscription.id
    );
    Ok((
        StatusCode::CREATED,
        [(header::LOCATION, location)],
        Json(SubscriptionBody::from(view)),
    ))
}

/// A subscription of one of the caller's applications.
#[utoipa::path(
    get, path = "/subscriptions/{subscriptionId}", tag = "Subscriptions",
    params(("subscriptionId" = String, Path)),
    security(("OAuth2Security" = ["apim:subscribe", "apim:sub_manage"])),
    responses((status = 200, body = SubscriptionBody), (status = 404, body = ErrorBody))
)]
pub(super) async fn get_subscription(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    Path(id): Path<String>,
) -> Result<Json<SubscriptionBody>, Problem> {
    let id = identifier(&id, Noun::Subscription)?;
    let view = control.subscriptions().get(&actor, id).await?;
    Ok(Json(view.into()))
}

/// Moves a subscription to another business plan: `requestedThrottlingPolicy`, else `throttlingPolicy`.
#[utoipa::path(
    put, path = "/subscriptions/{subscriptionId}", tag = "Subscriptions",
    params(("subscriptionId" = String, Path)), request_body = SubscriptionRequest,
    security(("OAuth2Security" = ["apim:subscribe", "apim:sub_manage"])),
    responses((status = 200, body = SubscriptionBody), (status = 404, body = ErrorBody))
)]
pub(super) async fn update_subscription(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    Path(id): Path<String>,
    Json(body): Json<SubscriptionRequest>,
) -> Result<Json<SubscriptionBody>, Problem> {
    let id = identifier(&id, Noun::Subscription)?;
    let plan = body
        .requested_throttling_policy
        .filter(|plan| !plan.is_empty())
        .unwrap_or(body.throttling_policy);
    let view = control.subscriptions().update(&actor, id, &plan).await?;
    Ok(Json(view.into()))
}

/// Ends a subscription.
#[utoipa::path(
    delete, path = "/subscriptions/{subscriptionId}", tag = "Subscriptions",
    params(("subscriptionId" = String, Path)),
    security(("OAuth2Security" = ["apim:subscribe", "apim:sub_manage"])),
    responses((status = 200, description = "Deleted"), (status = 404, body = ErrorBody))
)]
pub(super) async fn delete_subscription(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let id = identifier(&id, Noun::Subscription)?;
    control.subscriptions().delete(&actor, id).await?;
    Ok(StatusCode::OK)
}

fn list_of(listed: Listed<SubscriptionView>, pagination: Pagination) -> SubscriptionList {
    let list: Vec<_> = listed
        .items
        .into_iter()
        .map(SubscriptionBody::from)
        .collect();
    SubscriptionList {
        count: count(&list),
        list,
        pagination,
    }
}
