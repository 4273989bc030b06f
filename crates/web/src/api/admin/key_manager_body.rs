//! WSO2's `KeyManager` (admin API) and its translation to and from [`KeyManagerSettings`].
//!
//! Secrets go in under `additionalProperties` and never come out: a response carries [`MASK`], and sending the
//! mask back keeps what is stored.

use std::collections::BTreeMap;

use domain::SecretString;
use domain::connector_descriptor::ConnectorDescriptor;
use domain::key_manager::{Capabilities, ClaimMapping, KeyManager, KeyManagerSettings, TokenType};
use domain::validation::{Check, Invalid};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::key_manager_endpoints::{EndpointFields, EndpointPair};
use super::key_manager_parts::{
    CertificatesBody, ClaimMappingEntry, PermissionsBody, TokenValidationBody, certificates_from,
    permissions_from, token_validation_body, token_validation_from,
};

/// Stands for a secret in every response.
const MASK: &str = "*****";

/// A configured authorization server.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = KeyManager)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct KeyManagerBody {
    #[schema(read_only)]
    pub id: Option<String>,
    /// Unique; cannot be changed later.
    #[schema(min_length = 1, max_length = 100, required)]
    pub name: Option<String>,
    #[schema(max_length = 100)]
    pub display_name: Option<String>,
    /// Connector type, one of `GET /settings`; cannot be changed later.
    #[serde(rename = "type")]
    #[schema(min_length = 1, max_length = 45, required)]
    pub connector_type: Option<String>,
    #[schema(max_length = 256)]
    pub description: Option<String>,
    pub well_known_endpoint: Option<String>,
    pub introspection_endpoint: Option<String>,
    pub client_registration_endpoint: Option<String>,
    pub token_endpoint: Option<String>,
    pub display_token_endpoint: Option<String>,
    pub revoke_endpoint: Option<String>,
    pub display_revoke_endpoint: Option<String>,
    pub user_info_endpoint: Option<String>,
    pub authorize_endpoint: Option<String>,
    pub scope_management_endpoint: Option<String>,
    /// The same endpoints under their configuration names. A flat field that is present wins.
    pub endpoints: Option<Vec<EndpointPair>>,
    pub certificates: Option<CertificatesBody>,
    /// The `iss` of its tokens, compared exactly.
    pub issuer: Option<String>,
    /// Allowed audience of a subject token (token exchange).
    pub alias: Option<String>,
    pub available_grant_types: Option<Vec<String>>,
    pub enable_token_generation: Option<bool>,
    pub enable_token_encryption: Option<bool>,
    pub enable_token_hashing: Option<bool>,
    #[serde(rename = "enableMapOAuthConsumerApps")]
    pub enable_map_oauth_consumer_apps: Option<bool>,
    #[serde(rename = "enableOAuthAppCreation")]
    pub enable_oauth_app_creation: Option<bool>,
    pub enable_provisioned_app_validation: Option<bool>,
    #[serde(rename = "enableSelfValidationJWT")]
    pub enable_self_validation_jwt: Option<bool>,
    pub claim_mapping: Option<Vec<ClaimMappingEntry>>,
    /// Claim that holds the consumer key; the connector's default when empty.
    pub consumer_key_claim: Option<String>,
    /// Claim that holds the scopes; the connector's default when empty.
    pub scopes_claim: Option<String>,
    pub token_validation: Option<Vec<TokenValidationBody>>,
    pub enabled: Option<bool>,
    pub global: Option<bool>,
    /// The connector's own fields by name. Secrets are answered as `*****`.
    #[schema(value_type = Option<Object>)]
    pub additional_properties: Option<Map<String, Value>>,
    pub permissions: Option<PermissionsBody>,
    #[schema(value_type = Option<String>, example = "DIRECT")]
    pub token_type: Option<TokenType>,
    /// `["ALL"]` or empty: all.
    pub allowed_organizations: Option<Vec<String>>,
}

