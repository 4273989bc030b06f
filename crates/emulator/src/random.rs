//! The emulator's only source of randomness: the operating system's, or reproducible from a seed.
//!
//! A seeded source is SHA-256 over (seed, stream name, counter). Each purpose draws from a stream
//! of its own, so that an extra identifier does not change which replica answers the next request.

use std::sync::{Mutex, PoisonError};

use aws_lc_rs::{digest, rand};
use uuid::Uuid;

/// A stream of random bytes.
#[derive(Debug)]
pub struct Random {
    source: Source,
}

#[derive(Debug)]
enum Source {
    OperatingSystem,
    Seeded {
        seed: u64,
        stream: &'static str,
        counter: Mutex<u64>,
    },
}

impl Random {
    /// The stream named `stream` of `seed`; without a seed, the operating system's randomness.
    pub fn new(seed: Option<u64>, stream: &'static str) -> Self {
        let source = match seed {
            Some(seed) => Source::Seeded {
                seed,
                stream,
                counter: Mutex::new(0),
            },
            None => Source::OperatingSystem,
        };
        Self { source }
    }

    /// Fills `out` with random bytes.
    pub fn fill(&self, out: &mut [u8]) {
        match &self.source {
            Source::OperatingSystem => {
                rand::fill(out).expect("the operating system gives randomness");
            }
            Source::Seeded {
                seed,
                stream,
                counter,
            } => {
                let mut counter = counter.lock().unwrap_or_else(PoisonError::into_inner);
                for chunk in out.chunks_mut(digest::SHA256_OUTPUT_LEN) {
                    let block = seeded_block(*seed, stream, *counter);
                    chunk.copy_from_slice(&block.as_ref()[..chunk.len()]);
                    *counter = counter.wrapping_add(1);
                }
            }
        }
    }

    /// A random array of `N` bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut out = [0; N];
        self.fill(&mut out);
        out
    }

    /// A version 4 UUID (RFC 9562 section 5.4).
    pub fn uuid(&self) -> Uuid {
        uuid::Builder::from_random_bytes(self.bytes()).into_uuid()
    }

    /// A number in `0..bound`; 0 when `bound` is 0. The modulo bias is below 2^-32 for the small
    /// bounds used here.
    pub fn below(&self, bound: u64) -> u64 {
        u64::from_le_bytes(self.bytes())
            .checked_rem(bound)
            .unwrap_or(0)
    }

    /// `length` characters, each drawn from `alphabet`.
    pub fn text(&self, length: usize, alphabet: &[u8]) -> String {
        let count = alphabet.len() as u64;
        (0..length)
            .filter_map(|_| alphabet.get(usize::try_from(self.below(count)).ok()?))
            .map(|&byte| char::from(byte))
            .collect()
    }
}

fn seeded_block(seed: u64, stream: &str, counter: u64) -> digest::Digest {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(&seed.to_le_bytes());
    context.update(&counter.to_le_bytes());
    context.update(stream.as_bytes());
    context.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_and_stream_repeat() {
        let first = Random::new(Some(7), "ids");
        let second = Random::new(Some(7), "ids");
        assert_eq!([first.uuid(), first.uuid()], [second.uuid(), second.uuid()]);
    }

    #[test]
    fn streams_and_seeds_are_independent() {
        let base = Random::new(Some(7), "ids").uuid();
        assert_ne!(base, Random::new(Some(7), "replica").uuid());
        assert_ne!(base, Random::new(Some(8), "ids").uuid());
    }

    #[test]
    fn numbers_stay_below_their_bound() {
        let random = Random::new(Some(1), "numbers");
        assert!((0..200).all(|_| random.below(3) < 3));
        assert_eq!(random.below(0), 0);
    }

    #[test]
    fn without_a_seed_identifiers_differ() {
        let random = Random::new(None, "ids");
        assert_ne!(random.uuid(), random.uuid());
    }
}
