//! An API's operations and scopes on the wire (WSO2's `APIOperations`, `APIScope` and `Scope`).

use domain::api::{ApiScope, Operation, Verb};
use domain::validation::Check;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::mediation::MediationBody;

/// WSO2's "auth type" of an operation that is open to anyone.
const OPEN: &str = "None";
const AUTHENTICATED: &str = "Application & Application User";

/// One verb on one path template.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = APIOperations)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct OperationBody {
    pub id: Option<String>,
    pub target: String,
    pub verb: String,
    /// `None` for an operation that is open to anyone; anything else needs a token.
    pub auth_type: Option<String>,
    pub throttling_policy: Option<String>,
    pub scopes: Option<Vec<String>>,
    pub operation_policies: Option<MediationBody>,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = APIScope)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApiScopeBody {
    pub scope: ScopeBody,
    pub shared: Option<bool>,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Scope)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ScopeBody {
    pub id: Option<String>,
    #[schema(max_length = 255)]
    pub name: String,
    #[schema(max_length = 255)]
    pub display_name: Option<String>,
    #[schema(max_length = 512)]
    pub description: Option<String>,
    /// Roles that may obtain the scope.
    pub bindings: Option<Vec<String>>,
    pub usage_count: Option<u64>,
}

/// Fields of WSO2's `APIOperations` that have no meaning here.
pub(super) const UNUSED_IN_OPERATIONS: &[&str] = &[
    "usedProductIds",
    "amznResourceName",
    "amznResourceTimeout",
    "amznResourceContentEncode",
    "payloadSchema",
    "uriMapping",
    "operationHubPolicies",
];

impl OperationBody {
    /// `None`, and an entry in `check`, for a verb that an API cannot offer.
    pub(super) fn into_operation(self, check: &mut Check) -> Option<Operation> {
        let mediation = self.operation_policies.unwrap_or_default();
        let verb = Verb::parse(&self.verb);
        check.that(
            verb.is_some(),
            "operations.verb",
            format!("{:?} is not a verb that an API can offer", self.verb),
        );
        Some(Operation {
            verb: verb?,
            target: self.target,
            auth_required: self.auth_type.as_deref() != Some(OPEN),
            scopes: self.scopes.unwrap_or_default(),
            throttling_policy: self.throttling_policy.filter(|name| !name.is_empty()),
            mediation: mediation.into_mediation("operations.operationPolicies", check),
        })
    }
}

impl From<&Operation> for OperationBody {
    fn from(operation: &Operation) -> Self {
        Self {
            id: None,
            target: operation.target.clone(),
            verb: operation.verb.as_str().to_owned(),
            auth_type: Some(
                if operation.auth_required {
                    AUTHENTICATED
                } else {
                    OPEN
                }
                .to_owned(),
            ),
            throttling_policy: Some(
                operation
                    .throttling_policy
                    .clone()
                    .unwrap_or_else(|| "Unlimited".to_owned()),
            ),
            scopes: Some(operation.scopes.clone()),
            operation_policies: Some(MediationBody::from(&operation.mediation)),
        }
    }
}

impl From<ApiScopeBody> for ApiScope {
    fn from(body: ApiScopeBody) -> Self {
        let scope = body.scope;
        Self {
            display_name: scope
                .display_name
                .filter(|name| !name.is_empty())
                .unwrap_or_else(|| scope.name.clone()),
            name: scope.name,
            description: scope.description.unwrap_or_default(),
            bindings: scope.bindings.unwrap_or_default(),
        }
    }
}

impl From<&ApiScope> for ApiScopeBody {
    fn from(scope: &ApiScope) -> Self {
        Self {
            scope: ScopeBody {
                id: None,
                name: scope.name.clone(),
                display_name: Some(scope.display_name.clone()),
                description: Some(scope.description.clone()),
                bindings: Some(scope.bindings.clone()),
                usage_count: None,
            },
            shared: Some(false),
        }
    }
}
