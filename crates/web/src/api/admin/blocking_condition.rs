//! Deny policies, as WSO2's admin API calls blocking conditions.

use std::net::IpAddr;

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use control::Control;
use control::blocking_condition::BlockingConditionQuery;
use control::error::Noun;
use domain::Invalid;
use domain::blocking_condition::{BlockedSubject, BlockingCondition};
use domain::user::Actor;
use http::{StatusCode, header};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use crate::json::{Json, from_value};
use crate::paging::count;
use crate::problem::{ErrorBody, Problem};
use crate::query::{QueryString, identifier};

const FIELD: &str = "conditionValue";

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct DenyPolicyQuery {
    /// `conditionType:API`, `conditionValue:/orders/1.0.0`, or both with `&` between them.
    query: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct BlockingConditionList {
    count: u64,
    list: Vec<BlockingConditionBody>,
}

/// What gateways refuse with 403 and code 900805, however good its credentials.
#[derive(Serialize, Deserialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "these are the names on the wire")]
#[schema(as = BlockingCondition)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct BlockingConditionBody {
    /// Given by the server.
    #[serde(default)]
    condition_id: Option<String>,
    /// `API`, `APPLICATION`, `IP`, `IPRANGE`, `USER` or `SUBSCRIPTION`.
    condition_type: String,
    /// A text: context and version of an API (`/orders/1.0.0`), owner and name of an application (`ann:weather`), a
    /// user, or a subscription (`/orders:1.0.0:ann-weather`, with `-PRODUCTION` or `-SANDBOX` behind for keys of one
    /// type). For `IP` an object `{fixedIp, invert}`, for `IPRANGE` `{startingIp, endingIp, invert}` or, as an
    /// addition to WSO2's contract, `{cidr, invert}`; `invert` blocks every other address.
    #[schema(value_type = Object)]
    condition_value: Value,
    /// On when absent.
    #[serde(default)]
    condition_status: Option<bool>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct BlockingConditionStatus {
    /// Read only; the path names the condition.
    #[serde(default, rename = "conditionId")]
    _condition_id: Option<String>,
    condition_status: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FixedIp {
    fixed_ip: IpAddr,
    #[serde(default)]
    invert: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct IpRange {
    starting_ip: Option<IpAddr>,
    ending_ip: Option<IpAddr>,
    cidr: Option<String>,
    #[serde(default)]
    invert: bool,
}

impl From<BlockingCondition> for BlockingConditionBody {
    fn from(condition: BlockingCondition) -> Self {
        let subject = &condition.subject;
        let condition_value = match subject {
            BlockedSubject::Ip { address, inverted } => {
                json!({ "fixedIp": address, "invert": inverted })
            }
            BlockedSubject::IpRange {
                first,
                last,
                inverted,
            } => json!({ "startingIp": first, "endingIp": last, "invert": inverted }),
            named => json!(named.text()),
        };
        Self {
            condition_id: Some(condition.id.to_string()),
            condition_type: subject.kind().to_owned(),
            condition_value,
            condition_status: Some(condition.enabled),
        }
    }
}

impl BlockingConditionBody {
    fn subject(&self) -> Result<BlockedSubject, Problem> {
        let value = self.condition_value.clone();
        let named = |read: fn(&str) -> Result<BlockedSubject, Invalid>| match &value {
            Value::String(text) => read(text).map_err(Problem::from),
            _ => Err(Invalid::field(FIELD, "must be a text for this conditionType").into()),
        };
        match self.condition_type.as_str() {
            "API" => named(BlockedSubject::api),
            "APPLICATION" => named(BlockedSubject::application),
            "USER" => named(BlockedSubject::user),
            "SUBSCRIPTION" => named(BlockedSubject::subscription),
            "IP" => {
                let value: FixedIp = from_value(value)?;
                Ok(BlockedSubject::ip(value.fixed_ip, value.invert))
            }
            "IPRANGE" => from_value::<IpRange>(value)?.subject(),
            _ => Err(Invalid::field(
                "conditionType",
                "must be API, APPLICATION, IP, IPRANGE, USER or SUBSCRIPTION",
            )
            .into()),
        }
    }
}

impl IpRange {
    fn subject(self) -> Result<BlockedSubject, Problem> {
        let (first, last) = match (self.starting_ip, self.ending_ip, self.cidr) {
            (Some(first), Some(last), None) => (first, last),
            (None, None, Some(network)) => {
                let network: IpNet = network.parse().map_err(|_| {
                    Invalid::field(FIELD, "cidr must be a network such as 10.0.0.0/8")
                })?;
                (network.network(), network.broadcast())
            }
            _ => {
                let message = "must have startingIp and endingIp, or cidr";
                return Err(Invalid::field(FIELD, message).into());
            }
        };
        Ok(BlockedSubject::ip_range(first, last, self.invert)?)
    }
}

/// WSO2's search: conditions on attributes with `&` between them.
fn search(query: &str) -> Result<BlockingConditionQuery, Problem> {
    let mut wanted = BlockingConditionQuery::default();
    for part in query
        .split('&')
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        match part.split_once(':') {
            Some(("conditionType", kind)) => kind.trim().clone_into(&mut wanted.kind),
            Some(("conditionValue", text)) => text.trim().clone_into(&mut wanted.text),
            _ => {
                return Err(Problem::bad_request(
                    "query takes conditionType: and conditionValue:, with & between them.",
                ));
            }
        }
    }
    Ok(wanted)
}

/// All deny policies, or those that the query describes.
#[utoipa::path(
    get, path = "/throttling/deny-policies", tag = "Deny Policies", params(DenyPolicyQuery),
    security(("OAuth2Security" = ["apim:admin", "apim:bl_view"])),
    responses((status = 200, body = BlockingConditionList), (status = 400, body = ErrorBody))
)]
pub(super) async fn list_deny_policies(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    QueryString(query): QueryString<DenyPolicyQuery>,
) -> Result<Json<BlockingConditionList>, Problem> {
    let wanted = search(&query.query.unwrap_or_default())?;
    let conditions = control.blocking_conditions().list(&actor, &wanted).await?;
    let list: Vec<_> = conditions
        .into_iter()
        .map(BlockingConditionBody::from)
        .collect();
    Ok(Json(BlockingConditionList {
        count: count(&list),
        list,
    }))
}

