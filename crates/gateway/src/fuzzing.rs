//! What a fuzzer feeds: one function for each thing that strangers write, with what must always hold of it.
//!
//! `fuzz/` runs them for as long as somebody likes (`cargo xtask fuzz`), the tests below over the kept inputs and
//! generated ones. Each panics when something does not hold.

mod ground;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use domain::api::{Operation, Verb};
use domain::mediation::Mediation;
use domain::token_profile::SignatureAlgorithm;
use http::header::{CONNECTION, HeaderName, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderValue, Method};
use serde_json::Value;

use crate::client_certificate;
use crate::config::{ForwardedHeader, ForwardedPolicy, TrustedProxies};
use crate::credential::bearer_token;
use crate::introspection;
use crate::key_set::{KeySource, parse_key_set};
use crate::proxy::client_address;
use crate::proxy::connection::Peer;
use crate::proxy::headers::{Origin, for_upstream, remove_hop_by_hop};
use crate::proxy::http1::fuzzing::{check_request, check_response};
use crate::request_path::RequestPath;
use crate::resource::{ResourceMatch, ResourceTree};
use crate::token::UnverifiedToken;
use ground::{GOOD_TOKEN, is_admitted};

/// Input beyond this tells nothing new.
const LONGEST: usize = 64 * 1024;

/// A token of whatever bytes: taken apart without a panic, one text for one content, and admitted only if it is the
/// one token that our key signed.
pub fn token(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(&data[..data.len().min(LONGEST)]) else {
        return;
    };
    if let Ok(token) = UnverifiedToken::parse(text) {
        let signature = URL_SAFE_NO_PAD.encode(&token.signature);
        assert_eq!(
            format!("{}.{signature}", token.signed),
            text,
            "two texts of one token"
        );
    }
    // White space around it is no part of a token.
    if text.trim() != GOOD_TOKEN {
        assert!(!is_admitted(text.as_bytes()), "{text}");
    }
}

/// The good token, altered: `data` is a list of edits of three bytes each, place (two) and what is there then.
pub fn altered_token(data: &[u8]) {
    let mut token = GOOD_TOKEN.as_bytes().to_vec();
    for edit in data.chunks_exact(3).take(64) {
        let place = usize::from(u16::from_be_bytes([edit[0], edit[1]]));
        // Beyond the end: the token is cut, or grows.
        match token.get_mut(place) {
            Some(byte) => *byte = edit[2],
            None if edit[2] % 2 == 0 => token.truncate(place % (token.len() + 1)),
            None => token.push(edit[2]),
        }
    }
    let is_good = token.trim_ascii() == GOOD_TOKEN.as_bytes();
    assert!(
        is_good || !is_admitted(&token),
        "{}",
        String::from_utf8_lossy(&token)
    );
}

/// A key set or certificates of whatever bytes: bounded, usable keys only, and the same again from our own copy.
pub fn key_set(data: &[u8]) {
    let data = &data[..data.len().min(LONGEST)];
    if let Ok(keys) = parse_key_set(data) {
        assert!((1..=128).contains(&keys.len()));
        let ids: Vec<_> = keys.iter().map(|(id, _)| id.clone()).collect();
        let members: Vec<_> = keys.iter().map(|(_, key)| key.jwk()).collect();
        for (id, key) in &keys {
            assert!(!id.is_empty());
            let can = |algorithm: &SignatureAlgorithm| key.can(*algorithm);
            assert!(SignatureAlgorithm::ALL.iter().any(can), "a key of no use");
            for algorithm in SignatureAlgorithm::ALL {
                assert!(!key.verifies(algorithm, data, b""), "an empty signature");
            }
        }
        let copy = serde_json::json!({ "keys": members }).to_string();
        let again = parse_key_set(copy.as_bytes()).expect("what was a key set is one");
        assert_eq!(ids, again.into_iter().map(|(id, _)| id).collect::<Vec<_>>());
    }
    if let Ok(text) = std::str::from_utf8(data)
        && let KeySource::Certificates(certificates) = KeySource::certificates(text)
    {
        assert!(certificates.len() <= 16);
    }
}

