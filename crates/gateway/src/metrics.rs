//! Figures about requests, in Prometheus' text format: how many, how they ended, where the time went.
//!
//! Labels are bounded: deployed APIs, status codes, reasons. Everything that is merely a state (snapshot, key sets,
//! cache) is asked for when the figures are.

use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use domain::id::ApiId;

use crate::refusal::Reason;

/// Upper bounds of the histogram's buckets, in microseconds.
const BOUNDS: [u64; 17] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 5_000_000, 10_000_000,
];

#[derive(Debug, Default)]
pub(crate) struct Metrics {
    requests: RwLock<HashMap<Ending, AtomicU64>>,
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
            if let Some(count) = requests.get(&ending) {
                count.fetch_add(1, Ordering::Relaxed);
                return;
            }
        }
        let mut requests = self
            .requests
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *requests.entry(ending).or_default().get_mut() += 1;
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
        let mut lines: Vec<_> = requests
            .iter_mut()
            .map(|(ending, count)| {
                let (api, version) = ending.api.and_then(&name_of).unwrap_or_default();
                let status = ending.status.map_or_else(|| "none".to_owned(), |status| status.to_string());
                let reason = ending.reason.map_or("", Reason::as_str);
                format!(
                    "claviger_gateway_requests_total{{api=\"{}\",version=\"{}\",status=\"{status}\",reason=\"{reason}\"}} {}\n",
                    escaped(&api), escaped(&version), count.get_mut()
                )
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

impl Histogram {
    fn record(&self, duration: Duration) {
        let microseconds = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
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

/// One figure with at most one label.
pub(crate) fn gauge(
    text: &mut String,
    name: &str,
    help: &str,
    values: &[(Option<(&str, &str)>, i64)],
) -> fmt::Result {
    head(text, name, "gauge", help)?;
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
