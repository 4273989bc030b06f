//! One Graph request and its answer, apart from HTTP: `$batch` makes them from its items too.

use std::sync::Arc;

use http::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    error::GraphError,
    odata::{Query, Source},
    path::Segment,
    permission::Caller,
    schema::{self, Property, shorten},
};
use crate::{
    directory::{Directory, Effect, Transaction},
    replica::{Place, View},
    state::State,
};

/// One request.
pub(crate) struct Request<'a> {
    pub(crate) state: &'a State,
    pub(crate) caller: &'a Caller,
    pub(crate) method: Method,
    pub(crate) path: Vec<Segment>,
    /// Path and query as they came, for the link to the next page.
    pub(crate) target: String,
    pub(crate) query: Query,
    /// The body; `None` when there was none.
    pub(crate) body: Option<Value>,
    pub(crate) prefer: Prefer,
    /// `https://host/v1.0`, without a trailing slash.
    pub(crate) base: String,
    /// What the replica that answers this request sees.
    pub(crate) view: View,
}

/// `Prefer` as far as Graph's directory honours it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Prefer {
    pub(crate) create_if_missing: bool,
}

/// The answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) content: Content,
    pub(crate) effects: Vec<Effect>,
    /// `Location` of what was created.
    pub(crate) location: Option<String>,
}

/// The body of an answer.
#[derive(Debug)]
pub(crate) enum Content {
    Empty,
    Json(Value),
    Text(String),
}

/// What most handlers return.
pub(crate) type Outcome = Result<Answer, GraphError>;

impl Request<'_> {
    /// The directory, for reading.
    pub(crate) fn directory(&self) -> std::sync::RwLockReadGuard<'_, Directory> {
        self.state.directory()
    }

    /// Changes the directory when `change` agrees; an error must come before its first write.
    pub(crate) fn write<T>(
        &self,
        change: impl FnOnce(&mut Transaction<'_>) -> Result<T, GraphError>,
    ) -> Result<(T, Vec<Effect>), GraphError> {
        let (result, effects) = self.state.write(change);
        Ok((result?, effects))
    }

    /// Where collections are read from.
    pub(crate) fn source<'d>(&self, directory: &'d Directory) -> Source<'d> {
        Source {
            directory,
            tenant: self.caller.tenant_id,
            list: self.state.view(Place::List),
            search: self.state.view(Place::Search),
        }
    }

    /// The body as an object, checked against `properties`.
    pub(crate) fn checked_body(
        &self,
        properties: &[Property],
        resource: &str,
    ) -> Result<Map<String, Value>, GraphError> {
        schema::check(self.object_body()?, properties, resource)
    }

    /// The body as an object.
    pub(crate) fn object_body(&self) -> Result<Map<String, Value>, GraphError> {
        match &self.body {
            Some(Value::Object(object)) => Ok(object.clone()),
            Some(_) => Err(GraphError::malformed(
                "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format.",
            )),
            None => Err(GraphError::malformed(
                "Empty Payload. JSON content expected.",
            )),
        }
    }

    /// The body as an object; an absent body counts as an empty one.
    pub(crate) fn optional_body(&self) -> Result<Map<String, Value>, GraphError> {
        if self.body.is_none() {
            Ok(Map::new())
        } else {
            self.object_body()
        }
    }

    /// `@odata.context` of a collection or, with `suffix` `/$entity`, of one object.
    pub(crate) fn context(&self, set: &str, suffix: &str) -> String {
        let select = self
            .query
            .select
            .as_ref()
            .map(|names| format!("({})", names.join(",")))
            .unwrap_or_default();
        format!("{}/$metadata#{set}{select}{suffix}", self.base)
    }

    /// One object with its context, cut to `$select`.
    pub(crate) fn entity(
        &self,
        set: &str,
        object: Map<String, Value>,
    ) -> Result<Value, GraphError> {
        let mut selected = self.selected(set, object)?;
        selected.insert(
            "@odata.context".to_owned(),
            json!(self.context(set, "/$entity")),
        );
        Ok(Value::Object(selected))
    }

    /// A collection with its context, count and link to the next page.
    pub(crate) fn collection(
        &self,
        set: &str,
        items: Vec<Map<String, Value>>,
        count: Option<usize>,
        next: Option<&str>,
    ) -> Result<Value, GraphError> {
        let items: Vec<_> = items
            .into_iter()
            .map(|item| self.selected(set, item))
            .collect::<Result<_, _>>()?;
        let mut body = Map::new();
        body.insert("@odata.context".to_owned(), json!(self.context(set, "")));
        if let Some(count) = count {
            body.insert("@odata.count".to_owned(), json!(count));
        }
        if let Some(token) = next {
            body.insert("@odata.nextLink".to_owned(), json!(self.next_link(token)));
        }
        body.insert("value".to_owned(), json!(items));
        Ok(Value::Object(body))
    }

    /// Keeps what `$select` names.
    pub(crate) fn selected(
        &self,
        set: &str,
        object: Map<String, Value>,
    ) -> Result<Map<String, Value>, GraphError> {
        let Some(names) = &self.query.select else {
            return Ok(object);
        };
        let mut object = object;
        names
            .iter()
            .map(|name| {
                object.remove_entry(name).ok_or_else(|| {
                    GraphError::malformed(format!(
                        "Parsing OData Select and Expand failed: Could not find a property named '{}' on type 'microsoft.graph.{}'.",
                        shorten(name),
                        type_name(set),
                    ))
                })
            })
            .collect()
    }

    /// Whether `$select` names the property.
    pub(crate) fn selects(&self, property: &str) -> bool {
        self.query
            .select
            .as_ref()
            .is_some_and(|names| names.iter().any(|name| name == property))
    }

    fn next_link(&self, token: &str) -> String {
        let (path, query) = self.target.split_once('?').unwrap_or((&self.target, ""));
        let kept = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .filter(|pair| {
                let name = pair
                    .split('=')
                    .next()
                    .unwrap_or_default()
                    .replace("%24", "$");
                !name.eq_ignore_ascii_case("$skiptoken")
            })
            .map(str::to_owned)
            .chain(std::iter::once(format!("$skiptoken={token}")))
            .collect::<Vec<_>>()
            .join("&");
        format!("{}/{}?{kept}", self.base, path.trim_start_matches('/'))
    }
}

