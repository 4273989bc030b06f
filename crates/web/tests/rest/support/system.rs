//! Time and chance under a test's control.

use std::sync::Mutex;

use domain::{Clock, Random};
use jiff::{SignedDuration, Timestamp};

/// Stands until a test turns it.
pub(crate) struct TurnedClock(Mutex<Timestamp>);

impl Default for TurnedClock {
    fn default() -> Self {
        Self(Mutex::new(Timestamp::from_second(1_767_225_600).unwrap()))
    }
}

impl TurnedClock {
    pub(crate) fn advance_seconds(&self, seconds: i64) {
        *self.0.lock().unwrap() += SignedDuration::from_secs(seconds);
    }
}

impl Clock for TurnedClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): the same bytes in every run.
#[derive(Default)]
pub(crate) struct SeededRandom(Mutex<u64>);

impl Random for SeededRandom {
    fn fill(&self, buffer: &mut [u8]) {
        let mut state = self.0.lock().unwrap();
        for chunk in buffer.chunks_mut(8) {
            *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = *state;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^= mixed >> 31;
            chunk.copy_from_slice(&mixed.to_le_bytes()[..chunk.len()]);
        }
    }
}
