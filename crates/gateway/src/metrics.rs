//! Figures about requests, in Prometheus' text format: how many, how they ended, where the time went.
//!
//! Labels are bounded: deployed APIs, status codes, reasons. Histograms are the gateway's as a whole; an API has its
//! sums only, because a bucket for each of ten thousand APIs would be more than a scrape can carry. Everything that is merely a state (snapshot, key sets,
//! cache) is asked for when the figures are.

use std::collections::{BTreeMap, HashMap};
use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use domain::id::ApiId;
use foldhash::fast::RandomState;

use crate::refusal::Reason;

/// Upper bounds of the histogram's buckets, in microseconds.
const BOUNDS: [u64; 17] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 5_000_000, 10_000_000,
];

#[derive(Debug, Default)]
pub(crate) struct Metrics {
    requests: RwLock<HashMap<Ending, Sums, RandomState>>,
    /// Clients' connections that are open.
    connections: AtomicU64,
    own_time: Histogram,
    upstream_time: Histogram,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Ending {
    pub(crate) api: Option<ApiId>,
    /// `None`: the client went away before there was an answer.
    pub(crate) status: Option<u16>,
    pub(crate) reason: Option<Reason>,
}

/// Requests that ended alike.
#[derive(Debug, Default)]
struct Sums {
    requests: AtomicU64,
    own_microseconds: AtomicU64,
    /// Requests that were sent to an upstream.
    forwarded: AtomicU64,
    upstream_microseconds: AtomicU64,
}

/// Counts a connection as open while it lives.
pub(crate) struct OpenConnection<'m>(&'m AtomicU64);

#[derive(Debug, Default)]
struct Histogram {
    /// The last one counts what is beyond all bounds.
    buckets: [AtomicU64; BOUNDS.len() + 1],
    microseconds: AtomicU64,
}

impl Metrics {
    pub(crate) fn count(&self, ending: Ending, own: Duration, upstream: Option<Duration>) {
        self.own_time.record(own);
        if let Some(upstream) = upstream {
            self.upstream_time.record(upstream);
        }
        {
            let requests = self.requests.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(sums) = requests.get(&ending) {
                sums.add(own, upstream);
                return;
            }
        }
        let mut requests = self
            .requests
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        requests.entry(ending).or_default().add(own, upstream);
    }

    pub(crate) fn open_connection(&self) -> OpenConnection<'_> {
        self.connections.fetch_add(1, Ordering::Relaxed);
        OpenConnection(&self.connections)
    }

    pub(crate) fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// `name_of` gives name and version of an API that is still deployed; the others' figures are forgotten.
    pub(crate) fn write(
        &self,
        text: &mut String,
        name_of: impl Fn(ApiId) -> Option<(String, String)>,
    ) -> fmt::Result {
        let mut requests = self
            .requests
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        requests.retain(|ending, _| ending.api.is_none_or(|api| name_of(api).is_some()));
        let mut by_api: BTreeMap<(String, String), [u64; 4]> = BTreeMap::new();
        let mut lines: Vec<_> = requests
            .iter()
            .map(|(ending, sums)| {
                let (api, version) = ending.api.and_then(&name_of).unwrap_or_default();
                let status = ending.status.map_or_else(|| "none".to_owned(), |status| status.to_string());
                let reason = ending.reason.map_or("", Reason::as_str);
                let line = format!(
                    "claviger_gateway_requests_total{{api=\"{}\",version=\"{}\",status=\"{status}\",reason=\"{reason}\"}} {}\n",
                    escaped(&api), escaped(&version), sums.requests.load(Ordering::Relaxed)
                );
                if ending.api.is_some() {
                    sums.add_to(by_api.entry((api, version)).or_default());
                }
                line
            })
            .collect();
        drop(requests);
        lines.sort();
        head(
            text,
            "claviger_gateway_requests_total",
            "counter",
            "Requests by API, status and reason of refusal.",
        )?;
        text.extend(lines);
        write_by_api(text, &by_api)?;
        self.own_time.write(
            text,
            "claviger_gateway_own_seconds",
            "Time that the gateway itself took.",
        )?;
        self.upstream_time.write(
            text,
            "claviger_gateway_upstream_seconds",
            "Time until the upstream's response head.",
        )
    }
}

