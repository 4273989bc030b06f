//! One signal that everything which runs waits for.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// Tells tasks to finish.
pub(crate) struct Shutdown(watch::Sender<bool>);

/// Waits for it. Cheap to clone.
#[derive(Clone)]
pub(crate) struct ShutdownSignal(watch::Receiver<bool>);

impl Shutdown {
    pub(crate) fn new() -> (Self, ShutdownSignal) {
        let (sender, receiver) = watch::channel(false);
        (Self(sender), ShutdownSignal(receiver))
    }

    pub(crate) fn begin(&self) {
        self.0.send_replace(true);
    }
}

impl ShutdownSignal {
    /// Returns when shutdown has begun, or its owner has gone.
    pub(crate) async fn wait(mut self) {
        let _ = self.0.wait_for(|begun| *begun).await;
    }
}

/// The operating system's wish that the process ends. Made before anybody is told that the process is ready, so
/// that no signal finds nobody listening.
pub(crate) struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
}

impl StopSignals {
    pub(crate) fn listen() -> Result<Self, String> {
        let listen =
            |kind| signal(kind).map_err(|error| format!("cannot wait for signals: {error}"));
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    /// Returns at SIGINT (Ctrl-C) or SIGTERM.
    pub(crate) async fn wait(mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
