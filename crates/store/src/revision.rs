//! Revisions of APIs and their deployments.

use async_trait::async_trait;
use domain::api::{Deployment, Revision};
use domain::id::{ApiId, RevisionId};

use crate::error::StoreError;

#[async_trait]
pub trait Revisions: Send {
    async fn insert(&mut self, revision: &Revision) -> Result<(), StoreError>;

    /// `Reference` when it is deployed.
    async fn delete(&mut self, id: RevisionId) -> Result<(), StoreError>;

    /// Within one API.
    async fn find_in(&mut self, api: ApiId, id: RevisionId)
    -> Result<Option<Revision>, StoreError>;

    /// By number.
    async fn list_of(&mut self, api: ApiId) -> Result<Vec<Revision>, StoreError>;

    /// One more than the highest number that this API ever had.
    async fn next_number(&mut self, api: ApiId) -> Result<i64, StoreError>;

    /// Replaces what is deployed of this API in this environment.
    async fn deploy(&mut self, deployment: &Deployment) -> Result<(), StoreError>;

    /// Whether there was something to take down.
    async fn undeploy(&mut self, api: ApiId, environment: &str) -> Result<bool, StoreError>;

    async fn deployments_of(&mut self, api: ApiId) -> Result<Vec<Deployment>, StoreError>;

    /// Every deployment, for compiling a whole snapshot.
    async fn list_deployments(&mut self) -> Result<Vec<Deployment>, StoreError>;
}
