//! "Generate Access Token": a token with an application's own credentials (RFC 6749 section 4.4).

use connectors::contract::{IssuedToken, TokenRequest};
use domain::SecretString;
use domain::id::{ApplicationId, KeyMappingId};
use domain::key_manager::KeyManager;
use domain::user::Actor;

use super::{GenerateToken, KeyMappings, key_manager_of, request};
use crate::error::NotPossible;
use crate::key_manager::check_usable;
use crate::{Control, Error};

impl KeyMappings<'_> {
    /// The secret is the stored one, or the given one where none is kept (`SecretNotStored` without either).
    pub async fn generate_token(
        &self,
        actor: &Actor,
        application: ApplicationId,
        id: KeyMappingId,
        wanted: GenerateToken,
    ) -> Result<IssuedToken, Error> {
        let scopes = request::scopes(wanted.scopes)?;
        let mut tx = self.control.store().read().await?;
        let (_, mapping) = self.tended(&mut *tx, actor, application, id).await?;
        let key_manager = key_manager_of(&mut *tx, &mapping).await?;
        drop(tx);
        check_usable(actor, &key_manager)?;
        if !key_manager.settings.capabilities.token_generation {
            return Err(NotPossible::TokenGenerationDisabled.into());
        }
        let consumer_key = mapping.consumer_key.filter(|_| mapping.state.is_live());
        let consumer_key = consumer_key.ok_or(NotPossible::ClientNotFound)?;
        let secret = wanted.consumer_secret.or(mapping.consumer_secret);
        let secret = secret.ok_or(NotPossible::SecretNotStored)?;
        request_token(self.control, &key_manager, &consumer_key, &secret, scopes).await
    }
}

pub(super) async fn request_token(
    control: &Control,
    key_manager: &KeyManager,
    consumer_key: &str,
    secret: &SecretString,
    scopes: Vec<String>,
) -> Result<IssuedToken, Error> {
    let connector = control
        .connectors()
        .of(control.dependencies(), key_manager)?;
    let request = TokenRequest {
        consumer_key: consumer_key.to_owned(),
        consumer_secret: secret.clone(),
        scopes,
    };
    Ok(connector.request_token(&request).await?)
}
