//! Dynamic registration of OAuth clients for Claviger's own REST APIs (WSO2's client-registration v0.17).

use domain::Invalid;
use domain::id::OAuthClientId;
use domain::oauth_client::{OAuthClient, RegisteredOAuthClient};
use domain::user::Actor;
use domain::validation::Check;
use secrecy::ExposeSecret;
use serde_json::json;
use store::StoreError;

use super::authorization::require;
use super::{Identity, sha256_hex};
use crate::Error;
use crate::error::Noun;

/// Clients that one user may register.
const MOST_PER_OWNER: u64 = 100;

/// What a script asks for.
#[derive(Clone, Debug)]
pub struct NewClient {
    /// 1 to 255 characters; the same name again answers with the same client.
    pub name: String,
    /// The actor when `None`. Only administrators may name somebody else, with a token for `apim:admin`.
    pub owner: Option<String>,
    pub callback_url: String,
    pub grant_types: Vec<String>,
}

impl Identity<'_> {
    /// Registers a client, or answers with the one of that name. Since only a hash of the secret is stored, the
    /// client gets a new secret then and the old one ends: the one difference to WSO2.
    pub async fn register_client(
        &self,
        actor: &Actor,
        new: NewClient,
    ) -> Result<RegisteredOAuthClient, Error> {
        require(actor, &["apim:dcr:app_manage"])?;
        validate(&new)?;
        let owner = new.owner.unwrap_or_else(|| actor.username.clone());
        if owner != actor.username && !actor.is_admin() {
            return Err(Error::Forbidden("owner"));
        }
        let client_secret = self.control.random().secret();
        let secret_hash = sha256_hex(client_secret.expose_secret());
        let mut tx = self.control.begin().await?;
        if tx.users().find(&owner).await?.is_none() {
            return Err(Invalid::field("owner", "is not a user").into());
        }
        let known = tx.oauth_clients().find_by_name(&owner, &new.name).await?;
        let (action, client) = if let Some(known) = known {
            let client = OAuthClient {
                secret_hash,
                callback_url: new.callback_url,
                grant_types: new.grant_types,
                ..known
            };
            tx.oauth_clients().update(&client).await?;
            ("oauth_client.renew", client)
        } else {
            if tx.oauth_clients().count_of(&owner).await? >= MOST_PER_OWNER {
                let message = format!("the user has {MOST_PER_OWNER} clients already");
                return Err(Invalid::field("clientName", message).into());
            }
            let client = OAuthClient {
                id: OAuthClientId::generate(self.control.clock(), self.control.random()),
                client_id: self.control.random().hex::<16>(),
                secret_hash,
                name: new.name,
                owner,
                callback_url: new.callback_url,
                grant_types: new.grant_types,
                created_at: self.control.clock().now(),
            };
            tx.oauth_clients()
                .insert(&client)
                .await
                .map_err(|error| match error {
                    StoreError::Duplicate { .. } => Error::AlreadyExists(Noun::OAuthClient),
                    other => other.into(),
                })?;
            ("oauth_client.register", client)
        };
        let details = json!({ "name": client.name, "owner": client.owner });
        tx.record_audit(&actor.username, action, client.id, details)
            .await?;
        tx.commit().await?;
        Ok(RegisteredOAuthClient {
            client,
            client_secret,
        })
    }
}

fn validate(new: &NewClient) -> Result<(), Invalid> {
    let mut check = Check::default();
    check
        .length("clientName", &new.name, 1, 255)
        .that(
            !new.name.contains(char::is_control),
            "clientName",
            "must not contain control characters",
        )
        .length("callbackUrl", &new.callback_url, 0, 2_048)
        .that(
            !new.grant_types.is_empty() && new.grant_types.len() <= 20,
            "grantType",
            "must name 1 to 20 grant types",
        );
    for grant_type in &new.grant_types {
        check.length("grantType", grant_type, 1, 100);
    }
    check.finish()
}
