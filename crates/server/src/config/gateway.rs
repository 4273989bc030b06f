//! The gateway's inner sections, and the bounds of its numbers.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::sections::Gateway;

/// `gateway.timeouts`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(
    clippy::struct_field_names,
    reason = "operators read the unit in the setting's name"
)]
pub(crate) struct Timeouts {
    /// For a client to send a whole request head.
    pub(crate) request_head_seconds: u64,
    /// For a TCP (and TLS) connection to an upstream.
    pub(crate) connect_seconds: u64,
    /// For an upstream's response head after the request was sent.
    pub(crate) response_head_seconds: u64,
    /// Without a byte of a body, in either direction.
    pub(crate) body_idle_seconds: u64,
    /// An unused connection to an upstream is closed after this.
    pub(crate) pool_idle_seconds: u64,
    /// For accepted requests to finish at shutdown.
    pub(crate) drain_seconds: u64,
    /// For a whole request with its answer; not for WebSockets.
    pub(crate) total_seconds: u64,
    /// Without a byte on a WebSocket, in either direction.
    pub(crate) websocket_idle_seconds: u64,
}

/// `gateway.upstreams`: the endpoints of APIs.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Upstreams {
    /// PEM files for those that ask for a client certificate; both or neither.
    pub(crate) client_certificate_file: PathBuf,
    pub(crate) client_key_file: PathBuf,
    /// `http://host:port` of those that speak HTTP/2 without TLS.
    pub(crate) http2: Vec<String>,
    /// Bad answers in a row after which one of several rests.
    pub(crate) bad_answers: u32,
    /// The first rest, which doubles up to the longest.
    pub(crate) rest_seconds: u64,
    pub(crate) longest_rest_seconds: u64,
}

/// `gateway.limits`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Limits {
    pub(crate) request_head_bytes: usize,
    pub(crate) header_count: usize,
    pub(crate) request_body_bytes: u64,
    pub(crate) token_bytes: usize,
    /// Connections of clients, a worker.
    pub(crate) connections: usize,
    /// Unused connections kept for an upstream, a worker.
    pub(crate) idle_upstream_connections: usize,
    /// HTTP/2 streams of one connection.
    pub(crate) concurrent_streams: u32,
    /// HTTP/2 streams of one connection to an upstream.
    pub(crate) upstream_streams: usize,
}

/// `gateway.key_sets`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct KeySets {
    pub(crate) refresh_seconds: u64,
    /// How long a key is trusted after the key manager last listed it.
    pub(crate) keep_seconds: u64,
    /// Unknown key ids that cause a fetch at once, before `gateway.key_refresh_interval_seconds` holds.
    pub(crate) unknown_key_burst: u32,
    pub(crate) fetch_timeout_seconds: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ForwardedSetting {
    Replace,
    Append,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AccessLogSetting {
    Full,
    Errors,
    Off,
}

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

/// Name, value and bounds of every number of the section.
pub(super) fn bounds(gateway: &Gateway) -> Vec<(&'static str, u64, RangeInclusive<u64>)> {
    let number = |value: usize| u64::try_from(value).unwrap_or(u64::MAX);
    let (timeouts, limits, key_sets) = (&gateway.timeouts, &gateway.limits, &gateway.key_sets);
    let upstreams = &gateway.upstreams;
    vec![
        ("workers", number(gateway.workers), 0..=1_024),
        (
            "clock_leeway_seconds",
            gateway.clock_leeway_seconds,
            0..=600,
        ),
        (
            "key_refresh_interval_seconds",
            gateway.key_refresh_interval_seconds,
            0..=DAY,
        ),
        ("token_cache_bytes", gateway.token_cache_bytes, 0..=64 << 30),
        (
            "access_log_one_in",
            gateway.access_log_one_in.into(),
            1..=1_000_000,
        ),
        (
            "timeouts.request_head_seconds",
            timeouts.request_head_seconds,
            1..=600,
        ),
        (
            "timeouts.connect_seconds",
            timeouts.connect_seconds,
            1..=600,
        ),
        (
            "timeouts.response_head_seconds",
            timeouts.response_head_seconds,
            1..=HOUR,
        ),
        (
            "timeouts.body_idle_seconds",
            timeouts.body_idle_seconds,
            1..=HOUR,
        ),
        (
            "timeouts.pool_idle_seconds",
            timeouts.pool_idle_seconds,
            1..=HOUR,
        ),
        ("timeouts.drain_seconds", timeouts.drain_seconds, 0..=HOUR),
        ("timeouts.total_seconds", timeouts.total_seconds, 1..=DAY),
        (
            "timeouts.websocket_idle_seconds",
            timeouts.websocket_idle_seconds,
            1..=DAY,
        ),
        (
            "upstreams.bad_answers",
            upstreams.bad_answers.into(),
            1..=1_000,
        ),
        ("upstreams.rest_seconds", upstreams.rest_seconds, 1..=HOUR),
        (
            "upstreams.longest_rest_seconds",
            upstreams.longest_rest_seconds,
            1..=DAY,
        ),
        (
            "limits.upstream_streams",
            number(limits.upstream_streams),
            1..=10_000,
        ),
        (
            "limits.request_head_bytes",
            number(limits.request_head_bytes),
            8_192..=1 << 20,
        ),
        (
            "limits.header_count",
            number(limits.header_count),
            16..=1_024,
        ),
        (
            "limits.request_body_bytes",
            limits.request_body_bytes,
            0..=1 << 40,
        ),
        (
            "limits.token_bytes",
            number(limits.token_bytes),
            1_024..=1 << 20,
        ),
        (
            "limits.connections",
            number(limits.connections),
            1..=1_000_000,
        ),
        (
            "limits.idle_upstream_connections",
            number(limits.idle_upstream_connections),
            0..=100_000,
        ),
        (
            "limits.concurrent_streams",
            limits.concurrent_streams.into(),
            1..=10_000,
        ),
        (
            "key_sets.refresh_seconds",
            key_sets.refresh_seconds,
            60..=DAY,
        ),
        (
            "key_sets.keep_seconds",
            key_sets.keep_seconds,
            HOUR..=30 * DAY,
        ),
        (
            "key_sets.unknown_key_burst",
            key_sets.unknown_key_burst.into(),
            0..=100,
        ),
        (
            "key_sets.fetch_timeout_seconds",
            key_sets.fetch_timeout_seconds,
            1..=120,
        ),
    ]
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            request_head_seconds: 30,
            connect_seconds: 5,
            response_head_seconds: 60,
            body_idle_seconds: 60,
            pool_idle_seconds: 50,
            drain_seconds: 30,
            total_seconds: HOUR,
            websocket_idle_seconds: 900,
        }
    }
}

impl Default for Upstreams {
    fn default() -> Self {
        Self {
            client_certificate_file: PathBuf::new(),
            client_key_file: PathBuf::new(),
            http2: Vec::new(),
            bad_answers: 5,
            rest_seconds: 5,
            longest_rest_seconds: 120,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_head_bytes: 64 * 1024,
            header_count: 128,
            request_body_bytes: 100 * 1024 * 1024,
            token_bytes: 16 * 1024,
            connections: 10_000,
            idle_upstream_connections: 128,
            concurrent_streams: 128,
            upstream_streams: 100,
        }
    }
}

impl Default for KeySets {
    fn default() -> Self {
        Self {
            refresh_seconds: HOUR,
            keep_seconds: DAY,
            unknown_key_burst: 3,
            fetch_timeout_seconds: 10,
        }
    }
}
