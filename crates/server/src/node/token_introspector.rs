//! Lets the gateway ask key managers about tokens, with the credentials that control keeps.

use std::sync::{Arc, OnceLock};

use control::Control;
use control::error::chain;
use domain::SecretString;
use domain::id::KeyManagerId;
use gateway::{TokenIntrospector, TokenIntrospectorError};
use tokio::runtime::Handle;

/// The gateway starts before control, whose settings name the gateway's address.
#[derive(Clone)]
pub(crate) struct ControlIntrospector {
    control: Arc<OnceLock<Control>>,
    /// Control's own: database and connections to key managers are used on the runtime that made them.
    runtime: Handle,
}

impl ControlIntrospector {
    /// To be called on control's runtime.
    pub(crate) fn new() -> Self {
        Self {
            control: Arc::default(),
            runtime: Handle::current(),
        }
    }

    pub(crate) fn connect(&self, control: Control) {
        // There is one control a node; a second would be the same.
        let _ = self.control.set(control);
    }
}

#[async_trait::async_trait]
impl TokenIntrospector for ControlIntrospector {
    async fn introspect(
        &self,
        key_manager: KeyManagerId,
        token: &SecretString,
    ) -> Result<Vec<u8>, TokenIntrospectorError> {
        let control = self.control.get().cloned();
        let control = control.ok_or(TokenIntrospectorError::Unsupported)?;
        let token = token.clone();
        let asking = self
            .runtime
            .spawn(async move { control.key_managers().introspect(key_manager, &token).await });
        match asking.await {
            Ok(Ok(Some(answer))) => Ok(answer),
            Ok(Ok(None)) => Err(TokenIntrospectorError::Unsupported),
            Ok(Err(error)) => Err(TokenIntrospectorError::Failed(chain(&error))),
            Err(_) => Err(TokenIntrospectorError::Failed("the node stops".to_owned())),
        }
    }
}
