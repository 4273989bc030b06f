//! The request path as segments that mean the same to us and to any upstream.
//!
//! Owns decoding and the refusal of ambiguous paths; which API a path belongs to is `route`'s business.

use std::borrow::Cow;

/// More segments than any API needs; a longer path is refused.
const MOST_SEGMENTS: usize = 128;

/// The path's segments, percent-decoded for matching, beside their raw form for forwarding.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RequestPath<'p> {
    raw: &'p str,
    segments: Vec<Cow<'p, str>>,
    /// Every segment is as it stands in `raw`.
    is_plain: bool,
}

/// The path could mean one thing here and another at the upstream (dot segments, encoded slashes, empty
/// segments, control characters), or it is no path at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AmbiguousPath;

impl<'p> RequestPath<'p> {
    /// Takes the path without query. RFC 3986 section 3.3; a trailing slash does not count.
    pub(crate) fn parse(raw: &'p str) -> Result<Self, AmbiguousPath> {
        let rest = raw.strip_prefix('/').ok_or(AmbiguousPath)?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.is_empty() {
            return Ok(Self {
                raw,
                segments: Vec::new(),
                is_plain: true,
            });
        }
        // Most paths have nothing that could be read in two ways, which one look at all of it shows.
        let is_plain = rest.bytes().all(is_plain);
        let mut segments = Vec::with_capacity(8);
        for segment in rest.split('/') {
            if segments.len() == MOST_SEGMENTS {
                return Err(AmbiguousPath);
            }
            segments.push(if is_plain {
                if matches!(segment, "" | "." | "..") {
                    return Err(AmbiguousPath);
                }
                Cow::Borrowed(segment)
            } else {
                unambiguous_segment(segment)?
            });
        }
        Ok(Self {
            raw,
            segments,
            is_plain,
        })
    }

    pub(crate) fn segments(&self) -> &[Cow<'p, str>] {
        &self.segments
    }

    /// The first `segments` segments, each behind a slash, decoded.
    pub(crate) fn base(&self, segments: usize) -> Cow<'p, str> {
        if self.is_plain {
            return Cow::Borrowed(&self.raw[..self.end_of(segments)]);
        }
        let mut base = String::with_capacity(self.raw.len());
        for segment in &self.segments[..segments] {
            base.push('/');
            base.push_str(segment);
        }
        Cow::Owned(base)
    }

    /// The raw path behind the first `segments` segments: empty, or beginning with a slash.
    pub(crate) fn raw_after(&self, segments: usize) -> &'p str {
        &self.raw[self.end_of(segments)..]
    }

    fn end_of(&self, segments: usize) -> usize {
        let bytes = self.raw.bytes().enumerate();
        let mut slashes = bytes.filter_map(|(at, byte)| (byte == b'/').then_some(at));
        slashes.nth(segments).unwrap_or(self.raw.len())
    }
}

/// Slashes, and what stands for nothing but itself.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'%' | b';' | b'\\')
}

/// Decodes a segment and drops its matrix parameters (`;v=1`), which many upstreams ignore when they match.
fn unambiguous_segment(raw: &str) -> Result<Cow<'_, str>, AmbiguousPath> {
    let decoded = percent_decode(raw)?;
    let name_length = decoded.find(';').unwrap_or(decoded.len());
    let name = match decoded {
        Cow::Borrowed(text) => Cow::Borrowed(&text[..name_length]),
        Cow::Owned(mut text) => {
            text.truncate(name_length);
            Cow::Owned(text)
        }
    };
    let is_ambiguous = name.is_empty()
        || name == "."
        || name == ".."
        || name.contains(['/', '\\', '%'])
        || name.chars().any(char::is_control);
    if is_ambiguous {
        return Err(AmbiguousPath);
    }
    Ok(name)
}

fn percent_decode(raw: &str) -> Result<Cow<'_, str>, AmbiguousPath> {
    if !raw.contains('%') {
        return Ok(Cow::Borrowed(raw));
    }
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes().iter();
    while let Some(&byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (Some(high), Some(low)) = (hex_digit(rest.next()), hex_digit(rest.next())) else {
            return Err(AmbiguousPath);
        };
        bytes.push(high * 16 + low);
    }
    String::from_utf8(bytes)
        .map(Cow::Owned)
        .map_err(|_| AmbiguousPath)
}

fn hex_digit(byte: Option<&u8>) -> Option<u8> {
    let digit = char::from(*byte?).to_digit(16)?;
    u8::try_from(digit).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_decoded_and_the_rest_stays_raw() {
        let path = RequestPath::parse("/orders/1.0.0/it%65ms;v=1/a%20b/").expect("unambiguous");
        assert_eq!(path.segments(), ["orders", "1.0.0", "items", "a b"]);
        assert_eq!(path.raw_after(2), "/it%65ms;v=1/a%20b/");
        assert_eq!(path.raw_after(4), "/");
        assert_eq!(path.base(3), "/orders/1.0.0/items");
        let plain = RequestPath::parse("/orders/1.0.0/items/").expect("unambiguous");
        assert_eq!(plain.base(2), "/orders/1.0.0");
        assert_eq!(plain.base(3), "/orders/1.0.0/items");
        assert_eq!(
            RequestPath::parse("/orders").expect("fine").raw_after(1),
            ""
        );
    }

    #[test]
    fn a_path_that_an_upstream_may_read_otherwise_is_refused() {
        for path in [
            "",
            "orders",
            "//orders",
            "/orders//x",
            "/orders/./x",
            "/orders/../x",
            "/orders/..",
            "/./orders",
            "/orders/%2e%2E/x",
            "/orders/a%2fb",
            "/orders/a%5cb",
            "/orders/%00",
            "/orders/%zz",
            "/orders/%2",
            "/orders/%25%32e",
            "/orders/%ff",
            "/orders/..;x/y",
            "/orders/;x",
        ] {
            assert_eq!(RequestPath::parse(path), Err(AmbiguousPath), "{path}");
        }
        assert!(RequestPath::parse(&"/a".repeat(129)).is_err());
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_parsed_has_one_reading_and_keeps_its_text(raw in "(/|[a-c.%;\\\\]|%2[eEfF5]|%5c|[^ -~]){0,24}") {
            let Ok(path) = RequestPath::parse(&raw) else { return Ok(()) };
            for segment in path.segments() {
                proptest::prop_assert!(!segment.is_empty() && segment != "." && segment != "..");
                proptest::prop_assert!(!segment.contains(['/', '\\', '%', ';']));
            }
            for depth in 0..=path.segments().len() {
                proptest::prop_assert!(raw.ends_with(path.raw_after(depth)));
            }
            proptest::prop_assert_eq!(path.raw_after(0), raw.as_str());
            for depth in 0..=path.segments().len() {
                let segments = path.segments()[..depth].join("/");
                let base = path.base(depth);
                proptest::prop_assert_eq!(base.trim_start_matches('/'), segments);
            }
        }
    }
}
