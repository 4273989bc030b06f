//! Which nouns changed, in commit order: what the publisher compiles into differences.
//!
//! The revision comes from one counter row that stays locked until commit, so that revisions become visible in
//! their own order on both engines.

use async_trait::async_trait;
use domain::id::{ApiId, ApplicationId, KeyManagerId, KeyMappingId, SubscriptionId};
use domain::snapshot::SnapshotRevision;
use jiff::Timestamp;

use crate::error::StoreError;

/// A noun that gateways must look at again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChangedNoun {
    KeyManager(KeyManagerId),
    Api(ApiId),
    Application(ApplicationId),
    KeyMapping(KeyMappingId),
    Subscription(SubscriptionId),
}

#[async_trait]
pub trait SnapshotChanges: Send {
    /// Call last in a transaction: from here to commit other writers of changes wait.
    async fn record(
        &mut self,
        changed: &[ChangedNoun],
        at: Timestamp,
    ) -> Result<SnapshotRevision, StoreError>;

    /// The newest revision (0 when nothing was ever changed).
    async fn newest(&mut self) -> Result<SnapshotRevision, StoreError>;

    /// Changes after `revision`, in order, at most `limit`; `None` when that part of the log is gone and only a
    /// whole snapshot helps.
    async fn list_after(
        &mut self,
        revision: SnapshotRevision,
        limit: u32,
    ) -> Result<Option<Vec<(SnapshotRevision, ChangedNoun)>>, StoreError>;

    /// Forgets all but the newest `keep` revisions.
    async fn trim(&mut self, keep: u32) -> Result<(), StoreError>;
}
