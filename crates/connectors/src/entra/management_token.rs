//! Claviger's own access token for Microsoft Graph: one for all concurrent calls, renewed before it ends.

use std::sync::Arc;
use std::time::Duration;

use domain::{Clock, SecretString};
use jiff::Timestamp;
use tokio::sync::Mutex;

use super::classify::{Meaning, Refusal};
use super::settings::EntraSettings;
use super::token_endpoint::{Grant, TokenAnswer, TokenEndpoint};

/// A token is not used in its last minutes: clocks differ, requests take time.
const MARGIN: Duration = Duration::from_mins(5);

pub(super) struct ManagementToken {
    endpoint: TokenEndpoint,
    client_id: String,
    client_secret: SecretString,
    scope: String,
    clock: Arc<dyn Clock>,
    /// Held while a token is fetched, so that all who wait share it.
    cached: Mutex<Cached>,
}

#[derive(Default)]
struct Cached {
    token: Option<Arc<SecretString>>,
    renew_at: Option<Timestamp>,
    generation: u64,
}

/// A token and which one it is.
#[derive(Clone)]
pub(super) struct CurrentToken {
    pub(super) token: Arc<SecretString>,
    generation: u64,
}

impl ManagementToken {
    pub(super) fn new(
        endpoint: TokenEndpoint,
        settings: &EntraSettings,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            endpoint,
            client_id: settings.client_id.clone(),
            client_secret: settings.client_secret.clone(),
            scope: settings.graph_scope.clone(),
            clock,
            cached: Mutex::default(),
        }
    }

    pub(super) async fn get(&self) -> Result<CurrentToken, Refusal> {
        let mut cached = self.cached.lock().await;
        let is_good = cached.renew_at.is_some_and(|at| self.clock.now() < at);
        if let Some(token) = cached.token.as_ref().filter(|_| is_good) {
            return Ok(CurrentToken {
                token: Arc::clone(token),
                generation: cached.generation,
            });
        }
        let answer = self.fetch().await?;
        let lifetime = answer
            .expires_in
            .saturating_sub(MARGIN)
            .max(answer.expires_in / 2);
        let token = Arc::new(answer.access_token);
        cached.token = Some(Arc::clone(&token));
        cached.renew_at = self.clock.now().checked_add(lifetime).ok();
        cached.generation += 1;
        Ok(CurrentToken {
            token,
            generation: cached.generation,
        })
    }

    /// Forgets a token that was refused, unless somebody has replaced it already.
    pub(super) async fn forget(&self, refused: &CurrentToken) {
        let mut cached = self.cached.lock().await;
        if cached.generation == refused.generation {
            cached.token = None;
        }
    }

    /// A new token, past the cache; for the connection check.
    pub(super) async fn fetch(&self) -> Result<TokenAnswer, Refusal> {
        let grant = Grant {
            operation: "sign in to Microsoft Graph",
            client_id: &self.client_id,
            client_secret: &self.client_secret,
            scope: &self.scope,
        };
        self.endpoint
            .client_credentials(&grant)
            .await
            .map_err(own_refusal)
    }
}

/// Claviger's own credential was set up long ago: what is lag for a new client is a wrong setting here.
fn own_refusal(mut refusal: Refusal) -> Refusal {
    refusal.ambiguous = false;
    match refusal.meaning {
        Meaning::Throttled | Meaning::ServerTrouble => refusal,
        _ => Refusal::new(Meaning::Misconfigured, *refusal.failure),
    }
}
