use std::sync::Arc;
use std::time::Duration;

use domain::provider_failure::{FailureClass, ProviderFailure};
use jiff::SignedDuration;
use tokio::time::Instant;

use super::{Polling, PollingSettings};
use crate::entra::classify::{Meaning, Refusal, Stage};
use crate::test_support::NoRandom;

const DOCUMENTED: PollingSettings = PollingSettings {
    initial_delay: Duration::from_millis(500),
    maximum_delay: Duration::from_secs(5),
    budget: Duration::from_mins(2),
};

fn refusal(meaning: Meaning) -> Refusal {
    Refusal::new(
        meaning,
        ProviderFailure::new(FailureClass::Transient, "test", "not yet"),
    )
}

/// When each attempt was made, in milliseconds from the first, and how it ended.
async fn attempts(
    stage: Stage,
    refusals: impl Fn(usize) -> Option<Refusal>,
) -> (Vec<u128>, Result<(), ProviderFailure>) {
    let polling = Polling::begin(DOCUMENTED, Arc::new(NoRandom));
    let start = Instant::now();
    let mut times = Vec::new();
    let outcome = polling
        .run(stage, || {
            times.push(start.elapsed().as_millis());
            std::future::ready(refusals(times.len()).map_or(Ok(()), Err))
        })
        .await;
    (times, outcome)
}

#[tokio::test(start_paused = true)]
async fn delays_double_from_the_initial_delay_up_to_the_maximum() {
    let (times, outcome) = attempts(Stage::Fresh, |attempt| {
        (attempt < 8).then(|| refusal(Meaning::ReplicationLag))
    })
    .await;
    assert!(outcome.is_ok());
    assert_eq!(times, [0, 500, 1_500, 3_500, 7_500, 12_500, 17_500, 22_500]);
}

#[tokio::test(start_paused = true)]
async fn waiting_ends_with_the_budget_and_a_failure_that_may_be_tried_again() {
    let (times, outcome) = attempts(Stage::Fresh, |_| Some(refusal(Meaning::ReplicationLag))).await;
    assert_eq!(
        *times.last().unwrap(),
        120_000,
        "a last attempt at the very end"
    );
    assert_eq!(outcome.unwrap_err().class, FailureClass::Transient);
}

#[tokio::test(start_paused = true)]
async fn lag_of_settled_things_is_believed_for_the_documented_maximum_only() {
    let (times, outcome) =
        attempts(Stage::Settled, |_| Some(refusal(Meaning::ReplicationLag))).await;
    assert_eq!(times, [0, 500, 1_500, 3_500, 5_000]);
    assert_eq!(outcome.unwrap_err().class, FailureClass::Rejected);
}

#[tokio::test(start_paused = true)]
async fn missing_privileges_are_waited_for_shortly_and_only_after_a_creation() {
    let (times, outcome) = attempts(Stage::Fresh, |_| Some(refusal(Meaning::OwnershipLag))).await;
    assert_eq!(*times.last().unwrap(), 5_000);
    assert_eq!(outcome.unwrap_err().class, FailureClass::Misconfigured);

    let (times, _) = attempts(Stage::First, |_| Some(refusal(Meaning::OwnershipLag))).await;
    assert_eq!(times, [0]);
}

#[tokio::test(start_paused = true)]
async fn real_refusals_are_not_repeated() {
    for meaning in [
        Meaning::Rejected,
        Meaning::Misconfigured,
        Meaning::AlreadyDone,
    ] {
        for stage in [Stage::First, Stage::Fresh, Stage::Settled] {
            let (times, outcome) = attempts(stage, |_| Some(refusal(meaning))).await;
            assert_eq!(times, [0], "{meaning:?} {stage:?}");
            assert!(outcome.is_err());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_asks_to_wait_is_given_the_time() {
    let (times, outcome) = attempts(Stage::Settled, |attempt| {
        let mut refusal = refusal(Meaning::Throttled);
        refusal.failure.retry_after = Some(SignedDuration::from_millis(2_128));
        (attempt == 1).then_some(refusal)
    })
    .await;
    assert!(outcome.is_ok());
    assert_eq!(times, [0, 2_128]);
}

#[tokio::test(start_paused = true)]
async fn all_steps_of_an_operation_share_one_budget() {
    let polling = Polling::begin(DOCUMENTED, Arc::new(NoRandom));
    let start = Instant::now();
    for _ in 0..2 {
        let attempt = || std::future::ready(Err::<(), _>(refusal(Meaning::ServerTrouble)));
        assert!(polling.run(Stage::Settled, attempt).await.is_err());
    }
    assert_eq!(start.elapsed(), DOCUMENTED.budget);
}
