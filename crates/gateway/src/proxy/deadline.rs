//! A timer that is cheap to move: requests set a deadline each, and nearly none is ever reached.

use std::future::Future as _;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use tokio::task::unconstrained;
use tokio::time::{Instant, Sleep, sleep_until};

/// Stays armed at the earliest deadline it was given and looks, when that comes, whether it still holds. So a deadline
/// that moves into the future, as those of one request after another do, costs no more than a comparison.
#[derive(Default)]
pub(super) struct Deadline {
    timer: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    /// Ready at `deadline` or after it; otherwise wakes the task then, or earlier.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if deadline < timer.deadline() {
            timer.as_mut().reset(deadline);
        }
        loop {
            // A peer that floods us uses up what the task may do at once; it must not stop the clock with it.
            ready!(pin!(unconstrained(timer.as_mut())).poll(cx));
            if deadline <= Instant::now() {
                return Poll::Ready(());
            }
            timer.as_mut().reset(deadline);
        }
    }
}
