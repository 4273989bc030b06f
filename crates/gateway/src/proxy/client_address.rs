//! Who sent a request: the peer, or whom the trusted proxies before the gateway name.
//!
//! One answer for decisions, log and `X-Forwarded-*`. Only a trusted peer is listened to, and of its words only as
//! many as were said by trusted ones: the list is walked from the right, where each proxy added what it saw.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use http::header::{FORWARDED, HeaderName};

use super::headers::X_FORWARDED_FOR;
use crate::config::{ForwardedHeader, ForwardedPolicy, GatewayConfig, TrustedProxies};

/// More proxies in a row than anybody has.
const MOST_HOPS: usize = 32;

/// In canonical form: never an IPv4 address in IPv6 clothes.
pub(crate) fn client_address(
    peer: IpAddr,
    headers: &HeaderMap,
    trusted: &TrustedProxies,
) -> IpAddr {
    let peer = peer.to_canonical();
    if !trusted.contain(peer) {
        return peer;
    }
    match trusted.header {
        ForwardedHeader::XForwardedFor => walk(peer, headers, &X_FORWARDED_FOR, trusted, |text| {
            Some(text.trim())
        }),
        ForwardedHeader::Forwarded => walk(peer, headers, &FORWARDED, trusted, node_for),
    }
}

/// What a trusted peer says is kept and added to; what it only passed on, in the header that it does not write, is not.
pub(super) fn forwarded_policy(
    config: &GatewayConfig,
    peer: IpAddr,
    headers: &mut HeaderMap,
) -> ForwardedPolicy {
    let trusted = &config.trusted_proxies;
    if config.forwarded == ForwardedPolicy::Append || !trusted.contain(peer.to_canonical()) {
        return config.forwarded;
    }
    headers.remove(match trusted.header {
        ForwardedHeader::XForwardedFor => FORWARDED,
        ForwardedHeader::Forwarded => X_FORWARDED_FOR,
    });
    ForwardedPolicy::Append
}

fn walk<'h>(
    peer: IpAddr,
    headers: &'h HeaderMap,
    name: &HeaderName,
    trusted: &TrustedProxies,
    node: impl Fn(&'h str) -> Option<&'h str>,
) -> IpAddr {
    let mut client = peer;
    // Split at every comma, whatever quotes a client may have opened further left: no address holds one.
    let hops = headers
        .get_all(name)
        .iter()
        .rev()
        .flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
    for hop in hops.take(MOST_HOPS) {
        // A hop that says nothing of use: nobody knows what is left of it, so the last known one answers for it.
        let Some(address) = node(hop).and_then(address) else {
            return client;
        };
        client = address.to_canonical();
        if !trusted.contain(client) {
            return client;
        }
    }
    client
}

/// The `for` of one element of `Forwarded` (RFC 7239 section 4).
fn node_for(element: &str) -> Option<&str> {
    element.split(';').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        let value = value.trim();
        name.trim().eq_ignore_ascii_case("for").then(|| {
            value
                .strip_prefix('"')
                .and_then(|value| value.strip_suffix('"'))
                .unwrap_or(value)
        })
    })
}

