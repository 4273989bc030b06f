use super::*;

/// Counts up: every buffer differs, and every run is the same.
struct Counting(std::sync::atomic::AtomicU8);

impl Random for Counting {
    fn fill(&self, buffer: &mut [u8]) {
        for byte in buffer {
            *byte = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    }
}

fn seal(key: SealingKey) -> Seal {
    Seal::new(&key, Arc::new(Counting(0.into())))
}

const PLACE: Place<'static> = Place {
    table: "key_mappings",
    column: "consumer_secret",
    row: "7",
};

#[test]
fn a_sealed_value_opens_where_it_was_sealed() {
    let seal = seal(SealingKey::from_bytes([1; 32]));
    let sealed = seal.seal(PLACE, "s3cr3t");
    assert!(sealed.starts_with("v1:"));
    assert!(!sealed.contains("s3cr3t"));
    assert_eq!(seal.open(PLACE, &sealed).unwrap().expose_secret(), "s3cr3t");
}

#[test]
fn the_same_value_is_never_sealed_to_the_same_text() {
    let seal = seal(SealingKey::from_bytes([1; 32]));
    assert_ne!(seal.seal(PLACE, "s3cr3t"), seal.seal(PLACE, "s3cr3t"));
}

#[test]
fn a_sealed_value_does_not_open_in_another_row_column_or_table() {
    let seal = seal(SealingKey::from_bytes([1; 32]));
    let sealed = seal.seal(PLACE, "s3cr3t");
    for elsewhere in [
        Place { row: "8", ..PLACE },
        Place {
            column: "secrets",
            ..PLACE
        },
        Place {
            table: "key_managers",
            ..PLACE
        },
    ] {
        assert!(matches!(
            seal.open(elsewhere, &sealed),
            Err(StoreError::Sealed)
        ));
    }
}

#[test]
fn another_key_does_not_open_it_and_a_previous_key_does() {
    let sealed = seal(SealingKey::from_bytes([1; 32])).seal(PLACE, "s3cr3t");
    let stranger = seal(SealingKey::from_bytes([2; 32]));
    assert!(matches!(
        stranger.open(PLACE, &sealed),
        Err(StoreError::Sealed)
    ));

    let rotated = seal(SealingKey::from_bytes([2; 32]).with_previous([1; 32]));
    assert_eq!(
        rotated.open(PLACE, &sealed).unwrap().expose_secret(),
        "s3cr3t"
    );
    // New values are sealed with the new key.
    let resealed = rotated.seal(PLACE, "s3cr3t");
    assert_eq!(
        stranger.open(PLACE, &resealed).unwrap().expose_secret(),
        "s3cr3t"
    );
}

#[test]
fn a_changed_value_does_not_open() {
    let seal = seal(SealingKey::from_bytes([1; 32]));
    let sealed = seal.seal(PLACE, "s3cr3t");
    let (head, encoded) = sealed.rsplit_once(':').unwrap();
    let bytes = BASE64.decode(encoded).unwrap();
    for index in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[index] ^= 1;
        let text = format!("{head}:{}", BASE64.encode(changed));
        assert!(
            matches!(seal.open(PLACE, &text), Err(StoreError::Sealed)),
            "byte {index}"
        );
    }
}

#[test]
fn what_is_no_sealed_value_is_corrupt() {
    let seal = seal(SealingKey::from_bytes([1; 32]));
    for text in ["", "s3cr3t", "v2:aa:bb", "v1:aa", "v1:aa:!", "v1:aa:AAAA"] {
        assert!(
            matches!(seal.open(PLACE, text), Err(StoreError::Corrupt { .. })),
            "{text:?}"
        );
    }
}

#[test]
fn a_sealing_key_does_not_print_itself() {
    let printed = format!("{:?}", SealingKey::from_bytes([0xAB; 32]));
    assert_eq!(printed, "SealingKey([REDACTED])");
}
