//! A key manager's endpoints on the wire: WSO2's flat fields and its newer `endpoints[]` list of the same.

use domain::key_manager::Endpoints;
use domain::validation::Check;
use serde::{Deserialize, Serialize};
use url::Url;
use utoipa::ToSchema;

/// One endpoint under its configuration name, for example `token_endpoint`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = KeyManagerEndpoint)]
#[serde(deny_unknown_fields)]
pub(crate) struct EndpointPair {
    pub name: String,
    pub value: String,
}

/// The flat fields as they were sent: absent, empty, or an address.
#[derive(Debug, Default)]
pub(crate) struct EndpointFields {
    pub well_known: Option<String>,
    pub client_registration: Option<String>,
    pub introspection: Option<String>,
    pub token: Option<String>,
    pub display_token: Option<String>,
    pub revoke: Option<String>,
    pub display_revoke: Option<String>,
    pub user_info: Option<String>,
    pub authorize: Option<String>,
    pub scope_management: Option<String>,
}

/// Flat field, configuration name.
const CLIENT_REGISTRATION: (&str, &str) =
    ("clientRegistrationEndpoint", "client_registration_endpoint");
const INTROSPECTION: (&str, &str) = ("introspectionEndpoint", "introspection_endpoint");
const TOKEN: (&str, &str) = ("tokenEndpoint", "token_endpoint");
const DISPLAY_TOKEN: (&str, &str) = ("displayTokenEndpoint", "display_token_endpoint");
const REVOKE: (&str, &str) = ("revokeEndpoint", "revoke_endpoint");
const DISPLAY_REVOKE: (&str, &str) = ("displayRevokeEndpoint", "display_revoke_endpoint");
const USER_INFO: (&str, &str) = ("userInfoEndpoint", "userinfo_endpoint");
const AUTHORIZE: (&str, &str) = ("authorizeEndpoint", "authorize_endpoint");
const SCOPE_MANAGEMENT: (&str, &str) = ("scopeManagementEndpoint", "scope_endpoint");
/// Not among WSO2's `endpoints[]` names.
const WELL_KNOWN: (&str, &str) = ("wellKnownEndpoint", "well_known_endpoint");

impl EndpointFields {
    /// A flat field that is present wins, even when empty; otherwise the list's entry counts.
    pub(crate) fn into_endpoints(self, pairs: &[EndpointPair], check: &mut Check) -> Endpoints {
        let mut read = |flat: Option<String>, (field, name): (&str, &str)| {
            let listed = || {
                let pair = pairs.iter().find(|pair| pair.name == name)?;
                Some(pair.value.clone())
            };
            parse(&flat.or_else(listed)?, field, check)
        };
        Endpoints {
            well_known: read(self.well_known, WELL_KNOWN),
            client_registration: read(self.client_registration, CLIENT_REGISTRATION),
            introspection: read(self.introspection, INTROSPECTION),
            revoke: read(self.revoke, REVOKE),
            token: read(self.token, TOKEN),
            display_token: read(self.display_token, DISPLAY_TOKEN),
            display_revoke: read(self.display_revoke, DISPLAY_REVOKE),
            user_info: read(self.user_info, USER_INFO),
            authorize: read(self.authorize, AUTHORIZE),
            scope_management: read(self.scope_management, SCOPE_MANAGEMENT),
        }
    }

    /// The list form of the fields that are set.
    pub(crate) fn pairs(&self) -> Vec<EndpointPair> {
        [
            (CLIENT_REGISTRATION, &self.client_registration),
            (INTROSPECTION, &self.introspection),
            (TOKEN, &self.token),
            (DISPLAY_TOKEN, &self.display_token),
            (REVOKE, &self.revoke),
            (DISPLAY_REVOKE, &self.display_revoke),
            (USER_INFO, &self.user_info),
            (AUTHORIZE, &self.authorize),
            (SCOPE_MANAGEMENT, &self.scope_management),
        ]
        .into_iter()
        .filter_map(|((_, name), value)| {
            value.clone().map(|value| EndpointPair {
                name: name.to_owned(),
                value,
            })
        })
        .collect()
    }
}

impl From<&Endpoints> for EndpointFields {
    fn from(endpoints: &Endpoints) -> Self {
        let text = |url: &Option<Url>| url.as_ref().map(Url::to_string);
        Self {
            well_known: text(&endpoints.well_known),
            client_registration: text(&endpoints.client_registration),
            introspection: text(&endpoints.introspection),
            token: text(&endpoints.token),
            display_token: text(&endpoints.display_token),
            revoke: text(&endpoints.revoke),
            display_revoke: text(&endpoints.display_revoke),
            user_info: text(&endpoints.user_info),
            authorize: text(&endpoints.authorize),
            scope_management: text(&endpoints.scope_management),
        }
    }
}

fn parse(text: &str, field: &str, check: &mut Check) -> Option<Url> {
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    let url = Url::parse(text).ok();
    check.that(url.is_some(), field, "must be an http or https URL");
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(name: &str, value: &str) -> EndpointPair {
        EndpointPair {
            name: name.to_owned(),
            value: value.to_owned(),
        }
    }

    #[test]
    fn a_flat_field_that_was_emptied_beats_the_list() {
        let fields = EndpointFields {
            revoke: Some(String::new()),
            ..EndpointFields::default()
        };
        let pairs = [
            pair("revoke_endpoint", "https://old.example/revoke"),
            pair("token_endpoint", "https://idp.example/token"),
        ];
        let endpoints = fields.into_endpoints(&pairs, &mut Check::default());
        assert_eq!(endpoints.revoke, None);
        assert_eq!(
            endpoints.token.map(|url| url.to_string()),
            Some("https://idp.example/token".to_owned())
        );
    }
}
