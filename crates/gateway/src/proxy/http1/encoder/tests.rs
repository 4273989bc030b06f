use std::future::poll_fn;

use bytes::BytesMut;
use proptest::collection::vec;
use proptest::prelude::*;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::proxy::http1::decoder::{Decoded, Decoder};

/// Writes frames to a socket, in as many goes as there must be; what arrives, and how the encoder ended.
fn write(mut encoder: Encoder, frames: Vec<Frame<Bytes>>) -> (Vec<u8>, Result<(), Http1Error>) {
    tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .expect("a runtime")
        .block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let address = listener.local_addr().expect("an address");
            let stream = TcpStream::connect(address).await.expect("a connection");
            let (mut other, _) = listener.accept().await.expect("the other end");
            let mut to = Buffered::new(stream.into());
            let writing = async move {
                for frame in frames {
                    if !to.has_room() {
                        poll_fn(|cx| to.poll_flush(cx)).await.expect("written");
                    }
                    encoder.write(frame, &mut to)?;
                }
                poll_fn(|cx| to.poll_flush(cx)).await.expect("written");
                let finished = encoder.finish(&mut to);
                poll_fn(|cx| to.poll_flush(cx)).await.expect("written");
                assert_eq!(to.left(), 0);
                finished
            };
            let mut arrived = Vec::new();
            let (written, read) = tokio::join!(writing, other.read_to_end(&mut arrived));
            read.expect("an end");
            (arrived, written)
        })
}

fn data_frames(pieces: &[Vec<u8>]) -> Vec<Frame<Bytes>> {
    let frame = |piece: &Vec<u8>| Frame::data(Bytes::from(piece.clone()));
    pieces.iter().map(frame).collect()
}

/// What the other side makes of the bytes; those that are left are none of the body.
fn read(mut decoder: Decoder, bytes: &[u8]) -> (Vec<u8>, Option<HeaderMap>, Vec<u8>) {
    let (mut input, mut data, mut trailers) = (BytesMut::from(bytes), Vec::new(), None);
    loop {
        match decoder.decode(&mut input).expect("a body") {
            Decoded::Data(piece) => data.extend_from_slice(&piece),
            Decoded::Trailers(read) => trailers = Some(read),
            Decoded::End => return (data, trailers, input.to_vec()),
            Decoded::NeedsMore => panic!("the body has no end"),
        }
    }
}

fn pieces() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let length = prop_oneof![
        0_usize..3,
        0_usize..600,
        // About where bytes are no longer copied.
        4_090_usize..4_100,
        10_000_usize..200_000,
    ];
    let piece = (length, any::<u8>()).prop_map(|(length, byte)| vec![byte; length]);
    vec(piece, 0..8)
}

fn trailers() -> impl Strategy<Value = Option<HeaderMap>> {
    let line = ("x-[a-z]{1,8}", "[!-~]{0,12}");
    let trailers = vec(line, 1..5).prop_map(|lines| {
        lines
            .iter()
            .map(|(name, value)| {
                let name: http::HeaderName = name.parse().expect("a name");
                (name, value.parse().expect("a value"))
            })
            .collect::<HeaderMap>()
    });
    prop::option::of(trailers)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn chunks_read_as_they_were_written(
        pieces in pieces(),
        trailers in trailers(),
        rest in vec(any::<u8>(), 0..40),
    ) {
        let mut frames = data_frames(&pieces);
        frames.extend(trailers.clone().map(Frame::trailers));
        let (mut bytes, written) = write(Encoder::Chunked, frames);
        prop_assert!(written.is_ok());
        bytes.extend_from_slice(&rest);
        let read = read(Decoder::Chunked(<_>::default()), &bytes);
        prop_assert_eq!(read, (pieces.concat(), trailers, rest));
    }

    #[test]
    fn a_body_of_known_length_is_written_as_it_is(pieces in pieces()) {
        let data = pieces.concat();
        let length = u64::try_from(data.len()).expect("a length");
        for encoder in [Encoder::Length(length), Encoder::UntilClose] {
            let (bytes, written) = write(encoder, data_frames(&pieces));
            prop_assert!(written.is_ok());
            prop_assert!(bytes == data, "{:?}", encoder);
        }
    }
}

#[test]
fn a_body_is_as_long_as_its_head_said_or_breaks_off() {
    for (encoder, pieces, is_whole) in [
        (Encoder::Length(5), vec!["hello"], true),
        (Encoder::Length(5), vec!["he", "", "llo"], true),
        (Encoder::Length(5), vec!["hell"], false),
        (Encoder::Length(5), vec![], false),
        (Encoder::Length(5), vec!["hello!"], false),
        (Encoder::Length(5), vec!["hello", "!"], false),
        (Encoder::Length(0), vec![], true),
        (Encoder::Length(0), vec!["!"], false),
        (Encoder::Nothing, vec![], true),
        (Encoder::Nothing, vec![""], true),
        (Encoder::Nothing, vec!["!"], false),
    ] {
        let frames = pieces.iter().map(|piece| Frame::data(Bytes::from(*piece)));
        let (bytes, written) = write(encoder, frames.collect());
        assert_eq!(written.is_ok(), is_whole, "{encoder:?} {pieces:?}");
        assert!(is_whole || matches!(written, Err(Http1Error::Length)));
        // What is too much does not go out: it would be the beginning of the next message.
        assert!(b"hello".starts_with(&bytes), "{encoder:?} {pieces:?}");
    }
}

#[test]
fn trailers_go_out_behind_chunks_only() {
    let trailers = || HeaderMap::from_iter([(http::header::ETAG, "a".parse().expect("a value"))]);
    for (encoder, expected) in [
        (Encoder::Length(2), "ok"),
        (Encoder::UntilClose, "ok"),
        (Encoder::Chunked, "2\r\nok\r\n0\r\netag: a\r\n\r\n"),
    ] {
        let frames = vec![Frame::data(Bytes::from("ok")), Frame::trailers(trailers())];
        let (bytes, written) = write(encoder, frames);
        assert!(written.is_ok());
        assert_eq!(String::from_utf8_lossy(&bytes), expected, "{encoder:?}");
    }
}

#[test]
fn trailers_say_nothing_of_the_frame() {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-a", "b".parse().expect("a value"));
    trailers.insert("content-length", "5".parse().expect("a value"));
    trailers.insert("transfer-encoding", "chunked".parse().expect("a value"));
    let (bytes, _) = write(Encoder::Chunked, vec![Frame::trailers(trailers)]);
    assert_eq!(String::from_utf8_lossy(&bytes), "0\r\nx-a: b\r\n\r\n");
}
