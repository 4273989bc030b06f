//! What becomes of header lines between client and upstream (RFC 9110 section 7.6.1, RFC 7239).

use bytes::Bytes;
use http::header::{
    CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, FORWARDED, HOST, HeaderName, ORIGIN, TE,
    TRANSFER_ENCODING, UPGRADE, VIA,
};
use http::{HeaderMap, HeaderValue};

use super::connection::Peer;
use crate::config::ForwardedPolicy;

const HOP_BY_HOP: [HeaderName; 7] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("proxy-authorization"),
    HeaderName::from_static("proxy-authenticate"),
    TRANSFER_ENCODING,
    UPGRADE,
];

/// The message's own frame and address, and what proxies say of its way: naming them in `Connection` is an attack.
const NEVER_AN_OPTION: [HeaderName; 8] = [
    HOST,
    CONTENT_LENGTH,
    X_FORWARDED_FOR,
    X_FORWARDED_HOST,
    X_FORWARDED_PROTO,
    FORWARDED,
    VIA,
    X_REQUEST_ID,
];

/// Must not be said after the body, where the checks are over (RFC 9110 section 6.5.1).
const NEVER_A_TRAILER: [HeaderName; 21] = [
    HOST,
    CONTENT_LENGTH,
    TRANSFER_ENCODING,
    CONNECTION,
    UPGRADE,
    TE,
    EXPECT,
    COOKIE,
    http::header::AUTHORIZATION,
    http::header::CONTENT_TYPE,
    http::header::CONTENT_ENCODING,
    X_FORWARDED_FOR,
    X_FORWARDED_HOST,
    X_FORWARDED_PROTO,
    X_FORWARDED_PORT,
    X_REAL_IP,
    FORWARDED,
    VIA,
    BACKEND_JWT,
    CLIENT_CERT,
    HeaderName::from_static("client-cert-chain"),
];

/// What proxies say of the way a request came.
const ABOUT_THE_WAY: [HeaderName; 6] = [
    X_FORWARDED_FOR,
    X_FORWARDED_HOST,
    X_FORWARDED_PROTO,
    X_FORWARDED_PORT,
    X_REAL_IP,
    FORWARDED,
];

pub(super) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The gateway's own word to upstreams about the caller: nobody else may say it.
const BACKEND_JWT: HeaderName = HeaderName::from_static("x-jwt-assertion");

/// RFC 9440.
const CLIENT_CERT: HeaderName = HeaderName::from_static("client-cert");

/// Whether HTTP, proxies or the gateway use this header for something else than a client's certificate.
pub(crate) fn has_a_meaning(name: &HeaderName) -> bool {
    let known = [&HOP_BY_HOP[..], &ABOUT_THE_WAY, &NEVER_A_TRAILER];
    let is_known = known.iter().any(|names| names.contains(name));
    (is_known || [X_REQUEST_ID, ORIGIN].contains(name)) && *name != CLIENT_CERT
}

/// Removes what concerns one connection only, and what `Connection` names.
pub(crate) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    if !have_any(headers, &HOP_BY_HOP) {
        return;
    }
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .filter_map(|name| HeaderName::from_bytes(name.trim().as_bytes()).ok())
        .filter(|name| !NEVER_AN_OPTION.contains(name))
        .collect();
    for name in HOP_BY_HOP.iter().chain(&named) {
        headers.remove(name);
    }
}

/// Most messages have none of the names that must go: one look at each line they do have is cheaper than a search for
/// every name they might have.
fn have_any(headers: &HeaderMap, names: &[HeaderName]) -> bool {
    headers.keys().any(|name| names.contains(name))
}

/// Trailers of a client's request.
pub(super) fn clean_trailers(trailers: &mut HeaderMap) {
    for name in HOP_BY_HOP.iter().chain(&NEVER_A_TRAILER) {
        trailers.remove(name);
    }
}

/// A request to switch to WebSocket. Other protocols (h2c above all) would carry requests past the gateway.
pub(crate) fn asks_for_websocket(headers: &HeaderMap) -> bool {
    let says = |name: HeaderName, word: &str| {
        headers
            .get_all(name)
            .iter()
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(','))
            .any(|token| token.trim().eq_ignore_ascii_case(word))
    };
    says(CONNECTION, "upgrade") && says(UPGRADE, "websocket")
}

/// What the client's request says about the way it came.
pub(crate) struct Origin<'o> {
    pub(crate) peer: &'o Peer,
    /// What the client called the gateway.
    pub(crate) host: Option<HeaderValue>,
    pub(crate) policy: ForwardedPolicy,
    pub(crate) request_id: &'o HeaderValue,
}

/// Makes the client's header lines an upstream's, whichever it will be: `credential` is not its business. True
/// where the client wants trailers.
pub(crate) fn for_upstream(
    headers: &mut HeaderMap,
    credential: &HeaderName,
    origin: Origin<'_>,
) -> bool {
    let accepts_trailers = headers
        .get(TE)
        .is_some_and(|te| te.as_bytes().eq_ignore_ascii_case(b"trailers"));
    remove_hop_by_hop(headers);
    headers.remove(TE);
    if accepts_trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    headers.remove(EXPECT);
    introduce(headers, credential, origin);
    accepts_trailers
}

/// The part of it that does not concern the connection: what the upstream is told about the request.
pub(super) fn introduce(headers: &mut HeaderMap, credential: &HeaderName, origin: Origin<'_>) {
    headers.remove(credential);
    headers.remove(BACKEND_JWT);
    join_cookies(headers);

    if have_any(headers, &ABOUT_THE_WAY) {
        if origin.policy == ForwardedPolicy::Replace {
            for name in &ABOUT_THE_WAY {
                headers.remove(name);
            }
        }
        let mut chain = Vec::with_capacity(64);
        for line in headers.get_all(X_FORWARDED_FOR) {
            if line.to_str().is_ok() {
                chain.extend_from_slice(line.as_bytes());
                chain.extend_from_slice(b", ");
            }
        }
        chain.extend_from_slice(origin.peer.ip.as_bytes());
        if let Ok(chain) = HeaderValue::from_maybe_shared(Bytes::from(chain)) {
            headers.insert(X_FORWARDED_FOR, chain);
        }
    } else {
        headers.insert(X_FORWARDED_FOR, origin.peer.ip.clone());
    }
    if let Some(host) = origin.host {
        headers.entry(X_FORWARDED_HOST).or_insert(host);
    }
    let scheme = if origin.peer.is_tls { "https" } else { "http" };
    headers
        .entry(X_FORWARDED_PROTO)
        .or_insert(HeaderValue::from_static(scheme));
    headers.insert(X_REQUEST_ID, origin.request_id.clone());
}

/// HTTP/2 splits cookies over lines; HTTP/1.1 wants one (RFC 9113 section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let lines: Vec<&[u8]> = headers
        .get_all(COOKIE)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    if lines.len() < 2 {
        return;
    }
    if let Ok(joined) = HeaderValue::from_bytes(&lines.join(&b"; "[..])) {
        headers.insert(COOKIE, joined);
    }
}
