//! Local users.

use async_trait::async_trait;
use domain::user::User;

use crate::error::StoreError;

#[async_trait]
pub trait Users: Send {
    /// `Duplicate { key: "username" }`.
    async fn insert(&mut self, user: &User) -> Result<(), StoreError>;

    /// Compares and advances the version.
    async fn update(&mut self, user: &User) -> Result<(), StoreError>;

    async fn find(&mut self, username: &str) -> Result<Option<User>, StoreError>;

    async fn list(&mut self) -> Result<Vec<User>, StoreError>;

    async fn count(&mut self) -> Result<u64, StoreError>;

    /// Whether any user holds this role.
    async fn role_exists(&mut self, role: &str) -> Result<bool, StoreError>;
}
