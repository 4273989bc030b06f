//! From bytes to a head.

use std::mem::MaybeUninit;

use bytes::{Buf as _, Bytes, BytesMut};
use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HeaderName, HeaderValue, TRANSFER_ENCODING,
};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, Version};
use httparse::Status;
use memchr::memchr_iter;

use super::has_no_body;
use crate::proxy::http1::Http1Error;
use crate::proxy::http1::decoder::Decoder;

/// Lines of a head that are parsed without asking for memory.
pub(super) const USUAL_LINES: usize = 128;
/// Header lines that the gateway itself adds to a message.
const ADDED_LINES: usize = 6;

/// What a head may be.
#[derive(Clone, Copy, Debug)]
pub(in crate::proxy) struct HeadLimits {
    pub(in crate::proxy) bytes: usize,
    pub(in crate::proxy) lines: usize,
}

/// A head, and what it says about the connection.
#[derive(Debug)]
pub(in crate::proxy) struct ReadHead<H> {
    pub(in crate::proxy) head: H,
    pub(in crate::proxy) body: Decoder,
    /// The connection may carry another message.
    pub(in crate::proxy) is_persistent: bool,
    /// The sender waits to be told to go on.
    pub(in crate::proxy) expects_continue: bool,
}

/// Takes a request's head out of `input`; `None` while it is not whole. Its lines are put into `spare`, which is empty.
pub(in crate::proxy) fn read_request(
    input: &mut BytesMut,
    limits: HeadLimits,
    spare: &mut HeaderMap,
) -> Result<Option<ReadHead<Request<()>>>, Http1Error> {
    skip_empty_lines(input);
    let Some(bytes) = take_head(input, limits)? else {
        return Ok(None);
    };
    let mut few = [const { MaybeUninit::uninit() }; USUAL_LINES];
    let mut many = Vec::new();
    let lines = places(limits.lines, &mut few, &mut many);
    let mut parsed = httparse::Request::new(&mut []);
    let status = parsed.parse_with_uninit_headers(&bytes, lines)?;
    let (Status::Complete(length), Some(method), Some(target), Some(version)) =
        (status, parsed.method, parsed.path, parsed.version)
    else {
        return Err(Http1Error::Malformed);
    };
    let version = version_of(version, length, &bytes)?;
    let mut facts = Facts::default();
    let headers = headers(parsed.headers, &bytes, spare, &mut facts)?;
    let mut request = Request::new(());
    *request.method_mut() =
        Method::from_bytes(method.as_bytes()).map_err(|_| Http1Error::Malformed)?;
    *request.uri_mut() = Uri::from_maybe_shared(bytes.slice_ref(target.as_bytes()))
        .map_err(|_| Http1Error::Malformed)?;
    *request.version_mut() = version;
    *request.headers_mut() = headers;
    // RFC 9112 section 6.3: without either a request has no body.
    let body = facts.body(version, request.headers_mut())?;
    let body = body.unwrap_or(Decoder::Done);
    Ok(Some(ReadHead {
        head: request,
        is_persistent: facts.is_persistent(version),
        expects_continue: facts.expects_continue && version == Version::HTTP_11 && !body.is_done(),
        body,
    }))
}

/// Takes a response's head out of `input`, and the informational ones before it; `None` while it is not whole.
/// `method` is the request's, `spare` as with [`read_request`].
pub(in crate::proxy) fn read_response(
    input: &mut BytesMut,
    method: &Method,
    limits: HeadLimits,
    spare: &mut HeaderMap,
) -> Result<Option<ReadHead<Response<()>>>, Http1Error> {
    loop {
        let Some(bytes) = take_head(input, limits)? else {
            return Ok(None);
        };
        let mut few = [const { MaybeUninit::uninit() }; USUAL_LINES];
        let mut many = Vec::new();
        let lines = places(limits.lines, &mut few, &mut many);
        let mut parsed = httparse::Response::new(&mut []);
        let status = httparse::ParserConfig::default().parse_response_with_uninit_headers(
            &mut parsed,
            &bytes,
            lines,
        )?;
        let (Status::Complete(length), Some(code), Some(version)) =
            (status, parsed.code, parsed.version)
        else {
            return Err(Http1Error::Malformed);
        };
        let version = version_of(version, length, &bytes)?;
        let code = StatusCode::from_u16(code).map_err(|_| Http1Error::Malformed)?;
        // Not the answer yet, and nothing that concerns the client.
        if code.is_informational() && code != StatusCode::SWITCHING_PROTOCOLS {
            continue;
        }
        let mut facts = Facts::default();
        let headers = headers(parsed.headers, &bytes, spare, &mut facts)?;
        let mut response = Response::new(());
        *response.status_mut() = code;
        *response.version_mut() = version;
        *response.headers_mut() = headers;
        let body = facts.body(version, response.headers_mut())?;
        let body = if has_no_body(code, method) {
            Decoder::Done
        } else {
            body.unwrap_or(Decoder::UntilClose)
        };
        return Ok(Some(ReadHead {
            head: response,
            is_persistent: facts.is_persistent(version) && !matches!(body, Decoder::UntilClose),
            expects_continue: false,
            body,
        }));
    }
}

/// Takes the lines of a trailer section out of `input`, its empty line included; `None` while it is not whole.
pub(in crate::proxy) fn read_lines(
    input: &mut BytesMut,
    limits: HeadLimits,
) -> Result<Option<HeaderMap>, Http1Error> {
    let bytes = take_head(input, limits).map_err(|_| Http1Error::Trailers)?;
    let Some(bytes) = bytes else {
        return Ok(None);
    };
    let mut lines = vec![httparse::EMPTY_HEADER; limits.lines];
    match httparse::parse_headers(&bytes, &mut lines) {
        Ok(Status::Complete((length, lines))) if length == bytes.len() => {
            headers(lines, &bytes, &mut HeaderMap::new(), &mut Facts::default()).map(Some)
        }
        Ok(_) | Err(_) => Err(Http1Error::Trailers),
    }
}

