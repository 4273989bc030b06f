//! Where lines of the access log go: gathered in memory, written by a thread of its own, so that no request waits
//! for a disk or a pipe.
//!
//! Bounded: when the writer cannot keep up, lines are dropped and counted. What stands in a line is
//! `proxy/access_log.rs`'s business, its form [`json_line`]'s.

mod json_line;

use std::cell::Cell;
use std::io::{self, Write};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use json_line::SecondText;
pub(crate) use json_line::{JsonLine, fields};

/// Threads that write at the same time rarely meet in one of these.
const SHARDS: usize = 16;
/// Bytes of a shard that wait for the writer; further lines are dropped.
const MOST_WAITING: usize = 1024 * 1024;
/// Bytes of a shard at which the writer is called at once …
const HURRY_AT: usize = 64 * 1024;
/// … and how long it gathers otherwise.
const GATHER: Duration = Duration::from_millis(100);

/// Which requests have a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessLogPolicy {
    pub mode: AccessLogMode,
    /// Of the requests that went well, one in so many; the others have a line whatever this says.
    pub one_in: NonZeroU32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AccessLogMode {
    /// Requests that went well (sampled), and all others.
    #[default]
    Full,
    /// Refused, failed (5xx) and broken off.
    Errors,
    Off,
}

/// How a request went, as far as the choice of lines is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Well,
    Badly,
}

/// Takes lines from any thread.
pub(crate) struct AccessLog {
    policy: AccessLogPolicy,
    shared: Arc<Shared>,
    writer: Mutex<Option<thread::JoinHandle<()>>>,
}

#[derive(Default)]
struct Shared {
    shards: [Mutex<Shard>; SHARDS],
    dropped: AtomicU64,
    signal: Mutex<Signal>,
    signalled: Condvar,
}

#[derive(Default)]
struct Shard {
    lines: Vec<u8>,
    second: SecondText,
    count: u64,
    /// Requests that went well, for the sample.
    well: u32,
}

#[derive(Default)]
struct Signal {
    has_lines: bool,
    in_a_hurry: bool,
    closing: bool,
}

impl Default for AccessLogPolicy {
    fn default() -> Self {
        Self {
            mode: AccessLogMode::default(),
            one_in: NonZeroU32::MIN,
        }
    }
}

impl AccessLog {
    /// Begins to write to `destination`. `None` when the policy wants no line.
    pub(crate) fn start(
        policy: AccessLogPolicy,
        destination: Box<dyn Write + Send>,
    ) -> io::Result<Option<Self>> {
        if policy.mode == AccessLogMode::Off {
            return Ok(None);
        }
        let shared = Arc::new(Shared::default());
        let writer = thread::Builder::new()
            .name("gateway-log".to_owned())
            .spawn({
                let shared = Arc::clone(&shared);
                move || shared.write_to(destination)
            })?;
        Ok(Some(Self {
            policy,
            shared,
            writer: Mutex::new(Some(writer)),
        }))
    }

    /// Takes a line, if the policy wants one: only then `write` is asked for what stands in it.
    pub(crate) fn record(&self, outcome: Outcome, write: impl FnOnce(&mut JsonLine<'_>)) {
        if outcome == Outcome::Well && self.policy.mode == AccessLogMode::Errors {
            return;
        }
        let mut shard = locked(&self.shared.shards[own_shard()]);
        if outcome == Outcome::Well && self.policy.one_in > NonZeroU32::MIN {
            shard.well = (shard.well + 1) % self.policy.one_in;
            // The first one of each group: a quiet gateway shows something.
            if shard.well != 1 {
                return;
            }
        }
        if shard.lines.len() >= MOST_WAITING {
            drop(shard);
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let before = shard.lines.len();
        let Shard { lines, second, .. } = &mut *shard;
        let mut line = JsonLine::begin(lines, second);
        write(&mut line);
        line.end();
        shard.count += 1;
        let after = shard.lines.len();
        drop(shard);
        if before == 0 || (before < HURRY_AT && after >= HURRY_AT) {
            self.shared.signal(|signal| {
                signal.has_lines = true;
                signal.in_a_hurry |= after >= HURRY_AT;
            });
        }
    }

    /// Lines that were not written, since the start.
    pub(crate) fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    /// Writes what waits and ends the thread. May block as long as the destination does.
    pub(crate) fn close(&self) {
        self.shared.signal(|signal| signal.closing = true);
        let writer = locked(&self.writer).take();
        if let Some(writer) = writer {
            let _ = writer.join();
        }
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        self.shared.signal(|signal| signal.closing = true);
    }
}

impl std::fmt::Debug for AccessLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccessLog")
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn signal(&self, set: impl FnOnce(&mut Signal)) {
        set(&mut locked(&self.signal));
        self.signalled.notify_one();
    }

    fn write_to(&self, mut destination: Box<dyn Write + Send>) {
        let mut is_failing = false;
        let mut batch = Vec::new();
        loop {
            let is_closing = self.wait();
            for shard in &self.shards {
                // The buffers change places: neither side allocates once they have grown.
                let count = {
                    let mut shard = locked(shard);
                    std::mem::swap(&mut shard.lines, &mut batch);
                    std::mem::take(&mut shard.count)
                };
                let written = destination.write_all(&batch);
                batch.clear();
                match written {
                    Ok(()) => is_failing = is_failing && count == 0,
                    Err(error) => {
                        self.dropped.fetch_add(count, Ordering::Relaxed);
                        if !is_failing {
                            tracing::error!(%error, "the access log cannot be written; lines are dropped");
                        }
                        is_failing = true;
                    }
                }
            }
            let _ = destination.flush();
            if is_closing {
                return;
            }
        }
    }

    /// Waits for lines, gathers for a while, and says whether these are the last ones.
    fn wait(&self) -> bool {
        let begun = self
            .signalled
            .wait_while(locked(&self.signal), |signal| {
                !signal.has_lines && !signal.closing
            })
            .unwrap_or_else(PoisonError::into_inner);
        let (mut gathered, _) = self
            .signalled
            .wait_timeout_while(begun, GATHER, |signal| {
                !signal.in_a_hurry && !signal.closing
            })
            .unwrap_or_else(PoisonError::into_inner);
        gathered.has_lines = false;
        gathered.in_a_hurry = false;
        gathered.closing
    }
}

/// Each thread writes to the same shard all its life.
fn own_shard() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static MINE: Cell<usize> = Cell::new(NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS);
    }
    MINE.get()
}

