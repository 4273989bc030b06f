//! Publishes the snapshot: a whole one first, then the differences, as fast as commits come.
//!
//! Every subscription reads the change log by itself: woken at once by commits of this process, and by its own
//! poll for those of other processes. A lost wake-up costs a second, never correctness.

mod compile;

use std::time::Duration;

use domain::snapshot::{SnapshotRevision, SnapshotUpdate};
use store::snapshot_change::ChangedNoun;
use tokio::sync::watch;

use crate::{Control, Error};

/// How soon commits of other processes are seen.
const POLL: Duration = Duration::from_secs(1);

/// More changes than this at a time: a whole snapshot is cheaper.
const MOST_CHANGES: u32 = 5_000;

#[derive(Clone, Copy)]
pub struct Snapshots<'a> {
    control: &'a Control,
}

impl<'a> Snapshots<'a> {
    pub(crate) const fn new(control: &'a Control) -> Self {
        Self { control }
    }

    /// For a gateway of the first configured environment.
    pub fn subscribe(&self) -> SnapshotSubscription {
        let environments = &self.control.settings().environments;
        let first = environments.first().map_or("", |first| first.name.as_str());
        self.subscribe_for(first)
    }

    /// For a gateway of this environment: it gets the APIs that are deployed there.
    pub fn subscribe_for(&self, environment: &str) -> SnapshotSubscription {
        SnapshotSubscription {
            commits: self.control.signals().snapshot_changes(),
            control: self.control.clone(),
            environment: environment.to_owned(),
            published: None,
        }
    }
}

/// One gateway's view of the change log.
pub struct SnapshotSubscription {
    control: Control,
    environment: String,
    commits: watch::Receiver<u64>,
    /// What the subscriber already has.
    published: Option<SnapshotRevision>,
}

impl SnapshotSubscription {
    /// A subscriber that already has everything up to `revision`, for example from its disk.
    pub fn resume_from(self, revision: SnapshotRevision) -> Self {
        Self {
            published: Some(revision),
            ..self
        }
    }

    /// The whole snapshot at first, or when too much was missed; then each difference to the revision before.
    /// Waits until there is something to tell; while the store does not answer it keeps asking.
    /// Safe to cancel: what was not returned is told by the next call.
    pub async fn next(&mut self) -> SnapshotUpdate {
        loop {
            // Before looking at the log: a commit in between then ends the wait at once.
            self.commits.borrow_and_update();
            match self.look().await {
                Ok(Some(update)) => {
                    self.published = Some(update.revision);
                    return update;
                }
                Ok(None) => {
                    let _ = tokio::time::timeout(POLL, self.commits.changed()).await;
                }
                Err(error) => {
                    tracing::error!(error = %crate::error::chain(&error), "the snapshot cannot be compiled");
                    tokio::time::sleep(POLL).await;
                }
            }
        }
    }

    async fn look(&self) -> Result<Option<SnapshotUpdate>, Error> {
        let mut tx = self.control.store().read().await?;
        let revision = tx.snapshot_changes().newest().await?;
        if self.published == Some(revision) {
            return Ok(None);
        }
        let dependencies = self.control.dependencies();
        let compiler = compile::Compiler {
            connector_types: &dependencies.connector_types,
            environment: &self.environment,
        };
        if let Some(base) = self.published
            && base < revision
            && let Some(changed) = tx.snapshot_changes().list_after(base, MOST_CHANGES).await?
            && changed.len() < MOST_CHANGES as usize
        {
            let nouns = without_repetition(changed.into_iter().map(|(_, noun)| noun));
            return Ok(Some(SnapshotUpdate {
                base: Some(base),
                revision,
                changes: compiler.difference(&mut *tx, &nouns).await?,
            }));
        }
        Ok(Some(SnapshotUpdate {
            base: None,
            revision,
            changes: compiler.whole(&mut *tx).await?,
        }))
    }
}

/// A noun that changed often is compiled once: as it is now.
fn without_repetition(nouns: impl Iterator<Item = ChangedNoun>) -> Vec<ChangedNoun> {
    let mut seen = std::collections::HashSet::new();
    nouns.filter(|noun| seen.insert(*noun)).collect()
}
