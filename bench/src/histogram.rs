//! Latencies in buckets that are at most 1.6 % wide: memory does not grow with the number of requests.

use std::time::Duration;

/// Buckets for each power of two.
const SUB_BUCKETS: u64 = 64;

#[derive(Default)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Histogram {
    pub(crate) fn record(&mut self, latency: Duration) {
        let nanoseconds = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        let index = index_of(nanoseconds);
        if index >= self.counts.len() {
            self.counts.resize(index + 1, 0);
        }
        self.counts[index] += 1;
        self.total += 1;
    }

    /// Microseconds that `per_mille` of 1,000 do not exceed.
    pub(crate) fn quantile(&self, per_mille: u64) -> f64 {
        let rank = (self.total * per_mille).div_ceil(1_000).max(1);
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return upper_bound(index) as f64 / 1_000.0;
            }
        }
        0.0
    }
}

/// Exact below 64; above that by the leading seven bits.
fn index_of(value: u64) -> usize {
    if value < SUB_BUCKETS {
        return usize::try_from(value).unwrap_or_default();
    }
    let shift = u64::from(value.ilog2()) - 6;
    let index = (shift + 1) * SUB_BUCKETS + (value >> shift) - SUB_BUCKETS;
    usize::try_from(index).unwrap_or(usize::MAX)
}

fn upper_bound(index: usize) -> u64 {
    let index = u64::try_from(index).unwrap_or(u64::MAX);
    if index < SUB_BUCKETS {
        return index;
    }
    let shift = index / SUB_BUCKETS - 1;
    ((index % SUB_BUCKETS + SUB_BUCKETS + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_off_by_less_than_a_fiftieth() {
        let mut histogram = Histogram::default();
        for microseconds in 1..=10_000 {
            histogram.record(Duration::from_micros(microseconds));
        }
        for (per_mille, expected) in [(500, 5_000.0), (990, 9_900.0), (1_000, 10_000.0)] {
            let found = histogram.quantile(per_mille);
            assert!(
                found >= expected && found < expected * 1.02,
                "{per_mille}: {found}"
            );
        }
    }

    #[test]
    fn every_value_lies_in_its_own_bucket() {
        for value in (0..10_000).chain([1 << 20, (1 << 20) + 1, 123_456_789, u64::MAX >> 1]) {
            let index = index_of(value);
            assert!(upper_bound(index) >= value, "{value}");
            assert!(index == 0 || upper_bound(index - 1) < value, "{value}");
        }
    }
}
