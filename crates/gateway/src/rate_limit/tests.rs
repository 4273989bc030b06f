use std::slice;

use proptest::prelude::*;

use super::*;

const NOW: Instant = 1_790_000_000 * SECOND;

fn requests(requests: u64, seconds: u64) -> Limit {
    Limit::Requests(RequestLimit::new(requests, seconds))
}

fn bytes(bytes: u64, seconds: u64) -> ByteLimit {
    ByteLimit {
        bytes,
        window: seconds * SECOND,
    }
}

fn demand(limit: Limit, used: &Used) -> Demand<'_> {
    Demand {
        limit,
        used,
        reason: Reason::ApplicationLimit,
    }
}

fn take_one(limit: Limit, used: &Used, now: Instant) -> Result<(), OverLimit> {
    let demand = demand(limit, used);
    take(slice::from_ref(&demand).iter(), now)
}

#[test]
fn a_full_allowance_passes_at_once_and_is_regained_evenly() {
    let (limit, used) = (requests(20, 60), Used::default());
    for _ in 0..20 {
        take_one(limit, &used, NOW).expect("within the limit");
    }
    assert_eq!(
        take_one(limit, &used, NOW),
        Err(OverLimit {
            reason: Reason::ApplicationLimit,
            next_access: NOW + 3 * SECOND
        })
    );
    take_one(limit, &used, NOW + 3 * SECOND - 1).expect_err("not yet");
    take_one(limit, &used, NOW + 3 * SECOND).expect("one regained");
    take_one(limit, &used, NOW + 3 * SECOND).expect_err("one only");
    for _ in 0..20 {
        take_one(limit, &used, NOW + 200 * SECOND).expect("all regained, no more");
    }
    take_one(limit, &used, NOW + 200 * SECOND).expect_err("used up");
}

#[test]
fn what_one_limit_refuses_is_not_counted_by_the_others() {
    let (wide, narrow) = (Used::default(), Used::default());
    let both = [
        demand(requests(10, 60), &wide),
        demand(requests(1, 60), &narrow),
    ];
    take(both.iter(), NOW).expect("within both");
    for _ in 0..5 {
        take(both.iter(), NOW).expect_err("over the narrow one");
    }
    for _ in 0..9 {
        take_one(requests(10, 60), &wide, NOW).expect("nine are left");
    }
    take_one(requests(10, 60), &wide, NOW).expect_err("used up");
}

#[test]
fn a_look_counts_nothing() {
    let used = Used::default();
    let demand = demand(requests(1, 60), &used);
    for _ in 0..3 {
        look(slice::from_ref(&demand).iter(), NOW).expect("one is left");
    }
    take_one(requests(1, 60), &used, NOW).expect("one is left");
    look(slice::from_ref(&demand).iter(), NOW).expect_err("used up");
}

#[test]
fn nothing_allowed_is_nothing() {
    let used = Used::default();
    let over = take_one(requests(0, 60), &used, NOW).expect_err("nothing is allowed");
    assert_eq!(over.next_access, NOW + 60 * SECOND);
}

#[test]
fn what_was_used_under_a_wider_policy_does_not_lock_out_under_a_narrower_one() {
    let used = Used::default();
    for _ in 0..10 {
        take_one(requests(10, 24 * 60 * 60), &used, NOW).expect("within the day's limit");
    }
    let over = take_one(requests(60, 60), &used, NOW).expect_err("all is used");
    assert_eq!(over.next_access, NOW + SECOND);
}

#[test]
fn bytes_are_counted_after_they_passed() {
    let (limit, used) = (bytes(6_000, 60), Used::default());
    let passes = |now| take_one(Limit::Bytes(limit), &used, now);
    for _ in 0..100 {
        passes(NOW).expect("requests alone use nothing up");
    }
    used.add_bytes(limit, 5_999, NOW);
    passes(NOW).expect("a byte is left");
    used.add_bytes(limit, 1, NOW);
    // Rounding keeps less than a nanosecond of each count.
    passes(NOW + SECOND).expect("100 bytes are regained in a second");
    used.add_bytes(limit, 200, NOW + SECOND);
    let over = passes(NOW + SECOND).expect_err("used up");
    assert!(over.next_access > NOW + SECOND && over.next_access <= NOW + 2 * SECOND + 1);
    passes(over.next_access).expect("a byte is regained");
}

#[test]
fn however_much_passes_at_once_nobody_waits_longer_than_the_policys_time() {
    let (limit, used) = (bytes(1_024, 60), Used::default());
    used.add_bytes(limit, u64::MAX, NOW);
    let over = take_one(Limit::Bytes(limit), &used, NOW).expect_err("used up");
    assert_eq!(over.next_access, NOW + 60 * SECOND + 1);
    take_one(Limit::Bytes(limit), &used, over.next_access).expect("regained");
}

/// How many of the requests of all threads pass, at one moment.
fn passed_by_threads(limit: Limit, threads: usize, each: usize) -> usize {
    let used = Used::default();
    let used = &used;
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(move || {
                    (0..each)
                        .filter(|_| take_one(limit, used, NOW).is_ok())
                        .count()
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("no panic"))
            .sum()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn threads_together_get_exactly_the_allowance(
        allowed in 1_u64..400,
        seconds in 1_u64..100_000,
        threads in 1_usize..6,
    ) {
        let passed = passed_by_threads(requests(allowed, seconds), threads, 400);
        let asked = threads * 400;
        prop_assert_eq!(passed, asked.min(usize::try_from(allowed).expect("small")));
    }

    /// Over any run of moments: the allowance, and what is regained meanwhile.
    #[test]
    fn never_more_than_the_allowance_and_what_is_regained(
        allowed in 1_u64..50,
        seconds in 1_u64..100,
        steps in proptest::collection::vec(0_u64..20, 1..300),
    ) {
        let (limit, used) = (requests(allowed, seconds), Used::default());
        let mut now = NOW;
        let mut passed = 0_u64;
        for step in steps {
            now += step * SECOND / 10;
            passed += u64::from(take_one(limit, &used, now).is_ok());
            let one = (seconds * SECOND / allowed).max(1);
            prop_assert!(passed <= allowed + (now - NOW) / one);
        }
    }
}
