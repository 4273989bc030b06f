//! From a head to bytes.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, DATE, HeaderValue, TRANSFER_ENCODING};
use http::{HeaderMap, Method, Version, request, response};

use crate::proxy::http1::encoder::Encoder;

/// Writes a request's head. Its frame is `body`'s, whatever its lines say.
pub(in crate::proxy) fn write_request(head: &request::Parts, body: Encoder, output: &mut Vec<u8>) {
    output.extend_from_slice(head.method.as_str().as_bytes());
    output.push(b' ');
    let target = head
        .uri
        .path_and_query()
        .map_or("/", |target| target.as_str());
    output.extend_from_slice(target.as_bytes());
    output.extend_from_slice(b" HTTP/1.1\r\n");
    write_lines(&head.headers, output);
    match body {
        // RFC 9110 section 8.6: said where a body would have been expected.
        Encoder::Nothing if expects_body(&head.method) => {
            output.extend_from_slice(b"content-length: 0\r\n");
        }
        other => write_framing(other, output),
    }
    output.extend_from_slice(b"\r\n");
}

/// What a response says beside its own lines.
pub(in crate::proxy) struct ResponseFraming<'f> {
    pub(in crate::proxy) body: Encoder,
    /// Of the client.
    pub(in crate::proxy) version: Version,
    /// The length that a body would have if there were one.
    pub(in crate::proxy) absent_length: Option<&'f HeaderValue>,
    pub(in crate::proxy) connection: Option<&'static str>,
    /// Asked where the response says none.
    pub(in crate::proxy) date: &'f dyn Fn() -> Bytes,
}

/// Writes a response's head.
pub(in crate::proxy) fn write_response(
    head: &response::Parts,
    framing: &ResponseFraming<'_>,
    output: &mut Vec<u8>,
) {
    let version: &[u8] = if framing.version == Version::HTTP_10 {
        b"HTTP/1.0 "
    } else {
        b"HTTP/1.1 "
    };
    output.extend_from_slice(version);
    output.extend_from_slice(head.status.as_str().as_bytes());
    output.push(b' ');
    let reason = head.status.canonical_reason().unwrap_or_default();
    output.extend_from_slice(reason.as_bytes());
    output.extend_from_slice(b"\r\n");
    write_lines(&head.headers, output);
    if let Some(length) = framing.absent_length {
        write_line(b"content-length", length.as_bytes(), output);
    } else {
        write_framing(framing.body, output);
    }
    if let Some(connection) = framing.connection {
        write_line(b"connection", connection.as_bytes(), output);
    }
    if !head.headers.contains_key(DATE) {
        write_line(b"date", &(framing.date)(), output);
    }
    output.extend_from_slice(b"\r\n");
}

/// Writes header lines, those about the frame excepted.
pub(in crate::proxy) fn write_lines(headers: &HeaderMap, output: &mut Vec<u8>) {
    for (name, value) in headers {
        if *name != CONTENT_LENGTH && *name != TRANSFER_ENCODING {
            write_line(name.as_str().as_bytes(), value.as_bytes(), output);
        }
    }
}

fn write_line(name: &[u8], value: &[u8], output: &mut Vec<u8>) {
    output.reserve(name.len() + value.len() + 4);
    output.extend_from_slice(name);
    output.extend_from_slice(b": ");
    output.extend_from_slice(value);
    output.extend_from_slice(b"\r\n");
}

fn write_framing(body: Encoder, output: &mut Vec<u8>) {
    match body {
        Encoder::Nothing | Encoder::UntilClose => {}
        Encoder::Length(length) => {
            let mut digits = itoa::Buffer::new();
            write_line(b"content-length", digits.format(length).as_bytes(), output);
        }
        Encoder::Chunked => output.extend_from_slice(b"transfer-encoding: chunked\r\n"),
    }
}

fn expects_body(method: &Method) -> bool {
    !matches!(
        *method,
        Method::GET
            | Method::HEAD
            | Method::DELETE
            | Method::OPTIONS
            | Method::TRACE
            | Method::CONNECT
    )
}
