//! What a key manager says about an access token: asked on behalf of a gateway, which has no credentials.
//!
//! The token is never stored and never logged.

use std::sync::Arc;

use connectors::Connector;
use domain::SecretString;
use domain::id::KeyManagerId;

use super::KeyManagers;
use crate::Error;

impl KeyManagers<'_> {
    /// The body of the introspection response (RFC 7662 section 2.2), unjudged; `None` where the key manager cannot
    /// be asked. For gateways: nobody signs in.
    pub async fn introspect(
        &self,
        id: KeyManagerId,
        token: &SecretString,
    ) -> Result<Option<Vec<u8>>, Error> {
        let Some(connector) = self.connector_for_gateway(id).await? else {
            return Ok(None);
        };
        let Some(introspection) = connector.introspection() else {
            return Ok(None);
        };
        Ok(Some(introspection.introspect(token).await?))
    }

    /// While the store is down the connector as it was last opened serves on: a gateway must not fail with it.
    async fn connector_for_gateway(
        &self,
        id: KeyManagerId,
    ) -> Result<Option<Arc<dyn Connector>>, Error> {
        let found = async {
            let mut tx = self.control.store().read().await?;
            tx.key_managers().find(id).await
        };
        let connectors = self.control.connectors();
        match found.await {
            Ok(Some(key_manager)) if key_manager.settings.enabled => connectors
                .of(self.control.dependencies(), &key_manager)
                .map(Some),
            Ok(_) => Ok(None),
            Err(error) => match connectors.last_opened(id) {
                Some(connector) => Ok(Some(connector)),
                None => Err(error.into()),
            },
        }
    }
}
