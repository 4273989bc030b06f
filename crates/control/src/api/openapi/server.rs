//! Where a document says that its backend is.

use domain::api::ApiEndpoints;
use serde_json::{Map, Value};
use url::Url;

use super::{Dialect, text_at};

/// Most addresses that are taken from one document.
const MOST_ENDPOINTS: usize = 20;

/// WSO2's endpoint extensions win over `servers` (3.x) and `schemes`, `host`, `basePath` (2.0). Relative
/// addresses and those that are no http or https URL are left out: they tell a gateway nothing.
pub(super) fn endpoints(root: &Map<String, Value>, dialect: Dialect) -> ApiEndpoints {
    let extension = |member: &str| -> Vec<Url> {
        root.get(member)
            .and_then(|value| value.get("urls"))
            .and_then(Value::as_array)
            .map(|urls| usable(urls.iter().filter_map(Value::as_str).map(str::to_owned)))
            .unwrap_or_default()
    };
    let mut production = extension("x-wso2-production-endpoints");
    let sandbox = extension("x-wso2-sandbox-endpoints");
    if production.is_empty() && sandbox.is_empty() {
        production = match dialect {
            Dialect::OpenApi3 => usable(servers(root).into_iter()),
            Dialect::Swagger2 => usable(host(root).into_iter()),
        };
    }
    ApiEndpoints {
        production,
        sandbox,
    }
}

fn usable(texts: impl Iterator<Item = String>) -> Vec<Url> {
    texts
        .filter_map(|text| Url::parse(&text).ok())
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .take(MOST_ENDPOINTS)
        .collect()
}

/// Server addresses with their variables at their defaults (OpenAPI 3.0 section 4.7.5).
fn servers(root: &Map<String, Value>) -> Vec<String> {
    let Some(Value::Array(servers)) = root.get("servers") else {
        return Vec::new();
    };
    servers
        .iter()
        .filter_map(Value::as_object)
        .map(|server| {
            let mut url = text_at(server, "url").to_owned();
            if let Some(Value::Object(variables)) = server.get("variables") {
                for (name, variable) in variables {
                    let default = variable.get("default").and_then(Value::as_str);
                    url = url.replace(&format!("{{{name}}}"), default.unwrap_or_default());
                }
            }
            url
        })
        .collect()
}

/// Swagger 2.0's address; https where the document leaves the choice.
fn host(root: &Map<String, Value>) -> Option<String> {
    let host = text_at(root, "host");
    if host.is_empty() {
        return None;
    }
    let schemes: Vec<&str> = root
        .get("schemes")
        .and_then(Value::as_array)
        .map(|schemes| schemes.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let scheme = if schemes.is_empty() || schemes.contains(&"https") {
        "https"
    } else {
        "http"
    };
    Some(format!("{scheme}://{host}{}", text_at(root, "basePath")))
}
