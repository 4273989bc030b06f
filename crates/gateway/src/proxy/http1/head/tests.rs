use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, DATE, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http::{Request, Response, Version};

use super::read::USUAL_LINES;
use super::*;
use crate::proxy::http1::Http1Error;
use crate::proxy::http1::decoder::Decoder;
use crate::proxy::http1::encoder::Encoder;

const LIMITS: HeadLimits = HeadLimits {
    bytes: 8_192,
    lines: 32,
};

fn request(bytes: &[u8]) -> Result<Option<ReadHead<Request<()>>>, Http1Error> {
    read_request(&mut BytesMut::from(bytes), LIMITS, &mut HeaderMap::new())
}

fn response(bytes: &[u8]) -> Result<Option<ReadHead<Response<()>>>, Http1Error> {
    read_response(
        &mut BytesMut::from(bytes),
        &Method::GET,
        LIMITS,
        &mut HeaderMap::new(),
    )
}

fn whole_request(bytes: impl AsRef<[u8]>) -> ReadHead<Request<()>> {
    request(bytes.as_ref())
        .unwrap_or_else(|error| panic!("{error}: {}", bytes.as_ref().escape_ascii()))
        .unwrap_or_else(|| panic!("not whole: {}", bytes.as_ref().escape_ascii()))
}

fn whole_response(bytes: impl AsRef<[u8]>) -> ReadHead<Response<()>> {
    response(bytes.as_ref())
        .unwrap_or_else(|error| panic!("{error}: {}", bytes.as_ref().escape_ascii()))
        .unwrap_or_else(|| panic!("not whole: {}", bytes.as_ref().escape_ascii()))
}

fn cuts() -> impl Strategy<Value = Vec<Index>> {
    vec(any::<Index>(), 0..12)
}

/// Reads a head that arrives in pieces; what was read, in words, and what is left then.
fn in_pieces<H: std::fmt::Debug>(
    bytes: &[u8],
    cuts: &[Index],
    read: impl Fn(&mut BytesMut) -> Result<Option<H>, Http1Error>,
) -> (String, Vec<u8>) {
    let mut places: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    places.sort_unstable();
    places.push(bytes.len());
    let (mut input, mut from) = (BytesMut::new(), 0);
    for to in places {
        input.extend_from_slice(&bytes[from..to]);
        from = to;
        let words = match read(&mut input) {
            Ok(None) => continue,
            Ok(Some(head)) => format!("{head:?}"),
            Err(error) => return (error.to_string(), Vec::new()),
        };
        input.extend_from_slice(&bytes[from..]);
        return (words, input.to_vec());
    }
    ("nothing".to_owned(), input.to_vec())
}

fn name() -> impl Strategy<Value = String> {
    // Nothing that says something about the frame or the connection.
    "[a-zA-Z][a-zA-Z0-9!#$%&'*+.^_`|~-]{0,12}".prop_map(|name| format!("x-{name}"))
}

/// Without white space around it, which would be none of the value.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let inner = select(
        (0x20..=0xff)
            .filter(|&byte| byte != 0x7f)
            .chain([b'\t'])
            .collect::<Vec<u8>>(),
    );
    vec(inner, 0..24).prop_map(|value| value.trim_ascii().to_vec())
}

fn lines() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    vec((name(), value()), 0..8)
}

fn header_map(lines: &[(String, Vec<u8>)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
        headers.append(name, HeaderValue::from_bytes(value).expect("a value"));
    }
    headers
}

fn method() -> impl Strategy<Value = Method> {
    prop_oneof![
        select(vec!["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"]).prop_map(str::to_owned),
        "[A-Za-z!#$%&'*+.^_`|~-]{1,12}",
    ]
    .prop_map(|method| Method::from_bytes(method.as_bytes()).expect("a method"))
}

fn frame() -> impl Strategy<Value = Encoder> {
    prop_oneof![
        Just(Encoder::Nothing),
        any::<u64>().prop_map(Encoder::Length),
        Just(Encoder::Chunked),
    ]
}

