//! An answer against the expected one: status, every header line, body to the byte.

use std::collections::BTreeSet;

use jiff::civil::DateTime;

use crate::http::Answer;
use crate::row::{ExpectedAnswer, Row};

/// Lines of the message's frame: every server writes its own.
const FRAME: [&str; 5] = [
    "connection",
    "content-length",
    "date",
    "keep-alive",
    "transfer-encoding",
];

impl ExpectedAnswer {
    /// What is different; empty when nothing is. `ignored`: header lines that this data plane adds of its own.
    pub fn differences(&self, row: &Row, answer: &Answer, ignored: &[&str]) -> Vec<String> {
        let mut found = Vec::new();
        if answer.status.as_u16() != self.status {
            found.push(format!(
                "status {} instead of {}",
                answer.status, self.status
            ));
        }
        let is_compared = |name: &&str| !FRAME.contains(name) && !ignored.contains(name);
        let mut names: BTreeSet<&str> = answer
            .headers
            .keys()
            .map(http::HeaderName::as_str)
            .collect();
        names.extend(self.headers.keys().map(String::as_str));
        for name in names.into_iter().filter(is_compared) {
            let given: Vec<_> = answer
                .headers
                .get_all(name)
                .iter()
                .map(|value| String::from_utf8_lossy(value.as_bytes()))
                .collect();
            let given = given.join(" | ");
            let expected = self.headers.get(name).map_or("", String::as_str);
            if !matches(expected, &given, row) {
                found.push(format!("{name}: {given:?} instead of {expected:?}"));
            }
        }
        let body = String::from_utf8_lossy(&answer.body);
        if !matches(&self.body, &body, row) {
            found.push(format!("body {body} instead of {}", self.body));
        }
        found
    }
}

fn matches(pattern: &str, text: &str, row: &Row) -> bool {
    let pattern = pattern.replace("{base}", row.base_path());
    if pattern == "{http_date}" {
        return DateTime::strptime("%a, %d %b %Y %H:%M:%S GMT", text).is_ok();
    }
    let mut pieces = pattern.split("{next_access}");
    let Some(mut rest) = pieces.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let mut times = BTreeSet::new();
    for piece in pieces {
        const LENGTH: usize = "2026-Sep-21 14:13:26+0000 UTC".len();
        let Some((time, behind)) = rest.split_at_checked(LENGTH) else {
            return false;
        };
        if DateTime::strptime("%Y-%b-%d %H:%M:%S+0000 UTC", time).is_err() {
            return false;
        }
        times.insert(time);
        let Some(behind) = behind.strip_prefix(piece) else {
            return false;
        };
        rest = behind;
    }
    rest.is_empty() && times.len() < 2
}
