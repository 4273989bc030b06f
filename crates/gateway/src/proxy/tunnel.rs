//! After a switch to WebSocket: bytes in both directions until one side ends.

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;
use tokio::task::spawn_local;

use super::access_log::AccessRecord;

/// Must be called on the worker's thread, after the 101 is on its way.
pub(super) fn open(client: OnUpgrade, upstream: OnUpgrade, mut record: Box<AccessRecord>) {
    spawn_local(async move {
        let (client, upstream) = match tokio::try_join!(client, upstream) {
            Ok(both) => both,
            Err(error) => {
                tracing::debug!(%error, "a switch of protocols failed");
                return;
            }
        };
        let (mut client, mut upstream) = (TokioIo::new(client), TokioIo::new(upstream));
        if let Ok((_, down)) = copy_bidirectional(&mut client, &mut upstream).await {
            record.sent(usize::try_from(down).unwrap_or(usize::MAX));
            record.complete();
        }
    });
}
