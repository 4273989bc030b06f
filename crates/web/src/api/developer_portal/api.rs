//! The catalogue: `/apis` of the developer portal API. Signed out, a caller sees what is public.

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::IntoResponse;
use control::api::{ApiSummary, VisibleApi};
use control::error::Noun;
use control::{ApiQuery, Control};
use domain::api::{Api, KeyManagerSelection, Operation};
use domain::user::Actor;
use http::header;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::json::Json;
use crate::paging::{PageQuery, Pagination, count};
use crate::problem::{ErrorBody, Problem};
use crate::query::{QueryString, identifier};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct CatalogueQuery {
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

/// An API in a list or beside a subscription.
#[derive(Serialize, ToSchema)]
#[schema(as = APIInfo)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApiInfo {
    id: String,
    name: String,
    description: String,
    context: String,
    version: String,
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    kind: &'static str,
    provider: String,
    #[schema(value_type = String)]
    life_cycle_status: &'static str,
    /// Business plans that it offers.
    throttling_policies: Vec<String>,
    is_subscription_available: bool,
    #[schema(value_type = String)]
    gateway_vendor: &'static str,
}

/// An API as a developer sees it.
#[derive(Serialize, ToSchema)]
#[schema(as = API)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApiBody {
    id: String,
    name: String,
    description: String,
    context: String,
    version: String,
    provider: String,
    #[schema(value_type = String)]
    life_cycle_status: &'static str,
    is_default_version: bool,
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    kind: &'static str,
    #[schema(value_type = Vec<String>)]
    transport: Vec<&'static str>,
    operations: Vec<OperationBody>,
    /// Request header that carries the credential.
    authorization_header: String,
    #[schema(value_type = Vec<String>)]
    security_scheme: Vec<&'static str>,
    tags: Vec<String>,
    tiers: Vec<Tier>,
    has_thumbnail: bool,
    #[serde(rename = "endpointURLs")]
    endpoint_urls: Vec<EndpointUrls>,
    environment_list: Vec<String>,
    scopes: Vec<ScopeInfo>,
    is_subscription_available: bool,
    /// `["all"]` or names.
    key_managers: Vec<String>,
    /// Milliseconds since 1970.
    created_time: String,
    /// Milliseconds since 1970.
    last_updated_time: String,
    #[schema(value_type = String)]
    gateway_vendor: &'static str,
}

#[derive(Serialize, ToSchema)]
#[schema(as = APIOperations)]
pub(crate) struct OperationBody {
    target: String,
    #[schema(value_type = String)]
    verb: &'static str,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Tier {
    tier_name: String,
    #[schema(value_type = String)]
    tier_plan: &'static str,
}

