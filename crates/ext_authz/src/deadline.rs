//! The caller's patience: `grpc-timeout`, up to eight digits and a unit (gRPC over HTTP/2, "Timeout").

use std::time::Duration;

use tonic::metadata::MetadataMap;

/// `None` when there is none, or none that can be read.
pub(crate) fn of(metadata: &MetadataMap) -> Option<Duration> {
    let text = metadata.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(number * 3_600)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_up_to_eight_digits_and_a_unit() {
        let read = |text: &str| {
            let mut metadata = MetadataMap::new();
            metadata.insert("grpc-timeout", text.parse().expect("text"));
            of(&metadata)
        };
        assert_eq!(read("200m"), Some(Duration::from_millis(200)));
        assert_eq!(read("99999999H"), Some(Duration::from_hours(99_999_999)));
        assert_eq!(read("7u"), Some(Duration::from_micros(7)));
        for nonsense in ["", "S", "1", "123456789S", "-1S", "1x", "+1S", "1é"] {
            assert_eq!(
                nonsense
                    .parse::<tonic::metadata::AsciiMetadataValue>()
                    .ok()
                    .and_then(|_| read(nonsense)),
                None,
                "{nonsense}"
            );
        }
        assert_eq!(of(&MetadataMap::new()), None);
    }
}