/// An address with or without port; IPv6 with or without brackets. Neither `unknown` nor an invented name.
fn address(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address);
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(address.ip());
    }
    let inner = text.strip_prefix('[')?.strip_suffix(']')?;
    inner.parse().ok().map(IpAddr::V6)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn trusted(header: ForwardedHeader) -> TrustedProxies {
        TrustedProxies {
            networks: ["10.0.0.0/8", "fd00::/8"]
                .iter()
                .map(|network| network.parse().expect("a network"))
                .collect(),
            header,
            certificate_header: None,
        }
    }

    fn seen(peer: &str, header: ForwardedHeader, lines: &[(&'static str, &str)]) -> String {
        let mut headers = HeaderMap::new();
        for (name, line) in lines {
            let line = HeaderValue::from_bytes(line.as_bytes()).expect("a header line");
            headers.append(*name, line);
        }
        let peer = peer.parse().expect("an address");
        client_address(peer, &headers, &trusted(header)).to_string()
    }

    #[test]
    fn an_untrusted_peer_is_the_client_whatever_it_says() {
        for (name, header) in [
            ("x-forwarded-for", ForwardedHeader::XForwardedFor),
            ("forwarded", ForwardedHeader::Forwarded),
        ] {
            for line in ["192.0.2.1", "for=192.0.2.1", "10.0.0.1"] {
                let lines = [(name, line)];
                assert_eq!(seen("203.0.113.9", header, &lines), "203.0.113.9");
            }
        }
        let lines = [("x-forwarded-for", "192.0.2.1")];
        let header = ForwardedHeader::XForwardedFor;
        assert_eq!(seen("::ffff:203.0.113.9", header, &lines), "203.0.113.9");
    }

    #[test]
    fn the_first_untrusted_one_from_the_right_is_the_client() {
        let header = ForwardedHeader::XForwardedFor;
        for (lines, expected) in [
            (&[][..], "10.0.0.1"),
            (&["192.0.2.1"], "192.0.2.1"),
            // What a client writes itself stands further left.
            (&["127.0.0.1, 192.0.2.1"], "192.0.2.1"),
            (&["127.0.0.1, 192.0.2.1, 10.0.0.7"], "192.0.2.1"),
            (
                &["127.0.0.1", "192.0.2.1,10.0.0.7", "10.0.0.8"],
                "192.0.2.1",
            ),
            // All the way trusted: the farthest of them.
            (&["10.0.0.5, 10.0.0.6"], "10.0.0.5"),
            (&["192.0.2.1:4711"], "192.0.2.1"),
            (&["[2001:db8::1]:4711, fd00::1"], "2001:db8::1"),
            (&["[2001:db8::1]"], "2001:db8::1"),
            (&["::ffff:192.0.2.1"], "192.0.2.1"),
            // Nonsense ends the walk where it stands.
            (&["192.0.2.1, unknown"], "10.0.0.1"),
            (&["192.0.2.1, , 10.0.0.9"], "10.0.0.9"),
            (&["192.0.2.1, 10.0.0.256"], "10.0.0.1"),
            (&["192.0.2.1", "\u{e4}"], "10.0.0.1"),
            (&["[10.0.0.9]"], "10.0.0.1"),
            (&[""], "10.0.0.1"),
        ] {
            let lines: Vec<_> = lines
                .iter()
                .map(|line| ("x-forwarded-for", *line))
                .collect();
            assert_eq!(seen("10.0.0.1", header, &lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn forwarded_is_read_as_rfc_7239_writes_it() {
        for (line, expected) in [
            ("for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60"),
            (
                "proto=http; For=\"[2001:db8:cafe::17]:4711\"",
                "2001:db8:cafe::17",
            ),
            ("for=192.0.2.43, for=\"10.1.2.3:80\"", "192.0.2.43"),
            // An open quote to the left of what a proxy added swallows nothing.
            ("for=\"127.0.0.1, for=192.0.2.43", "192.0.2.43"),
            ("for=192.0.2.43, for=unknown", "10.0.0.1"),
            ("for=192.0.2.43, for=_hidden", "10.0.0.1"),
            ("for=192.0.2.43, proto=https", "10.0.0.1"),
            ("192.0.2.43", "10.0.0.1"),
        ] {
            let lines = [("forwarded", line)];
            let header = ForwardedHeader::Forwarded;
            assert_eq!(seen("10.0.0.1", header, &lines), expected, "{line}");
        }
    }

    #[test]
    fn only_the_configured_header_is_listened_to() {
        let lines = [
            ("forwarded", "for=127.0.0.1"),
            ("x-forwarded-for", "192.0.2.1"),
        ];
        let header = ForwardedHeader::XForwardedFor;
        assert_eq!(seen("10.0.0.1", header, &lines), "192.0.2.1");
        let header = ForwardedHeader::Forwarded;
        assert_eq!(seen("10.0.0.1", header, &lines), "127.0.0.1");
    }

    #[test]
    fn a_walk_without_end_is_cut_off() {
        let long = vec!["10.0.0.2"; 10_000].join(",") + ",10.9.9.9";
        let lines = [("x-forwarded-for", long.as_str())];
        let header = ForwardedHeader::XForwardedFor;
        assert_eq!(seen("10.0.0.1", header, &lines), "10.0.0.2");
    }
}