/// Where a gateway environment serves the API.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EndpointUrls {
    environment_name: String,
    environment_display_name: String,
    #[schema(value_type = String)]
    environment_type: &'static str,
    #[serde(rename = "URLs")]
    urls: Urls,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Urls {
    #[serde(skip_serializing_if = "Option::is_none")]
    http: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    https: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct ScopeInfo {
    key: String,
    name: String,
    roles: Vec<String>,
    description: String,
}

impl From<ApiSummary> for ApiInfo {
    fn from(api: ApiSummary) -> Self {
        Self {
            id: api.id.to_string(),
            name: api.name,
            description: api.description,
            context: api.context,
            version: api.version,
            kind: "HTTP",
            provider: api.provider,
            life_cycle_status: api.lifecycle.as_str(),
            is_subscription_available: api.lifecycle.accepts_subscriptions()
                && !api.policies.is_empty(),
            throttling_policies: api.policies,
            gateway_vendor: "wso2",
        }
    }
}

impl From<Api> for ApiInfo {
    fn from(api: Api) -> Self {
        Self::from(ApiSummary {
            id: api.id,
            name: api.settings.name,
            context: api.settings.context,
            version: api.settings.version,
            description: api.settings.description,
            provider: api.provider,
            lifecycle: api.lifecycle,
            policies: api.settings.policies,
        })
    }
}

impl From<VisibleApi> for ApiBody {
    fn from(visible: VisibleApi) -> Self {
        let api = visible.api;
        let settings = api.settings;
        Self {
            id: api.id.to_string(),
            name: settings.name,
            description: settings.description,
            context: settings.context,
            version: settings.version,
            provider: api.provider,
            life_cycle_status: api.lifecycle.as_str(),
            is_default_version: settings.is_default_version,
            kind: "HTTP",
            transport: vec!["http", "https"],
            operations: settings
                .operations
                .iter()
                .map(OperationBody::from)
                .collect(),
            authorization_header: header_or_default(settings.authorization_header),
            security_scheme: vec!["oauth2", "oauth_basic_auth_api_key_mandatory"],
            tags: Vec::new(),
            is_subscription_available: api.lifecycle.accepts_subscriptions()
                && !settings.policies.is_empty(),
            tiers: settings
                .policies
                .into_iter()
                .map(|tier_name| Tier {
                    tier_name,
                    tier_plan: "FREE",
                })
                .collect(),
            has_thumbnail: false,
            environment_list: visible
                .gateway_urls
                .iter()
                .map(|(environment, _)| environment.clone())
                .collect(),
            endpoint_urls: visible
                .gateway_urls
                .into_iter()
                .map(EndpointUrls::from)
                .collect(),
            scopes: settings
                .scopes
                .into_iter()
                .map(|scope| ScopeInfo {
                    key: scope.name,
                    name: scope.display_name,
                    roles: scope.bindings,
                    description: scope.description,
                })
                .collect(),
            key_managers: match settings.key_managers {
                KeyManagerSelection::All => vec!["all".to_owned()],
                KeyManagerSelection::Only(names) => names,
            },
            created_time: api.created_at.as_millisecond().to_string(),
            last_updated_time: api.updated_at.as_millisecond().to_string(),
            gateway_vendor: "wso2",
        }
    }
}

impl From<&Operation> for OperationBody {
    fn from(operation: &Operation) -> Self {
        Self {
            target: operation.target.clone(),
            verb: operation.verb.as_str(),
        }
    }
}

impl From<(String, String)> for EndpointUrls {
    fn from((environment, url): (String, String)) -> Self {
        let is_https = url.starts_with("https:");
        Self {
            environment_name: environment.clone(),
            environment_display_name: environment,
            environment_type: "hybrid",
            urls: Urls {
                http: Some(url.clone()).filter(|_| !is_https),
                https: Some(url).filter(|_| is_https),
            },
        }
    }
}

/// The APIs that the caller may see.
#[utoipa::path(
    get, path = "/apis", tag = "APIs", params(CatalogueQuery),
    security(("OAuth2Security" = [])),
    responses((status = 200, body = ApiList))
)]
pub(super) async fn list_visible_apis(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    QueryString(query): QueryString<CatalogueQuery>,
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
    let listed = control.apis().list_visible(&actor, &wanted, page).await?;
    let pagination = Pagination::of(&listed, page, "/apis", &[("query", &text)]);
    let list: Vec<_> = listed.items.into_iter().map(ApiInfo::from).collect();
    Ok(Json(ApiList {
        count: count(&list),
        list,
        pagination,
    }))
}

/// One API that the caller may see.
#[utoipa::path(
    get, path = "/apis/{apiId}", tag = "APIs", params(("apiId" = String, Path)),
    security(("OAuth2Security" = [])),
    responses((status = 200, body = ApiBody), (status = 404, body = ErrorBody))
)]
pub(super) async fn get_visible_api(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    Path(id): Path<String>,
) -> Result<Json<ApiBody>, Problem> {
    let id = identifier(&id, Noun::Api)?;
    let visible = control.apis().get_visible(&actor, id).await?;
    Ok(Json(visible.into()))
}

/// The API's OpenAPI document, with the gateway's addresses in it.
#[utoipa::path(
    get, path = "/apis/{apiId}/swagger", tag = "APIs", params(("apiId" = String, Path)),
    security(("OAuth2Security" = [])),
    responses(
        (status = 200, body = Object, content_type = "application/json"),
        (status = 404, body = ErrorBody)
    )
)]
pub(super) async fn get_visible_definition(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, Problem> {
    let id = identifier(&id, Noun::Api)?;
    let definition = control.apis().visible_definition(&actor, id).await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], definition))
}

/// WSO2's clients search by `name:Pizza` or `name:"Pizza"`.
pub(crate) fn name_in(query: &str) -> &str {
    let query = query.trim();
    query
        .strip_prefix("name:")
        .unwrap_or(query)
        .trim_matches('"')
}

fn header_or_default(header: String) -> String {
    if header.is_empty() {
        "Authorization".to_owned()
    } else {
        header
    }
}
