//! WSO2's `apiPolicies` and `operationPolicies`: lists of named policies, of which those that change headers exist
//! here.

use domain::mediation::{HeaderEdit, Mediation};
use domain::validation::Check;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

const ADD: &str = "addHeader";
const REMOVE: &str = "removeHeader";
/// An addition of ours.
const RENAME: &str = "renameHeader";
const VERSION: &str = "v1";

/// What is changed in requests, answers, and the gateway's own answers when the upstream gave none.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = APIOperationPolicies)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct MediationBody {
    pub request: Option<Vec<OperationPolicyBody>>,
    pub response: Option<Vec<OperationPolicyBody>>,
    pub fault: Option<Vec<OperationPolicyBody>>,
}

/// One policy with its parameters.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = OperationPolicy)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct OperationPolicyBody {
    /// `addHeader` (`headerName`, `headerValue`; replaces what is there), `removeHeader` (`headerName`), or
    /// `renameHeader` (`headerName`, `newHeaderName`).
    pub policy_name: String,
    /// `v1`.
    pub policy_version: Option<String>,
    pub policy_type: Option<String>,
    pub policy_id: Option<String>,
    #[schema(value_type = Option<Object>)]
    pub parameters: Option<Map<String, Value>>,
}

impl MediationBody {
    /// What is wrong is recorded under `field`.
    pub(super) fn into_mediation(self, field: &str, check: &mut Check) -> Mediation {
        let mut edits = |flow: &str, policies: Option<Vec<OperationPolicyBody>>| {
            let field = format!("{field}.{flow}");
            policies
                .unwrap_or_default()
                .into_iter()
                .filter_map(|policy| policy.into_edit(&field, check))
                .collect()
        };
        Mediation {
            request: edits("request", self.request),
            response: edits("response", self.response),
            fault: edits("fault", self.fault),
        }
    }
}

impl From<&Mediation> for MediationBody {
    fn from(mediation: &Mediation) -> Self {
        let written = |edits: &[HeaderEdit]| Some(edits.iter().map(Into::into).collect());
        Self {
            request: written(&mediation.request),
            response: written(&mediation.response),
            fault: written(&mediation.fault),
        }
    }
}

impl OperationPolicyBody {
    fn into_edit(self, field: &str, check: &mut Check) -> Option<HeaderEdit> {
        let name = self.policy_name;
        let version = self.policy_version.as_deref().unwrap_or(VERSION);
        let mut parameters = self.parameters.unwrap_or_default();
        let mut parameter = |wanted: &str| {
            let value = match parameters.remove(wanted) {
                Some(Value::String(value)) => Some(value),
                _ => None,
            };
            check.that(
                value.is_some(),
                field,
                format!("{name} needs the parameter {wanted}, a text"),
            );
            value
        };
        let edit = match name.as_str() {
            ADD => parameter("headerName")
                .zip(parameter("headerValue"))
                .map(|(name, value)| HeaderEdit::Set { name, value }),
            REMOVE => parameter("headerName").map(|name| HeaderEdit::Remove { name }),
            RENAME => parameter("headerName")
                .zip(parameter("newHeaderName"))
                .map(|(name, to)| HeaderEdit::Rename { name, to }),
            _ => {
                check.that(
                    false,
                    field,
                    format!("there is no policy {name:?}: {ADD}, {REMOVE} and {RENAME} exist"),
                );
                return None;
            }
        };
        check.that(
            version == VERSION,
            field,
            format!("there is no version {version:?} of {name}: {VERSION} exists"),
        );
        for unknown in parameters.keys() {
            check.that(false, field, format!("{name} has no parameter {unknown:?}"));
        }
        edit
    }
}

impl From<&HeaderEdit> for OperationPolicyBody {
    fn from(edit: &HeaderEdit) -> Self {
        let (policy_name, parameters) = match edit {
            HeaderEdit::Set { name, value } => {
                (ADD, json!({"headerName": name, "headerValue": value}))
            }
            HeaderEdit::Remove { name } => (REMOVE, json!({"headerName": name})),
            HeaderEdit::Rename { name, to } => {
                (RENAME, json!({"headerName": name, "newHeaderName": to}))
            }
        };
        let parameters = match parameters {
            Value::Object(parameters) => Some(parameters),
            _ => None,
        };
        Self {
            policy_name: policy_name.to_owned(),
            policy_version: Some(VERSION.to_owned()),
            policy_type: Some("common".to_owned()),
            policy_id: None,
            parameters,
        }
    }
}
