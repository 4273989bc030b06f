//! Heads of messages: from bytes to what the `http` crate calls a request or response, and back.
//!
//! Stricter than RFC 9112 has to be where two servers on one way might differ: one `chunked` is the only transfer
//! coding, a length is digits, and a head ends where the first empty line is.

mod read;
mod write;

use http::{HeaderMap, Method, StatusCode};

pub(in crate::proxy) use read::{HeadLimits, ReadHead, read_lines, read_request, read_response};
pub(in crate::proxy) use write::{ResponseFraming, write_lines, write_request, write_response};

/// Lines of a head whose memory is kept for the next one.
const KEPT_LINES: usize = 64;
/// The memory of lines that nobody needs any more, for the next head.
pub(in crate::proxy) fn emptied(mut headers: HeaderMap) -> HeaderMap {
    if headers.capacity() > KEPT_LINES {
        return HeaderMap::new();
    }
    headers.clear();
    headers
}

/// RFC 9110 section 6.4.1.
pub(in crate::proxy) fn has_no_body(status: StatusCode, method: &Method) -> bool {
    *method == Method::HEAD
        || status.is_informational()
        || status == StatusCode::NO_CONTENT
        || status == StatusCode::NOT_MODIFIED
}

#[cfg(test)]
mod tests;
