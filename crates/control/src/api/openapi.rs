//! Reading OpenAPI documents (3.0, 3.1) and Swagger 2.0, JSON or YAML.
//!
//! A document is input from outside: it is parsed into plain data within bounds, external references are never
//! followed, and what is missing or unclear closes (an operation that does not say otherwise needs a token).
//! Sources: OpenAPI Specification 3.0.4 and 3.1.1, Swagger 2.0, and WSO2's `x-` extensions.

mod operation;
mod server;

#[cfg(test)]
mod tests;

use domain::api::{ApiEndpoints, ApiScope, Operation};
use serde_json::{Map, Value, json};

use self::operation::Found;

/// Longest document that is read, in bytes.
pub const LONGEST_DEFINITION: usize = 10 * 1024 * 1024;
/// Most errors that a report lists.
const MOST_ERRORS: usize = 50;

/// What a document says, and what is wrong with it.
#[derive(Clone, Debug, Default)]
pub struct DefinitionReport {
    /// No errors: the document can be imported.
    pub valid: bool,
    /// `info.title` with what an API name may not have left out.
    pub name: String,
    /// Proposed: `x-wso2-basePath` without a version, else made from the name.
    pub context: String,
    /// `info.version`.
    pub version: String,
    pub description: String,
    /// For example `3.0.3` or `2.0`.
    pub openapi_version: String,
    pub endpoints: ApiEndpoints,
    pub operations: Vec<Operation>,
    pub scopes: Vec<ApiScope>,
    pub errors: Vec<DefinitionError>,
}

/// One thing that is wrong with a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefinitionError {
    /// Where: a JSON Pointer (RFC 6901), or the line for what cannot be parsed.
    pub at: String,
    /// What, in words for the person who wrote the document.
    pub message: String,
}

/// The two families of documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    Swagger2,
    OpenApi3,
}

/// Reads a document. Never fails: what is wrong stands in the report.
pub(crate) fn read(text: &str) -> DefinitionReport {
    let mut report = DefinitionReport::default();
    match parse(text) {
        Ok(root) => fill(&mut report, &root),
        Err(error) => report.errors.push(error),
    }
    report.errors.truncate(MOST_ERRORS);
    report.valid = report.errors.is_empty();
    report
}

/// Parses JSON, else YAML, into plain data; the top level must be an object.
pub(crate) fn parse(text: &str) -> Result<Map<String, Value>, DefinitionError> {
    let wrong = |message: String| DefinitionError {
        at: String::new(),
        message,
    };
    if text.len() > LONGEST_DEFINITION {
        return Err(wrong(format!(
            "the document has {} bytes, at most {LONGEST_DEFINITION} are read",
            text.len()
        )));
    }
    let parsed: Result<Value, String> = if text.trim_start().starts_with('{') {
        serde_json::from_str(text).map_err(|error| error.to_string())
    } else {
        serde_saphyr::from_str(text).map_err(|error| first_line(&error.to_string()))
    };
    match parsed {
        Ok(Value::Object(root)) => Ok(root),
        Ok(_) => Err(wrong("the document must be an object".to_owned())),
        Err(message) => Err(wrong(format!("neither JSON nor YAML: {message}"))),
    }
}

/// The parser's message without its picture of the source.
fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or_default().to_owned()
}

fn fill(report: &mut DefinitionReport, root: &Map<String, Value>) {
    let Some(dialect) = dialect(report, root) else {
        return;
    };
    read_info(report, root);
    report.endpoints = server::endpoints(root, dialect);
    let Found {
        operations,
        scopes,
        errors,
    } = operation::read(root, dialect);
    report.operations = operations;
    report.scopes = scopes;
    report.errors.extend(errors);
    if report.operations.is_empty() {
        report.wrong("/paths", "there is no operation that an API can offer");
    }
    report.context = match text_at(root, "x-wso2-basePath") {
        "" => context_from(&report.name),
        base_path => without_version(base_path, &report.version),
    };
}

