//! What must hold of messages whose bytes strangers chose.

use std::fmt::Debug;

use bytes::BytesMut;
use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, Method, Request};

use super::Http1Error;
use super::decoder::{Decoded, Decoder};
use super::encoder::Encoder;
use super::head::{HeadLimits, ReadHead, read_request, read_response, write_request};

const LIMITS: HeadLimits = HeadLimits {
    bytes: 8_192,
    lines: 24,
};
/// For what was read once: lines are written with a space more, and one more of them.
const LIMITS_AGAIN: HeadLimits = HeadLimits {
    bytes: 3 * LIMITS.bytes,
    lines: LIMITS.lines + 1,
};

/// What bytes turned out to be.
#[derive(Debug, PartialEq)]
enum Outcome<H> {
    NoHead,
    NotWhole,
    Message(H, Body),
}

#[derive(Debug, Default, PartialEq)]
pub(super) struct Body {
    pub(super) data: Vec<u8>,
    pub(super) trailers: Option<HeaderMap>,
    pub(super) end: End,
    /// Bytes that were left alone.
    pub(super) rest: Vec<u8>,
}

#[derive(Debug, Default, PartialEq)]
pub(super) enum End {
    #[default]
    Missing,
    Reached,
    Refused(String),
}

/// A head of either kind, in what is to be compared and checked.
trait Head: Debug {
    fn headers(&self) -> &HeaderMap;
}

impl Head for Request<()> {
    fn headers(&self) -> &HeaderMap {
        self.headers()
    }
}

impl Head for http::Response<()> {
    fn headers(&self) -> &HeaderMap {
        self.headers()
    }
}

/// One request, and what goes on of it.
pub(crate) fn check_request(data: &[u8]) {
    let read = |input: &mut BytesMut| read_request(input, LIMITS, &mut HeaderMap::new());
    check(data, read);
    let mut input = BytesMut::from(data);
    if let Ok(Some(read)) = read(&mut input) {
        let headers = read.head.headers();
        let is_chunked = matches!(read.body, Decoder::Chunked(_));
        assert_eq!(headers.contains_key(TRANSFER_ENCODING), is_chunked);
        assert!(
            !matches!(read.body, Decoder::UntilClose),
            "a request without an end"
        );
        reads_as_it_was_written(read);
    }
}

/// One response; `method` was asked.
pub(crate) fn check_response(data: &[u8], method: &Method) {
    check(data, |input| {
        read_response(input, method, LIMITS, &mut HeaderMap::new())
    });
}

/// Holds of every message, and is the same however its bytes arrive.
fn check<H: Head>(
    data: &[u8],
    read: impl Fn(&mut BytesMut) -> Result<Option<ReadHead<H>>, Http1Error>,
) {
    let whole = outcome([data], &read, data.len());
    // The bytes say themselves where they are cut.
    let mut rest = data;
    let mut sizes = data.iter().map(|byte| usize::from(byte % 61) + 1);
    let pieces = std::iter::from_fn(|| {
        let size = sizes.next()?.min(rest.len());
        let (piece, others) = rest.split_at(size);
        rest = others;
        (!piece.is_empty()).then_some(piece)
    });
    assert_eq!(whole, outcome(pieces, &read, data.len()));
}

fn outcome<'p, H: Head>(
    pieces: impl IntoIterator<Item = &'p [u8]>,
    read: impl Fn(&mut BytesMut) -> Result<Option<ReadHead<H>>, Http1Error>,
    most: usize,
) -> Outcome<String> {
    let mut input = BytesMut::new();
    let mut message: Option<(String, Decoder, Body)> = None;
    for piece in pieces {
        input.extend_from_slice(piece);
        if message.is_none() {
            match read(&mut input) {
                Ok(Some(head)) => {
                    is_clean(head.head.headers(), LIMITS.lines);
                    has_one_frame_at_most(head.head.headers());
                    message = Some((format!("{head:?}"), head.body, Body::default()));
                }
                Ok(None) => assert!(input.len() <= LIMITS.bytes, "an endless head"),
                Err(_) => return Outcome::NoHead,
            }
        }
        if let Some((_, decoder, body)) = &mut message {
            take_body(decoder, &mut input, body);
        }
    }
    let Some((head, decoder, mut body)) = message else {
        return Outcome::NotWhole;
    };
    assert!(body.data.len() <= most, "data from nowhere");
    assert_eq!(body.end == End::Reached, decoder.is_done());
    // Why a body is refused, and what is left of it, depends on how much of it had come.
    match &mut body.end {
        End::Refused(why) => why.clear(),
        End::Missing | End::Reached => body.rest = input.to_vec(),
    }
    Outcome::Message(head, body)
}

