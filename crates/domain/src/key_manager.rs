//! A key manager: a configured authorization server.
//!
//! Which values a connector needs is the connector's business ([`crate::connector_descriptor`]); this file
//! knows only what every key manager has.

use std::collections::BTreeMap;

use jiff::Timestamp;
use regex::{Regex, RegexBuilder};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use crate::certificate::Certificates;
use crate::id::KeyManagerId;
use crate::user::RoleName;
use crate::validation::{Check, Invalid};

/// A configured authorization server. WSO2 admin API, schema `KeyManager`.
#[derive(Clone, Debug)]
pub struct KeyManager {
    pub id: KeyManagerId,
    pub settings: KeyManagerSettings,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// Optimistic concurrency: the store refuses an update from an older version.
    pub version: i64,
}

/// All that an administrator sets. `name` and `connector_type` never change after creation.
#[derive(Clone, Debug)]
pub struct KeyManagerSettings {
    /// 1 to 100 characters, no white space, unique.
    pub name: String,
    /// Up to 100 characters; empty means: show the name.
    pub display_name: String,
    /// Connector type, 1 to 45 characters, for example `AzureAD`.
    pub connector_type: String,
    /// Up to 256 characters.
    pub description: String,
    pub enabled: bool,
    pub endpoints: Endpoints,
    /// The `iss` of its tokens, compared exactly.
    pub issuer: String,
    /// Allowed audience of a subject token (token exchange only).
    pub alias: Option<String>,
    pub certificates: Option<Certificates>,
    /// Empty means the connector's default.
    pub consumer_key_claim: String,
    /// Empty means the connector's default.
    pub scopes_claim: String,
    pub claim_mappings: Vec<ClaimMapping>,
    pub available_grant_types: Vec<String>,
    pub capabilities: Capabilities,
    /// "Token Handling Options": which tokens of a shared issuer are this key manager's. Empty means all.
    pub token_validation: Vec<TokenValidation>,
    pub token_type: TokenType,
    pub permissions: Permissions,
    /// `["ALL"]` or empty means all; `["NONE"]` none. Kept and returned for WSO2's clients.
    pub allowed_organizations: Vec<String>,
    /// Visible to every organization. Kept and returned for WSO2's clients.
    pub global: bool,
    /// Connector configuration and other `additionalProperties` that are no secrets.
    pub configuration: BTreeMap<String, Value>,
    /// Connector configuration fields with `mask`: sealed at rest, never sent back.
    pub secrets: BTreeMap<String, SecretString>,
}

/// WSO2's endpoint fields. A connector's descriptor says which ones its type needs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Endpoints {
    pub well_known: Option<Url>,
    pub client_registration: Option<Url>,
    pub introspection: Option<Url>,
    pub token: Option<Url>,
    pub display_token: Option<Url>,
    pub revoke: Option<Url>,
    pub display_revoke: Option<Url>,
    pub user_info: Option<Url>,
    pub authorize: Option<Url>,
    pub scope_management: Option<Url>,
}

/// What may be done with this key manager.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// Developers may press "Generate Access Token".
    pub token_generation: bool,
    /// "Out Of Band Provisioning": existing clients may be mapped.
    pub map_oauth_consumer_apps: bool,
    /// Clients may be created in it.
    pub oauth_app_creation: bool,
    /// A client that is being mapped must be found at the provider first.
    pub provisioned_app_validation: bool,
    /// The gateway verifies the signature itself. Otherwise it asks the key manager (RFC 7662), where its connector can.
    pub self_validate_jwt: bool,
    pub token_encryption: bool,
    pub token_hashing: bool,
}

impl Default for Capabilities {
    fn default() -> Self {
        Self {
            token_generation: true,
            map_oauth_consumer_apps: true,
            oauth_app_creation: true,
            provisioned_app_validation: true,
            self_validate_jwt: true,
            token_encryption: false,
            token_hashing: false,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimMapping {
    pub remote_claim: String,
    pub local_claim: String,
}

/// One of WSO2's "Token Handling Options".
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "UPPERCASE")]
pub enum TokenValidation {
    /// An opaque token whose text matches this regular expression.
    Reference { pattern: String },
    /// A JWT whose claims match these regular expressions.
    Jwt { claims: BTreeMap<String, String> },
}

/// Memory for one compiled pattern, in bytes.
const PATTERN_BYTES: usize = 256 * 1024;

impl TokenValidation {
    /// An option's pattern, compiled. The whole value must match: a rule that meant a tenant must not match a
    /// longer one.
    pub fn pattern(text: &str) -> Result<Regex, regex::Error> {
        let compile = |text: &str| RegexBuilder::new(text).size_limit(PATTERN_BYTES).build();
        // By itself first: `a)|(?:b` would be a pattern only between our parentheses, and lose the anchors.
        compile(text)?;
        compile(&format!("^(?:{text})$"))
    }

