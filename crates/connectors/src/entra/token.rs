//! Tokens for clients, by client credentials with the client's own App ID URI as the resource.

use domain::SecretString;
use domain::provider_failure::ProviderFailure;

use super::EntraConnector;
use super::classify::Stage;
use super::token_endpoint::{Grant, TokenAnswer};
use crate::contract::{ConnectorError, IssuedToken, TokenRequest};

/// All that a client may do at itself: the scope of WSO2's page.
pub(super) fn own_scope(consumer_key: &str) -> String {
    format!("api://{consumer_key}/.default")
}

impl EntraConnector {
    /// Entra grants client credentials only for a whole resource (`…/.default`, one at a time); requested scopes of
    /// another form mean nothing to it and are passed over.
    pub(super) async fn issue_token(
        &self,
        request: &TokenRequest,
    ) -> Result<IssuedToken, ConnectorError> {
        let asked = request
            .scopes
            .iter()
            .find(|scope| scope.ends_with("/.default"));
        let scope = asked
            .cloned()
            .unwrap_or_else(|| own_scope(&request.consumer_key));
        let grant = Grant {
            operation: "request token",
            client_id: &request.consumer_key,
            client_secret: &request.consumer_secret,
            scope: &scope,
        };
        let answer = self.request_patiently(&grant).await?;
        Ok(IssuedToken {
            access_token: answer.access_token,
            expires_in: answer.expires_in,
            scopes: vec![scope],
        })
    }

    pub(super) async fn prove(
        &self,
        consumer_key: &str,
        secret: &SecretString,
    ) -> Result<(), ConnectorError> {
        let scope = own_scope(consumer_key);
        let grant = Grant {
            operation: "prove the secret",
            client_id: consumer_key,
            client_secret: secret,
            scope: &scope,
        };
        self.request_patiently(&grant).await?;
        Ok(())
    }

    /// A client may be young: "wrong secret" is believed only after the documented waiting time.
    async fn request_patiently(&self, grant: &Grant<'_>) -> Result<TokenAnswer, ProviderFailure> {
        self.polling()
            .run(Stage::Settled, || {
                self.token_endpoint.client_credentials(grant)
            })
            .await
    }
}
