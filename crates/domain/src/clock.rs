//! Time as a parameter.

use jiff::Timestamp;

/// Tells the time. The one implementation that asks the system lives in `server`; tests bring their own.
pub trait Clock: Send + Sync {
    /// The present instant, UTC, at least microsecond resolution.
    fn now(&self) -> Timestamp;
}
