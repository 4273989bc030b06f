//! The connector types that exist, and the check of a key manager's settings against its type's form.
//! What a value means is the type's own business ([`crate::ConnectorType::open`]).

mod configuration;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::Invalid;
use domain::connector_descriptor::ConnectorDescriptor;
use domain::key_manager::KeyManagerSettings;

use crate::ConnectorType;
use crate::entra::AzureAd;

pub use configuration::{MASKED_VALUE, validate_configuration};

/// All connector types by name.
#[derive(Clone)]
pub struct Registry {
    types: BTreeMap<&'static str, Arc<dyn ConnectorType>>,
}

impl Registry {
    /// The types that Claviger brings.
    pub fn standard() -> Self {
        Self::of([Arc::new(AzureAd::new()) as Arc<dyn ConnectorType>])
    }

    /// Exactly these types; of two with one name the later stands.
    pub fn of(types: impl IntoIterator<Item = Arc<dyn ConnectorType>>) -> Self {
        let types = types
            .into_iter()
            .map(|connector_type| (connector_type.descriptor().connector_type, connector_type))
            .collect();
        Self { types }
    }

    /// Adds a type, or replaces the one of the same name.
    pub fn with(mut self, connector_type: Arc<dyn ConnectorType>) -> Self {
        self.types
            .insert(connector_type.descriptor().connector_type, connector_type);
        self
    }

    pub fn get(&self, connector_type: &str) -> Option<&Arc<dyn ConnectorType>> {
        self.types.get(connector_type)
    }

    /// Ordered by type name.
    pub fn descriptors(&self) -> impl Iterator<Item = &ConnectorDescriptor> {
        self.types
            .values()
            .map(|connector_type| connector_type.descriptor())
    }

    /// Checks settings against the form of their type; see [`validate_configuration`].
    /// An unknown type is an error of the field `type`.
    pub fn validate_configuration(
        &self,
        settings: KeyManagerSettings,
    ) -> Result<KeyManagerSettings, Invalid> {
        let Some(connector_type) = self.get(&settings.connector_type) else {
            let known: Vec<_> = self.types.keys().copied().collect();
            let message = format!("is not a known key manager type ({})", known.join(", "));
            return Err(Invalid::field("type", message));
        };
        validate_configuration(connector_type.descriptor(), settings)
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.types.keys()).finish()
    }
}
