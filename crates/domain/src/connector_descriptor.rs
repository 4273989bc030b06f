//! What a connector asks of an administrator: the form that the admin portal draws and the server checks.
//! Field names and shapes follow `keyManagerConfiguration[]` of WSO2's admin `GET /settings`.

use serde::Serialize;
use serde_json::Value;

/// One connector type as `GET /settings` shows it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectorDescriptor {
    /// For example `AzureAD`.
    #[serde(rename = "type")]
    pub connector_type: &'static str,
    pub display_name: &'static str,
    pub default_consumer_key_claim: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub default_scopes_claim: &'static str,
    /// Connector configuration: values arrive in `additionalProperties` under `name`.
    pub configurations: Vec<ConfigurationField>,
    /// Endpoints that this type uses, with its own idea of which are required.
    pub endpoint_configurations: Vec<ConfigurationField>,
    /// Fields that a developer fills in when generating keys.
    pub application_configurations: Vec<ConfigurationField>,
}

/// One field of a form.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigurationField {
    pub name: &'static str,
    pub label: &'static str,
    #[serde(rename = "type")]
    pub kind: FieldKind,
    pub required: bool,
    /// The value is a secret: sealed at rest, never sent back.
    pub mask: bool,
    pub multiple: bool,
    pub tooltip: &'static str,
    pub default: Value,
    /// The values to choose from; empty where any text may stand.
    pub values: Vec<&'static str>,
    /// The value cannot be changed after the key manager was created.
    pub update_disabled: bool,
}

/// How a field is drawn, in WSO2's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum FieldKind {
    Input,
    /// Check boxes; the value is a list.
    Select,
    /// Radio buttons; the value is one of `values`.
    Options,
    Dropdown,
    Checkbox,
    Certificate,
    LabelOnly,
}

impl ConfigurationField {
    /// An optional line of text without a default.
    pub fn input(name: &'static str, label: &'static str, tooltip: &'static str) -> Self {
        Self {
            name,
            label,
            kind: FieldKind::Input,
            required: false,
            mask: false,
            multiple: false,
            tooltip,
            default: Value::String(String::new()),
            values: Vec::new(),
            update_disabled: false,
        }
    }

    pub fn required(self) -> Self {
        Self {
            required: true,
            ..self
        }
    }

    pub fn masked(self) -> Self {
        Self { mask: true, ..self }
    }

    pub fn immutable(self) -> Self {
        Self {
            update_disabled: true,
            ..self
        }
    }

    pub fn with_default(self, default: impl Into<Value>) -> Self {
        Self {
            default: default.into(),
            ..self
        }
    }

    pub fn choice(self, kind: FieldKind, values: &[&'static str]) -> Self {
        Self {
            kind,
            values: values.to_vec(),
            ..self
        }
    }
}
