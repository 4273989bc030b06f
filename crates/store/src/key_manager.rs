//! Key managers: configuration in columns and JSON, secrets sealed.

use async_trait::async_trait;
use domain::id::KeyManagerId;
use domain::key_manager::KeyManager;

use crate::error::StoreError;

#[async_trait]
pub trait KeyManagers: Send {
    /// `Duplicate { key: "name" }` when the name is taken.
    async fn insert(&mut self, key_manager: &KeyManager) -> Result<(), StoreError>;

    /// Compares and advances the version.
    async fn update(&mut self, key_manager: &KeyManager) -> Result<(), StoreError>;

    /// `Reference` when a key mapping still names it.
    async fn delete(&mut self, id: KeyManagerId) -> Result<(), StoreError>;

    async fn find(&mut self, id: KeyManagerId) -> Result<Option<KeyManager>, StoreError>;

    async fn find_by_name(&mut self, name: &str) -> Result<Option<KeyManager>, StoreError>;

    /// By name. There are never many key managers, so there is no paging.
    async fn list(&mut self) -> Result<Vec<KeyManager>, StoreError>;
}
