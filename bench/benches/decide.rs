//! One decision of the gateway at a time, by `cargo bench -p bench`: quick to ask while something is being changed.
//!
//! Real time of one machine, to be compared with itself a minute ago. What tells two commits apart is
//! `cargo xtask test instructions`; how a decision grows with the world, `cargo xtask bench decide`.

use std::path::Path;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use bench::decision::Decisions;
use divan::{Bencher, black_box};

/// 200 APIs, 1,000 clients, 20,000 subscriptions.
static DECISIONS: LazyLock<Decisions> = LazyLock::new(|| {
    Decisions::prepare(Path::new(env!("CARGO_TARGET_TMPDIR"))).expect("a gateway starts")
});
/// The token that comes next.
static NEXT: AtomicUsize = AtomicUsize::new(0);
/// Tokens that take turns where they are known.
const KNOWN: usize = 1_000;

fn main() {
    divan::main();
}

/// The token is in the cache; with two threads, whether they hinder each other.
#[divan::bench(threads = [1, 2], sample_size = 1_000)]
fn known_token(bencher: Bencher<'_, '_>) {
    let decisions = &*DECISIONS;
    let requests: Vec<_> = (0..KNOWN)
        .map(|number| decisions.request(number).expect("a token is signed"))
        .collect();
    for request in &requests {
        assert!(decisions.permit(request));
    }
    let turn = AtomicUsize::new(0);
    bencher.bench(|| {
        let request = &requests[turn.fetch_add(1, Ordering::Relaxed) % KNOWN];
        assert!(decisions.permit(black_box(request)));
    });
}

/// Nobody has asked with the token before: it is verified and goes into the cache.
#[divan::bench(sample_count = 1_000, sample_size = 1)]
fn new_token(bencher: Bencher<'_, '_>) {
    let decisions = &*DECISIONS;
    bencher
        .with_inputs(|| {
            let number = KNOWN + NEXT.fetch_add(1, Ordering::Relaxed);
            decisions.request(number).expect("a token is signed")
        })
        .bench_refs(|request| assert!(decisions.permit(black_box(request))));
}

/// Verified in vain: what somebody who guesses costs.
#[divan::bench(sample_count = 1_000, sample_size = 1)]
fn forged_token(bencher: Bencher<'_, '_>) {
    let decisions = &*DECISIONS;
    bencher
        .with_inputs(|| {
            let number = KNOWN + NEXT.fetch_add(1, Ordering::Relaxed);
            decisions.forged_request(number).expect("a token is signed")
        })
        .bench_refs(|request| assert!(!decisions.permit(black_box(request))));
}
