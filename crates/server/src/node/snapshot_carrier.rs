//! Carries snapshots from control to the gateway of the same process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use control::Control;
use gateway::Gateway;

use crate::shutdown::ShutdownSignal;

/// Runs until shutdown. An update that does not fit the gateway's revision is healed by a whole snapshot.
/// `arrived` becomes true with the first one.
pub(crate) async fn carry(
    control: Control,
    gateway: Arc<Gateway>,
    arrived: Arc<AtomicBool>,
    shutdown: ShutdownSignal,
) {
    let mut stop = std::pin::pin!(shutdown.wait());
    let mut subscription = control.snapshots().subscribe();
    loop {
        let update = tokio::select! {
            () = &mut stop => return,
            update = subscription.next() => update,
        };
        let revision = update.revision.0;
        match gateway.apply(update) {
            Ok(()) => {
                arrived.store(true, Ordering::Release);
                tracing::debug!(revision, "snapshot applied");
            }
            Err(error) => {
                tracing::warn!(revision, %error, "a snapshot update did not fit; taking the whole");
                subscription = control.snapshots().subscribe();
            }
        }
    }
}
