//! From credentials to an actor.

use std::net::IpAddr;
use std::time::Duration;

use domain::SecretString;
use domain::user::{Actor, User};

use super::authorization::scopes_of;
use super::{Identity, sha256_hex};
use crate::Error;

/// Our tokens have 64 characters; what is much longer is not looked up.
const LONGEST_TOKEN: usize = 256;
/// How long a client is asked to wait when too many passwords are being checked.
const BUSY: Duration = Duration::from_secs(1);

/// Why credentials did not lead to an actor.
#[derive(Debug, thiserror::Error)]
pub enum AuthenticationError {
    /// Deliberately without saying what was wrong.
    #[error("the credentials are not valid")]
    Invalid,
    /// Too many failures before this attempt, which was not tried.
    #[error("too many failed logins; try again in {} s", .retry_after.as_secs().max(1))]
    SlowDown { retry_after: Duration },
    #[error("the credentials could not be checked")]
    Internal(#[source] Error),
}

impl From<Error> for AuthenticationError {
    fn from(error: Error) -> Self {
        Self::Internal(error)
    }
}

impl From<store::StoreError> for AuthenticationError {
    fn from(error: store::StoreError) -> Self {
        Self::Internal(error.into())
    }
}

impl Identity<'_> {
    /// HTTP Basic, the login form and the password grant. A wrong user name takes as long as a wrong password;
    /// failures are logged, and slow down further attempts on the user and from the address.
    pub async fn authenticate_password(
        &self,
        username: &str,
        password: &SecretString,
        address: Option<IpAddr>,
    ) -> Result<Actor, AuthenticationError> {
        let state = self.state();
        let Some(turn) = state.hasher.turn().await else {
            return Err(AuthenticationError::SlowDown { retry_after: BUSY });
        };
        // Only with a turn in hand: as many guesses as there are turns can race past this check, not more.
        let now = self.control.clock().now();
        if let Some(retry_after) = state.throttle.wait(username, address, now) {
            return Err(AuthenticationError::SlowDown { retry_after });
        }
        let user = self.find_enabled(username).await?;
        let hash = user.as_ref().map(|user| user.password_hash.clone());
        let is_right = turn.verify(hash, password).await?;
        match user {
            Some(user) if is_right => {
                state.throttle.succeeded(username);
                Ok(actor(&user))
            }
            known => {
                state.throttle.failed(username, address, now);
                // An unknown name is not logged: it may be a password typed into the wrong field.
                tracing::warn!(
                    user.name = known.as_ref().map(|user| user.username.as_str()),
                    client.address = address.map(tracing::field::display),
                    "login failed"
                );
                Err(AuthenticationError::Invalid)
            }
        }
    }

    /// A bearer token of the REST APIs. Scopes that the user has lost since are lost to the token too.
    pub async fn authenticate_token(&self, token: &str) -> Result<Actor, AuthenticationError> {
        if token.is_empty() || token.len() > LONGEST_TOKEN {
            return Err(AuthenticationError::Invalid);
        }
        let now = self.control.clock().now();
        let mut tx = self.control.store().read().await?;
        let grant = tx.access_tokens().find(&sha256_hex(token)).await?;
        let grant = grant.filter(|grant| now < grant.expires_at);
        let grant = grant.ok_or(AuthenticationError::Invalid)?;
        let user = tx.users().find(&grant.username).await?;
        let user = user.filter(|user| user.enabled);
        let user = user.ok_or(AuthenticationError::Invalid)?;
        let held = scopes_of(&user.roles);
        let scopes = grant.scopes.into_iter();
        Ok(Actor {
            scopes: scopes.filter(|scope| held.contains(scope)).collect(),
            username: user.username,
            roles: user.roles,
        })
    }

    async fn find_enabled(&self, username: &str) -> Result<Option<User>, Error> {
        let mut tx = self.control.store().read().await?;
        let user = tx.users().find(username).await?;
        Ok(user.filter(|user| user.enabled))
    }
}

/// A user with every scope of the roles.
fn actor(user: &User) -> Actor {
    Actor {
        username: user.username.clone(),
        roles: user.roles.clone(),
        scopes: scopes_of(&user.roles),
    }
}
