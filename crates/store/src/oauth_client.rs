//! OAuth clients of Claviger's own REST APIs.

use async_trait::async_trait;
use domain::oauth_client::OAuthClient;

use crate::error::StoreError;

#[async_trait]
pub trait OAuthClients: Send {
    /// `Duplicate { key: "name" }` when the owner has one of that name.
    async fn insert(&mut self, client: &OAuthClient) -> Result<(), StoreError>;

    /// A new secret hash and new grant types for a client that registers again.
    async fn update(&mut self, client: &OAuthClient) -> Result<(), StoreError>;

    async fn find_by_client_id(
        &mut self,
        client_id: &str,
    ) -> Result<Option<OAuthClient>, StoreError>;

    async fn find_by_name(
        &mut self,
        owner: &str,
        name: &str,
    ) -> Result<Option<OAuthClient>, StoreError>;

    async fn count_of(&mut self, owner: &str) -> Result<u64, StoreError>;
}
