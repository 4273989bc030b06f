//! `/$batch`: up to twenty calls in one request (Microsoft: *Combine multiple HTTP requests using JSON batching*).

use std::collections::{HashMap, HashSet};

use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::{
    Call,
    error::{GraphError, RequestIds},
    perform as perform_call,
    permission::Caller,
    request::{Content, Prefer},
};
use crate::{directory::Effect, state::State};

const MAXIMUM_ITEMS: usize = 20;

/// One item of a batch.
pub(crate) struct Item {
    id: String,
    depends_on: Vec<String>,
    /// The call, or why the item is not one.
    pub(crate) call: Result<Call, GraphError>,
}

/// Reads the items of a batch.
///
/// # Errors
/// 400 when the batch as a whole is not valid.
pub(crate) fn read(batch: &Call) -> Result<Vec<Item>, GraphError> {
    if batch.method != Method::POST {
        return Err(GraphError::method_not_allowed());
    }
    let invalid =
        |message: &str| GraphError::malformed(format!("Invalid batch payload format. {message}"));
    let requests = batch
        .body
        .as_ref()
        .and_then(|body| body.get("requests"))
        .and_then(Value::as_array)
        .ok_or_else(|| invalid("The 'requests' property is missing."))?;
    if requests.len() > MAXIMUM_ITEMS {
        return Err(GraphError::malformed(format!(
            "Number of batch request steps exceeds the maximum value of {MAXIMUM_ITEMS}."
        )));
    }
    let mut ids = HashSet::new();
    let mut items = Vec::new();
    for request in requests {
        let id = match request.get("id") {
            Some(Value::String(id)) if !id.is_empty() => id.clone(),
            Some(Value::Number(id)) => id.to_string(),
            _ => return Err(invalid("Each request must have an 'id'.")),
        };
        let depends_on: Vec<String> = match request.get("dependsOn") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(names)) => names
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
            Some(_) => return Err(invalid("'dependsOn' must be an array.")),
        };
        // Only earlier items can be named, which also makes cycles impossible.
        if let Some(unknown) = depends_on.iter().find(|name| !ids.contains(*name)) {
            return Err(invalid(&format!(
                "'dependsOn' names '{}', which is not an earlier request.",
                unknown.chars().take(50).collect::<String>()
            )));
        }
        if !ids.insert(id.clone()) {
            return Err(invalid("Request ids must be unique."));
        }
        items.push(Item {
            id,
            depends_on,
            call: call(request, &batch.base),
        });
    }
    Ok(items)
}

/// Performs the items in order.
pub(crate) fn perform(
    state: &State,
    caller: &Caller,
    items: Vec<Item>,
    ids: RequestIds<'_>,
) -> (Value, Vec<Effect>) {
    let mut statuses: HashMap<String, StatusCode> = HashMap::new();
    let mut effects = Vec::new();
    let mut responses = Vec::new();
    for item in items {
        let has_failed_dependency = item
            .depends_on
            .iter()
            .any(|id| statuses.get(id).is_none_or(|status| !status.is_success()));
        let outcome = if has_failed_dependency {
            Err(GraphError::new(
                StatusCode::FAILED_DEPENDENCY,
                "FailedDependency",
                "FailedDependency",
            ))
        } else {
            item.call.and_then(|call| perform_call(state, caller, call))
        };
        let mut response = Map::new();
        response.insert("id".to_owned(), json!(item.id));
        let mut headers = Map::new();
        headers.insert("Cache-Control".to_owned(), json!("no-cache"));
        let status = match outcome {
            Ok(answer) => {
                effects.extend(answer.effects);
                if let Some(location) = answer.location {
                    headers.insert("Location".to_owned(), json!(location));
                }
                match answer.content {
                    Content::Empty => {}
                    Content::Json(body) => {
                        headers.insert("Content-Type".to_owned(), json!("application/json"));
                        response.insert("body".to_owned(), body);
                    }
                    Content::Text(text) => {
                        headers.insert("Content-Type".to_owned(), json!("text/plain"));
                        response.insert("body".to_owned(), json!(text));
                    }
                }
                answer.status
            }
            Err(error) => {
                headers.insert("Content-Type".to_owned(), json!("application/json"));
                response.insert("body".to_owned(), error.body(ids));
                error.status
            }
        };
        response.insert("status".to_owned(), json!(status.as_u16()));
        response.insert("headers".to_owned(), Value::Object(headers));
        responses.push(Value::Object(response));
        statuses.insert(item.id, status);
    }
    (json!({ "responses": responses }), effects)
}

fn call(request: &Value, base: &str) -> Result<Call, GraphError> {
    let text = |name: &str| request.get(name).and_then(Value::as_str);
    let method = match text("method").map(str::to_ascii_uppercase).as_deref() {
        Some("GET") => Method::GET,
        Some("POST") => Method::POST,
        Some("PATCH") => Method::PATCH,
        Some("PUT") => Method::PUT,
        Some("DELETE") => Method::DELETE,
        _ => {
            return Err(GraphError::malformed(
                "Invalid batch request: the method is missing or not supported.",
            ));
        }
    };
    let url = text("url")
        .ok_or_else(|| GraphError::malformed("Invalid batch request: the url is missing."))?;
    if url.to_ascii_lowercase().contains("$batch") {
        return Err(GraphError::malformed(
            "Invalid batch request: batches cannot be nested.",
        ));
    }
    let target = if url.starts_with('/') {
        url.to_owned()
    } else {
        format!("/{url}")
    };
    let header = |name: &str| {
        request
            .get("headers")
            .and_then(Value::as_object)
            .and_then(|headers| {
                headers
                    .iter()
                    .find(|(key, _)| key.eq_ignore_ascii_case(name))
            })
            .and_then(|(_, value)| value.as_str())
            .unwrap_or_default()
            .to_ascii_lowercase()
    };
    let body = request
        .get("body")
        .filter(|body| !body.is_null() && method != Method::GET && method != Method::DELETE);
    if body.is_some() && !header("content-type").starts_with("application/json") {
        return Err(GraphError::malformed(
            "Write request id must contain Content-Type header declaration.",
        ));
    }
    Ok(Call {
        method,
        target,
        is_eventual: header("consistencylevel") == "eventual",
        prefer: Prefer {
            create_if_missing: header("prefer").contains("create-if-missing"),
        },
        body: body.cloned(),
        base: base.to_owned(),
    })
}
