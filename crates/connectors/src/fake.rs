//! The connector type `Fake`: an authorization server in memory, for tests of other crates.
//!
//! [`FakeServer`] is the server itself: tests look into it, sign tokens with its key, and tell it how to fail.
//! It keeps the contract that every connector keeps: repeating with the same journal makes nothing twice.

mod connector;
mod server;
mod signing;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use domain::connector_descriptor::{ConfigurationField, ConnectorDescriptor};
use domain::key_manager::KeyManagerSettings;
use domain::token_profile::{AudienceRule, SignatureAlgorithm, TokenProfile};
use domain::{FieldError, Invalid};

use crate::contract::{Connector, ConnectorEnvironment, ConnectorType};
use crate::introspection::IntrospectionEndpoint;
use connector::FakeConnector;

pub use server::{FakeClient, FakeOutcome, FakeSecret, FakeServer};

/// The connector type `Fake`; all its key managers share one server.
#[derive(Debug)]
pub struct Fake {
    descriptor: ConnectorDescriptor,
    server: Arc<FakeServer>,
}

impl Fake {
    pub fn new(server: Arc<FakeServer>) -> Self {
        let input = ConfigurationField::input;
        Self {
            descriptor: ConnectorDescriptor {
                connector_type: "Fake",
                display_name: "Fake",
                default_consumer_key_claim: "azp",
                default_scopes_claim: "scope",
                configurations: vec![
                    input("fake_secret", "Secret", "Any text")
                        .required()
                        .masked(),
                    input("fake_colour", "Colour", "Cannot be changed")
                        .with_default("blue")
                        .immutable(),
                ],
                endpoint_configurations: vec![
                    input("token_endpoint", "Token Endpoint", "Any address").required(),
                ],
                application_configurations: Vec::new(),
            },
            server,
        }
    }

    pub fn server(&self) -> &Arc<FakeServer> {
        &self.server
    }
}

impl ConnectorType for Fake {
    fn descriptor(&self) -> &ConnectorDescriptor {
        &self.descriptor
    }

    fn token_profile(&self, settings: &KeyManagerSettings) -> Result<TokenProfile, Invalid> {
        if settings.issuer.is_empty() {
            return Err(FieldError::missing("issuer", "Issuer").into());
        }
        let or_default = |configured: &str, default: &str| {
            let chosen = if configured.is_empty() {
                default
            } else {
                configured
            };
            vec![chosen.to_owned()]
        };
        Ok(TokenProfile {
            issuers: vec![settings.issuer.clone()],
            certificates: settings.certificates.clone(),
            algorithms: vec![SignatureAlgorithm::ES256],
            consumer_key_claims: or_default(&settings.consumer_key_claim, "azp"),
            scopes_claims: or_default(&settings.scopes_claim, "scope"),
            audience: AudienceRule::Any,
        })
    }

    fn open(
        &self,
        settings: &KeyManagerSettings,
        environment: &ConnectorEnvironment,
    ) -> Result<Arc<dyn Connector>, Invalid> {
        self.token_profile(settings)?;
        let introspection = settings.endpoints.introspection.as_ref().map(|url| {
            let secret = settings.secrets.get("fake_secret").cloned();
            IntrospectionEndpoint::new(
                environment.http.clone(),
                url.clone(),
                "fake".to_owned(),
                secret.unwrap_or_default(),
            )
        });
        Ok(Arc::new(FakeConnector {
            introspection,
            server: Arc::clone(&self.server),
            issuer: settings.issuer.clone(),
            clock: Arc::clone(&environment.clock),
        }))
    }
}
