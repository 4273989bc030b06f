//! An API, its revisions and their deployments.

use std::collections::HashSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::cors::CorsPolicy;
use crate::id::{ApiId, RevisionId};
use crate::mediation::Mediation;
use crate::throttling_policy::TimeUnit;
use crate::user::RoleName;
use crate::validation::{Check, Invalid, is_header_name};

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

/// One verb on one path template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    pub verb: Verb,
    /// Path template below the context and version, for example `/orders/{id}` or `/*`.
    pub target: String,
    /// False: the resource is open to anyone ("auth type: None").
    pub auth_required: bool,
    /// Any one of these scopes is enough; empty means none is needed.
    pub scopes: Vec<String>,
    pub throttling_policy: Option<String>,
    #[serde(default, skip_serializing_if = "Mediation::is_empty")]
    pub mediation: Mediation,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Verb {
    Get,
    Post,
    Put,
    Delete,
    Patch,
    Head,
    Options,
}

impl Verb {
    pub const ALL: [Self; 7] = [
        Self::Get,
        Self::Post,
        Self::Put,
        Self::Delete,
        Self::Patch,
        Self::Head,
        Self::Options,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Patch => "PATCH",
            Self::Head => "HEAD",
            Self::Options => "OPTIONS",
        }
    }

    /// As a request says it: `get` is another method (RFC 9110 section 9.1). `None` for one that an API cannot offer.
    pub fn of_method(method: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| verb.as_str() == method)
    }

    /// As documents say it, in any letter case; `None` for a verb that an API cannot offer.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|verb| verb.as_str().eq_ignore_ascii_case(text))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiScope {
    /// 1 to 255 characters.
    pub name: String,
    pub display_name: String,
    pub description: String,
    /// Roles that may obtain the scope (resident key manager).
    pub bindings: Vec<RoleName>,
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

/// Who sees an API in the developer portal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "visibility", content = "roles", rename_all = "UPPERCASE")]
pub enum Visibility {
    #[default]
    Public,
    Private,
    /// Only those who hold one of these roles.
    Restricted(Vec<RoleName>),
}

/// Who looks at the developer portal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Viewer {
    /// Sees an API whatever its visibility.
    #[default]
    All,
    /// Has not signed in.
    Anonymous,
    /// Has signed in and holds these roles.
    SignedIn(Vec<RoleName>),
}

impl Viewer {
    pub fn sees(&self, visibility: &Visibility) -> bool {
        match (self, visibility) {
            (Self::All, _) | (_, Visibility::Public) | (Self::SignedIn(_), Visibility::Private) => {
                true
            }
            (Self::Anonymous, _) => false,
            (Self::SignedIn(held), Visibility::Restricted(roles)) => {
                roles.iter().any(|role| held.contains(role))
            }
        }
    }
}

/// WSO2's API lifecycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LifecycleState {
    Created,
    Prototyped,
    Published,
    Blocked,
    Deprecated,
    Retired,
}

impl LifecycleState {
    pub const ALL: [Self; 6] = [
        Self::Created,
        Self::Prototyped,
        Self::Published,
        Self::Blocked,
        Self::Deprecated,
        Self::Retired,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "CREATED",
            Self::Prototyped => "PROTOTYPED",
            Self::Published => "PUBLISHED",
            Self::Blocked => "BLOCKED",
            Self::Deprecated => "DEPRECATED",
            Self::Retired => "RETIRED",
        }
    }

    /// The transitions that are open from here: event as WSO2 names it, and where it leads.
    pub const fn transitions(self) -> &'static [(&'static str, Self)] {
        match self {
            Self::Created => &[
                ("Publish", Self::Published),
                ("Deploy as a Prototype", Self::Prototyped),
            ],
            Self::Prototyped => &[
                ("Publish", Self::Published),
                ("Demote to Created", Self::Created),
            ],
            Self::Published => &[
                ("Block", Self::Blocked),
                ("Deploy as a Prototype", Self::Prototyped),
                ("Demote to Created", Self::Created),
                ("Deprecate", Self::Deprecated),
            ],
            Self::Blocked => &[
                ("Re-Publish", Self::Published),
                ("Deprecate", Self::Deprecated),
            ],
            Self::Deprecated => &[("Retire", Self::Retired)],
            Self::Retired => &[],
        }
    }

    /// Where `event` leads from here; `None` when it is not open.
    pub fn after(self, event: &str) -> Option<Self> {
        self.transitions()
            .iter()
            .find(|(name, _)| *name == event)
            .map(|&(_, target)| target)
    }

    /// New subscriptions are taken.
    pub const fn accepts_subscriptions(self) -> bool {
        matches!(self, Self::Published | Self::Prototyped)
    }

    /// A gateway serves the deployed revision (a blocked API answers 700700).
    pub const fn is_served(self) -> bool {
        !matches!(self, Self::Retired)
    }
}

/// An immutable copy of an API. At most [`Revision::MOST_PER_API`] an API.
#[derive(Clone, Debug)]
pub struct Revision {
    pub id: RevisionId,
    pub api_id: ApiId,
    /// From 1, never reused within an API.
    pub number: i64,
    pub description: String,
    pub settings: ApiSettings,
    pub created_at: Timestamp,
}

impl Revision {
    /// WSO2's default limit.
    pub const MOST_PER_API: u64 = 5;

    pub fn display_name(&self) -> String {
        format!("Revision {}", self.number)
    }
}

/// A revision's presence on a gateway. One per API and environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    pub api_id: ApiId,
    pub revision_id: RevisionId,
    /// Gateway environment, `Default` unless configured otherwise.
    pub environment: String,
    pub vhost: String,
    pub display_on_devportal: bool,
    pub deployed_at: Timestamp,
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
