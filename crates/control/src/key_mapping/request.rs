//! The rules for what a developer may ask of a client, whatever the key manager.

use std::collections::BTreeMap;

use domain::Invalid;
use domain::connector_descriptor::{ConfigurationField, ConnectorDescriptor};
use domain::validation::Check;
use serde_json::Value;
use url::Url;

/// Schemes that a browser would run or read instead of going there.
const REFUSED_SCHEMES: &[&str] = &["javascript", "data", "vbscript", "file", "blob", "about"];

/// Grants that lead a browser back to the application (RFC 6749 section 3.1.2).
const REDIRECTING_GRANTS: &[&str] = &["authorization_code", "implicit"];

/// What clients send for "the key manager's default scope".
const DEFAULT_SCOPE: &str = "default";

/// A client's settings as they will be stored.
pub(super) struct ClientSettings {
    pub(super) grant_types: Vec<String>,
    pub(super) callback_url: Option<String>,
    pub(super) additional_properties: BTreeMap<String, Value>,
}

/// Checks everything at once. Fields that the key manager's type does not know are left out.
pub(super) fn validated(
    descriptor: &ConnectorDescriptor,
    grant_types: Vec<String>,
    callback_url: Option<String>,
    given: BTreeMap<String, Value>,
) -> Result<ClientSettings, Invalid> {
    let mut check = Check::default();
    let callback_url = callback_url
        .map(|url| url.trim().to_owned())
        .filter(|url| !url.is_empty());
    check.that(
        grant_types.len() <= 20,
        "grantTypesToBeSupported",
        "at most 20",
    );
    for grant_type in &grant_types {
        check.length("grantTypesToBeSupported", grant_type, 1, 100);
    }
    let redirects = grant_types
        .iter()
        .any(|grant| REDIRECTING_GRANTS.contains(&grant.as_str()));
    check.that(
        callback_url.is_some() || !redirects,
        "callbackUrl",
        "must have at least one URI value when using Authorization code or implicit grant types",
    );
    if let Some(url) = &callback_url {
        check.length("callbackUrl", url, 1, 2_048).that(
            is_callback(url),
            "callbackUrl",
            "must be an absolute URL without a fragment",
        );
    }
    let mut additional_properties = BTreeMap::new();
    for field in &descriptor.application_configurations {
        let value = given.get(field.name).cloned();
        let value = value.filter(|value| !is_blank(value));
        let value = value.unwrap_or_else(|| field.default.clone());
        check_property(field, &value, &mut check);
        if !is_blank(&value) {
            additional_properties.insert(field.name.to_owned(), value);
        }
    }
    check.finish()?;
    Ok(ClientSettings {
        grant_types,
        callback_url,
        additional_properties,
    })
}

/// Scopes for a token request; empty means the key manager's default.
pub(super) fn scopes(given: Vec<String>) -> Result<Vec<String>, Invalid> {
    let mut check = Check::default();
    check.that(given.len() <= 100, "scopes", "at most 100");
    for scope in &given {
        check.length("scopes", scope, 0, 500).that(
            !scope.contains(char::is_whitespace),
            "scopes",
            "must not contain white space",
        );
    }
    check.finish()?;
    let named = given.into_iter();
    Ok(named
        .filter(|scope| !scope.is_empty() && scope != DEFAULT_SCOPE)
        .collect())
}

fn check_property(field: &ConfigurationField, value: &Value, check: &mut Check) {
    let wire_name = format!("additionalProperties.{}", field.name);
    if is_blank(value) {
        check.present(!field.required, &wire_name, field.label);
        return;
    }
    let single = std::slice::from_ref(value);
    let items = value.as_array().map_or(single, Vec::as_slice);
    check.that(items.len() <= 50, &wire_name, "at most 50 values");
    for item in items {
        let text = match item {
            Value::String(text) => text.clone(),
            Value::Bool(_) | Value::Number(_) => item.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => {
                check.that(false, &wire_name, "must be a text");
                continue;
            }
        };
        check.length(&wire_name, &text, 0, 2_000);
        let known = field.values.is_empty() || field.values.contains(&text.as_str());
        let message = format!("must be one of: {}", field.values.join(", "));
        check.that(known, &wire_name, message);
    }
}

fn is_callback(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| {
        url.fragment().is_none()
            && !REFUSED_SCHEMES.contains(&url.scheme())
            && (url.has_host() || !matches!(url.scheme(), "http" | "https"))
    })
}

fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
    }
}