impl Answer {
    /// 200 with a body.
    pub(crate) fn ok(body: Value) -> Self {
        Self::new(StatusCode::OK, Content::Json(body), Vec::new())
    }

    /// 200 with a body, after a change.
    pub(crate) fn changed(body: Value, effects: Vec<Effect>) -> Self {
        Self::new(StatusCode::OK, Content::Json(body), effects)
    }

    /// 201 with a body.
    pub(crate) fn created(body: Value, location: String, effects: Vec<Effect>) -> Self {
        Self {
            location: Some(location),
            ..Self::new(StatusCode::CREATED, Content::Json(body), effects)
        }
    }

    /// 204.
    pub(crate) fn no_content(effects: Vec<Effect>) -> Self {
        Self::new(StatusCode::NO_CONTENT, Content::Empty, effects)
    }

    /// 200 `text/plain`.
    pub(crate) fn text(text: String) -> Self {
        Self::new(StatusCode::OK, Content::Text(text), Vec::new())
    }

    fn new(status: StatusCode, content: Content, effects: Vec<Effect>) -> Self {
        Self {
            status,
            content,
            effects,
            location: None,
        }
    }
}

/// A GUID key of a path.
///
/// # Errors
/// 400 when it is not a GUID.
pub(crate) fn object_id(text: &str) -> Result<Uuid, GraphError> {
    Uuid::try_parse(text).map_err(|_| {
        GraphError::bad_request(format!("Invalid object identifier '{}'.", shorten(text)))
    })
}

/// An entity as a JSON map.
pub(crate) fn to_map<T: serde::Serialize>(entity: &T) -> Map<String, Value> {
    object(serde_json::to_value(entity).unwrap_or_default())
}

/// The map of a JSON object; entities are nothing else.
pub(crate) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// A checked map as a typed object.
///
/// # Errors
/// 400 when a value is not what its type allows, which the schema leaves to serde only for required
/// members of nested objects.
pub(crate) fn from_map<T: DeserializeOwned>(
    map: Map<String, Value>,
    resource: &str,
) -> Result<T, GraphError> {
    serde_json::from_value(Value::Object(map)).map_err(|error| {
        GraphError::bad_request(format!(
            "Invalid value specified for resource '{resource}': {}",
            shorten(&error.to_string())
        ))
    })
}

/// A copy of the object to change.
pub(crate) fn owned<T: Clone>(shared: &Arc<T>) -> T {
    T::clone(shared)
}

fn type_name(set: &str) -> &str {
    match set {
        "applications" => "application",
        "servicePrincipals" => "servicePrincipal",
        "users" => "user",
        "oauth2PermissionGrants" => "oAuth2PermissionGrant",
        other => other,
    }
}