/// Where so many lines are parsed to.
fn places<'p, 'b>(
    count: usize,
    few: &'p mut [MaybeUninit<httparse::Header<'b>>; USUAL_LINES],
    many: &'p mut Vec<MaybeUninit<httparse::Header<'b>>>,
) -> &'p mut [MaybeUninit<httparse::Header<'b>>] {
    if count <= USUAL_LINES {
        return &mut few[..count];
    }
    many.resize_with(count, MaybeUninit::uninit);
    many
}

fn take_head(input: &mut BytesMut, limits: HeadLimits) -> Result<Option<Bytes>, Http1Error> {
    let end = end_of_head(input, limits.lines)?;
    if end.unwrap_or(input.len()) > limits.bytes {
        return Err(Http1Error::HeadTooLarge);
    }
    Ok(end.map(|end| input.split_to(end).freeze()))
}

/// Behind the first empty line. More lines than allowed are not even counted: a head that comes byte by byte is looked
/// at as often.
fn end_of_head(input: &[u8], lines: usize) -> Result<Option<usize>, Http1Error> {
    for (number, at) in memchr_iter(b'\n', input).enumerate() {
        match &input[at + 1..] {
            [b'\n', ..] => return Ok(Some(at + 2)),
            [b'\r', b'\n', ..] => return Ok(Some(at + 3)),
            // The first line is none of the header's.
            _ if number > lines => return Err(Http1Error::HeadTooLarge),
            _ => {}
        }
    }
    Ok(None)
}

/// RFC 9112 section 2.2: some clients end the message before with a line break too many.
fn skip_empty_lines(input: &mut BytesMut) {
    let breaks = input
        .iter()
        .take_while(|byte| matches!(byte, b'\r' | b'\n'));
    let count = breaks.count();
    input.advance(count);
}

/// What httparse found must be all that there is: it must not have seen another end than we have.
fn version_of(version: u8, length: usize, bytes: &[u8]) -> Result<Version, Http1Error> {
    if length != bytes.len() {
        return Err(Http1Error::Framing);
    }
    Ok(if version == 0 {
        Version::HTTP_10
    } else {
        Version::HTTP_11
    })
}

fn headers(
    lines: &[httparse::Header<'_>],
    bytes: &Bytes,
    spare: &mut HeaderMap,
    facts: &mut Facts,
) -> Result<HeaderMap, Http1Error> {
    let mut headers = std::mem::take(spare);
    headers
        .try_reserve(lines.len() + ADDED_LINES)
        .map_err(|_| Http1Error::HeadTooLarge)?;
    for line in lines {
        let name =
            HeaderName::from_bytes(line.name.as_bytes()).map_err(|_| Http1Error::Malformed)?;
        let value = HeaderValue::from_maybe_shared(bytes.slice_ref(line.value))
            .map_err(|_| Http1Error::Malformed)?;
        if facts.see(&name, &value)? == Line::Again {
            continue;
        }
        headers
            .try_append(name, value)
            .map_err(|_| Http1Error::HeadTooLarge)?;
    }
    Ok(headers)
}

/// What header lines say about frame and connection.
#[derive(Debug, Default)]
struct Facts {
    length: Option<u64>,
    is_chunked: bool,
    closes: bool,
    keeps_alive: bool,
    expects_continue: bool,
}

/// Whether a line says something new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    New,
    Again,
}

impl Facts {
    fn see(&mut self, name: &HeaderName, value: &HeaderValue) -> Result<Line, Http1Error> {
        if *name == CONTENT_LENGTH {
            let length = length(value.as_bytes()).ok_or(Http1Error::Framing)?;
            return match self.length.replace(length) {
                None => Ok(Line::New),
                Some(known) if known == length => Ok(Line::Again),
                Some(_) => Err(Http1Error::Framing),
            };
        }
        if *name == TRANSFER_ENCODING {
            if self.is_chunked || !value.as_bytes().eq_ignore_ascii_case(b"chunked") {
                return Err(Http1Error::Framing);
            }
            self.is_chunked = true;
        } else if *name == CONNECTION {
            for option in value.as_bytes().split(|&byte| byte == b',') {
                let option = option.trim_ascii();
                self.closes |= option.eq_ignore_ascii_case(b"close");
                self.keeps_alive |= option.eq_ignore_ascii_case(b"keep-alive");
            }
        } else if *name == EXPECT {
            self.expects_continue = value.as_bytes().eq_ignore_ascii_case(b"100-continue");
        }
        Ok(Line::New)
    }

    /// `None` where nothing is said about it. A length beside chunks counts for nothing and must not go on.
    fn body(
        &self,
        version: Version,
        headers: &mut HeaderMap,
    ) -> Result<Option<Decoder>, Http1Error> {
        if !self.is_chunked {
            return Ok(self.length.map(Decoder::Length));
        }
        if version == Version::HTTP_10 {
            return Err(Http1Error::Framing);
        }
        headers.remove(CONTENT_LENGTH);
        Ok(Some(Decoder::Chunked(<_>::default())))
    }

    fn is_persistent(&self, version: Version) -> bool {
        // Two frames in one message may be an attack (RFC 9112 section 6.1).
        let is_clear = !(self.is_chunked && self.length.is_some());
        is_clear && !self.closes && (version == Version::HTTP_11 || self.keeps_alive)
    }
}

/// Digits and nothing else.
fn length(value: &[u8]) -> Option<u64> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    str::from_utf8(value).ok()?.parse().ok()
}
