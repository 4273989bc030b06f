//! Wakes those who wait for a commit of this process. Only a hint: whoever waits also looks at the store by
//! itself now and then, because other processes commit too.

use tokio::sync::watch;

pub(crate) struct Signals {
    snapshot: watch::Sender<u64>,
    jobs: watch::Sender<u64>,
}

impl Default for Signals {
    fn default() -> Self {
        Self {
            snapshot: watch::Sender::new(0),
            jobs: watch::Sender::new(0),
        }
    }
}

impl Signals {
    pub(crate) fn snapshot_changed(&self) {
        self.snapshot
            .send_modify(|count| *count = count.wrapping_add(1));
    }

    pub(crate) fn jobs_changed(&self) {
        self.jobs
            .send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Take it before looking at the store: a commit in between is then not missed.
    pub(crate) fn snapshot_changes(&self) -> watch::Receiver<u64> {
        self.snapshot.subscribe()
    }

    /// Take it before looking at the store: a commit in between is then not missed.
    pub(crate) fn job_changes(&self) -> watch::Receiver<u64> {
        self.jobs.subscribe()
    }
}