    fn validate(&self, check: &mut Check) {
        let patterns: Vec<&str> = match self {
            Self::Reference { pattern } => vec![pattern],
            Self::Jwt { claims } => claims.values().map(String::as_str).collect(),
        };
        check.that(
            patterns.len() <= 20,
            "tokenValidation",
            "at most 20 claims in one option",
        );
        for pattern in patterns {
            check.length("tokenValidation", pattern, 0, 1_000).that(
                Self::pattern(pattern).is_ok(),
                "tokenValidation",
                format!("{pattern:?} is not a regular expression that can be used"),
            );
        }
    }
}

/// How tokens of this key manager reach an API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum TokenType {
    #[default]
    Direct,
    Exchanged,
    Both,
}

/// Who may see and use a key manager in the developer portal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "roles", rename_all = "UPPERCASE")]
pub enum Permissions {
    #[default]
    Public,
    /// Only those who hold one of these roles.
    Allow(Vec<RoleName>),
    /// All but those who hold one of these roles.
    Deny(Vec<RoleName>),
}

impl Permissions {
    /// The one place that decides who may use a key manager, whatever way it was named.
    pub fn allow(&self, roles: &[RoleName]) -> bool {
        let holds_one_of = |listed: &[RoleName]| roles.iter().any(|role| listed.contains(role));
        match self {
            Self::Public => true,
            Self::Allow(listed) => holds_one_of(listed),
            Self::Deny(listed) => !holds_one_of(listed),
        }
    }
}

impl KeyManagerSettings {
    /// Whether developers with these roles may see and use it: permissions, and organizations. One installation is
    /// one organization, so `NONE` leaves nobody and any other list everybody.
    pub fn may_be_used_by(&self, roles: &[RoleName]) -> bool {
        let is_closed = self
            .allowed_organizations
            .iter()
            .any(|organization| organization == "NONE");
        !is_closed && self.permissions.allow(roles)
    }

    /// The rules that hold for every type of key manager.
    pub fn validate(&self) -> Result<(), Invalid> {
        let mut check = Check::default();
        check
            .length("name", &self.name, 1, 100)
            .that(
                !self.name.contains(char::is_whitespace),
                "name",
                "must not contain white space",
            )
            .length("displayName", &self.display_name, 0, 100)
            .length("type", &self.connector_type, 1, 45)
            .length("description", &self.description, 0, 256)
            .length("issuer", &self.issuer, 0, 2_048)
            .that(
                self.available_grant_types.len() <= 32,
                "availableGrantTypes",
                "at most 32",
            )
            .that(
                self.claim_mappings.len() <= 100,
                "claimMapping",
                "at most 100",
            )
            .that(
                self.token_validation.len() <= 20,
                "tokenValidation",
                "at most 20",
            );
        for option in &self.token_validation {
            option.validate(&mut check);
        }
        for (field, url) in self.endpoints.named() {
            check.that(
                matches!(url.scheme(), "https" | "http") && url.has_host(),
                field,
                "must be an http or https URL",
            );
            check.that(
                url.username().is_empty() && url.password().is_none(),
                field,
                "must not contain a user name or password",
            );
        }
        check.finish()
    }
}

impl Endpoints {
    /// The endpoints that are set, under their wire names.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, &Url)> {
        [
            ("wellKnownEndpoint", &self.well_known),
            ("clientRegistrationEndpoint", &self.client_registration),
            ("introspectionEndpoint", &self.introspection),
            ("tokenEndpoint", &self.token),
            ("displayTokenEndpoint", &self.display_token),
            ("revokeEndpoint", &self.revoke),
            ("displayRevokeEndpoint", &self.display_revoke),
            ("userInfoEndpoint", &self.user_info),
            ("authorizeEndpoint", &self.authorize),
            ("scopeManagementEndpoint", &self.scope_management),
        ]
        .into_iter()
        .filter_map(|(name, url)| url.as_ref().map(|url| (name, url)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roles(names: &[&str]) -> Vec<RoleName> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn an_allow_list_admits_holders_of_a_listed_role_only() {
        let permissions = Permissions::Allow(roles(&["partner", "staff"]));
        assert!(permissions.allow(&roles(&["other", "staff"])));
        assert!(!permissions.allow(&roles(&["other"])));
        assert!(!permissions.allow(&[]));
    }

    #[test]
    fn a_pattern_matches_whole_values_only() {
        let pattern = TokenValidation::pattern("acme|umbrella").expect("a pattern");
        assert!(pattern.is_match("acme") && pattern.is_match("umbrella"));
        assert!(!pattern.is_match("acme-evil") && !pattern.is_match("not-umbrella"));
    }

    #[test]
    fn an_option_with_an_unusable_pattern_is_refused() {
        for wrong in ["a)|(?:b", "(", "[a-", "(a{1000}){1000}"] {
            let option = TokenValidation::Jwt {
                claims: BTreeMap::from([("tid".to_owned(), wrong.to_owned())]),
            };
            let mut check = Check::default();
            option.validate(&mut check);
            assert!(check.finish().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_deny_list_wins_over_every_other_role() {
        let permissions = Permissions::Deny(roles(&["contractor"]));
        assert!(!permissions.allow(&roles(&["staff", "contractor"])));
        assert!(permissions.allow(&roles(&["staff"])));
    }
}
