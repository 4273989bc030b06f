//! One signal that everything which runs waits for.

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

/// Returns at SIGINT (Ctrl-C) or SIGTERM.
pub(crate) async fn asked_by_the_operating_system() -> Result<(), String> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())
        .map_err(|error| format!("cannot wait for SIGTERM: {error}"))?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.map_err(|error| format!("cannot wait for SIGINT: {error}")),
        _ = terminate.recv() => Ok(()),
    }
}