impl KeyManagerBody {
    /// Settings as a use-case takes them. `descriptors` tell which properties are secrets.
    pub(crate) fn into_settings(
        self,
        descriptors: &[ConnectorDescriptor],
    ) -> Result<KeyManagerSettings, Invalid> {
        let mut check = Check::default();
        let connector_type = text(self.connector_type);
        let descriptor = descriptors
            .iter()
            .find(|descriptor| descriptor.connector_type == connector_type);
        let (configuration, secrets) = split_properties(
            self.additional_properties.unwrap_or_default(),
            descriptor,
            &mut check,
        );
        let endpoints = EndpointFields {
            well_known: self.well_known_endpoint,
            client_registration: self.client_registration_endpoint,
            introspection: self.introspection_endpoint,
            token: self.token_endpoint,
            display_token: self.display_token_endpoint,
            revoke: self.revoke_endpoint,
            display_revoke: self.display_revoke_endpoint,
            user_info: self.user_info_endpoint,
            authorize: self.authorize_endpoint,
            scope_management: self.scope_management_endpoint,
        }
        .into_endpoints(&self.endpoints.unwrap_or_default(), &mut check);
        let certificates = certificates_from(self.certificates, &mut check);
        let token_validation =
            token_validation_from(self.token_validation.unwrap_or_default(), &mut check);
        let default = Capabilities::default();
        let settings = KeyManagerSettings {
            name: text(self.name),
            display_name: text(self.display_name),
            connector_type,
            description: text(self.description),
            enabled: self.enabled.unwrap_or(true),
            endpoints,
            issuer: text(self.issuer),
            alias: Some(text(self.alias)).filter(|alias| !alias.is_empty()),
            certificates,
            consumer_key_claim: text(self.consumer_key_claim),
            scopes_claim: text(self.scopes_claim),
            claim_mappings: self
                .claim_mapping
                .unwrap_or_default()
                .into_iter()
                .map(|entry| ClaimMapping {
                    remote_claim: entry.remote_claim,
                    local_claim: entry.local_claim,
                })
                .collect(),
            available_grant_types: self.available_grant_types.unwrap_or_default(),
            capabilities: Capabilities {
                token_generation: self
                    .enable_token_generation
                    .unwrap_or(default.token_generation),
                map_oauth_consumer_apps: self
                    .enable_map_oauth_consumer_apps
                    .unwrap_or(default.map_oauth_consumer_apps),
                oauth_app_creation: self
                    .enable_oauth_app_creation
                    .unwrap_or(default.oauth_app_creation),
                provisioned_app_validation: self
                    .enable_provisioned_app_validation
                    .unwrap_or(default.provisioned_app_validation),
                self_validate_jwt: self
                    .enable_self_validation_jwt
                    .unwrap_or(default.self_validate_jwt),
                token_encryption: self
                    .enable_token_encryption
                    .unwrap_or(default.token_encryption),
                token_hashing: self.enable_token_hashing.unwrap_or(default.token_hashing),
            },
            token_validation,
            token_type: self.token_type.unwrap_or_default(),
            permissions: permissions_from(self.permissions.unwrap_or_default()),
            allowed_organizations: self.allowed_organizations.unwrap_or_default(),
            global: self.global.unwrap_or(false),
            configuration,
            secrets,
        };
        check.finish()?;
        Ok(settings)
    }
}

impl From<&KeyManager> for KeyManagerBody {
    fn from(key_manager: &KeyManager) -> Self {
        Self {
            id: Some(key_manager.id.to_string()),
            ..Self::from(&key_manager.settings)
        }
    }
}

