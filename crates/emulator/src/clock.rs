//! The emulator's time: the system clock shifted by an offset, or frozen at an instant.
//!
//! This is the only module of the crate that reads the system clock. Everything else (token
//! lifetimes, credential dates, replication delays, throttling windows) asks [`Clock::now`], so
//! that a test moves time instead of waiting for it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

/// A clock that can be set, advanced, frozen and resumed while it is in use.
#[derive(Debug)]
pub struct Clock {
    mode: Mutex<Mode>,
}

#[derive(Clone, Copy, Debug)]
enum Mode {
    Running { offset: SignedDuration },
    Frozen { at: Timestamp },
}

impl Clock {
    /// Follows the system clock.
    pub fn system() -> Self {
        Self {
            mode: Mutex::new(Mode::Running {
                offset: SignedDuration::ZERO,
            }),
        }
    }

    /// Stands still at `at` until it is moved or resumed.
    pub fn frozen(at: Timestamp) -> Self {
        Self {
            mode: Mutex::new(Mode::Frozen { at }),
        }
    }

    /// The current instant of the emulated world, UTC.
    pub fn now(&self) -> Timestamp {
        match *self.lock() {
            Mode::Running { offset } => shifted(system_now(), offset),
            Mode::Frozen { at } => at,
        }
    }

    /// Whether time stands still.
    pub fn is_frozen(&self) -> bool {
        matches!(*self.lock(), Mode::Frozen { .. })
    }

    /// Moves to `instant`, keeping the clock running or frozen as it is.
    pub fn set(&self, instant: Timestamp) {
        let mut mode = self.lock();
        *mode = match *mode {
            Mode::Running { .. } => Mode::Running {
                offset: instant.duration_since(system_now()),
            },
            Mode::Frozen { .. } => Mode::Frozen { at: instant },
        };
    }

    /// Moves by `by`, saturating at the ends of representable time.
    pub fn advance(&self, by: SignedDuration) {
        let mut mode = self.lock();
        *mode = match *mode {
            Mode::Running { offset } => Mode::Running {
                offset: offset.saturating_add(by),
            },
            Mode::Frozen { at } => Mode::Frozen {
                at: shifted(at, by),
            },
        };
    }

    /// Stops time at the current instant.
    pub fn freeze(&self) {
        let at = self.now();
        *self.lock() = Mode::Frozen { at };
    }

    /// Lets time run on from the current instant.
    pub fn resume(&self) {
        let offset = self.now().duration_since(system_now());
        *self.lock() = Mode::Running { offset };
    }

    fn lock(&self) -> MutexGuard<'_, Mode> {
        self.mode.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn shifted(instant: Timestamp, by: SignedDuration) -> Timestamp {
    let end = if by.is_negative() {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    };
    instant.checked_add(by).unwrap_or(end)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place of this crate that reads the system clock"
)]
fn system_now() -> Timestamp {
    Timestamp::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frozen_clock_moves_only_when_told() {
        let clock = Clock::frozen(Timestamp::UNIX_EPOCH);
        assert_eq!(clock.now(), Timestamp::UNIX_EPOCH);
        clock.advance(SignedDuration::from_secs(90));
        assert_eq!(clock.now().as_second(), 90);
    }

    #[test]
    fn a_running_clock_keeps_its_offset_when_frozen_and_resumed() {
        let clock = Clock::system();
        clock.advance(SignedDuration::from_hours(24 * 365));
        clock.freeze();
        let frozen = clock.now();
        clock.resume();
        assert!(clock.now() >= frozen);
        assert!(clock.now().duration_since(frozen) < SignedDuration::from_hours(1));
    }

    #[test]
    fn time_saturates_instead_of_overflowing() {
        let clock = Clock::frozen(Timestamp::UNIX_EPOCH);
        clock.advance(SignedDuration::MAX);
        assert_eq!(clock.now(), Timestamp::MAX);
    }
}
