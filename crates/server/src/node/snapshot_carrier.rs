//! Carries snapshots from control to the gateway of the same process.

use std::sync::Arc;

use control::Control;
use gateway::Gateway;

use crate::shutdown::ShutdownSignal;

/// Runs until shutdown. An update that does not fit the gateway's revision is healed by a whole snapshot.
pub(crate) async fn carry(control: Control, gateway: Arc<Gateway>, shutdown: ShutdownSignal) {
    let mut stop = std::pin::pin!(shutdown.wait());
    let mut subscription = control.snapshots().subscribe();
    loop {
        let update = tokio::select! {
            () = &mut stop => return,
            update = subscription.next() => update,
        };
        let revision = update.revision.0;
        match gateway.apply(update) {
            Ok(()) => tracing::debug!(revision, "snapshot applied"),
            Err(error) => {
                tracing::warn!(revision, %error, "a snapshot update did not fit; taking the whole");
                subscription = control.snapshots().subscribe();
            }
        }
    }
}
