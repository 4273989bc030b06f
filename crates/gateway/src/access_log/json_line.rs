//! One JSON object on one line, written field by field into a buffer.
//!
//! Every request writes one: `serde_json` escapes what could need it, and this module sees that hardly anything does.

use std::fmt::Display;
use std::io::Write as _;

use jiff::Timestamp;

/// Bytes of a line that nothing unusual stands in.
const USUAL_LENGTH: usize = 512;

/// A line that is being written. Keys are ours: they need no escaping, and each comes once.
pub(crate) struct JsonLine<'b> {
    buffer: &'b mut Vec<u8>,
    second: &'b mut SecondText,
    /// What comes before the next key.
    separator: u8,
}

/// The last second that was written, and its text without the `Z`: most lines of a busy log begin alike.
#[derive(Debug, Default)]
pub(super) struct SecondText {
    second: i64,
    text: String,
}

impl<'b> JsonLine<'b> {
    pub(super) fn begin(buffer: &'b mut Vec<u8>, second: &'b mut SecondText) -> Self {
        buffer.reserve(USUAL_LENGTH);
        Self {
            buffer,
            second,
            separator: b'{',
        }
    }

    pub(super) fn end(self) {
        if self.separator == b'{' {
            self.buffer.push(b'{');
        }
        self.buffer.extend_from_slice(b"}\n");
    }

    pub(crate) fn text(&mut self, key: &'static str, text: &str) {
        self.key(key);
        // Without a way out in between, so that the processor looks at many bytes at once.
        let strange = text.bytes().fold(0, |so_far, byte| {
            so_far | u8::from(byte < 0x20) | u8::from(byte == b'"') | u8::from(byte == b'\\')
        });
        if strange != 0 {
            // RFC 8259 section 7. Writing to a Vec does not fail.
            let _ = serde_json::to_writer(&mut *self.buffer, text);
            return;
        }
        self.buffer.push(b'"');
        self.buffer.extend_from_slice(text.as_bytes());
        self.buffer.push(b'"');
    }

    /// RFC 3339, UTC, microseconds.
    pub(crate) fn instant(&mut self, key: &'static str, instant: Timestamp) {
        self.key(key);
        let second = instant.as_second();
        if self.second.second != second || self.second.text.is_empty() {
            let whole = Timestamp::from_second(second).unwrap_or_default();
            self.second.text = whole.to_string();
            self.second.text.pop();
            self.second.second = second;
        }
        self.buffer.push(b'"');
        self.buffer.extend_from_slice(self.second.text.as_bytes());
        let fraction = instant.subsec_microsecond().unsigned_abs();
        let digits = [100_000, 10_000, 1_000, 100, 10, 1]
            .map(|place| b"0123456789"[usize::try_from(fraction / place % 10).unwrap_or_default()]);
        self.buffer.push(b'.');
        self.buffer.extend_from_slice(&digits);
        self.buffer.extend_from_slice(b"Z\"");
    }

    /// Fields that were written before, by [`fields`].
    pub(crate) fn prepared(&mut self, fields: &[u8]) {
        if !fields.is_empty() {
            self.buffer.push(self.separator);
            self.separator = b',';
            self.buffer.extend_from_slice(fields);
        }
    }

    /// Whose text is known to need no escaping: addresses, identifiers.
    pub(crate) fn shown(&mut self, key: &'static str, value: impl Display) {
        self.key(key);
        let _ = write!(self.buffer, "\"{value}\"");
    }

    pub(crate) fn number(&mut self, key: &'static str, number: impl Into<u64>) {
        self.key(key);
        let mut digits = itoa::Buffer::new();
        let number: u64 = number.into();
        self.buffer
            .extend_from_slice(digits.format(number).as_bytes());
    }

    pub(crate) fn flag(&mut self, key: &'static str, flag: bool) {
        self.key(key);
        let word: &[u8] = if flag { b"true" } else { b"false" };
        self.buffer.extend_from_slice(word);
    }

    fn key(&mut self, key: &'static str) {
        self.buffer.push(self.separator);
        self.separator = b',';
        self.buffer.push(b'"');
        self.buffer.extend_from_slice(key.as_bytes());
        self.buffer.extend_from_slice(b"\":");
    }
}

/// Fields that many lines have in common, to be written once.
pub(crate) fn fields(write: impl FnOnce(&mut JsonLine<'_>)) -> Box<[u8]> {
    let (mut buffer, mut second) = (Vec::new(), SecondText::default());
    let mut line = JsonLine::begin(&mut buffer, &mut second);
    write(&mut line);
    // Without what would begin the object.
    buffer.get(1..).unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut JsonLine<'_>)) -> String {
        let mut buffer = Vec::new();
        let mut second = SecondText::default();
        let mut line = JsonLine::begin(&mut buffer, &mut second);
        write(&mut line);
        line.end();
        String::from_utf8(buffer).expect("text")
    }

    #[test]
    fn a_line_is_one_json_object() {
        let line = written(|line| {
            line.instant(
                "time",
                "2026-11-24T00:00:00.00012Z".parse().expect("a time"),
            );
            line.text("path", "/orders");
            line.number("status", 200_u16);
            line.flag("complete", true);
        });
        let expected = r#"{"time":"2026-11-24T00:00:00.000120Z","path":"/orders","status":200,"complete":true}"#;
        assert_eq!(line, format!("{expected}\n"));
        assert_eq!(written(|_| ()), "{}\n");
    }

    proptest::proptest! {
        #[test]
        fn whatever_text_stands_in_it_is_read_back_and_the_line_stays_one(text in "(?s).{0,40}") {
            let line = written(|line| line.text("text", &text));
            proptest::prop_assert_eq!(line.matches('\n').count(), 1);
            let read: serde_json::Value = serde_json::from_str(&line).expect("JSON");
            proptest::prop_assert_eq!(read["text"].as_str(), Some(text.as_str()));
        }
    }
}
