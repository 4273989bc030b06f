//! Open connectors, one a key manager: they keep management tokens, so that not every use-case fetches its own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use connectors::Connector;
use connectors::contract::ConnectorType;
use domain::Invalid;
use domain::id::KeyManagerId;
use domain::key_manager::{KeyManager, KeyManagerSettings};

use crate::error::NotPossible;
use crate::{Dependencies, Error};

/// Bounded by the number of key managers: a newer version takes the place of the older one.
#[derive(Default)]
pub(crate) struct OpenConnectors {
    open: Mutex<HashMap<KeyManagerId, OpenConnector>>,
}

struct OpenConnector {
    version: i64,
    connector: Arc<dyn Connector>,
}

impl OpenConnectors {
    /// The connector of a stored key manager, with these very settings. Makes no network call.
    pub(crate) fn of(
        &self,
        dependencies: &Dependencies,
        key_manager: &KeyManager,
    ) -> Result<Arc<dyn Connector>, Error> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = open.get(&key_manager.id)
            && known.version == key_manager.version
        {
            return Ok(Arc::clone(&known.connector));
        }
        let connector = open_unsaved(dependencies, &key_manager.settings)?;
        let entry = OpenConnector {
            version: key_manager.version,
            connector: Arc::clone(&connector),
        };
        open.insert(key_manager.id, entry);
        Ok(connector)
    }

    /// The connector as it was last opened, perhaps with older settings.
    pub(crate) fn last_opened(&self, id: KeyManagerId) -> Option<Arc<dyn Connector>> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.get(&id).map(|known| Arc::clone(&known.connector))
    }

    /// Forgets a key manager that is gone.
    pub(crate) fn close(&self, id: KeyManagerId) {
        self.open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&id);
    }
}

/// A connector for settings that are not stored (yet).
pub(crate) fn open_unsaved(
    dependencies: &Dependencies,
    settings: &KeyManagerSettings,
) -> Result<Arc<dyn Connector>, Error> {
    let connector_type = connector_type(dependencies, &settings.connector_type)?;
    let opened: Result<_, Invalid> = connector_type.open(settings, &dependencies.environment);
    Ok(opened?)
}

pub(crate) fn connector_type<'a>(
    dependencies: &'a Dependencies,
    name: &str,
) -> Result<&'a Arc<dyn ConnectorType>, Error> {
    dependencies
        .connector_types
        .get(name)
        .ok_or_else(|| NotPossible::KeyManagerTypeUnknown(name.to_owned()).into())
}
