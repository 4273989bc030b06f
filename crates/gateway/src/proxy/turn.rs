//! Work in batches: what several tasks are about to do next they do one right after the other.

use std::future::poll_fn;
use std::task::Poll;

/// Lets the tasks that are ready now go first.
///
/// Before a write: requests that came together are all read and decided before the first of them is written, so that
/// the processor goes through the same code several times before it goes through the kernel's several times; and a
/// peer that the first write woke is still awake for the others. A task that is alone goes on at once: tokio's
/// `yield_now` would ask the system for events first.
pub(super) async fn turn() {
    let mut has_waited = false;
    poll_fn(|cx| {
        if has_waited {
            return Poll::Ready(());
        }
        has_waited = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
