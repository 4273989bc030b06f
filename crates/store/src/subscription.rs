//! Subscriptions.

use async_trait::async_trait;
use domain::id::{ApiId, ApplicationId, SubscriptionId};
use domain::subscription::Subscription;

use crate::error::StoreError;
use crate::page::{Listed, Page};

#[async_trait]
pub trait Subscriptions: Send {
    /// `Duplicate { key: "application and API" }`.
    async fn insert(&mut self, subscription: &Subscription) -> Result<(), StoreError>;

    /// Compares and advances the version.
    async fn update(&mut self, subscription: &Subscription) -> Result<(), StoreError>;

    async fn delete(&mut self, id: SubscriptionId) -> Result<(), StoreError>;

    async fn find(&mut self, id: SubscriptionId) -> Result<Option<Subscription>, StoreError>;

    async fn list_of_application(
        &mut self,
        application: ApplicationId,
        page: Page,
    ) -> Result<Listed<Subscription>, StoreError>;

    async fn list_of_api(
        &mut self,
        api: ApiId,
        page: Page,
    ) -> Result<Listed<Subscription>, StoreError>;

    /// Of all applications of this owner to this API.
    async fn list_of_owner_to_api(
        &mut self,
        owner: &str,
        api: ApiId,
        page: Page,
    ) -> Result<Listed<Subscription>, StoreError>;

    async fn count_of_application(&mut self, application: ApplicationId)
    -> Result<u64, StoreError>;

    async fn scan(
        &mut self,
        after: Option<SubscriptionId>,
        limit: u32,
    ) -> Result<Vec<Subscription>, StoreError>;
}