/// Nothing that is done under these locks leaves half of it behind.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pipe that nobody reads from, until somebody does.
    #[derive(Clone, Default)]
    struct Pipe {
        written: Arc<Mutex<Vec<u8>>>,
        open: Arc<(Mutex<bool>, Condvar)>,
    }

    impl Pipe {
        fn open(&self) {
            *locked(&self.open.0) = true;
            self.open.1.notify_all();
        }

        fn lines(&self) -> Vec<String> {
            let text = String::from_utf8(locked(&self.written).clone()).expect("text");
            text.lines().map(str::to_owned).collect()
        }
    }

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let (lock, changed) = &*self.open;
            drop(
                changed
                    .wait_while(locked(lock), |open| !*open)
                    .expect("a lock"),
            );
            locked(&self.written).extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn says(text: &str) -> impl FnOnce(&mut JsonLine<'_>) {
        move |line| line.text("says", text)
    }

    fn log(mode: AccessLogMode, one_in: u32) -> (AccessLog, Pipe) {
        let pipe = Pipe::default();
        let policy = AccessLogPolicy {
            mode,
            one_in: NonZeroU32::new(one_in).expect("not zero"),
        };
        let log = AccessLog::start(policy, Box::new(pipe.clone()))
            .expect("a thread")
            .expect("a log");
        (log, pipe)
    }

    #[test]
    fn a_destination_that_hangs_costs_lines_and_never_time_or_memory() {
        let (log, pipe) = log(AccessLogMode::Full, 1);
        let text = "x".repeat(1_000);
        let count = 3 * MOST_WAITING / 1_000;
        for _ in 0..count {
            log.record(Outcome::Well, |line| line.text("text", &text));
        }
        let waiting = locked(&log.shared.shards[own_shard()]).lines.len();
        assert!(waiting < MOST_WAITING + 2_000, "{waiting}");
        assert!(log.dropped() > 0);
        pipe.open();
        log.close();
        let written = u64::try_from(pipe.lines().len()).expect("a count");
        assert_eq!(
            written + log.dropped(),
            u64::try_from(count).expect("a count")
        );
    }

    #[test]
    fn what_waits_is_written_at_the_end() {
        let (log, pipe) = log(AccessLogMode::Full, 1);
        pipe.open();
        log.record(Outcome::Well, says("last words"));
        log.close();
        assert_eq!(pipe.lines(), [r#"{"says":"last words"}"#]);
    }

    #[test]
    fn a_sample_is_taken_of_what_went_well_only() {
        let (log, pipe) = log(AccessLogMode::Full, 10);
        pipe.open();
        for _ in 0..100 {
            log.record(Outcome::Well, says("well"));
            log.record(Outcome::Badly, says("badly"));
        }
        log.close();
        let lines = pipe.lines();
        assert_eq!(
            lines.iter().filter(|line| line.contains("well")).count(),
            10
        );
        assert_eq!(
            lines.iter().filter(|line| line.contains("badly")).count(),
            100
        );
        assert_eq!(log.dropped(), 0);
    }

    #[test]
    fn only_failures_are_written_where_only_failures_are_wanted() {
        let (log, pipe) = log(AccessLogMode::Errors, 1);
        pipe.open();
        log.record(Outcome::Well, |_| unreachable!("no line is made"));
        log.record(Outcome::Badly, says("badly"));
        log.close();
        assert_eq!(pipe.lines(), [r#"{"says":"badly"}"#]);
    }

    #[test]
    fn a_destination_that_fails_counts_its_lines_as_dropped() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let log = AccessLog::start(AccessLogPolicy::default(), Box::new(Full))
            .expect("a thread")
            .expect("a log");
        for _ in 0..5 {
            log.record(Outcome::Well, says("lost"));
        }
        log.close();
        assert_eq!(log.dropped(), 5);
    }

    #[test]
    fn nothing_is_started_where_nothing_is_wanted() {
        let policy = AccessLogPolicy {
            mode: AccessLogMode::Off,
            ..AccessLogPolicy::default()
        };
        let log = AccessLog::start(policy, Box::new(io::sink())).expect("no thread");
        assert!(log.is_none());
    }
}
