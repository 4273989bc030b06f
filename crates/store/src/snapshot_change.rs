//! Which nouns changed, in commit order: what the publisher compiles into differences.
//!
//! The revision comes from one counter row that stays locked until commit, so that revisions become visible in
//! their own order on both engines.

use async_trait::async_trait;
use domain::id::{
    ApiId, ApplicationId, BlockingConditionId, KeyManagerId, KeyMappingId, RevocationId,
    SubscriptionId, ThrottlingPolicyId,
};
use domain::snapshot::SnapshotRevision;
use jiff::Timestamp;

use crate::error::StoreError;
use crate::sql::{Row, SqlTx, Statement, Table};

/// A noun that gateways must look at again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChangedNoun {
    KeyManager(KeyManagerId),
    Api(ApiId),
    Application(ApplicationId),
    KeyMapping(KeyMappingId),
    Subscription(SubscriptionId),
    BlockingCondition(BlockingConditionId),
    Revocation(RevocationId),
    ThrottlingPolicy(ThrottlingPolicyId),
}

#[async_trait]
pub trait SnapshotChanges: Send {
    /// Call last in a transaction: from here to commit other writers of changes wait. Every noun gets a revision
    /// of its own; the last one is returned (the newest one there is when `changed` is empty).
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

static SNAPSHOT_CHANGES: Table = Table {
    name: "snapshot_changes",
    noun: "snapshot change",
    key: "revision",
    unique: &[],
};

#[async_trait]
impl SnapshotChanges for SqlTx {
    async fn record(
        &mut self,
        changed: &[ChangedNoun],
        at: Timestamp,
    ) -> Result<SnapshotRevision, StoreError> {
        // Every noun has a revision of its own, so that a list that was cut anywhere can be continued.
        let advance = Statement::new(
            &SNAPSHOT_CHANGES,
            "UPDATE snapshot_counter SET revision = revision + $1 WHERE id = 1 RETURNING revision",
        )
        .integer(
            i64::try_from(changed.len()).expect("a transaction changes fewer than 2^63 nouns"),
        );
        let newest = self.counter(advance).await?.integer("revision")?;
        for (noun, revision) in changed.iter().rev().zip((0..=newest).rev()) {
            let (name, id) = noun.parts();
            let statement = Statement::new(
                &SNAPSHOT_CHANGES,
                "INSERT INTO snapshot_changes (revision, noun, noun_id, recorded_at)
                 VALUES ($1, $2, $3, $4)",
            )
            .integer(revision)
            .text(name)
            .text(id)
            .time(at);
            self.execute(statement).await?;
        }
        Ok(SnapshotRevision(newest))
    }

    async fn newest(&mut self) -> Result<SnapshotRevision, StoreError> {
        let counter = self.counter(read_counter()).await?;
        counter.integer("revision").map(SnapshotRevision)
    }

    async fn list_after(
        &mut self,
        revision: SnapshotRevision,
        limit: u32,
    ) -> Result<Option<Vec<(SnapshotRevision, ChangedNoun)>>, StoreError> {
        let counter = self.counter(read_counter()).await?;
        // Beyond the newest: the database was restored from a backup, and revisions are given out again.
        if revision.0 < counter.integer("forgotten")? || revision.0 > counter.integer("revision")? {
            return Ok(None);
        }
        let statement = Statement::new(
            &SNAPSHOT_CHANGES,
            "SELECT revision, noun, noun_id FROM snapshot_changes
             WHERE revision > $1 ORDER BY revision LIMIT $2",
        )
        .integer(revision.0)
        .limit(limit);
        let rows = self.fetch_all(statement).await?;
        rows.iter()
            .map(changed_noun)
            .collect::<Result<_, _>>()
            .map(Some)
    }

    async fn trim(&mut self, keep: u32) -> Result<(), StoreError> {
        let forget = Statement::new(
            &SNAPSHOT_CHANGES,
            "UPDATE snapshot_counter SET forgotten = revision - $1
             WHERE id = 1 AND forgotten < revision - $1",
        )
        .integer(keep.into());
        self.execute(forget).await?;
        let statement = Statement::new(
            &SNAPSHOT_CHANGES,
            "DELETE FROM snapshot_changes
             WHERE revision <= (SELECT forgotten FROM snapshot_counter WHERE id = 1)",
        );
        self.execute(statement).await.map(|_| ())
    }
}

impl SqlTx {
    async fn counter(&mut self, statement: Statement) -> Result<Row, StoreError> {
        self.fetch_optional(statement)
            .await?
            .ok_or(StoreError::Corrupt {
                table: "snapshot_counter",
                column: "id",
            })
    }
}

fn read_counter() -> Statement {
    Statement::new(
        &SNAPSHOT_CHANGES,
        "SELECT revision, forgotten FROM snapshot_counter WHERE id = 1",
    )
}

impl ChangedNoun {
    /// As stored: the noun's name and its identifier.
    fn parts(self) -> (&'static str, String) {
        match self {
            Self::KeyManager(id) => ("key_manager", id.to_string()),
            Self::Api(id) => ("api", id.to_string()),
            Self::Application(id) => ("application", id.to_string()),
            Self::KeyMapping(id) => ("key_mapping", id.to_string()),
            Self::Subscription(id) => ("subscription", id.to_string()),
            Self::BlockingCondition(id) => ("blocking_condition", id.to_string()),
            Self::Revocation(id) => ("revocation", id.to_string()),
            Self::ThrottlingPolicy(id) => ("throttling_policy", id.to_string()),
        }
    }
}

fn changed_noun(row: &Row) -> Result<(SnapshotRevision, ChangedNoun), StoreError> {
    let noun = match row.text("noun")?.as_str() {
        "key_manager" => ChangedNoun::KeyManager(row.id("noun_id")?),
        "api" => ChangedNoun::Api(row.id("noun_id")?),
        "application" => ChangedNoun::Application(row.id("noun_id")?),
        "key_mapping" => ChangedNoun::KeyMapping(row.id("noun_id")?),
        "subscription" => ChangedNoun::Subscription(row.id("noun_id")?),
        "blocking_condition" => ChangedNoun::BlockingCondition(row.id("noun_id")?),
        "revocation" => ChangedNoun::Revocation(row.id("noun_id")?),
        "throttling_policy" => ChangedNoun::ThrottlingPolicy(row.id("noun_id")?),
        _ => return Err(row.corrupt("noun")),
    };
    Ok((SnapshotRevision(row.integer("revision")?), noun))
}
