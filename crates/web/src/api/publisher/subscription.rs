//! Subscriptions as an API's publisher sees them: who subscribed, blocking and unblocking.

use axum::Extension;
use axum::extract::State;
use control::Control;
use control::error::Noun;
use control::subscription::SubscriptionView;
use domain::subscription::SubscriptionStatus;
use domain::user::Actor;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::json::Json;
use crate::paging::{PageQuery, Pagination, count};
use crate::problem::{ErrorBody, Problem};
use crate::query::{QueryString, identifier};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApiSubscriptionQuery {
    api_id: String,
    limit: Option<u32>,
    offset: Option<u32>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BlockQuery {
    subscription_id: String,
    /// `BLOCKED` or `PROD_ONLY_BLOCKED`.
    block_state: String,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UnblockQuery {
    subscription_id: String,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct SubscriptionList {
    count: u64,
    list: Vec<SubscriptionBody>,
    pagination: Pagination,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Subscription)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SubscriptionBody {
    subscription_id: String,
    application_info: SubscribedApplication,
    throttling_policy: String,
    #[schema(value_type = String)]
    subscription_status: &'static str,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ApplicationInfo)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SubscribedApplication {
    application_id: String,
    name: String,
    subscriber: String,
    description: String,
}

impl From<SubscriptionView> for SubscriptionBody {
    fn from(view: SubscriptionView) -> Self {
        Self {
            subscription_id: view.subscription.id.to_string(),
            application_info: SubscribedApplication {
                application_id: view.application.id.to_string(),
                name: view.application.settings.name,
                subscriber: view.application.owner,
                description: view.application.settings.description,
            },
            throttling_policy: view.subscription.throttling_policy,
            subscription_status: view.subscription.status.as_str(),
        }
    }
}

/// Everybody's subscriptions to an API.
#[utoipa::path(
    get, path = "/subscriptions", tag = "Subscriptions", params(ApiSubscriptionQuery),
    security(("OAuth2Security" = ["apim:api_view", "apim:mcp_server_view", "apim:subscription_view", "apim:subscription_manage"])),
    responses((status = 200, body = SubscriptionList), (status = 404, body = ErrorBody))
)]
pub(super) async fn list_api_subscriptions(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    QueryString(query): QueryString<ApiSubscriptionQuery>,
) -> Result<Json<SubscriptionList>, Problem> {
    let id = identifier(&query.api_id, Noun::Api)?;
    let page = PageQuery {
        limit: query.limit,
        offset: query.offset,
    }
    .page();
    let listed = control
        .subscriptions()
        .list_of_api(&actor, id, page)
        .await?;
    let filter = [("apiId", query.api_id.as_str())];
    let pagination = Pagination::of(&listed, page, "/subscriptions", &filter);
    let list: Vec<_> = listed
        .items
        .into_iter()
        .map(SubscriptionBody::from)
        .collect();
    Ok(Json(SubscriptionList {
        count: count(&list),
        list,
        pagination,
    }))
}

/// Blocks a subscription, altogether or for production keys only.
#[utoipa::path(
    post, path = "/subscriptions/block-subscription", tag = "Subscriptions", params(BlockQuery),
    security(("OAuth2Security" = ["apim:subscription_block", "apim:subscription_manage"])),
    responses(
        (status = 200, description = "Blocked"),
        (status = 400, body = ErrorBody), (status = 404, body = ErrorBody)
    )
)]
pub(super) async fn block_subscription(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    QueryString(query): QueryString<BlockQuery>,
) -> Result<StatusCode, Problem> {
    let id = identifier(&query.subscription_id, Noun::Subscription)?;
    let status = match query.block_state.as_str() {
        "BLOCKED" => SubscriptionStatus::Blocked,
        "PROD_ONLY_BLOCKED" => SubscriptionStatus::ProdOnlyBlocked,
        _ => {
            return Err(Problem::bad_request(
                "blockState must be BLOCKED or PROD_ONLY_BLOCKED.",
            ));
        }
    };
    control
        .subscriptions()
        .change_status(&actor, id, status)
        .await?;
    Ok(StatusCode::OK)
}

/// Lets a blocked subscription through again.
#[utoipa::path(
    post, path = "/subscriptions/unblock-subscription", tag = "Subscriptions", params(UnblockQuery),
    security(("OAuth2Security" = ["apim:subscription_block", "apim:subscription_manage"])),
    responses((status = 200, description = "Unblocked"), (status = 404, body = ErrorBody))
)]
pub(super) async fn unblock_subscription(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    QueryString(query): QueryString<UnblockQuery>,
) -> Result<StatusCode, Problem> {
    let id = identifier(&query.subscription_id, Noun::Subscription)?;
    control
        .subscriptions()
        .change_status(&actor, id, SubscriptionStatus::Unblocked)
        .await?;
    Ok(StatusCode::OK)
}
