//! A key manager's settings against its type's form: the part that is the same for all types.

use domain::connector_descriptor::{ConfigurationField, ConnectorDescriptor, FieldKind};
use domain::key_manager::{Endpoints, KeyManagerSettings};
use domain::validation::Check;
use domain::{Invalid, SecretString};
use serde_json::Value;

/// What a form sends back for a secret that it was not shown. Never a secret itself.
pub const MASKED_VALUE: &str = "*****";

/// The longest value of one field, in characters. A certificate chain fits.
const VALUE_LIMIT: usize = 20_000;

/// Checks `settings` against `descriptor`; all errors at once.
///
/// On success defaults are filled in, texts are trimmed, and the values of masked fields have moved from
/// `configuration` to `secrets`. A masked field that is missing or [`MASKED_VALUE`] keeps what `secrets` already
/// holds: whoever updates a key manager puts the stored secrets there first. Properties that the form does not
/// know are kept as they are.
pub fn validate_configuration(
    descriptor: &ConnectorDescriptor,
    mut settings: KeyManagerSettings,
) -> Result<KeyManagerSettings, Invalid> {
    let mut check = Check::default();
    for field in &descriptor.configurations {
        if field.mask {
            take_secret(field, &mut settings, &mut check);
        } else {
            fill_value(field, &mut settings, &mut check);
        }
    }
    for field in &descriptor.endpoint_configurations {
        if let Some((wire_name, is_set)) = endpoint(field.name, &settings.endpoints) {
            let holds = is_set || !field.required;
            check.present(holds, wire_name, field.label);
        }
    }
    check.finish()?;
    Ok(settings)
}

fn take_secret(field: &ConfigurationField, settings: &mut KeyManagerSettings, check: &mut Check) {
    let wire_name = wire_name(field);
    match settings.configuration.remove(field.name) {
        None | Some(Value::Null) => {}
        Some(Value::String(text)) => {
            let text = text.trim();
            check.length(&wire_name, text, 0, VALUE_LIMIT);
            if !text.is_empty() && text != MASKED_VALUE {
                let secret = SecretString::from(text);
                settings.secrets.insert(field.name.to_owned(), secret);
            }
        }
        Some(_) => {
            check.that(false, &wire_name, "must be a text");
        }
    }
    let present = settings.secrets.contains_key(field.name);
    check.present(present || !field.required, &wire_name, field.label);
}

fn fill_value(field: &ConfigurationField, settings: &mut KeyManagerSettings, check: &mut Check) {
    let wire_name = wire_name(field);
    let given = settings.configuration.remove(field.name);
    let value = match given.map(|value| normalized(field, value)) {
        Some(value) if !is_blank(&value) => value,
        _ => field.default.clone(),
    };
    if is_blank(&value) {
        check.present(!field.required, &wire_name, field.label);
        return;
    }
    check_value(field, &value, &wire_name, check);
    settings.configuration.insert(field.name.to_owned(), value);
}

/// One choice arrives from some clients as a list of one (WSO2's check boxes do so); numbers arrive as numbers.
fn normalized(field: &ConfigurationField, value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.trim().to_owned()),
        Value::Number(number) if field.kind != FieldKind::Checkbox => {
            Value::String(number.to_string())
        }
        Value::Array(mut items) if items.len() == 1 && !field.multiple => items.remove(0),
        other => other,
    }
}

fn check_value(field: &ConfigurationField, value: &Value, wire_name: &str, check: &mut Check) {
    if field.kind == FieldKind::Checkbox {
        let holds = value.is_boolean() || matches!(value.as_str(), Some("true" | "false"));
        check.that(holds, wire_name, "must be true or false");
        return;
    }
    let single = std::slice::from_ref(value);
    let items = match value {
        Value::Array(items) if field.multiple || field.kind == FieldKind::Select => items,
        _ => single,
    };
    for item in items {
        let Some(text) = item.as_str() else {
            check.that(false, wire_name, "must be a text");
            continue;
        };
        check.length(wire_name, text, 0, VALUE_LIMIT);
        let known = field.values.is_empty() || field.values.contains(&text);
        let message = format!("must be one of: {}", field.values.join(", "));
        check.that(known, wire_name, message);
    }
}

fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

fn wire_name(field: &ConfigurationField) -> String {
    format!("additionalProperties.{}", field.name)
}

/// A descriptor names endpoints as WSO2's additional properties do; the errors name them as the resource does.
fn endpoint(name: &str, endpoints: &Endpoints) -> Option<(&'static str, bool)> {
    let (wire_name, url) = match name {
        "client_registration_endpoint" => {
            ("clientRegistrationEndpoint", &endpoints.client_registration)
        }
        "introspection_endpoint" => ("introspectionEndpoint", &endpoints.introspection),
        "token_endpoint" => ("tokenEndpoint", &endpoints.token),
        "display_token_endpoint" => ("displayTokenEndpoint", &endpoints.display_token),
        "revoke_endpoint" => ("revokeEndpoint", &endpoints.revoke),
        "display_revoke_endpoint" => ("displayRevokeEndpoint", &endpoints.display_revoke),
        "userinfo_endpoint" => ("userInfoEndpoint", &endpoints.user_info),
        "authorize_endpoint" => ("authorizeEndpoint", &endpoints.authorize),
        "scope_endpoint" => ("scopeManagementEndpoint", &endpoints.scope_management),
        _ => return None,
    };
    Some((wire_name, url.is_some()))
}