/// As whoever reads it must understand it.
fn is_same_frame(written: Encoder, read: &Decoder) -> bool {
    match (written, read) {
        (Encoder::Nothing, Decoder::Done | Decoder::Length(0))
        | (Encoder::Chunked, Decoder::Chunked(_))
        | (Encoder::UntilClose, Decoder::UntilClose) => true,
        (Encoder::Length(written), Decoder::Length(read)) => written == *read,
        _ => false,
    }
}

proptest! {
    #[test]
    fn a_request_reads_as_it_was_written(
        method in method(),
        target in "/[a-zA-Z0-9/%._~!$&'()*+,;=:@-]{0,20}([?][a-zA-Z0-9/%?=&]{0,12})?",
        lines in lines(),
        frame in frame(),
        rest in vec(any::<u8>(), 0..40),
    ) {
        let headers = header_map(&lines);
        let mut sent = Request::new(());
        *sent.method_mut() = method.clone();
        *sent.uri_mut() = target.parse().expect("a target");
        *sent.headers_mut() = headers.clone();
        // Whatever frame it came in.
        sent.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("7"));
        sent.headers_mut().insert(TRANSFER_ENCODING, HeaderValue::from_static("gzip"));
        let mut bytes = Vec::new();
        write_request(&sent.into_parts().0, frame, &mut bytes);
        let mut input = BytesMut::from(&[&bytes[..], &rest].concat()[..]);
        let read = read_request(&mut input, LIMITS, &mut HeaderMap::new()).expect("a request").expect("a whole one");
        prop_assert_eq!(&input[..], &rest[..]);
        prop_assert_eq!(read.head.method(), &method);
        prop_assert_eq!(read.head.uri().to_string(), target);
        prop_assert_eq!(read.head.version(), Version::HTTP_11);
        prop_assert!(read.is_persistent && !read.expects_continue);
        prop_assert!(is_same_frame(frame, &read.body), "{:?} is read as {:?}", frame, read.body);
        let mut others = read.head.headers().clone();
        others.remove(CONTENT_LENGTH);
        others.remove(TRANSFER_ENCODING);
        prop_assert_eq!(others, headers);
    }

    #[test]
    fn a_response_reads_as_it_was_written(
        status in 200_u16..1_000,
        lines in lines(),
        frame in prop_oneof![frame(), Just(Encoder::UntilClose)],
        connection in select(vec![None, Some("close"), Some("keep-alive")]),
        version in select(vec![Version::HTTP_10, Version::HTTP_11]),
        rest in vec(any::<u8>(), 0..40),
    ) {
        // Nobody is answered in chunks who does not know them.
        prop_assume!(version == Version::HTTP_11 || frame != Encoder::Chunked);
        let mut sent = Response::new(());
        *sent.status_mut() = StatusCode::from_u16(status).expect("a status");
        *sent.headers_mut() = header_map(&lines);
        let head = ResponseFraming { body: frame, version, absent_length: None, connection, date: &|| Bytes::from_static(b"now") };
        let mut bytes = Vec::new();
        write_response(&sent.into_parts().0, &head, &mut bytes);
        let mut input = BytesMut::from(&[&bytes[..], &rest].concat()[..]);
        let read = read_response(&mut input, &Method::GET, LIMITS, &mut HeaderMap::new()).expect("a response").expect("a whole one");
        prop_assert_eq!(&input[..], &rest[..]);
        prop_assert_eq!(read.head.status().as_u16(), status);
        prop_assert_eq!(read.head.version(), version);
        prop_assert_eq!(&read.head.headers()[DATE], "now");
        for (name, value) in &header_map(&lines) {
            prop_assert!(read.head.headers().get_all(name).iter().any(|read| read == value));
        }
        let has_body = !matches!(status, 204 | 304);
        match frame {
            _ if !has_body => prop_assert!(read.body.is_done()),
            // Said by nothing, as it is where a client knows better: in an answer to HEAD.
            Encoder::Nothing => prop_assert!(matches!(read.body, Decoder::UntilClose)),
            frame => prop_assert!(is_same_frame(frame, &read.body)),
        }
        let is_kept = connection != Some("close")
            && (version == Version::HTTP_11 || connection.is_some())
            && !matches!(read.body, Decoder::UntilClose);
        prop_assert_eq!(read.is_persistent, is_kept);
    }

    #[test]
    fn a_head_is_found_the_same_however_it_arrives(
        start in select(vec!["GET / HTTP/1.1", "\r\n\r\nPOST /a?b HTTP/1.1", "GET / HTTP/1.0", "GET /\n", "HTTP/1.1 200 OK",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 None"]),
        lines in "((x-[a-z]{1,4}|connection|content-length|transfer-encoding)[ ]?: ?(5|a|close|chunked)\r?\n){0,5}",
        end in select(vec!["\r\n", "\n", "\r", "\r\r\n", " \r\n", ""]),
        rest in "[a\r\n]{0,8}",
        cuts in cuts(),
    ) {
        let bytes = format!("{start}\r\n{lines}{end}{rest}");
        let whole = in_pieces(bytes.as_bytes(), &[], |input| read_request(input, LIMITS, &mut HeaderMap::new()));
        let parts = in_pieces(bytes.as_bytes(), &cuts, |input| read_request(input, LIMITS, &mut HeaderMap::new()));
        prop_assert_eq!(whole, parts);
        let read = |input: &mut BytesMut| read_response(input, &Method::GET, LIMITS, &mut HeaderMap::new());
        let whole = in_pieces(bytes.as_bytes(), &[], read);
        let parts = in_pieces(bytes.as_bytes(), &cuts, read);
        prop_assert_eq!(whole, parts);
    }
}

/// Lines that make a message ambiguous, whichever way it goes.
const AMBIGUOUS: &[(&str, &str)] = &[
    ("two lengths", "content-length: 5\r\ncontent-length: 6\r\n"),
    ("two lengths in one line", "content-length: 5, 5\r\n"),
    ("no length", "content-length:\r\n"),
    ("a length with a sign", "content-length: +5\r\n"),
    ("a negative length", "content-length: -5\r\n"),
    ("a hexadecimal length", "content-length: 0x5\r\n"),
    ("a length with a point", "content-length: 5.0\r\n"),
    ("a length of two words", "content-length: 5 5\r\n"),
    ("a length in quotes", "content-length: \"5\"\r\n"),
    (
        "a length beyond all bounds",
        "content-length: 18446744073709551616\r\n",
    ),
    ("another coding", "transfer-encoding: gzip\r\n"),
    ("no coding", "transfer-encoding:\r\n"),
    ("a coding that is none", "transfer-encoding: identity\r\n"),
    ("two codings", "transfer-encoding: gzip, chunked\r\n"),
    (
        "chunks that are not last",
        "transfer-encoding: chunked, identity\r\n",
    ),
    (
        "chunks in a list that ends in a comma",
        "transfer-encoding: chunked,\r\n",
    ),
    (
        "chunks twice in a line",
        "transfer-encoding: chunked, chunked\r\n",
    ),
    (
        "chunks in two lines",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
    ),
    (
        "a coding before chunks",
        "transfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n",
    ),
    (
        "chunks with a parameter",
        "transfer-encoding: chunked;a=b\r\n",
    ),
    ("chunks in quotes", "transfer-encoding: \"chunked\"\r\n"),
    (
        "a vertical tab before the coding",
        "transfer-encoding: \x0bchunked\r\n",
    ),
    ("a folded line", "x-a: b\r\n c\r\n"),
    ("a line folded with a tab", "x-a: b\r\n\tc\r\n"),
    ("a folded coding", "transfer-encoding:\r\n chunked\r\n"),
    ("a space before the colon", "x-a : b\r\n"),
    ("a tab before the colon", "x-a\t: b\r\n"),
    ("a space before the name", " x-a: b\r\n"),
    ("a space in a name", "x a: b\r\n"),
    ("no colon", "x-a\r\n"),
    ("no name", ": b\r\n"),
    ("NUL in a name", "x\0a: b\r\n"),
    ("NUL in a value", "x-a: b\0c\r\n"),
    ("CR in a value", "x-a: b\rx-b: c\r\n"),
    ("CR at the end of a value", "x-a: b\r\r\n"),
    ("DEL in a value", "x-a: b\x7fc\r\n"),
];

#[test]
fn heads_that_two_servers_might_read_differently_are_refused() {
    for (name, lines) in AMBIGUOUS {
        for version in ["1.0", "1.1"] {
            let head = format!("POST / HTTP/{version}\r\nhost: a\r\n{lines}\r\n");
            assert!(request(head.as_bytes()).is_err(), "{name}");
            let head = format!("HTTP/{version} 200 OK\r\nx-z: a\r\n{lines}\r\n");
            assert!(response(head.as_bytes()).is_err(), "{name}");
        }
    }
    // Chunks came with HTTP/1.1.
    let chunked = "transfer-encoding: chunked\r\n";
    assert!(request(format!("POST / HTTP/1.0\r\n{chunked}\r\n").as_bytes()).is_err());
    assert!(response(format!("HTTP/1.0 200 OK\r\n{chunked}\r\n").as_bytes()).is_err());
}

#[test]
fn start_lines_that_are_none_are_refused() {
    for start in [
        "GET /",
        "GET  / HTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET /\tHTTP/1.1",
        "GET / HTTP/1.2",
        "GET / HTTP/2.0",
        "GET / HTTP/1",
        "GET / HTTP/01.1",
        "GET / http/1.1",
        "GET / a HTTP/1.1",
        "GET /\0 HTTP/1.1",
        "GET /\rHTTP/1.1",
        "GET / HTTP/1.1\rx",
        " GET / HTTP/1.1",
        "GET",
        "G(T / HTTP/1.1",
        "GET /a\x7f HTTP/1.1",
    ] {
        let head = format!("{start}\r\nhost: a\r\n\r\n");
        assert!(request(head.as_bytes()).is_err(), "{start:?}");
    }
    for start in [
        "HTTP/1.1",
        "HTTP/1.1 20",
        "HTTP/1.1 2000 OK",
        "HTTP/1.1 000 OK",
        "HTTP/1.1 099 OK",
        "HTTP/1.1 +20 OK",
        "HTTP/1.1  200 OK",
        "HTTP/1.2 200 OK",
        "HTTP/2 200 OK",
        "HTTP/1.1 200 O\0K",
        "HTTP/1.1 200 O\rK",
        " HTTP/1.1 200 OK",
        "ICY 200 OK",
    ] {
        let head = format!("{start}\r\nx-a: b\r\n\r\n");
        assert!(response(head.as_bytes()).is_err(), "{start:?}");
    }
}

#[test]
fn a_lone_line_feed_ends_a_line_and_a_head_too() {
    // RFC 9112 section 2.2 lets us. Nothing is read twice: what goes on has heads of our own making.
    for end in ["\r\n\n", "\n\n", "\n\r\n"] {
        let head = format!("GET / HTTP/1.1\r\nhost: a{end}");
        assert!(
            request(head.as_bytes()).is_ok_and(|read| read.is_some()),
            "{end:?}"
        );
        let head = format!("HTTP/1.1 200 OK\r\nx-a: b{end}");
        assert!(
            response(head.as_bytes()).is_ok_and(|read| read.is_some()),
            "{end:?}"
        );
    }
}

#[test]
fn the_frame_is_what_the_head_says() {
    for (lines, expected) in [
        ("", Encoder::Nothing),
        ("content-length: 0\r\n", Encoder::Length(0)),
        ("content-length: 5\r\n", Encoder::Length(5)),
        ("content-length:5\r\n", Encoder::Length(5)),
        ("content-length: \t5 \t\r\n", Encoder::Length(5)),
        ("content-length: 0005\r\n", Encoder::Length(5)),
        (
            "content-length: 5\r\ncontent-length: 5\r\n",
            Encoder::Length(5),
        ),
        (
            "content-length: 18446744073709551615\r\n",
            Encoder::Length(u64::MAX),
        ),
        ("transfer-encoding: chunked\r\n", Encoder::Chunked),
        ("Transfer-Encoding: CHUNKED \r\n", Encoder::Chunked),
        (
            "content-length: 5\r\ntransfer-encoding: chunked\r\n",
            Encoder::Chunked,
        ),
        (
            "transfer-encoding: chunked\r\ncontent-length: 5\r\n",
            Encoder::Chunked,
        ),
    ] {
        let read = whole_request(format!("POST / HTTP/1.1\r\n{lines}\r\n"));
        assert!(is_same_frame(expected, &read.body), "{lines:?}");
        let lengths = read.head.headers().get_all(CONTENT_LENGTH).iter().count();
        assert_eq!(
            lengths,
            usize::from(matches!(expected, Encoder::Length(_))),
            "{lines:?}"
        );
        let read = whole_response(format!("HTTP/1.1 200 OK\r\n{lines}\r\n"));
        let expected = if lines.is_empty() {
            Encoder::UntilClose
        } else {
            expected
        };
        assert!(is_same_frame(expected, &read.body), "{lines:?}");
    }
}

#[test]
fn an_answer_has_no_body_where_it_cannot_have_one() {
    for frame in [
        "",
        "content-length: 5\r\n",
        "transfer-encoding: chunked\r\n",
    ] {
        for (status, method, is_bodiless) in [
            (200, Method::HEAD, true),
            (404, Method::HEAD, true),
            (101, Method::GET, true),
            (204, Method::GET, true),
            (304, Method::GET, true),
            (200, Method::GET, false),
            (205, Method::POST, false),
        ] {
            let head = format!("HTTP/1.1 {status} X\r\n{frame}\r\n");
            let mut input = BytesMut::from(head.as_bytes());
            let read = read_response(&mut input, &method, LIMITS, &mut HeaderMap::new())
                .expect("a response")
                .expect("a whole one");
            assert_eq!(read.body.is_done(), is_bodiless, "{status} to {method}");
            assert_eq!(read.is_persistent, is_bodiless || !frame.is_empty());
        }
    }
}

#[test]
fn informational_answers_are_passed_over() {
    let hints = "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n";
    let mut input = BytesMut::from(hints.repeat(3).as_bytes());
    let read =
        |input: &mut BytesMut| read_response(input, &Method::GET, LIMITS, &mut HeaderMap::new());
    assert!(read(&mut input).is_ok_and(|read| read.is_none()));
    assert!(input.is_empty(), "nothing is kept of them");
    input.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nx-a: b\r\n\r\nrest");
    let answer = read(&mut input).expect("a response").expect("a whole one");
    assert_eq!(answer.head.status(), 200);
    assert!(!answer.head.headers().contains_key("link"));
    assert_eq!(&input[..], b"rest");
    // A switch of protocols is the last that is said in this one.
    let mut input =
        BytesMut::from(&b"HTTP/1.1 101 Switching Protocols\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"[..]);
    let answer = read(&mut input).expect("a response").expect("a whole one");
    assert_eq!(answer.head.status(), 101);
    assert!(input.starts_with(b"HTTP/1.1 200"));
}

#[test]
fn a_head_has_only_so_many_bytes() {
    let limits = HeadLimits {
        bytes: 200,
        lines: 8,
    };
    let padded = |start: &str, length: usize| {
        let value = "a".repeat(length - start.len() - "\r\nx-a: \r\n\r\n".len());
        format!("{start}\r\nx-a: {value}\r\n\r\n")
    };
    for (length, is_accepted) in [(199, true), (200, true), (201, false), (9_000, false)] {
        let bytes = padded("GET / HTTP/1.1", length);
        let whole = read_request(
            &mut BytesMut::from(bytes.as_bytes()),
            limits,
            &mut HeaderMap::new(),
        );
        assert_eq!(
            matches!(whole, Ok(Some(_))),
            is_accepted,
            "{length}: {whole:?}"
        );
        assert!(is_accepted || matches!(whole, Err(Http1Error::HeadTooLarge)));
        // What follows does not count.
        let mut input = BytesMut::from([bytes.as_bytes(), &[b'x'; 10_000]].concat().as_slice());
        assert_eq!(
            matches!(
                read_request(&mut input, limits, &mut HeaderMap::new()),
                Ok(Some(_))
            ),
            is_accepted
        );
        // Nor is the end of it waited for.
        let part = &bytes.as_bytes()[..bytes.len() - 2];
        let unfinished = read_request(&mut BytesMut::from(part), limits, &mut HeaderMap::new());
        assert_eq!(unfinished.is_err(), part.len() > limits.bytes, "{length}");

        let bytes = padded("HTTP/1.1 200 OK", length);
        let mut input = BytesMut::from(bytes.as_bytes());
        let whole = read_response(&mut input, &Method::GET, limits, &mut HeaderMap::new());
        assert_eq!(matches!(whole, Ok(Some(_))), is_accepted, "{length}");
    }
    // Each of several heads has its own bound.
    let several = padded("HTTP/1.1 103 Early Hints", 150) + &padded("HTTP/1.1 200 OK", 150);
    let mut input = BytesMut::from(several.as_bytes());
    assert!(matches!(
        read_response(&mut input, &Method::GET, limits, &mut HeaderMap::new()),
        Ok(Some(_))
    ));
}

#[test]
fn a_head_has_only_so_many_lines() {
    for most in [0, 1, USUAL_LINES - 1, USUAL_LINES, USUAL_LINES + 1, 200] {
        let limits = HeadLimits {
            bytes: 8_192,
            lines: most,
        };
        for (count, is_accepted) in [(most, true), (most + 1, false), (most + 100, false)] {
            let lines = "x-a: b\r\n".repeat(count);
            let bytes = format!("GET / HTTP/1.1\r\n{lines}\r\n");
            let read = read_request(
                &mut BytesMut::from(bytes.as_bytes()),
                limits,
                &mut HeaderMap::new(),
            );
            assert_eq!(
                matches!(read, Ok(Some(_))),
                is_accepted,
                "{count} of {most}"
            );
            assert!(
                is_accepted
                    || matches!(
                        read,
                        Err(Http1Error::HeadTooLarge
                            | Http1Error::Head(httparse::Error::TooManyHeaders))
                    )
            );
            let bytes = format!("HTTP/1.1 200 OK\r\n{lines}\r\n");
            let mut input = BytesMut::from(bytes.as_bytes());
            let read = read_response(&mut input, &Method::GET, limits, &mut HeaderMap::new());
            assert_eq!(
                matches!(read, Ok(Some(_))),
                is_accepted,
                "{count} of {most}"
            );
        }
    }
}

#[test]
fn a_connection_persists_where_nothing_speaks_against_it() {
    for (version, lines, expected) in [
        ("1.1", "", true),
        ("1.1", "connection: close\r\n", false),
        ("1.1", "connection: Close\r\n", false),
        ("1.1", "connection: keep-alive\r\n", true),
        ("1.1", "connection: keep-alive, close\r\n", false),
        ("1.1", "connection: x-a ,\tclose , x-b\r\n", false),
        ("1.1", "connection: x-a\r\nconnection: close\r\n", false),
        ("1.1", "connection: closed\r\n", true),
        ("1.0", "", false),
        ("1.0", "connection: keep-alive\r\n", true),
        ("1.0", "connection: Keep-Alive, x-a\r\n", true),
        ("1.0", "connection: keep-alive, close\r\n", false),
        // Two frames may be an attack.
        (
            "1.1",
            "content-length: 5\r\ntransfer-encoding: chunked\r\n",
            false,
        ),
    ] {
        let read = whole_request(format!("POST / HTTP/{version}\r\n{lines}\r\n"));
        assert_eq!(read.is_persistent, expected, "{version} {lines:?}");
        let framed = if lines.contains("chunked") {
            String::new()
        } else {
            "content-length: 0\r\n".to_owned()
        };
        let read = whole_response(format!("HTTP/{version} 200 OK\r\n{lines}{framed}\r\n"));
        assert_eq!(read.is_persistent, expected, "{version} {lines:?}");
    }
}

#[test]
fn only_who_has_a_body_waits_to_be_told_to_go_on() {
    for (version, lines, expected) in [
        ("1.1", "expect: 100-continue\r\ncontent-length: 5\r\n", true),
        (
            "1.1",
            "expect: 100-Continue\r\ntransfer-encoding: chunked\r\n",
            true,
        ),
        ("1.1", "expect: 100-continue\r\n", false),
        (
            "1.1",
            "expect: 100-continue\r\ncontent-length: 0\r\n",
            false,
        ),
        ("1.1", "expect: something\r\ncontent-length: 5\r\n", false),
        (
            "1.0",
            "expect: 100-continue\r\ncontent-length: 5\r\n",
            false,
        ),
    ] {
        let read = whole_request(format!("POST / HTTP/{version}\r\n{lines}\r\n"));
        assert_eq!(read.expects_continue, expected, "{version} {lines:?}");
    }
}

#[test]
fn empty_lines_before_a_request_line_are_passed_over() {
    for breaks in ["\r\n", "\r\n\r\n\r\n", "\n"] {
        let read = whole_request(format!("{breaks}GET /a HTTP/1.1\r\n\r\n"));
        assert_eq!(read.head.uri(), "/a");
    }
    let mut input = BytesMut::from(&b"\r\n\r\n"[..]);
    assert!(
        read_request(&mut input, LIMITS, &mut HeaderMap::new()).is_ok_and(|read| read.is_none())
    );
    assert!(input.is_empty(), "they take no room");
}

#[test]
fn a_request_says_that_it_has_no_body_only_where_one_would_be_expected() {
    for (method, frame, expected) in [
        (Method::GET, Encoder::Nothing, ""),
        (Method::DELETE, Encoder::Nothing, ""),
        (Method::POST, Encoder::Nothing, "content-length: 0\r\n"),
        (Method::PUT, Encoder::Nothing, "content-length: 0\r\n"),
        (Method::GET, Encoder::Length(0), "content-length: 0\r\n"),
        (Method::GET, Encoder::Length(7), "content-length: 7\r\n"),
        (
            Method::GET,
            Encoder::Chunked,
            "transfer-encoding: chunked\r\n",
        ),
    ] {
        let head = Request::builder().method(&method).uri("/a?b").body(());
        let mut bytes = Vec::new();
        write_request(&head.expect("a request").into_parts().0, frame, &mut bytes);
        let text = String::from_utf8(bytes).expect("text");
        assert_eq!(text, format!("{method} /a?b HTTP/1.1\r\n{expected}\r\n"));
    }
}

#[test]
fn an_answer_without_its_body_keeps_the_length_that_it_would_have() {
    let length = HeaderValue::from_static("7");
    let head = Response::builder()
        .header(CONTENT_LENGTH, "7")
        .header(DATE, "then");
    let head = head.body(()).expect("a response").into_parts().0;
    let frame = ResponseFraming {
        body: Encoder::Nothing,
        version: Version::HTTP_11,
        absent_length: Some(&length),
        connection: None,
        date: &|| Bytes::from_static(b"now"),
    };
    let mut bytes = Vec::new();
    write_response(&head, &frame, &mut bytes);
    let text = String::from_utf8(bytes).expect("text");
    assert_eq!(text.matches("content-length: 7\r\n").count(), 1, "{text}");
    // The upstream's own date stands.
    assert!(text.contains("date: then\r\n") && !text.contains("now"));
}
