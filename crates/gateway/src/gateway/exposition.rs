//! The gateway's figures as a scraper reads them: those of requests, and what is merely a state when it asks.

use super::{Gateway, KeyManagerKeys};
use crate::access_log::AccessLog;
use crate::metrics::{counter, counters, gauge};
use crate::token_cache::TokenCache;

impl Gateway {
    /// All figures in Prometheus' text format (version 0.0.4).
    pub fn metrics(&self) -> String {
        let mut text = String::with_capacity(8 * 1024);
        self.write_metrics(&mut text)
            .expect("writing to a String cannot fail");
        text
    }

    fn write_metrics(&self, text: &mut String) -> std::fmt::Result {
        let snapshot = self.engine.snapshot();
        self.engine.metrics.write(text, |id| {
            let api = &snapshot.api(id)?.entry;
            Some((api.name.clone(), api.version.clone()))
        })?;
        let status = self.status();
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let large = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let (introspections, introspections_failed) = self.engine.introspections.figures();
        let (hits, misses) = self.engine.cache().map_or((0, 0), TokenCache::lookups);
        self.write_endpoint_metrics(text)?;
        for (name, help, value) in [
            (
                "requests_in_progress",
                "Requests under way.",
                large(status.requests_in_progress),
            ),
            (
                "snapshot_revision",
                "Revision that decides.",
                status.revision.0,
            ),
            ("snapshot_apis", "Deployed APIs.", count(status.apis)),
            (
                "snapshot_applications",
                "Applications.",
                count(status.applications),
            ),
            (
                "snapshot_consumer_keys",
                "Live consumer keys.",
                count(status.consumer_keys),
            ),
            (
                "snapshot_subscriptions",
                "Subscriptions.",
                count(status.subscriptions),
            ),
            (
                "snapshot_blocking_conditions",
                "Blocking conditions that are on.",
                count(status.blocking_conditions),
            ),
            (
                "snapshot_revocations",
                "Revoked tokens and clients.",
                count(status.revocations),
            ),
            (
                "token_cache_entries",
                "Verified tokens.",
                count(status.cached_tokens),
            ),
            (
                "token_cache_bytes",
                "Their size.",
                large(status.cached_token_bytes),
            ),
            (
                "connections",
                "Open connections of clients.",
                large(self.engine.metrics.connections()),
            ),
            (
                "limit_counters",
                "Request limits that are being counted.",
                count(self.engine.limit_counters()),
            ),
        ] {
            gauge(
                text,
                &format!("claviger_gateway_{name}"),
                help,
                &[(None, value)],
            )?;
        }
        let log = self.engine.access_log.as_ref();
        let tracing = self.engine.tracing();
        for (name, help, value) in [
            ("token_cache_hits_total", "Tokens found verified.", hits),
            (
                "token_cache_misses_total",
                "Tokens not found verified.",
                misses,
            ),
            (
                "introspections_total",
                "Tokens that key managers were asked about.",
                introspections,
            ),
            (
                "introspections_failed_total",
                "Of these, questions without a usable answer.",
                introspections_failed,
            ),
            (
                "access_log_dropped_total",
                "Lines of the access log that could not be written.",
                log.map_or(0, AccessLog::dropped),
            ),
            (
                "spans_dropped_total",
                "Spans that could not be exported.",
                tracing.map_or(0, |tracing| tracing.sink.dropped()),
            ),
        ] {
            counter(text, &format!("claviger_gateway_{name}"), help, value)?;
        }
        let now = self.engine.clock.now().as_second();
        let key_sets = self.key_set_status();
        let labelled = |value: fn(&KeyManagerKeys, i64) -> Option<i64>| -> Vec<_> {
            let values = key_sets.iter().filter_map(|one| {
                Some((Some(("key_manager", one.name.as_str())), value(one, now)?))
            });
            values.collect()
        };
        let ages = labelled(|one, now| Some(now - one.fetched_at?.as_second()));
        gauge(
            text,
            "claviger_gateway_key_set_age_seconds",
            "Since the provider last gave the key set.",
            &ages,
        )?;
        let keys = labelled(|one, _| i64::try_from(one.key_ids.len()).ok());
        gauge(text, "claviger_gateway_keys", "Verification keys.", &keys)?;
        let failing = labelled(|one, _| Some(i64::from(one.last_error.is_some())));
        gauge(
            text,
            "claviger_gateway_key_set_failing",
            "1 while the last fetch failed.",
            &failing,
        )
    }

    /// Endpoints that ever failed; the others would be lines without news.
    fn write_endpoint_metrics(&self, text: &mut String) -> std::fmt::Result {
        let origins = self.engine.origins.all();
        let figures: Vec<_> = origins
            .iter()
            .map(|origin| (origin.name.as_ref(), origin.health.figures()))
            .filter(|(_, (failures, _))| *failures > 0)
            .collect();
        let labelled = |value: fn(u64, bool) -> i64| -> Vec<_> {
            let values = figures.iter().map(|(name, (failures, rests))| {
                (Some(("endpoint", *name)), value(*failures, *rests))
            });
            values.collect()
        };
        gauge(
            text,
            "claviger_gateway_endpoint_resting",
            "1 while requests go to other endpoints instead.",
            &labelled(|_, rests| i64::from(rests)),
        )?;
        counters(
            text,
            "claviger_gateway_endpoint_failures_total",
            "Bad answers and failed connections.",
            &labelled(|failures, _| i64::try_from(failures).unwrap_or(i64::MAX)),
        )
    }
}
