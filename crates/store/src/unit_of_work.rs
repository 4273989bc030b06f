//! The unit of work: repositories come from a transaction, and nothing persists without `commit`.

use async_trait::async_trait;

use crate::access_token::AccessTokens;
use crate::api::Apis;
use crate::application::Applications;
use crate::audit::AuditLog;
use crate::blocking_condition::BlockingConditions;
use crate::error::StoreError;
use crate::key_manager::KeyManagers;
use crate::key_mapping::KeyMappings;
use crate::oauth_client::OAuthClients;
use crate::provisioning::ProvisioningJobs;
use crate::revision::Revisions;
use crate::revocation::Revocations;
use crate::snapshot_change::SnapshotChanges;
use crate::subscription::Subscriptions;
use crate::throttling_policy::ThrottlingPolicies;
use crate::user::Users;

/// A database.
#[async_trait]
pub trait Store: Send + Sync {
    /// Begins a transaction that will write (`BEGIN IMMEDIATE` on SQLite: waits for the other writer instead
    /// of failing half-way).
    async fn begin(&self) -> Result<Box<dyn Tx>, StoreError>;

    /// Begins a transaction that only reads one consistent state.
    async fn read(&self) -> Result<Box<dyn Tx>, StoreError>;

    /// A trivial query: is the database there?
    async fn ping(&self) -> Result<(), StoreError>;
}

/// One transaction. Dropping it rolls back.
///
/// What all repositories have in common: `update` compares the noun's `version` with the stored one (`Stale` when
/// it differs or the row is gone) and stores the next one, so the noun in hand is one behind afterwards. `delete`
/// of what is not there is no error. A limit out of 1 to [`crate::Page::MOST`] is brought into these bounds.
/// Times are kept to the microsecond. Names are listed in the order of their lower-case bytes.
#[async_trait]
pub trait Tx: Send {
    fn access_tokens(&mut self) -> &mut dyn AccessTokens;
    fn apis(&mut self) -> &mut dyn Apis;
    fn applications(&mut self) -> &mut dyn Applications;
    fn audit(&mut self) -> &mut dyn AuditLog;
    fn blocking_conditions(&mut self) -> &mut dyn BlockingConditions;
    fn key_managers(&mut self) -> &mut dyn KeyManagers;
    fn key_mappings(&mut self) -> &mut dyn KeyMappings;
    fn oauth_clients(&mut self) -> &mut dyn OAuthClients;
    fn jobs(&mut self) -> &mut dyn ProvisioningJobs;
    fn revisions(&mut self) -> &mut dyn Revisions;
    fn revocations(&mut self) -> &mut dyn Revocations;
    fn snapshot_changes(&mut self) -> &mut dyn SnapshotChanges;
    fn subscriptions(&mut self) -> &mut dyn Subscriptions;
    fn throttling_policies(&mut self) -> &mut dyn ThrottlingPolicies;
    fn users(&mut self) -> &mut dyn Users;

    async fn commit(self: Box<Self>) -> Result<(), StoreError>;
}