/// An introspection response of whatever bytes: active only where it says so, once and plainly.
pub fn introspection(data: &[u8]) {
    let Ok(Some(claims)) = introspection::parse(data) else {
        return;
    };
    let read: Value = serde_json::from_slice(data).expect("what was read is JSON");
    assert_eq!(read["active"], Value::Bool(true));
    for (name, value) in read.as_object().expect("an object") {
        assert_eq!(claims.get(name), Some(value), "{name}");
        let _ = (claims.time(name), claims.texts(name));
    }
}

/// A path and, line by line, an API's templates: one reading of the path, which reads the same when it is written
/// again, and a resource only if the path offers it.
pub fn path(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(&data[..data.len().min(LONGEST)]) else {
        return;
    };
    let mut lines = text.split('\n');
    let raw = lines.next().unwrap_or_default();
    let Ok(path) = RequestPath::parse(raw) else {
        return;
    };
    for segment in path.segments() {
        assert!(!matches!(segment.as_ref(), "" | "." | ".."));
        assert!(!segment.contains(['/', '\\', '%', ';']));
    }
    let written = format!("/{}", path.segments().join("/"));
    let again = RequestPath::parse(&written).expect("its own normal form");
    assert_eq!(again.segments(), path.segments());
    assert_eq!(path.raw_after(0), raw);

    let operations: Vec<_> = lines
        .take(64)
        .zip(Verb::ALL.into_iter().cycle())
        .map(|(target, verb)| operation(verb, target))
        .collect();
    let tree = ResourceTree::compile(&operations, |_| None);
    let offered = tree.offered(path.segments());
    for verb in Verb::ALL {
        let is_offered =
            offered.contains(&verb) || verb == Verb::Head && offered.contains(&Verb::Get);
        match tree.find(Some(verb), path.segments()) {
            ResourceMatch::Found(operation) => {
                assert!(is_offered, "{verb:?} leads to {}", operation.target);
            }
            ResourceMatch::NoVerb(others) => {
                assert!(!is_offered);
                assert_eq!(others, offered);
            }
            ResourceMatch::NoResource => assert!(offered.is_empty()),
        }
    }
}

/// Header lines of whatever bytes: a credential only of one clean line; and an upstream is told what the gateway
/// says, not what the client wants it to believe.
pub fn headers(data: &[u8]) {
    const CREDENTIAL: HeaderName = http::header::AUTHORIZATION;
    const LONGEST_TOKEN: usize = 1_024;
    let mut given = HeaderMap::new();
    for line in data[..data.len().min(LONGEST)]
        .split(|&b| b == b'\n')
        .take(128)
    {
        let mut halves = line.splitn(2, |&b| b == b':');
        let name = halves
            .next()
            .and_then(|name| HeaderName::from_bytes(name).ok());
        let value = HeaderValue::from_bytes(halves.next().unwrap_or_default().trim_ascii());
        if let (Some(name), Ok(value)) = (name, value) {
            given.append(name, value);
        }
    }
    if let Ok(token) = bearer_token(&given, &CREDENTIAL, LONGEST_TOKEN) {
        assert!(token.len() <= LONGEST_TOKEN);
        assert!(!token.contains([' ', '\t', ',']));
        assert_eq!(given.get_all(CREDENTIAL).iter().count(), 1);
    }

    let request_id = HeaderValue::from_static("ours");
    let peer = Peer::new(SocketAddr::from(([192, 0, 2, 1], 1)), true, None);
    for policy in [ForwardedPolicy::Replace, ForwardedPolicy::Append] {
        let mut headers = given.clone();
        let origin = Origin {
            peer: &peer,
            host: None,
            policy,
            request_id: &request_id,
        };
        for_upstream(&mut headers, &CREDENTIAL, origin);
        for name in [
            "authorization",
            "x-jwt-assertion",
            "proxy-authorization",
            "expect",
        ] {
            assert!(!headers.contains_key(name), "{name}");
        }
        for name in [CONNECTION, TRANSFER_ENCODING, UPGRADE] {
            assert!(!headers.contains_key(&name), "{name}");
        }
        assert_eq!(only(&headers, "x-request-id"), request_id);
        let chain = only(&headers, "x-forwarded-for");
        match policy {
            ForwardedPolicy::Replace => assert_eq!(chain, "192.0.2.1"),
            ForwardedPolicy::Append => assert!(chain.as_bytes().ends_with(b"192.0.2.1")),
        }
        let mut again = headers.clone();
        remove_hop_by_hop(&mut again);
        assert_eq!(again, headers);
    }
}

