//! Microsoft Graph v1.0, as far as it concerns applications, and byte-faithful where clients look.
//!
//! `http` speaks HTTP, [`perform`] serves one request (or one item of a batch), and each resource
//! has a file of its own that checks, reads and writes. Nothing here answers with a 500.

mod app_role_assignment;
mod application;
mod application_rules;
mod batch;
mod deleted_item;
mod error;
mod federated_identity_credential;
mod http;
mod key_credential;
mod odata;
mod owner;
mod password;
mod path;
mod permission;
mod permission_grant;
mod policy;
mod quota;
mod request;
mod schema;
mod service_principal;
mod throttle;
mod types;
mod user;

pub(crate) use self::{http::router, throttle::Throttle};

use ::http::Method;
use serde_json::Value;

use self::{
    error::GraphError,
    odata::Query,
    path::{Key, Segment},
    permission::{Action, Caller},
    request::{Answer, Outcome, Prefer, Request},
    schema::shorten,
};
use crate::{
    directory::{Application, PermissionGrant, ServicePrincipal, User},
    state::State,
};

/// One call of Graph, from HTTP or from a batch.
pub(crate) struct Call {
    pub(crate) method: Method,
    /// Path and query below the version, such as `/applications?$top=5`.
    pub(crate) target: String,
    pub(crate) is_eventual: bool,
    pub(crate) prefer: Prefer,
    pub(crate) body: Option<Value>,
    /// `https://host/v1.0`, without a trailing slash.
    pub(crate) base: String,
}

/// Serves one call.
///
/// # Errors
/// Whatever Graph refuses, in its words.
pub(crate) fn perform(state: &State, caller: &Caller, call: Call) -> Outcome {
    let (path, query) = call.target.split_once('?').unwrap_or((&call.target, ""));
    let path = path::parse(path)?;
    let mut query = Query::parse(query)?;
    query.is_eventual |= call.is_eventual;
    let request = Request {
        state,
        caller,
        method: call.method,
        path,
        target: call.target.clone(),
        query,
        body: call.body,
        prefer: call.prefer,
        base: call.base,
        view: state.replica_view(),
    };
    if request.query.expand.is_some() {
        return Err(GraphError::unsupported_query(
            "Unsupported Query. $expand is not supported for this resource.",
        ));
    }
    route(&request)
}

fn route(request: &Request<'_>) -> Outcome {
    let Some((set, rest)) = request.path.split_first() else {
        return service_document(request);
    };
    if let ([count], None) = (rest, &set.key)
        && count.name == "$count"
    {
        return counted(request, &set.name);
    }
    match set.name.as_str() {
        "applications" => {
            let (key, rest) = keyed(set, rest);
            application::serve(request, key.as_ref(), rest)
        }
        "servicePrincipals" => {
            let (key, rest) = keyed(set, rest);
            service_principal::serve(request, key.as_ref(), rest)
        }
        "oauth2PermissionGrants" => {
            let (key, rest) = keyed(set, rest);
            permission_grant::serve(request, key.as_ref(), rest)
        }
        "users" => {
            let (key, rest) = keyed(set, rest);
            user::serve(request, key.as_ref(), rest)
        }
        "organization" => {
            let (key, rest) = keyed(set, rest);
            user::organization(request, key.as_ref(), rest)
        }
        "me" => user::me(request, rest),
        "policies" => policy::serve(request, rest),
        "directory" => match rest.split_first() {
            Some((items, rest)) if items.name.eq_ignore_ascii_case("deletedItems") => {
                let (key, rest) = keyed(items, rest);
                deleted_item::serve(request, key.as_ref(), rest)
            }
            Some((other, _)) => Err(GraphError::unknown_segment(&shorten(&other.name))),
            None => Err(GraphError::unknown_segment("directory")),
        },
        other => Err(GraphError::unknown_segment(&shorten(other))),
    }
}

/// A key in parentheses, or the next segment as one.
fn keyed<'p>(set: &Segment, rest: &'p [Segment]) -> (Option<Key>, &'p [Segment]) {
    if let Some(key) = &set.key {
        return (Some(key.clone()), rest);
    }
    match rest.split_first() {
        Some((key, rest)) => (
            Some(Key {
                name: None,
                value: key.name.clone(),
            }),
            rest,
        ),
        None => (None, rest),
    }
}

/// `/applications/$count` and the like: `text/plain`, from the slow index only.
fn counted(request: &Request<'_>, set: &str) -> Outcome {
    if request.method != Method::GET {
        return Err(GraphError::method_not_allowed());
    }
    if !request.query.is_eventual {
        return Err(GraphError::bad_request(
            "$count is not currently supported.",
        ));
    }
    let mut query = request.query.clone();
    query.count = true;
    query.top = Some(1);
    let directory = request.directory();
    let source = request.source(&directory);
    let (action, count) = match set {
        "applications" => (
            Action::ReadApplications,
            odata::collect::<Application>(source, &query)?.count,
        ),
        "servicePrincipals" => (
            Action::ReadApplications,
            odata::collect::<ServicePrincipal>(source, &query)?.count,
        ),
        "oauth2PermissionGrants" => (
            Action::ReadGrants,
            odata::collect::<PermissionGrant>(source, &query)?.count,
        ),
        "users" => (
            Action::ReadUsers,
            odata::collect::<User>(source, &query)?.count,
        ),
        _ => return Err(GraphError::unknown_segment("$count")),
    };
    request.caller.require(action)?;
    Ok(Answer::text(count.unwrap_or(0).to_string()))
}

fn service_document(request: &Request<'_>) -> Outcome {
    if request.method != Method::GET {
        return Err(GraphError::method_not_allowed());
    }
    let sets = [
        "applications",
        "servicePrincipals",
        "oauth2PermissionGrants",
        "users",
        "organization",
    ];
    let value: Vec<_> = sets
        .iter()
        .map(|set| serde_json::json!({ "name": set, "kind": "EntitySet", "url": set }))
        .collect();
    Ok(Answer::ok(serde_json::json!({
        "@odata.context": format!("{}/$metadata", request.base),
        "value": value,
    })))
}
