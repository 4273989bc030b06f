//! Carries snapshots from control to the gateway of the same process, and keeps a copy of them where one is wanted.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use control::Control;
use domain::snapshot::SnapshotUpdate;
use gateway::Gateway;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

use super::NotOpened;
use super::snapshot_copy::{Kept, SnapshotCopy};
use crate::shutdown::ShutdownSignal;

/// How long a start waits for the database's snapshot before it takes the kept one.
const FIRST_PATIENCE: Duration = Duration::from_secs(5);
/// Differences that were kept are durable after this.
const SYNC_AFTER: Duration = Duration::from_secs(1);
/// After a copy that could not be written.
const WRITE_AGAIN_AFTER: Duration = Duration::from_mins(1);
/// After a database that could not be opened.
const OPEN_AGAIN_AFTER: Duration = Duration::from_secs(5);
/// Nothing to do at all.
const IDLE: Duration = Duration::from_hours(1);

/// What stands between the change log and one gateway.
pub(crate) struct Carrier {
    gateway: Arc<Gateway>,
    /// Becomes true with the first snapshot.
    arrived: Arc<AtomicBool>,
    keeper: Option<Keeper>,
}

struct Keeper {
    copy: SnapshotCopy,
    not_before: Instant,
    last_sync: Instant,
    is_synced: bool,
}

impl Carrier {
    pub(crate) fn new(gateway: &Arc<Gateway>, arrived: &Arc<AtomicBool>) -> Self {
        Self {
            gateway: Arc::clone(gateway),
            arrived: Arc::clone(arrived),
            keeper: None,
        }
    }

    /// With a copy from which a start can begin while the database is out of reach.
    pub(crate) fn keeping(self, copy: SnapshotCopy) -> Self {
        let now = Instant::now();
        Self {
            keeper: Some(Keeper {
                copy,
                not_before: now,
                last_sync: now,
                is_synced: true,
            }),
            ..self
        }
    }

    /// Takes the kept snapshot over. Says whether the gateway has one now.
    pub(crate) async fn restore(&mut self) -> bool {
        let Some(keeper) = self.keeper.take() else {
            return false;
        };
        let gateway = Arc::clone(&self.gateway);
        let restored = spawn_blocking(move || {
            let updates = keeper.copy.read();
            let applied = updates
                .into_iter()
                .map_while(|update| gateway.apply(update).ok())
                .count();
            (keeper, applied)
        });
        let Ok((keeper, applied)) = restored.await else {
            return false;
        };
        self.keeper = Some(keeper);
        if applied == 0 {
            return false;
        }
        let revision = self.gateway.revision().0;
        tracing::warn!(
            revision,
            "the database is out of reach: requests are decided by the kept snapshot"
        );
        self.arrived.store(true, Ordering::Release);
        true
    }

    /// Tries to open the database until it can, then carries. For a gateway that has a kept snapshot meanwhile.
    pub(crate) async fn carry_once_opened<F>(self, open: impl Fn() -> F, shutdown: ShutdownSignal)
    where
        F: Future<Output = Result<Control, NotOpened>>,
    {
        let mut stop = pin!(shutdown.clone().wait());
        let control = loop {
            tokio::select! {
                () = &mut stop => return,
                () = sleep(OPEN_AGAIN_AFTER) => {}
            }
            match open().await {
                Ok(control) => break control,
                Err(reason) => tracing::warn!(
                    reason = String::from(reason),
                    "the database cannot be opened yet; the kept snapshot stays in use"
                ),
            }
        };
        self.carry(control, shutdown).await;
    }

    /// Runs until shutdown. An update that does not fit the gateway's revision is healed by a whole snapshot.
    pub(crate) async fn carry(mut self, control: Control, shutdown: ShutdownSignal) {
        let mut stop = pin!(shutdown.wait());
        // The whole at first, also behind a kept copy: another program version may have written that, and the
        // database may have been put back to an earlier state since.
        let mut subscription = control.snapshots().subscribe();
        loop {
            let update = {
                // Not asked anew at each pause: compiling a large snapshot takes longer than that.
                let mut next = pin!(subscription.next());
                loop {
                    tokio::select! {
                        () = &mut stop => return self.sync().await,
                        update = &mut next => break update,
                        () = sleep(self.pause()) => self.use_pause().await,
                    }
                }
            };
            let revision = update.revision.0;
            let kept = self.keeper.as_ref().map(|_| update.clone());
            match self.gateway.apply(update) {
                Ok(()) => {
                    self.arrived.store(true, Ordering::Release);
                    tracing::debug!(revision, "snapshot applied");
                }
                Err(error) => {
                    tracing::warn!(revision, %error, "a snapshot update did not fit; taking the whole");
                    subscription = control.snapshots().subscribe();
                    continue;
                }
            }
            if let Some(update) = kept
                && self.keep(update).await == Kept::WantsWhole
            {
                subscription = control.snapshots().subscribe();
            }
        }
    }

    fn pause(&self) -> Duration {
        match &self.keeper {
            Some(_) if !self.arrived.load(Ordering::Acquire) => FIRST_PATIENCE,
            Some(keeper) if !keeper.is_synced => SYNC_AFTER,
            _ => IDLE,
        }
    }

    async fn use_pause(&mut self) {
        if self.arrived.load(Ordering::Acquire) {
            self.sync().await;
        } else {
            self.restore().await;
        }
    }

    async fn keep(&mut self, update: SnapshotUpdate) -> Kept {
        let now = Instant::now();
        let Some(mut keeper) = self.keeper.take_if(|keeper| keeper.not_before <= now) else {
            return Kept::Yes;
        };
        let kept = spawn_blocking(move || {
            keeper.is_synced = update.base.is_none();
            let mut kept = keeper.copy.keep(&update);
            if kept.is_ok() && !keeper.is_synced && keeper.last_sync + SYNC_AFTER <= now {
                kept = keeper.sync().and(kept);
            }
            (keeper, kept)
        });
        let Ok((mut keeper, kept)) = kept.await else {
            return Kept::Yes;
        };
        let kept = kept.unwrap_or_else(|error| {
            tracing::error!(%error, "the snapshot's copy cannot be written; a restart needs the database");
            keeper.not_before = now + WRITE_AGAIN_AFTER;
            Kept::Yes
        });
        self.keeper = Some(keeper);
        kept
    }

    async fn sync(&mut self) {
        let Some(mut keeper) = self.keeper.take_if(|keeper| !keeper.is_synced) else {
            return;
        };
        let synced = spawn_blocking(move || {
            let synced = keeper.sync();
            (keeper, synced)
        });
        if let Ok((keeper, synced)) = synced.await {
            self.keeper = Some(keeper);
            if let Err(error) = synced {
                tracing::error!(%error, "the snapshot's copy is not durable");
            }
        }
    }
}

impl Keeper {
    fn sync(&mut self) -> std::io::Result<()> {
        self.is_synced = true;
        self.last_sync = Instant::now();
        self.copy.sync()
    }
}
