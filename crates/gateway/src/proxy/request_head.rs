//! What HTTP asks of a request head beyond what the parser sees to: that it is clear who is addressed.
//!
//! Frames are the parser's: of `Content-Length` beside `Transfer-Encoding` only the latter reaches us (RFC 9112
//! section 6.3), and upstreams get one frame, newly made.

use http::header::HOST;
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Request, Version};

use crate::refusal::Reason;

/// Refuses what another server on the way may have read differently.
pub(super) fn check<B>(request: &Request<B>) -> Result<(), Reason> {
    let headers = request.headers();
    let mut hosts = headers.get_all(HOST).iter();
    let (first, second) = (hosts.next(), hosts.next());
    let target = request.uri().authority();
    // RFC 9110 section 4.2.4: a user in it is there to deceive.
    if target.is_some_and(|target| !is_authority(target.as_str().as_bytes())) {
        return Err(Reason::HostInvalid);
    }
    match (first, second) {
        (_, Some(_)) => Err(Reason::HostInvalid),
        // RFC 9113 section 8.3.1: the pseudo-header may stand alone, but not against its twin.
        (Some(host), None) if request.version() >= Version::HTTP_2 => match target {
            Some(target) if !names_the_same(target, host) => Err(Reason::HostInvalid),
            _ => Ok(()),
        },
        (Some(host), None) if !is_authority(host.as_bytes()) => Err(Reason::HostInvalid),
        // RFC 9112 section 3.2.
        (None, None) if request.version() == Version::HTTP_11 => Err(Reason::HostInvalid),
        _ => Ok(()),
    }
}

/// The same of a request that another server has parsed: an authority of its own stands in `Host`.
pub(super) fn check_host(headers: &HeaderMap) -> Result<(), Reason> {
    let mut hosts = headers.get_all(HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() || host.is_some_and(|host| !is_authority(host.as_bytes())) {
        return Err(Reason::HostInvalid);
    }
    Ok(())
}

/// What the client called the gateway. An absolute target is believed before `Host` (RFC 9112 section 3.2.2).
pub(super) fn host<B>(request: &Request<B>) -> Option<HeaderValue> {
    match request.uri().authority() {
        Some(target) => HeaderValue::from_str(target.as_str()).ok(),
        None => request.headers().get(HOST).cloned(),
    }
}

/// No user, no path, nothing that two parsers might read differently. An empty value is allowed by RFC 9112.
fn is_authority(host: &[u8]) -> bool {
    host.iter()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-._~:[]%!$&'()*+;=".contains(byte))
}

fn names_the_same(target: &Authority, host: &HeaderValue) -> bool {
    target
        .as_str()
        .as_bytes()
        .eq_ignore_ascii_case(host.as_bytes())
}
