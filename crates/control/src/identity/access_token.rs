//! Access tokens of Claviger's own REST APIs: issuing (RFC 6749 sections 4.3 and 4.4) and revoking (RFC 7009).
//!
//! Tokens are random and opaque; only their hash is stored.

use std::net::IpAddr;
use std::time::Duration;

use domain::SecretString;
use domain::oauth_client::OAuthClient;
use domain::user::{AccessTokenGrant, RoleName};
use secrecy::ExposeSecret;
use serde_json::json;
use subtle::ConstantTimeEq;

use super::authentication::AuthenticationError;
use super::authorization::granted_scopes;
use super::{Identity, sha256_hex};
use crate::Error;

/// Most scopes that one request may name.
const MOST_SCOPES: usize = 200;

/// A token with the one copy of its text that is ever shown.
#[derive(Clone, Debug)]
pub struct IssuedAccessToken {
    pub access_token: SecretString,
    /// What was granted of what was requested; `default` when nothing was.
    pub scopes: Vec<String>,
    pub expires_in: Duration,
}

/// Why no token was issued (RFC 6749 section 5.2).
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("the client is unknown or its secret is wrong")]
    InvalidClient,
    #[error("the user's credentials are not valid")]
    InvalidGrant,
    #[error("the client is not registered for this grant type")]
    UnauthorizedClient,
    #[error("at most {MOST_SCOPES} scopes can be requested")]
    InvalidScope,
    #[error("too many failed logins; try again in {} s", .retry_after.as_secs().max(1))]
    SlowDown { retry_after: Duration },
    #[error("the token could not be issued")]
    Internal(#[source] Error),
}

impl From<Error> for TokenError {
    fn from(error: Error) -> Self {
        Self::Internal(error)
    }
}

impl From<store::StoreError> for TokenError {
    fn from(error: store::StoreError) -> Self {
        Self::Internal(error.into())
    }
}

impl From<AuthenticationError> for TokenError {
    fn from(error: AuthenticationError) -> Self {
        match error {
            AuthenticationError::Invalid => Self::InvalidGrant,
            AuthenticationError::SlowDown { retry_after } => Self::SlowDown { retry_after },
            AuthenticationError::Internal(error) => Self::Internal(error),
        }
    }
}

impl Identity<'_> {
    /// The password grant: a token for the user who gave the password.
    pub async fn token_by_password(
        &self,
        client_id: &str,
        client_secret: &SecretString,
        username: &str,
        password: &SecretString,
        scopes: &[String],
        address: Option<IpAddr>,
    ) -> Result<IssuedAccessToken, TokenError> {
        let client = self.client(client_id, client_secret, "password").await?;
        let actor = self
            .authenticate_password(username, password, address)
            .await?;
        self.issue(&client, &actor.username, &actor.roles, scopes)
            .await
    }

    /// The client credentials grant: a token for the user who registered the client.
    pub async fn token_by_client_credentials(
        &self,
        client_id: &str,
        client_secret: &SecretString,
        scopes: &[String],
    ) -> Result<IssuedAccessToken, TokenError> {
        let client = self
            .client(client_id, client_secret, "client_credentials")
            .await?;
        let mut tx = self.control.store().read().await?;
        let owner = tx.users().find(&client.owner).await?;
        drop(tx);
        let owner = owner.filter(|owner| owner.enabled);
        let owner = owner.ok_or(TokenError::InvalidClient)?;
        self.issue(&client, &owner.username, &owner.roles, scopes)
            .await
    }

    /// Revokes a token of the client that asks. An unknown token, or another client's, is no error (RFC 7009
    /// section 2.2) and stays as it is.
    pub async fn revoke(
        &self,
        client_id: &str,
        client_secret: &SecretString,
        token: &str,
    ) -> Result<(), TokenError> {
        let client = self.authenticate_client(client_id, client_secret).await?;
        let hash = sha256_hex(token);
        let mut tx = self.control.begin().await?;
        let grant = tx.access_tokens().find(&hash).await?;
        let Some(grant) = grant.filter(|grant| grant.client_id == client.client_id) else {
            return Ok(());
        };
        tx.access_tokens().delete(&hash).await?;
        let details = json!({ "user": grant.username });
        tx.record_audit(
            &grant.username,
            "access_token.revoke",
            &client.client_id,
            details,
        )
        .await?;
        tx.commit().await?;
        Ok(())
    }

    async fn client(
        &self,
        client_id: &str,
        secret: &SecretString,
        grant_type: &str,
    ) -> Result<OAuthClient, TokenError> {
        let client = self.authenticate_client(client_id, secret).await?;
        let may = client.grant_types.iter().any(|held| held == grant_type);
        if may {
            Ok(client)
        } else {
            Err(TokenError::UnauthorizedClient)
        }
    }

    async fn authenticate_client(
        &self,
        client_id: &str,
        secret: &SecretString,
    ) -> Result<OAuthClient, TokenError> {
        let given = sha256_hex(secret.expose_secret());
        let mut tx = self.control.store().read().await?;
        let client = tx.oauth_clients().find_by_client_id(client_id).await?;
        let client = client.filter(|client| {
            let stored = client.secret_hash.as_bytes();
            bool::from(stored.ct_eq(given.as_bytes()))
        });
        client.ok_or(TokenError::InvalidClient)
    }

    async fn issue(
        &self,
        client: &OAuthClient,
        username: &str,
        roles: &[RoleName],
        requested: &[String],
    ) -> Result<IssuedAccessToken, TokenError> {
        if requested.len() > MOST_SCOPES {
            return Err(TokenError::InvalidScope);
        }
        let access_token = self.control.random().secret();
        let now = self.control.clock().now();
        let lifetime = self.control.settings().access_token_lifetime;
        let grant = AccessTokenGrant {
            token_hash: sha256_hex(access_token.expose_secret()),
            client_id: client.client_id.clone(),
            username: username.to_owned(),
            scopes: granted_scopes(roles, requested),
            issued_at: now,
            expires_at: now + lifetime,
        };
        let mut tx = self.control.begin().await?;
        tx.access_tokens().delete_expired(now).await?;
        tx.access_tokens().insert(&grant).await?;
        tx.commit().await?;
        Ok(IssuedAccessToken {
            access_token,
            scopes: grant.scopes,
            expires_in: lifetime,
        })
    }
}
