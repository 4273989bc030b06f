//! The `Date` of answers that come without one (RFC 9110 section 6.6.1), written once a second.

use std::cell::{Cell, RefCell};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use domain::Clock;

#[derive(Default)]
pub(crate) struct Date {
    second: Cell<i64>,
    text: RefCell<Bytes>,
}

impl Date {
    pub(super) fn now(&self, clock: &dyn Clock) -> Bytes {
        let second = clock.now().as_second();
        if self.second.replace(second) != second || self.text.borrow().is_empty() {
            let since = Duration::from_secs(u64::try_from(second).unwrap_or_default());
            let text = httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + since);
            self.text.replace(text.into());
        }
        self.text.borrow().clone()
    }
}
