//! WSO2's `corsConfiguration` of an API. Switched off it means: as the gateway's own settings say.

use std::collections::BTreeSet;

use domain::api::Verb;
use domain::cors::{AllowedOrigins, CorsPolicy};
use domain::validation::Check;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Which pages of other origins may call the API.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = APICorsConfiguration)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct CorsBody {
    /// Off: the gateway's own policy holds, if it has one.
    pub cors_configuration_enabled: bool,
    /// `["*"]` or origins such as `https://shop.example`; any when absent.
    pub access_control_allow_origins: Option<Vec<String>>,
    /// Refused together with `*`.
    pub access_control_allow_credentials: Option<bool>,
    pub access_control_allow_headers: Option<Vec<String>>,
    /// Of the verbs that a resource offers only these; all of them when absent or empty.
    pub access_control_allow_methods: Option<Vec<String>>,
    /// Response headers that pages may read. An addition of Claviger.
    pub access_control_expose_headers: Option<Vec<String>>,
}

impl CorsBody {
    /// What is wrong is recorded under `corsConfiguration`.
    pub(super) fn into_policy(self, check: &mut Check) -> Option<CorsPolicy> {
        if !self.cors_configuration_enabled {
            return None;
        }
        let mut verbs = BTreeSet::new();
        for name in self.access_control_allow_methods.unwrap_or_default() {
            let verb = Verb::parse(&name);
            check.that(
                verb.is_some(),
                "corsConfiguration.accessControlAllowMethods",
                format!("{name:?} is not a verb that an API can offer"),
            );
            verbs.extend(verb);
        }
        let defaults = CorsPolicy::default();
        let origins = self.access_control_allow_origins;
        Some(CorsPolicy {
            origins: origins.map_or(defaults.origins, AllowedOrigins::from_names),
            credentials: self.access_control_allow_credentials.unwrap_or(false),
            headers: self
                .access_control_allow_headers
                .unwrap_or(defaults.headers),
            verbs,
            exposed_headers: self.access_control_expose_headers.unwrap_or_default(),
            max_age_seconds: defaults.max_age_seconds,
        })
    }
}

impl From<Option<&CorsPolicy>> for CorsBody {
    fn from(policy: Option<&CorsPolicy>) -> Self {
        let Some(policy) = policy else {
            return Self {
                access_control_allow_origins: Some(Vec::new()),
                access_control_allow_credentials: Some(false),
                access_control_allow_headers: Some(Vec::new()),
                access_control_allow_methods: Some(Vec::new()),
                access_control_expose_headers: Some(Vec::new()),
                cors_configuration_enabled: false,
            };
        };
        Self {
            cors_configuration_enabled: true,
            access_control_allow_origins: Some(match &policy.origins {
                AllowedOrigins::Any => vec!["*".to_owned()],
                AllowedOrigins::Only(origins) => origins.clone(),
            }),
            access_control_allow_credentials: Some(policy.credentials),
            access_control_allow_headers: Some(policy.headers.clone()),
            access_control_allow_methods: Some(
                policy
                    .verbs
                    .iter()
                    .map(|verb| verb.as_str().to_owned())
                    .collect(),
            ),
            access_control_expose_headers: Some(policy.exposed_headers.clone()),
        }
    }
}