/// What clients and proxies say of who sent a request, each line of `data` one header line: nobody is believed whom
/// nobody vouches for, and nothing that a client writes changes what a trusted proxy adds to it.
pub fn client_address(data: &[u8]) {
    const TRUSTED_PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
    const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7));
    let lines: Vec<_> = data[..data.len().min(LONGEST)]
        .split(|&byte| byte == b'\n')
        .take(32)
        .filter_map(|line| HeaderValue::from_bytes(line).ok())
        .collect();
    for (header, name, added) in [
        (
            ForwardedHeader::XForwardedFor,
            "x-forwarded-for",
            "203.0.113.7",
        ),
        (ForwardedHeader::Forwarded, "forwarded", "for=203.0.113.7"),
    ] {
        let trusted = TrustedProxies {
            networks: vec!["10.0.0.0/8".parse().expect("a network")],
            header,
            certificate_header: None,
        };
        let seen =
            |peer, headers: &HeaderMap| client_address::client_address(peer, headers, &trusted);
        let mut headers = HeaderMap::new();
        for line in &lines {
            headers.append(name, line.clone());
        }
        assert_eq!(seen(STRANGER, &headers), STRANGER);
        let found = seen(TRUSTED_PEER, &headers);
        assert_eq!(found, found.to_canonical());

        // A line of its own, or at the end of the client's last one.
        let mut with_line = headers.clone();
        with_line.append(name, HeaderValue::from_static(added));
        assert_eq!(seen(TRUSTED_PEER, &with_line), STRANGER);
        let joined = [
            lines.last().map_or(&b""[..], HeaderValue::as_bytes),
            added.as_bytes(),
        ];
        let joined = HeaderValue::from_bytes(&joined.join(&b", "[..])).expect("a header value");
        let mut with_end = HeaderMap::new();
        with_end.append(name, joined.clone());
        if joined.to_str().is_ok() {
            assert_eq!(seen(TRUSTED_PEER, &with_end), STRANGER, "{joined:?}");
        }
    }
}

/// A header value of whatever bytes that is said to hold a certificate: read one way or not at all, and written again
/// either way it is the same.
pub fn client_certificate(data: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(&data[..data.len().min(LONGEST)]) else {
        return;
    };
    let Some(der) = client_certificate::certificate(&value) else {
        return;
    };
    assert!(!der.is_empty() && der.len() <= value.len());
    let sequence = format!(":{}:", STANDARD.encode(&der));
    let hex = |digit: u8| char::from_digit(digit.into(), 16).expect("half a byte");
    let block = pem::encode(&pem::Pem::new("CERTIFICATE", der.clone()));
    let escaped: String = block
        .bytes()
        .flat_map(|byte| ['%', hex(byte >> 4), hex(byte & 15)])
        .collect();
    // The first word stands as it is, for whoever must tell the two apart.
    let escaped =
        escaped
            .replacen(&"%2d".repeat(5), "-----", 1)
            .replacen("%42%45%47%49%4e", "BEGIN", 1);
    for written in [sequence, escaped] {
        let again = HeaderValue::from_str(&written).expect("a header value");
        if again.len() <= client_certificate::LONGEST {
            assert_eq!(client_certificate::certificate(&again), Some(der.clone()));
        }
    }
}

/// Bytes that arrive where HTTP/1.1 is spoken, as a request and as the answer to one: read one way however they are
/// cut, in one frame, within bounds; and what goes on of a request is one request.
pub fn http1(data: &[u8]) {
    let data = &data[..data.len().min(LONGEST)];
    check_request(data);
    for method in [Method::GET, Method::HEAD] {
        check_response(data, &method);
    }
}

fn operation(verb: Verb, target: &str) -> Operation {
    Operation {
        verb,
        target: target.to_owned(),
        auth_required: true,
        scopes: Vec::new(),
        throttling_policy: None,
        mediation: Mediation::default(),
    }
}

fn only<'h>(headers: &'h HeaderMap, name: &str) -> &'h HeaderValue {
    let mut values = headers.get_all(name).iter();
    let value = values.next().expect("the gateway's own line is there");
    assert_eq!(values.next(), None, "{name} stands twice");
    value
}

#[cfg(test)]
mod tests;
