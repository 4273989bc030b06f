//! APIs.

use async_trait::async_trait;
use domain::api::{Api, LifecycleState};
use domain::id::ApiId;

use crate::error::StoreError;
use crate::page::{Listed, Page};

#[async_trait]
pub trait Apis: Send {
    /// `Duplicate { key: "name and version" }` or `Duplicate { key: "context and version" }`.
    async fn insert(&mut self, api: &Api) -> Result<(), StoreError>;

    /// Compares and advances the version.
    async fn update(&mut self, api: &Api) -> Result<(), StoreError>;

    /// Takes revisions and deployments along; `Reference` when a subscription still names it.
    async fn delete(&mut self, id: ApiId) -> Result<(), StoreError>;

    async fn find(&mut self, id: ApiId) -> Result<Option<Api>, StoreError>;

    async fn list(&mut self, query: &ApiQuery, page: Page) -> Result<Listed<Api>, StoreError>;

    /// APIs that name this key manager, by name (those that accept all key managers are not listed).
    async fn list_naming_key_manager(
        &mut self,
        key_manager_name: &str,
        page: Page,
    ) -> Result<Listed<Api>, StoreError>;
}

#[derive(Clone, Debug, Default)]
pub struct ApiQuery {
    /// Any letter case; empty means any.
    pub name_contains: String,
    /// Exact; empty means any.
    pub version: String,
    /// Empty means any.
    pub lifecycle: Vec<LifecycleState>,
}
