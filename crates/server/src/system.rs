//! The system's clock and random source: the only places in the product that ask for either.

use aws_lc_rs::rand::{SecureRandom, SystemRandom as OperatingSystem};
use domain::{Clock, Random};
use jiff::Timestamp;

/// Wall-clock time, UTC.
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the system clock"
    )]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// The operating system's random bytes, through aws-lc's generator.
pub(crate) struct SystemRandom(OperatingSystem);

impl SystemRandom {
    pub(crate) fn new() -> Self {
        Self(OperatingSystem::new())
    }
}

impl Random for SystemRandom {
    fn fill(&self, buffer: &mut [u8]) {
        self.0
            .fill(buffer)
            .expect("the operating system gives random bytes");
    }
}