/// Blocks something. Every gateway obeys within a second.
#[utoipa::path(
    post, path = "/throttling/deny-policies", tag = "Deny Policies", request_body = BlockingConditionBody,
    security(("OAuth2Security" = ["apim:admin", "apim:bl_manage"])),
    responses(
        (status = 201, body = BlockingConditionBody), (status = 400, body = ErrorBody),
        (status = 409, body = ErrorBody), (status = 412, body = ErrorBody)
    )
)]
pub(super) async fn create_deny_policy(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    Json(body): Json<BlockingConditionBody>,
) -> Result<Response, Problem> {
    let subject = body.subject()?;
    let enabled = body.condition_status.unwrap_or(true);
    let condition = control
        .blocking_conditions()
        .create(&actor, subject, enabled)
        .await?;
    let location = format!("/api/am/admin/v4/throttling/deny-policy/{}", condition.id);
    let body = Json(BlockingConditionBody::from(condition));
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], body).into_response())
}

/// One deny policy.
#[utoipa::path(
    get, path = "/throttling/deny-policy/{conditionId}", tag = "Deny Policies",
    params(("conditionId" = String, Path)),
    security(("OAuth2Security" = ["apim:admin", "apim:bl_view"])),
    responses((status = 200, body = BlockingConditionBody), (status = 404, body = ErrorBody))
)]
pub(super) async fn get_deny_policy(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    Path(id): Path<String>,
) -> Result<Json<BlockingConditionBody>, Problem> {
    let id = identifier(&id, Noun::BlockingCondition)?;
    let condition = control.blocking_conditions().get(&actor, id).await?;
    Ok(Json(condition.into()))
}

/// Turns a deny policy on or off.
#[utoipa::path(
    patch, path = "/throttling/deny-policy/{conditionId}", tag = "Deny Policies",
    params(("conditionId" = String, Path)), request_body = BlockingConditionStatus,
    security(("OAuth2Security" = ["apim:admin", "apim:bl_manage"])),
    responses(
        (status = 200, body = BlockingConditionBody),
        (status = 400, body = ErrorBody), (status = 404, body = ErrorBody)
    )
)]
pub(super) async fn update_deny_policy(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    Path(id): Path<String>,
    Json(body): Json<BlockingConditionStatus>,
) -> Result<Json<BlockingConditionBody>, Problem> {
    let id = identifier(&id, Noun::BlockingCondition)?;
    let condition = control
        .blocking_conditions()
        .set_enabled(&actor, id, body.condition_status)
        .await?;
    Ok(Json(condition.into()))
}

/// Removes a deny policy.
#[utoipa::path(
    delete, path = "/throttling/deny-policy/{conditionId}", tag = "Deny Policies",
    params(("conditionId" = String, Path)),
    security(("OAuth2Security" = ["apim:admin", "apim:bl_manage"])),
    responses((status = 200, description = "Deleted"), (status = 404, body = ErrorBody))
)]
pub(super) async fn delete_deny_policy(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let id = identifier(&id, Noun::BlockingCondition)?;
    control.blocking_conditions().delete(&actor, id).await?;
    Ok(StatusCode::OK)
}
