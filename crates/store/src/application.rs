//! Applications. Whoever reads for an owner names the owner: the `WHERE` holds it.

use async_trait::async_trait;
use domain::application::Application;
use domain::id::{ApplicationId, KeyManagerId};

use crate::error::StoreError;
use crate::page::{Listed, Page, SortOrder};

#[async_trait]
pub trait Applications: Send {
    /// `Duplicate { key: "name" }` when the owner already has one of that name.
    async fn insert(&mut self, application: &Application) -> Result<(), StoreError>;

    async fn update(&mut self, application: &Application) -> Result<(), StoreError>;

    /// Takes subscriptions along; `Reference` when a key mapping still names it.
    async fn delete(&mut self, id: ApplicationId) -> Result<(), StoreError>;

    /// Whoever owns it: for jobs and the snapshot only.
    async fn find(&mut self, id: ApplicationId) -> Result<Option<Application>, StoreError>;

    async fn find_owned(
        &mut self,
        owner: &str,
        id: ApplicationId,
    ) -> Result<Option<Application>, StoreError>;

    /// Whose name contains `query.name_contains` (any letter case).
    async fn list_owned(
        &mut self,
        owner: &str,
        query: &ApplicationQuery,
        page: Page,
    ) -> Result<Listed<Application>, StoreError>;

    /// Applications with a key mapping at this key manager, by name.
    async fn list_using(
        &mut self,
        key_manager: KeyManagerId,
        page: Page,
    ) -> Result<Listed<Application>, StoreError>;

    /// Everything, in id order after `after`: for compiling a whole snapshot.
    async fn scan(
        &mut self,
        after: Option<ApplicationId>,
        limit: u32,
    ) -> Result<Vec<Application>, StoreError>;
}

#[derive(Clone, Debug, Default)]
pub struct ApplicationQuery {
    pub name_contains: String,
    pub sort_by: ApplicationSort,
    pub order: SortOrder,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ApplicationSort {
    #[default]
    Name,
    ThrottlingPolicy,
    Status,
    CreatedAt,
}
