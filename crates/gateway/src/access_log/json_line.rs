//! One JSON object on one line, written field by field into a buffer.
//!
//! Every request writes one: `serde_json` escapes what could need it, and this module sees that hardly anything does.

use std::fmt::Display;
use std::io::Write as _;

/// A line that is being written. Keys are ours: they need no escaping, and each comes once.
pub(crate) struct JsonLine<'b> {
    buffer: &'b mut Vec<u8>,
    /// What comes before the next key.
    separator: u8,
}

impl<'b> JsonLine<'b> {
    pub(super) fn begin(buffer: &'b mut Vec<u8>) -> Self {
        Self {
            buffer,
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
        if text
            .bytes()
            .any(|byte| byte < 0x20 || matches!(byte, b'"' | b'\\'))
        {
            // RFC 8259 section 7. Writing to a Vec does not fail.
            let _ = serde_json::to_writer(&mut *self.buffer, text);
            return;
        }
        self.buffer.push(b'"');
        self.buffer.extend_from_slice(text.as_bytes());
        self.buffer.push(b'"');
    }

    /// Whose text is known to need no escaping: times, addresses, identifiers.
    pub(crate) fn shown(&mut self, key: &'static str, value: impl Display) {
        self.key(key);
        let _ = write!(self.buffer, "\"{value}\"");
    }

    pub(crate) fn number(&mut self, key: &'static str, number: impl Into<u64>) {
        self.key(key);
        let _ = serde_json::to_writer(&mut *self.buffer, &number.into());
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

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut JsonLine<'_>)) -> String {
        let mut buffer = Vec::new();
        let mut line = JsonLine::begin(&mut buffer);
        write(&mut line);
        line.end();
        String::from_utf8(buffer).expect("text")
    }

    #[test]
    fn a_line_is_one_json_object() {
        let line = written(|line| {
            line.shown("time", "2026-11-24T00:00:00Z");
            line.text("path", "/orders");
            line.number("status", 200_u16);
            line.flag("complete", true);
        });
        let expected =
            r#"{"time":"2026-11-24T00:00:00Z","path":"/orders","status":200,"complete":true}"#;
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
