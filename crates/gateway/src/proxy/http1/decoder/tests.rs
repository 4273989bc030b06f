use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::proxy::http1::fuzzing::{Body, End, take_body};

/// Reads a body that arrives in pieces.
fn read<'p>(mut decoder: Decoder, pieces: impl IntoIterator<Item = &'p [u8]>) -> Body {
    let (mut input, mut body) = (BytesMut::new(), Body::default());
    for piece in pieces {
        input.extend_from_slice(piece);
        take_body(&mut decoder, &mut input, &mut body);
    }
    assert!(body.end != End::Reached || decoder.is_done());
    body.rest = input.to_vec();
    body
}

fn read_whole(decoder: Decoder, bytes: &[u8]) -> Body {
    read(decoder, [bytes])
}

fn read_bytewise(decoder: Decoder, bytes: &[u8]) -> Body {
    read(decoder, bytes.chunks(1))
}

fn chunked() -> Decoder {
    Decoder::Chunked(Chunked::default())
}

fn is_refused(bytes: &[u8]) -> bool {
    let whole = read_whole(chunked(), bytes);
    let bytewise = read_bytewise(chunked(), bytes);
    assert_eq!(
        (&whole.end, &whole.data),
        (&bytewise.end, &bytewise.data),
        "{}",
        bytes.escape_ascii()
    );
    matches!(whole.end, End::Refused(_))
}

/// Cuts bytes at places of chance.
fn pieces<'b>(bytes: &'b [u8], cuts: &[Index]) -> Vec<&'b [u8]> {
    let mut places: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    places.sort_unstable();
    places.push(bytes.len());
    let mut from = 0;
    places
        .into_iter()
        .map(|to| &bytes[std::mem::replace(&mut from, to)..to])
        .collect()
}

fn cuts() -> impl Strategy<Value = Vec<Index>> {
    vec(any::<Index>(), 0..24)
}

fn data(longest: usize) -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 1..longest)
}

/// A chunk and how its sender writes the line before it.
fn chunk() -> impl Strategy<Value = (Vec<u8>, String)> {
    let extension = prop::sample::select(vec!["", ";a", ";a=b", "; a=\"b;c\"", " ;a", " "]);
    (data(300), 0_usize..8, any::<bool>(), extension).prop_map(
        |(data, zeros, is_upper, extension)| {
            let size = if is_upper {
                format!("{:X}", data.len())
            } else {
                format!("{:x}", data.len())
            };
            let line = format!("{}{size}{extension}\r\n", "0".repeat(zeros));
            (data, line)
        },
    )
}

fn trailers() -> impl Strategy<Value = Vec<(String, String)>> {
    vec(("x-[a-z]{1,8}", "[!-~]{0,12}"), 0..5)
}

