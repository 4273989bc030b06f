//! How long a job waits before it is tried again.

use std::time::Duration;

use domain::Random;
use domain::provider_failure::ProviderFailure;

const FIRST: Duration = Duration::from_secs(1);

/// Nothing waits longer than this, whatever a provider asks for.
const LONGEST: Duration = Duration::from_hours(1);

/// Doubles with every attempt (from 1), less up to half at random so that many jobs do not come back together;
/// never sooner than the provider asked (`Retry-After`).
pub(super) fn delay(attempts: u32, failure: &ProviderFailure, random: &dyn Random) -> Duration {
    let doublings = attempts.saturating_sub(1).min(12);
    let full = FIRST.saturating_mul(1 << doublings).min(LONGEST);
    let mut byte = [0u8; 1];
    random.fill(&mut byte);
    let jittered = full.mul_f64(1.0 - f64::from(byte[0]) / 512.0);
    let asked = failure
        .retry_after
        .and_then(|wait| Duration::try_from(wait).ok())
        .unwrap_or_default();
    jittered.max(asked).min(LONGEST)
}
