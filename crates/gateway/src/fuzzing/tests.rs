use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;

use super::ground::{GOOD_TOKEN, is_admitted};
use super::*;

/// The kept inputs of a target.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder =
        PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/seeds")).join(target);
    let files = fs::read_dir(folder).expect("every target has kept inputs");
    let mut files: Vec<_> = files
        .map(|file| file.expect("a readable folder").path())
        .collect();
    files.sort();
    let inputs: Vec<_> = files
        .iter()
        .map(|file| fs::read(file).expect("a readable file"))
        .collect();
    assert!(inputs.len() > 2, "{target} has hardly any kept inputs");
    inputs
}

/// Kept inputs as they are, with bytes changed, cut and joined, and bytes of chance.
fn runs(target: &str, cases: u32, run: fn(&[u8])) {
    let corpus = corpus(target);
    for input in &corpus {
        run(input);
    }
    let edits = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8);
    let two = (
        prop::sample::select(corpus.clone()),
        prop::sample::select(corpus),
    );
    let cut = any::<prop::sample::Index>();
    let config = ProptestConfig {
        cases,
        // Inputs worth keeping are kept as seeds of their target.
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(config, |((one, other) in two, cut in cut, edits in edits)| {
        let mut input = one;
        for (at, byte) in edits {
            if !input.is_empty() {
                let at = at.index(input.len());
                input[at] = byte;
            }
        }
        run(&input);
        input.truncate(cut.index(input.len() + 1));
        run(&input);
        input.extend(other);
        run(&input);
    });
    let bytes = prop::collection::vec(any::<u8>(), 0..256);
    let config = ProptestConfig {
        cases,
        // Inputs worth keeping are kept as seeds of their target.
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(config, |(bytes in bytes)| run(&bytes));
}

#[test]
fn no_token_but_the_signed_one_is_admitted() {
    runs("token", 300, token);
    runs("altered_token", 300, altered_token);
    assert!(is_admitted(GOOD_TOKEN.as_bytes()));
}

#[test]
fn no_key_set_breaks_its_parser() {
    runs("key_set", 300, key_set);
}

#[test]
fn no_answer_about_a_token_is_misread() {
    runs("introspection", 500, introspection);
}

#[test]
fn every_path_has_one_reading() {
    runs("path", 1_000, path);
}

#[test]
fn no_header_line_deceives_the_upstream() {
    runs("headers", 1_000, headers);
}

#[test]
fn no_forwarded_line_makes_a_stranger_somebody_else() {
    runs("client_address", 1_000, client_address);
}

#[test]
fn a_certificate_in_a_header_is_read_in_one_way() {
    runs("client_certificate", 1_000, client_certificate);
}

#[test]
fn no_bytes_are_two_messages_at_once() {
    runs("http1", 1_000, http1);
}

/// Every bit of the text, and every bit of what the text says.
#[test]
fn a_token_with_any_bit_altered_is_refused() {
    assert!(is_admitted(GOOD_TOKEN.as_bytes()));
    let text = GOOD_TOKEN.as_bytes();
    for bit in 0..text.len() * 8 {
        assert!(!is_admitted(&with_bit_flipped(text, bit)), "bit {bit}");
    }
    let parts: Vec<Vec<u8>> = GOOD_TOKEN
        .split('.')
        .map(|part| URL_SAFE_NO_PAD.decode(part).expect("base64url"))
        .collect();
    for (number, part) in parts.iter().enumerate() {
        for bit in 0..part.len() * 8 {
            let mut altered = parts.clone();
            altered[number] = with_bit_flipped(part, bit);
            let token: Vec<_> = altered
                .iter()
                .map(|part| URL_SAFE_NO_PAD.encode(part))
                .collect();
            assert!(
                !is_admitted(token.join(".").as_bytes()),
                "part {number}, bit {bit}"
            );
        }
    }
    assert!(is_admitted(GOOD_TOKEN.as_bytes()));
}

fn with_bit_flipped(bytes: &[u8], bit: usize) -> Vec<u8> {
    let mut altered = bytes.to_vec();
    altered[bit / 8] ^= 1 << (bit % 8);
    altered
}
