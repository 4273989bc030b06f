//! An API.

mod lifecycle;
mod operation;
mod visibility;

use std::collections::HashSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::cors::CorsPolicy;
use crate::id::ApiId;
use crate::mediation::Mediation;
use crate::throttling_policy::TimeUnit;
use crate::validation::{Check, Invalid, is_header_name};

pub use crate::revision::{Deployment, Revision};
pub use lifecycle::LifecycleState;
pub use operation::{ApiScope, Operation, Verb};
pub use visibility::{Viewer, Visibility};

/// WSO2 publisher API, schema `API`.
#[derive(Clone, Debug)]
pub struct Api {
    pub id: ApiId,
    /// The user who created it.
    pub provider: String,
    pub settings: ApiSettings,
    pub lifecycle: LifecycleState,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub version: i64,
}

/// What a publisher sets, but for the OpenAPI document, which stands beside it: it is large, and few ask for it.
/// A revision is an immutable copy of both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiSettings {
    /// 1 to 60 characters; unique together with `version`.
    pub name: String,
    /// Path prefix without the version, for example `/orders`. Unique together with `version`.
    pub context: String,
    /// For example `1.0.0`.
    pub version: String,
    pub description: String,
    /// Requests without a version in the path go to this one.
    pub is_default_version: bool,
    pub endpoints: ApiEndpoints,
    pub operations: Vec<Operation>,
    pub scopes: Vec<ApiScope>,
    pub key_managers: KeyManagerSelection,
    /// Accepted `aud` values; empty means any (WSO2's `["all"]`).
    pub audiences: Vec<String>,
    /// Request header that carries the credential; empty means `Authorization`.
    pub authorization_header: String,
    /// Business plans that may be subscribed to; empty means that no subscription is needed.
    pub policies: Vec<String>,
    /// API-level throttling policy, if one holds for the whole API.
    pub api_throttling_policy: Option<String>,
    /// What the endpoints can bear.
    #[serde(default)]
    pub max_tps: MaxTps,
    pub visibility: Visibility,
    /// `None`: as the gateway's own settings say.
    #[serde(default)]
    pub cors: Option<CorsPolicy>,
    /// For every operation; an operation's own edits come after these.
    #[serde(default)]
    pub mediation: Mediation,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ApiEndpoints {
    /// Load-balanced in order; empty means that production keys are not served.
    pub production: Vec<Url>,
    /// Empty means that sandbox keys are not served.
    pub sandbox: Vec<Url>,
}

/// How much the endpoints can bear, over all callers together: more is answered 900801.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MaxTps {
    pub production: Option<RequestRate>,
    pub sandbox: Option<RequestRate>,
}

/// Requests per second, minute or hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestRate {
    /// 1 to 1,000,000,000.
    pub requests: u64,
    pub unit: TimeUnit,
}

/// Which key managers' tokens an API accepts. WSO2 writes `["all"]` or a list of names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyManagerSelection {
    #[default]
    All,
    Only(Vec<String>),
}

impl KeyManagerSelection {
    pub fn includes(&self, key_manager_name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.iter().any(|name| name == key_manager_name),
        }
    }
}

impl ApiSettings {
    /// The path that a gateway listens on: context and version.
    pub fn base_path(&self) -> String {
        format!("{}/{}", self.context, self.version)
    }

    /// Lower case.
    pub fn credential_header(&self) -> String {
        if self.authorization_header.is_empty() {
            return "authorization".to_owned();
        }
        self.authorization_header.to_ascii_lowercase()
    }