fn write_by_api(text: &mut String, by_api: &BTreeMap<(String, String), [u64; 4]>) -> fmt::Result {
    for (name, help, at) in [
        (
            "claviger_gateway_api_own_seconds",
            "Time that the gateway itself took, by API.",
            0,
        ),
        (
            "claviger_gateway_api_upstream_seconds",
            "Time until the upstreams' response heads, by API.",
            2,
        ),
    ] {
        head(text, name, "summary", help)?;
        for ((api, version), sums) in by_api {
            let labels = format!("api=\"{}\",version=\"{}\"", escaped(api), escaped(version));
            let (count, sum) = (sums[at], Seconds(sums[at + 1]));
            writeln!(
                text,
                "{name}_sum{{{labels}}} {sum}\n{name}_count{{{labels}}} {count}"
            )?;
        }
    }
    Ok(())
}

impl Sums {
    fn add(&self, own: Duration, upstream: Option<Duration>) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.own_microseconds
            .fetch_add(microseconds(own), Ordering::Relaxed);
        if let Some(upstream) = upstream {
            self.forwarded.fetch_add(1, Ordering::Relaxed);
            self.upstream_microseconds
                .fetch_add(microseconds(upstream), Ordering::Relaxed);
        }
    }

    /// In the order of the fields.
    fn add_to(&self, sums: &mut [u64; 4]) {
        let mine = [
            &self.requests,
            &self.own_microseconds,
            &self.forwarded,
            &self.upstream_microseconds,
        ];
        for (sum, mine) in sums.iter_mut().zip(mine) {
            *sum += mine.load(Ordering::Relaxed);
        }
    }
}

impl Drop for OpenConnection<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

impl Histogram {
    fn record(&self, duration: Duration) {
        let microseconds = microseconds(duration);
        let bucket = BOUNDS.partition_point(|bound| *bound < microseconds);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.microseconds.fetch_add(microseconds, Ordering::Relaxed);
    }

    fn write(&self, text: &mut String, name: &str, help: &str) -> fmt::Result {
        head(text, name, "histogram", help)?;
        let mut so_far = 0;
        for (bucket, bound) in self
            .buckets
            .iter()
            .zip(BOUNDS.map(Some).into_iter().chain([None]))
        {
            so_far += bucket.load(Ordering::Relaxed);
            let bound = bound.map_or_else(|| "+Inf".to_owned(), |bound| Seconds(bound).to_string());
            writeln!(text, "{name}_bucket{{le=\"{bound}\"}} {so_far}")?;
        }
        let sum = Seconds(self.microseconds.load(Ordering::Relaxed));
        writeln!(text, "{name}_sum {sum}\n{name}_count {so_far}")
    }
}

/// Microseconds, written as seconds without the detour over floating point.
struct Seconds(u64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

/// A number that only grows; its name ends in `_total`.
pub(crate) fn counter(text: &mut String, name: &str, help: &str, value: u64) -> fmt::Result {
    head(text, name, "counter", help)?;
    writeln!(text, "{name} {value}")
}

/// The same by one label.
pub(crate) fn counters(
    text: &mut String,
    name: &str,
    help: &str,
    values: &[Labelled<'_>],
) -> fmt::Result {
    series(text, name, "counter", help, values)
}

/// A number that is what it is now, by at most one label.
pub(crate) fn gauge(
    text: &mut String,
    name: &str,
    help: &str,
    values: &[Labelled<'_>],
) -> fmt::Result {
    series(text, name, "gauge", help, values)
}

/// A label's name and value, and the number that belongs to it.
pub(crate) type Labelled<'l> = (Option<(&'l str, &'l str)>, i64);

fn series(
    text: &mut String,
    name: &str,
    kind: &str,
    help: &str,
    values: &[Labelled<'_>],
) -> fmt::Result {
    head(text, name, kind, help)?;
    for (label, value) in values {
        match label {
            Some((label, of)) => writeln!(text, "{name}{{{label}=\"{}\"}} {value}", escaped(of))?,
            None => writeln!(text, "{name} {value}")?,
        }
    }
    Ok(())
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) -> fmt::Result {
    writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}")
}

fn escaped(label: &str) -> String {
    label
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}
