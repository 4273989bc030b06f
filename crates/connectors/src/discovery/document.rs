//! The metadata document's members that a key manager needs, and their translation.

use domain::certificate::Certificates;
use domain::key_manager::Endpoints;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::{DiscoveredKeyManager, DiscoveryError};

/// OpenID Connect Discovery 1.0 section 3, RFC 8414 section 2, and Entra ID's additions.
#[derive(Debug, Deserialize)]
pub(super) struct MetadataDocument {
    pub(super) issuer: String,
    pub(super) token_endpoint: Option<Url>,
    pub(super) jwks_uri: Option<Url>,
    authorization_endpoint: Option<Url>,
    registration_endpoint: Option<Url>,
    introspection_endpoint: Option<Url>,
    revocation_endpoint: Option<Url>,
    userinfo_endpoint: Option<Url>,
    #[serde(default)]
    grant_types_supported: Vec<String>,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Vec<String>,
    /// Entra ID: the host of Microsoft Graph in the tenant's cloud.
    msgraph_host: Option<String>,
    /// Entra ID: present in each of its documents.
    tenant_region_scope: Option<Value>,
    cloud_instance_name: Option<String>,
}

impl MetadataDocument {
    pub(super) fn from_json(json: Value) -> Result<Self, DiscoveryError> {
        if !json.is_object() {
            return Err(DiscoveryError::NotMetadata(
                "it is not an object".to_owned(),
            ));
        }
        if json
            .get("issuer")
            .and_then(Value::as_str)
            .is_none_or(str::is_empty)
        {
            return Err(DiscoveryError::NotMetadata("it names no issuer".to_owned()));
        }
        let document: Self = serde_json::from_value(json)
            .map_err(|error| DiscoveryError::NotMetadata(error.to_string()))?;
        let addresses = [
            &document.token_endpoint,
            &document.jwks_uri,
            &document.authorization_endpoint,
            &document.registration_endpoint,
            &document.introspection_endpoint,
            &document.revocation_endpoint,
            &document.userinfo_endpoint,
        ];
        let usable = |url: &Url| matches!(url.scheme(), "https" | "http") && url.has_host();
        if addresses.into_iter().flatten().all(usable) {
            Ok(document)
        } else {
            Err(DiscoveryError::NotMetadata(
                "an endpoint is not an http or https address".to_owned(),
            ))
        }
    }

    fn is_entra(&self) -> bool {
        self.msgraph_host.is_some()
            || self.cloud_instance_name.is_some()
            || self.tenant_region_scope.is_some()
    }

    pub(super) fn into_key_manager(self, well_known: &Url) -> DiscoveredKeyManager {
        let connector_type = if self.is_entra() {
            Some("AzureAD")
        } else if self.registration_endpoint.is_some() {
            Some("OIDC")
        } else {
            None
        };
        // Entra registers clients through Microsoft Graph; its document names the host only.
        let graph = self
            .msgraph_host
            .as_deref()
            .and_then(|host| Url::parse(&format!("https://{host}")).ok());
        let available_grant_types = if self.grant_types_supported.is_empty()
            && !self.token_endpoint_auth_methods_supported.is_empty()
            && connector_type == Some("AzureAD")
        {
            vec!["client_credentials".to_owned()]
        } else {
            self.grant_types_supported
        };
        DiscoveredKeyManager {
            connector_type,
            issuer: self.issuer,
            endpoints: Endpoints {
                well_known: Some(well_known.clone()),
                client_registration: self.registration_endpoint.or(graph),
                introspection: self.introspection_endpoint,
                display_token: self.token_endpoint.clone(),
                token: self.token_endpoint,
                display_revoke: self.revocation_endpoint.clone(),
                revoke: self.revocation_endpoint,
                user_info: self.userinfo_endpoint,
                authorize: self.authorization_endpoint,
                scope_management: None,
            },
            certificates: self.jwks_uri.map(Certificates::Jwks),
            available_grant_types,
        }
    }
}