/// Takes what there is.
pub(super) fn take_body(decoder: &mut Decoder, input: &mut BytesMut, body: &mut Body) {
    while body.end == End::Missing {
        let length = decoder.length();
        match decoder.decode(input) {
            Ok(Decoded::Data(data)) => {
                let taken = u64::try_from(data.len()).expect("a length");
                assert!(taken > 0 && length.is_none_or(|length| taken <= length));
                body.data.extend_from_slice(&data);
            }
            Ok(Decoded::Trailers(trailers)) => {
                is_clean(&trailers, 64);
                assert!(body.trailers.replace(trailers).is_none(), "trailers twice");
            }
            Ok(Decoded::End) => body.end = End::Reached,
            Ok(Decoded::NeedsMore) => return,
            Err(error) => body.end = End::Refused(error.to_string()),
        }
    }
}

/// No line that somebody else could read as two.
fn is_clean(headers: &HeaderMap, most: usize) {
    assert!(headers.len() <= most);
    for (name, value) in headers {
        for bytes in [name.as_str().as_bytes(), value.as_bytes()] {
            assert!(!bytes.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
        }
    }
}

/// Of a head: trailers that speak of frames go nowhere.
fn has_one_frame_at_most(headers: &HeaderMap) {
    for name in [CONTENT_LENGTH, TRANSFER_ENCODING] {
        assert!(headers.get_all(&name).iter().count() <= 1, "{name} twice");
    }
    assert!(
        !(headers.contains_key(CONTENT_LENGTH) && headers.contains_key(TRANSFER_ENCODING)),
        "two frames"
    );
}

/// What goes to the upstream is one request and nothing behind it, in the frame that was read.
fn reads_as_it_was_written(read: ReadHead<Request<()>>) {
    let (mut head, ()) = read.head.into_parts();
    // The proxy makes a target of its own, which always is a path.
    if !head
        .uri
        .path_and_query()
        .is_some_and(|target| target.as_str().starts_with('/'))
    {
        head.uri = http::Uri::from_static("/");
    }
    let frame = match read.body {
        Decoder::Length(length) => Encoder::Length(length),
        Decoder::Chunked(_) => Encoder::Chunked,
        Decoder::Done | Decoder::UntilClose | Decoder::Broken => Encoder::Nothing,
    };
    let mut bytes = Vec::new();
    write_request(&head, frame, &mut bytes);
    let mut input = BytesMut::from(&bytes[..]);
    let again = read_request(&mut input, LIMITS_AGAIN, &mut HeaderMap::new())
        .expect("what was a request is one")
        .expect("and a whole one");
    assert!(input.is_empty(), "more than one request");
    match (frame, again.body) {
        (Encoder::Nothing, Decoder::Done | Decoder::Length(0))
        | (Encoder::Chunked, Decoder::Chunked(_)) => {}
        (Encoder::Length(written), Decoder::Length(read)) => assert_eq!(written, read),
        (frame, body) => panic!("{frame:?} is read as {body:?}"),
    }
    let others = |mut headers: HeaderMap| {
        headers.remove(CONTENT_LENGTH);
        headers.remove(TRANSFER_ENCODING);
        headers
    };
    let (again, ()) = again.head.into_parts();
    assert_eq!(again.method, head.method);
    assert_eq!(
        again
            .uri
            .path_and_query()
            .map(http::uri::PathAndQuery::as_str),
        head.uri
            .path_and_query()
            .map(http::uri::PathAndQuery::as_str)
    );
    assert_eq!(
        again.headers.get_all(HOST).iter().count(),
        head.headers.get_all(HOST).iter().count()
    );
    assert_eq!(others(again.headers), others(head.headers));
}