    pub fn validate(&self) -> Result<(), Invalid> {
        let mut check = Check::default();
        check
            .length("name", &self.name, 1, 60)
            .that(
                !self.name.contains(|c: char| {
                    c.is_whitespace() || "~!@#;%^*()+={}|\\<>\"',&$[]/?".contains(c)
                }),
                "name",
                "must not contain white space or special characters",
            )
            .length("version", &self.version, 1, 30)
            .that(
                self.version
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c)),
                "version",
                "may contain letters, digits and . - _",
            )
            .length("context", &self.context, 2, 232)
            .that(
                is_context(&self.context),
                "context",
                "must be a path such as /orders",
            )
            .length("description", &self.description, 0, 32_766)
            .length("authorizationHeader", &self.authorization_header, 0, 100)
            .that(
                self.authorization_header.is_empty() || is_header_name(&self.authorization_header),
                "authorizationHeader",
                "must be the name of an HTTP header",
            )
            .that(self.operations.len() <= 1_000, "operations", "at most 1000")
            .that(!self.operations.is_empty(), "operations", "at least one")
            .that(self.scopes.len() <= 500, "scopes", "at most 500");
        if let Some(cors) = &self.cors {
            cors.check("corsConfiguration", &mut check);
        }
        let credential = self.credential_header();
        self.mediation.check("apiPolicies", &credential, &mut check);
        let mut offered = HashSet::new();
        for operation in &self.operations {
            // Of two a gateway takes one, and the other's demands would be for show.
            check.that(
                offered.insert((operation.verb, &operation.target)),
                "operations",
                format!(
                    "{} {} is there twice",
                    operation.verb.as_str(),
                    operation.target
                ),
            );
            check.that(
                is_template(&operation.target),
                "operations.target",
                format!(
                    "{:?} must begin with / and have whole {{parameter}} segments",
                    operation.target
                ),
            );
            operation
                .mediation
                .check("operations.operationPolicies", &credential, &mut check);
            for scope in &operation.scopes {
                check.that(
                    self.scopes.iter().any(|known| known.name == *scope),
                    "operations.scopes",
                    format!("scope {scope:?} is not among the API's scopes"),
                );
            }
        }
        for scope in &self.scopes {
            check.length("scopes.name", &scope.name, 1, 255).that(
                !scope.name.contains(char::is_whitespace),
                "scopes.name",
                "must not contain white space",
            );
        }
        for (field, rate) in [
            ("maxTps.production", self.max_tps.production),
            ("maxTps.sandbox", self.max_tps.sandbox),
        ] {
            check.that(
                rate.is_none_or(|rate| {
                    (1..=1_000_000_000).contains(&rate.requests) && rate.unit != TimeUnit::Day
                }),
                field,
                "must be 1 to 1000000000 per SECOND, MINUTE or HOUR",
            );
        }
        for url in self
            .endpoints
            .production
            .iter()
            .chain(&self.endpoints.sandbox)
        {
            check.that(
                matches!(url.scheme(), "http" | "https") && url.has_host(),
                "endpointConfig",
                "must be an http or https URL",
            );
            check.that(
                url.username().is_empty() && url.password().is_none(),
                "endpointConfig",
                "must not contain a user name or password",
            );
        }
        check.finish()
    }
}

/// An OpenAPI document as it is given, JSON or YAML: at most 10 MiB.
pub fn validate_definition(definition: &str) -> Result<(), Invalid> {
    let mut check = Check::default();
    check.that(
        definition.len() <= 10 * 1024 * 1024,
        "definition",
        "at most 10 MiB",
    );
    check.finish()
}

fn is_context(context: &str) -> bool {
    context.starts_with('/')
        && !context.ends_with('/')
        && !context.contains("//")
        && context
            .split('/')
            .all(|segment| segment != "." && segment != "..")
        && context
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "/-_.".contains(c))
}

fn is_template(target: &str) -> bool {
    let is_segment = |segment: &str| {
        let is_parameter = segment.len() > 2
            && segment.starts_with('{')
            && segment.ends_with('}')
            && !segment[1..segment.len() - 1].contains(['{', '}']);
        is_parameter || !segment.contains(['{', '}'])
    };
    target.len() <= 1_024
        && target.starts_with('/')
        && !target.contains(char::is_whitespace)
        && target.split('/').all(is_segment)
}

#[cfg(test)]
mod tests;