impl From<&KeyManagerSettings> for KeyManagerBody {
    fn from(settings: &KeyManagerSettings) -> Self {
        let flat = EndpointFields::from(&settings.endpoints);
        let capabilities = &settings.capabilities;
        Self {
            id: None,
            name: Some(settings.name.clone()),
            display_name: Some(settings.display_name.clone()),
            connector_type: Some(settings.connector_type.clone()),
            description: Some(settings.description.clone()),
            endpoints: Some(flat.pairs()),
            well_known_endpoint: flat.well_known,
            introspection_endpoint: flat.introspection,
            client_registration_endpoint: flat.client_registration,
            token_endpoint: flat.token,
            display_token_endpoint: flat.display_token,
            revoke_endpoint: flat.revoke,
            display_revoke_endpoint: flat.display_revoke,
            user_info_endpoint: flat.user_info,
            authorize_endpoint: flat.authorize,
            scope_management_endpoint: flat.scope_management,
            certificates: settings.certificates.as_ref().map(CertificatesBody::from),
            issuer: Some(settings.issuer.clone()),
            alias: settings.alias.clone(),
            available_grant_types: Some(settings.available_grant_types.clone()),
            enable_token_generation: Some(capabilities.token_generation),
            enable_token_encryption: Some(capabilities.token_encryption),
            enable_token_hashing: Some(capabilities.token_hashing),
            enable_map_oauth_consumer_apps: Some(capabilities.map_oauth_consumer_apps),
            enable_oauth_app_creation: Some(capabilities.oauth_app_creation),
            enable_provisioned_app_validation: Some(capabilities.provisioned_app_validation),
            enable_self_validation_jwt: Some(capabilities.self_validate_jwt),
            claim_mapping: Some(
                settings
                    .claim_mappings
                    .iter()
                    .map(|mapping| ClaimMappingEntry {
                        remote_claim: mapping.remote_claim.clone(),
                        local_claim: mapping.local_claim.clone(),
                    })
                    .collect(),
            ),
            consumer_key_claim: Some(settings.consumer_key_claim.clone()),
            scopes_claim: Some(settings.scopes_claim.clone()),
            token_validation: Some(token_validation_body(&settings.token_validation)),
            enabled: Some(settings.enabled),
            global: Some(settings.global),
            additional_properties: Some(masked_properties(settings)),
            permissions: Some(PermissionsBody::from(&settings.permissions)),
            token_type: Some(settings.token_type),
            allowed_organizations: Some(settings.allowed_organizations.clone()),
        }
    }
}

fn text(value: Option<String>) -> String {
    value.map_or_else(String::new, |text| text.trim().to_owned())
}

/// Secrets and the rest. Strings are trimmed, as WSO2 does.
fn split_properties(
    properties: Map<String, Value>,
    descriptor: Option<&ConnectorDescriptor>,
    check: &mut Check,
) -> (BTreeMap<String, Value>, BTreeMap<String, SecretString>) {
    let is_secret = |name: &str| {
        descriptor.is_some_and(|descriptor| {
            descriptor
                .configurations
                .iter()
                .any(|field| field.mask && field.name == name)
        })
    };
    let mut configuration = BTreeMap::new();
    let mut secrets = BTreeMap::new();
    for (name, value) in properties {
        match value {
            Value::String(value) if is_secret(&name) => {
                secrets.insert(name, SecretString::from(value.trim()));
            }
            Value::Null => {}
            _ if is_secret(&name) => {
                check.that(
                    false,
                    &format!("additionalProperties.{name}"),
                    "must be a string",
                );
            }
            Value::String(value) => {
                configuration.insert(name, Value::from(value.trim()));
            }
            value => {
                configuration.insert(name, value);
            }
        }
    }
    (configuration, secrets)
}

fn masked_properties(settings: &KeyManagerSettings) -> Map<String, Value> {
    let open = settings
        .configuration
        .iter()
        .map(|(name, value)| (name.clone(), value.clone()));
    let masked = settings
        .secrets
        .keys()
        .map(|name| (name.clone(), Value::from(MASK)));
    open.chain(masked).collect()
}

#[cfg(test)]
mod tests;