fn in_chunks(chunks: &[(Vec<u8>, String)], trailers: &[(String, String)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (data, line) in chunks {
        bytes.extend_from_slice(line.as_bytes());
        bytes.extend_from_slice(data);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n");
    for (name, value) in trailers {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}

proptest! {
    #[test]
    fn chunks_are_read_the_same_however_they_arrive(
        chunks in vec(chunk(), 0..6),
        trailers in trailers(),
        rest in vec(any::<u8>(), 0..40),
        cuts in cuts(),
    ) {
        let bytes = in_chunks(&chunks, &trailers);
        let mut expected = HeaderMap::new();
        for (name, value) in &trailers {
            let name: http::HeaderName = name.parse().expect("a name");
            expected.append(name, value.parse().expect("a value"));
        }
        let expected = Body {
            data: chunks.into_iter().flat_map(|(data, _)| data).collect(),
            trailers: (!trailers.is_empty()).then_some(expected),
            end: End::Reached,
            rest: rest.clone(),
        };
        let bytes = [bytes, rest].concat();
        prop_assert_eq!(&read(chunked(), pieces(&bytes, &cuts)), &expected);
        prop_assert_eq!(&read_whole(chunked(), &bytes), &expected);
        prop_assert_eq!(&read_bytewise(chunked(), &bytes), &expected);
    }

    #[test]
    fn a_body_that_is_cut_has_no_end(chunks in vec(chunk(), 0..6), trailers in trailers(), cut: Index) {
        let whole = in_chunks(&chunks, &trailers);
        let part = &whole[..cut.index(whole.len())];
        prop_assert_eq!(read_whole(chunked(), part).end, End::Missing);
    }

    #[test]
    fn a_sized_body_is_read_the_same_however_it_arrives(
        data in vec(any::<u8>(), 0..300),
        rest in vec(any::<u8>(), 0..40),
        cuts in cuts(),
    ) {
        let length = u64::try_from(data.len()).expect("a length");
        let bytes = [&data[..], &rest].concat();
        let expected = Body { data, trailers: None, end: End::Reached, rest };
        prop_assert_eq!(&read(Decoder::Length(length), pieces(&bytes, &cuts)), &expected);
        prop_assert_eq!(&read_bytewise(Decoder::Length(length), &bytes), &expected);
    }

    #[test]
    fn a_body_until_the_end_of_the_connection_is_all_that_comes(
        data in vec(any::<u8>(), 0..300),
        cuts in cuts(),
    ) {
        let body = read(Decoder::UntilClose, pieces(&data, &cuts));
        let expected = Body { data, ..Body::default() };
        prop_assert_eq!(body, expected);
    }

    /// Few letters, so that most of it is nearly a body.
    #[test]
    fn no_bytes_are_read_in_two_ways(bytes in "[0135aF;x: \r\n]{0,60}", cuts in cuts()) {
        let bytes = bytes.as_bytes();
        let whole = read_whole(chunked(), bytes);
        let parts = read(chunked(), pieces(bytes, &cuts));
        if matches!(whole.end, End::Refused(_)) {
            prop_assert_eq!((whole.end, whole.data), (parts.end, parts.data));
        } else {
            prop_assert_eq!(whole, parts);
        }
    }
}

#[test]
fn chunks_that_two_readers_might_read_differently_are_refused() {
    for bytes in [
        // Sizes that are none.
        &b"\r\nhello\r\n0\r\n\r\n"[..],
        b"\n0\r\n\r\n",
        b";a\r\n\r\n",
        b" 5\r\nhello\r\n0\r\n\r\n",
        b"\t5\r\nhello\r\n0\r\n\r\n",
        b"+5\r\nhello\r\n0\r\n\r\n",
        b"-5\r\nhello\r\n0\r\n\r\n",
        b"0x5\r\nhello\r\n0\r\n\r\n",
        b"5h\r\nhello\r\n0\r\n\r\n",
        b"5 5\r\nhello\r\n0\r\n\r\n",
        b"5,5\r\nhello\r\n0\r\n\r\n",
        b"5\0\r\nhello\r\n0\r\n\r\n",
        // Lines that end in something else.
        b"5\nhello\r\n0\r\n\r\n",
        b"5\rhello\r\n0\r\n\r\n",
        b"5\r\r\nhello\r\n0\r\n\r\n",
        b"5;a\nhello\r\n0\r\n\r\n",
        b"5;a\nb\r\nhello\r\n0\r\n\r\n",
        b"5;a\rb\r\nhello\r\n0\r\n\r\n",
        b"5 \nhello\r\n0\r\n\r\n",
        // Chunks that are not as long as they say.
        b"5\r\nhell\r\n0\r\n\r\n",
        b"4\r\nhello\r\n0\r\n\r\n",
        b"5\r\nhello0\r\n\r\n",
        b"5\r\nhello\n0\r\n\r\n",
        b"5\r\nhello\r0\r\n\r\n",
        b"5\r\nhello\n\r0\r\n\r\n",
        // Last chunks.
        b"5\r\nhello\r\n\r\n0\r\n\r\n",
        b"0\n\r\n",
        b"0;a\n\r\n",
        b"00000000000000000\r\n\r\n",
    ] {
        assert!(is_refused(bytes), "{}", bytes.escape_ascii());
    }
}

#[test]
fn a_size_has_at_most_sixteen_digits() {
    for (size, expected) in [
        ("0000000000000005", Some(5)),
        ("00000000000000005", None),
        ("ffffffffffffffff", Some(u64::MAX)),
        ("7FFFFFFFFFFFFFFF", Some(u64::MAX / 2)),
        ("fffffffffffffffff", None),
        ("10000000000000000", None),
        ("00000000000000000000000000000000", None),
    ] {
        let line = format!("{size}\r\n");
        let read = chunk_size(line.as_bytes()).ok().flatten();
        assert_eq!(read, expected.map(|size| (line.len(), size)), "{size}");
        assert_eq!(is_refused(line.as_bytes()), expected.is_none(), "{size}");
    }
    // As many bytes as there are, and no overflow behind them.
    let body = read_whole(chunked(), b"ffffffffffffffff\r\nhello");
    assert_eq!((&body.data[..], body.end), (&b"hello"[..], End::Missing));
}

#[test]
fn the_line_before_a_chunk_is_bounded() {
    let with_line = |length: usize| {
        let extension = "a".repeat(length - "5;\r\n".len());
        format!("5;{extension}\r\nhello\r\n0\r\n\r\n")
    };
    let body = read_bytewise(chunked(), with_line(CHUNK_LINE).as_bytes());
    assert_eq!((&body.data[..], &body.end), (&b"hello"[..], &End::Reached));
    for length in [CHUNK_LINE + 1, 2 * CHUNK_LINE, 40 * CHUNK_LINE] {
        assert!(is_refused(with_line(length).as_bytes()), "{length}");
    }
    // Nor is its end waited for.
    assert!(is_refused("5;".repeat(CHUNK_LINE / 2).as_bytes()));
    assert!(!is_refused(
        &"5;".repeat(CHUNK_LINE / 2).as_bytes()[..CHUNK_LINE - 1]
    ));
}

#[test]
fn all_lines_before_chunks_are_bounded_together() {
    let line = format!("1;{}\r\nx\r\n", "a".repeat(996));
    // Of each line of 1000 bytes, 982 are beyond what a size needs.
    let most = CHUNK_EXTENSIONS / 982;
    let body = format!("{}0\r\n\r\n", line.repeat(most));
    let read = read_whole(chunked(), body.as_bytes());
    assert_eq!((read.data.len(), read.end), (most, End::Reached));
    let body = format!("{}0\r\n\r\n", line.repeat(most + 1));
    assert!(is_refused(body.as_bytes()));
    // Small chunks without extensions are nothing to object to.
    let body = format!("{}0\r\n\r\n", "1\r\nx\r\n".repeat(20_000));
    let read = read_whole(chunked(), body.as_bytes());
    assert_eq!((read.data.len(), read.end), (20_000, End::Reached));
}

#[test]
fn trailers_that_two_readers_might_read_differently_are_refused() {
    for trailers in [
        &b"\nx-a: 1\r\n\r\n"[..],
        b"\n\n",
        b"\n\r\n",
        b"x-a : 1\r\n\r\n",
        b" x-a: 1\r\n\r\n",
        b"x-a: 1\r\n b\r\n\r\n",
        b"x-a: 1\r\n\tb\r\n\r\n",
        b"x-a\r\n\r\n",
        b": 1\r\n\r\n",
        b"x-a: 1\rx-b: 2\r\n\r\n",
        b"x-a: \0\r\n\r\n",
        b"x\0a: 1\r\n\r\n",
        b"content-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"content-length: +1\r\n\r\n",
        b"transfer-encoding: gzip\r\n\r\n",
    ] {
        let bytes = [b"5\r\nhello\r\n0\r\n", trailers].concat();
        assert!(is_refused(&bytes), "{}", trailers.escape_ascii());
    }
}

#[test]
fn trailers_are_bounded_in_number() {
    let body = |count: usize| format!("0\r\n{}\r\n", "x-a: 1\r\n".repeat(count));
    let read = read_whole(chunked(), body(TRAILER_COUNT).as_bytes());
    assert_eq!(
        read.trailers.map(|trailers| trailers.len()),
        Some(TRAILER_COUNT)
    );
    assert!(is_refused(body(TRAILER_COUNT + 1).as_bytes()));
}

#[test]
fn trailers_are_bounded_in_size_however_they_arrive() {
    // The empty line included.
    let body = |length: usize| {
        let value = "1".repeat(length - "x-a: \r\n\r\n".len());
        format!("0\r\nx-a: {value}\r\n\r\n")
    };
    let read = read_bytewise(chunked(), body(TRAILERS).as_bytes());
    assert_eq!(read.end, End::Reached);
    assert!(read.trailers.is_some());
    for length in [TRAILERS + 1, TRAILERS + 100, 3 * TRAILERS] {
        assert!(is_refused(body(length).as_bytes()), "{length}");
    }
    assert!(is_refused(
        format!("0\r\nx-a: {}", "1".repeat(TRAILERS)).as_bytes()
    ));
}

#[test]
fn only_a_body_without_a_known_end_ends_with_the_connection() {
    for (mut decoder, is_end) in [
        (Decoder::Done, true),
        (Decoder::Length(0), true),
        (Decoder::Length(1), false),
        (chunked(), false),
        (Decoder::UntilClose, true),
    ] {
        let ended = decoder.end_of_stream();
        assert_eq!(ended.is_ok(), is_end, "{decoder:?}");
        assert_eq!(decoder.is_done(), is_end, "{decoder:?}");
    }
    // Not even where only its last line break is missing.
    let mut decoder = chunked();
    let mut input = BytesMut::from(&b"0\r\n"[..]);
    assert!(matches!(decoder.decode(&mut input), Ok(Decoded::NeedsMore)));
    assert!(matches!(
        decoder.end_of_stream(),
        Err(Http1Error::Incomplete)
    ));
}

#[test]
fn a_length_is_told_only_where_it_is_known() {
    let mut decoder = Decoder::Length(5);
    assert_eq!(decoder.length(), Some(5));
    let mut input = BytesMut::from(&b"hel"[..]);
    assert!(matches!(decoder.decode(&mut input), Ok(Decoded::Data(_))));
    assert_eq!(decoder.length(), Some(2));
    assert_eq!(Decoder::Done.length(), Some(0));
    assert_eq!(chunked().length(), None);
    assert_eq!(Decoder::UntilClose.length(), None);
}
