//! Access tokens of Claviger's own REST APIs, by their hash.

use async_trait::async_trait;
use domain::user::AccessTokenGrant;
use jiff::Timestamp;

use crate::error::StoreError;

#[async_trait]
pub trait AccessTokens: Send {
    async fn insert(&mut self, grant: &AccessTokenGrant) -> Result<(), StoreError>;

    async fn find(&mut self, token_hash: &str) -> Result<Option<AccessTokenGrant>, StoreError>;

    async fn delete(&mut self, token_hash: &str) -> Result<(), StoreError>;

    /// Removes what has expired; says how many.
    async fn delete_expired(&mut self, now: Timestamp) -> Result<u64, StoreError>;
}