fn dialect(report: &mut DefinitionReport, root: &Map<String, Value>) -> Option<Dialect> {
    // YAML reads an unquoted 2.0 as a number.
    let version_of = |member: &str| match root.get(member) {
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    if let Some(version) = version_of("openapi") {
        report.openapi_version.clone_from(&version);
        if version == "3.0"
            || version == "3.1"
            || version.starts_with("3.0.")
            || version.starts_with("3.1.")
        {
            return Some(Dialect::OpenApi3);
        }
        report.wrong(
            "/openapi",
            format!("version {version:?} is not supported; 3.0 and 3.1 are"),
        );
        return None;
    }
    if let Some(version) = version_of("swagger") {
        report.openapi_version.clone_from(&version);
        if matches!(version.as_str(), "2.0" | "2") {
            return Some(Dialect::Swagger2);
        }
        report.wrong(
            "/swagger",
            format!("version {version:?} is not supported; 2.0 is"),
        );
        return None;
    }
    report.wrong(
        "",
        "neither \"openapi\" nor \"swagger\" says which version this is",
    );
    None
}

fn read_info(report: &mut DefinitionReport, root: &Map<String, Value>) {
    let Some(Value::Object(info)) = root.get("info") else {
        report.wrong("/info", "is missing");
        return;
    };
    report.name = name_from(text_at(info, "title"));
    if report.name.is_empty() {
        report.wrong("/info/title", "is missing or empty");
    }
    report.version = match info.get("version") {
        Some(Value::Number(number)) => number.to_string(),
        _ => text_at(info, "version").trim().to_owned(),
    };
    if report.version.is_empty() {
        report.wrong("/info/version", "is missing or empty");
    }
    report.description = text_at(info, "description").chars().take(32_766).collect();
}

impl DefinitionReport {
    fn wrong(&mut self, at: &str, message: impl Into<String>) {
        self.errors.push(DefinitionError {
            at: at.to_owned(),
            message: message.into(),
        });
    }
}

/// The text of a member, empty when absent or not a text.
fn text_at<'a>(object: &'a Map<String, Value>, member: &str) -> &'a str {
    object
        .get(member)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// A title as an API name: without white space and special characters, at most 60 characters.
fn name_from(title: &str) -> String {
    title
        .chars()
        .filter(|&c| c.is_alphanumeric() || "-_.".contains(c))
        .take(60)
        .collect()
}

/// A name as a context: lower case, ASCII.
fn context_from(name: &str) -> String {
    let path: String = name
        .chars()
        .filter(|&c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        .map(|c| c.to_ascii_lowercase())
        .collect();
    format!("/{}", path.trim_matches('.'))
}

/// `/orders/1.0.0` and `/orders/{version}` as `/orders`.
fn without_version(base_path: &str, version: &str) -> String {
    let base_path = base_path.trim_end_matches('/');
    let context = base_path
        .strip_suffix("/{version}")
        .or_else(|| base_path.strip_suffix(&format!("/{version}")))
        .unwrap_or(base_path);
    if context.starts_with('/') {
        context.to_owned()
    } else {
        format!("/{context}")
    }
}

/// The document as a developer reads it: JSON, with the gateway's addresses in place of the backend's.
///
/// `None` when the stored text cannot be parsed any more.
pub(crate) fn with_servers(text: &str, servers: &[String]) -> Option<String> {
    let mut root = parse(text).ok()?;
    root.remove("x-wso2-production-endpoints");
    root.remove("x-wso2-sandbox-endpoints");
    if root.contains_key("swagger") {
        let first = servers
            .first()
            .and_then(|server| url::Url::parse(server).ok());
        if let Some(url) = first {
            let host = url[url::Position::BeforeHost..url::Position::AfterPort].to_owned();
            root.insert("host".to_owned(), json!(host));
            root.insert("schemes".to_owned(), json!([url.scheme()]));
            root.insert("basePath".to_owned(), json!(url.path()));
        }
    } else {
        let servers: Vec<Value> = servers.iter().map(|url| json!({ "url": url })).collect();
        root.insert("servers".to_owned(), Value::Array(servers));
        // Servers below the top level would lead past the gateway.
        if let Some(Value::Object(paths)) = root.get_mut("paths") {
            remove_inner_servers(paths);
        }
    }
    serde_json::to_string_pretty(&Value::Object(root)).ok()
}

fn remove_inner_servers(paths: &mut Map<String, Value>) {
    for item in paths.values_mut().filter_map(Value::as_object_mut) {
        item.remove("servers");
        for operation in item.values_mut().filter_map(Value::as_object_mut) {
            operation.remove("servers");
        }
    }
}

/// A document for an API that was described field by field.
pub(crate) fn generate(settings: &domain::api::ApiSettings) -> String {
    let mut paths: Map<String, Value> = Map::new();
    for operation in &settings.operations {
        let Value::Object(item) = paths
            .entry(operation.target.clone())
            .or_insert_with(|| json!({}))
        else {
            continue;
        };
        let security = match (operation.auth_required, operation.scopes.as_slice()) {
            (false, _) => json!([]),
            (true, scopes) => json!([{ "default": scopes }]),
        };
        let parameters: Vec<Value> = operation
            .target
            .split('/')
            .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
            .map(|name| {
                json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } })
            })
            .collect();
        item.insert(
            operation.verb.as_str().to_ascii_lowercase(),
            json!({
                "parameters": parameters,
                "responses": { "200": { "description": "OK" } },
                "security": security,
            }),
        );
    }
    let scopes: Map<String, Value> = settings
        .scopes
        .iter()
        .map(|scope| (scope.name.clone(), json!(scope.description)))
        .collect();
    let document = json!({
        "openapi": "3.0.1",
        "info": {
            "title": settings.name,
            "version": settings.version,
            "description": settings.description,
        },
        "security": [{ "default": [] }],
        "paths": paths,
        "components": { "securitySchemes": { "default": {
            "type": "oauth2",
            "flows": { "clientCredentials": { "tokenUrl": "https://localhost/oauth2/token", "scopes": scopes } },
        } } },
    });
    format!("{document:#}")
}
