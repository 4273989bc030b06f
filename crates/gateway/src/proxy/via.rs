//! `Via` (RFC 9110 section 7.6.3): the gateway tells upstreams that it was on a request's way, and knows by it a request
//! that it sent itself: an endpoint that leads back to the gateway would go round until nothing is left to go round with.

use std::net::SocketAddr;

use bytes::Bytes;
use http::header::VIA;
use http::{HeaderMap, HeaderValue, Version};
use jiff::Timestamp;

/// What this gateway is called on the way.
#[derive(Debug)]
pub(crate) struct Via {
    name: String,
    lines: [HeaderValue; 3],
}

impl Via {
    /// Of the gateway that began to listen there and then: no other one did.
    pub(super) fn new(started_at: Timestamp, address: SocketAddr) -> Self {
        let name = format!(
            "claviger-{:x}-{}",
            started_at.as_microsecond(),
            address.port()
        );
        let line = |version: &str| {
            HeaderValue::from_maybe_shared(Bytes::from(format!("{version} {name}")))
                .expect("digits, letters and dashes are a header value")
        };
        let lines = [line("1.0"), line("1.1"), line("2.0")];
        Self { name, lines }
    }

    /// Whether the request passed here before.
    pub(super) fn has_met(&self, headers: &HeaderMap) -> bool {
        headers.get_all(VIA).iter().any(|line| {
            let mut hops = line.as_bytes().split(|byte| *byte == b',');
            hops.any(|hop| self.is_ours(hop))
        })
    }

    /// `received-protocol RWS received-by [ RWS comment ]`
    fn is_ours(&self, hop: &[u8]) -> bool {
        let mut words = hop
            .split(u8::is_ascii_whitespace)
            .filter(|word| !word.is_empty());
        words.nth(1) == Some(self.name.as_bytes())
    }

    /// `version` is the one that the request came in.
    pub(super) fn add(&self, headers: &mut HeaderMap, version: Version) {
        let [http_10, http_11, http_2] = &self.lines;
        let line = match version {
            Version::HTTP_10 => http_10,
            Version::HTTP_2 => http_2,
            _ => http_11,
        };
        headers.append(VIA, line.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(lines: &[&str]) -> HeaderMap {
        let line = |line: &&str| (VIA, HeaderValue::from_str(line).expect("a header value"));
        lines.iter().map(line).collect()
    }

    #[test]
    fn a_gateway_knows_its_own_name_and_no_other() {
        let of = |port| Via::new(Timestamp::UNIX_EPOCH, ([127, 0, 0, 1], port).into());
        let (own, other) = (of(8280), of(8281));
        let mut headers = said(&["1.0 fred, 1.1 p.example.net (comment)"]);
        assert!(!own.has_met(&headers));
        own.add(&mut headers, Version::HTTP_2);
        assert!(own.has_met(&headers));
        assert!(!other.has_met(&headers));
        let name = &own.name;
        for (line, is_met) in [
            (format!("1.1 a,2.0\t {name} (claviger),1.1 b"), true),
            (format!("1.1 {name}"), true),
            (format!("{name} 1.1"), false),
            (format!("1.1 x{name}"), false),
            (format!("1.1 {name}x"), false),
            (name.clone(), false),
            (",, ,".to_owned(), false),
        ] {
            assert_eq!(own.has_met(&said(&[&line])), is_met, "{line}");
        }
    }
}
