//! Key mappings: one per application, key type and key manager; consumer secrets sealed.

use async_trait::async_trait;
use domain::id::{ApplicationId, KeyManagerId, KeyMappingId};
use domain::key_mapping::{KeyMapping, KeyType};

use crate::error::StoreError;

#[async_trait]
pub trait KeyMappings: Send {
    /// `Duplicate { key: "application, key type and key manager" }`, or `Duplicate { key: "consumer key" }` when
    /// another mapping of the same key manager has it.
    async fn insert(&mut self, mapping: &KeyMapping) -> Result<(), StoreError>;

    /// Compares and advances the version. `Duplicate { key: "consumer key" }` as for insert.
    async fn update(&mut self, mapping: &KeyMapping) -> Result<(), StoreError>;

    /// Takes finished jobs and their journals along.
    async fn delete(&mut self, id: KeyMappingId) -> Result<(), StoreError>;

    async fn find(&mut self, id: KeyMappingId) -> Result<Option<KeyMapping>, StoreError>;

    /// Within one application: a mapping of another application is not found.
    async fn find_in(
        &mut self,
        application: ApplicationId,
        id: KeyMappingId,
    ) -> Result<Option<KeyMapping>, StoreError>;

    async fn find_for(
        &mut self,
        application: ApplicationId,
        key_type: KeyType,
        key_manager: KeyManagerId,
    ) -> Result<Option<KeyMapping>, StoreError>;

    async fn find_by_consumer_key(
        &mut self,
        key_manager: KeyManagerId,
        consumer_key: &str,
    ) -> Result<Option<KeyMapping>, StoreError>;

    /// By key type, then key manager.
    async fn list_of(&mut self, application: ApplicationId) -> Result<Vec<KeyMapping>, StoreError>;

    /// How many mappings name this key manager.
    async fn count_using(&mut self, key_manager: KeyManagerId) -> Result<u64, StoreError>;

    async fn scan(
        &mut self,
        after: Option<KeyMappingId>,
        limit: u32,
    ) -> Result<Vec<KeyMapping>, StoreError>;

    /// Everything at one key manager, in id order after `after`.
    async fn scan_using(
        &mut self,
        key_manager: KeyManagerId,
        after: Option<KeyMappingId>,
        limit: u32,
    ) -> Result<Vec<KeyMapping>, StoreError>;
}
