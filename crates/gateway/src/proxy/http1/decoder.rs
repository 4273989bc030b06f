//! From bytes to a body: how long it is, and what of the input belongs to it (RFC 9112 sections 6 and 7).

use bytes::{Buf as _, Bytes, BytesMut};
use http::HeaderMap;

use super::Http1Error;
use super::head::{HeadLimits, read_lines};

/// Bytes of a line that tells a chunk's size, its extensions included.
const CHUNK_LINE: usize = 1_024;
/// Bytes of such lines in one body beyond what sizes need: extensions, which mean nothing here.
const CHUNK_EXTENSIONS: usize = 16 * 1_024;
/// Bytes of a trailer section.
const TRAILERS: usize = 16 * 1_024;
/// Lines of a trailer section.
const TRAILER_COUNT: usize = 64;

/// What of a body is still to come.
#[derive(Debug, Default)]
pub(in crate::proxy) enum Decoder {
    #[default]
    Done,
    Length(u64),
    Chunked(Chunked),
    UntilClose,
    /// Its frame was broken: where it ends is not known any more.
    Broken,
}

#[derive(Debug, Default)]
pub(in crate::proxy) struct Chunked {
    state: ChunkState,
    extensions: usize,
}

#[derive(Debug, Default)]
enum ChunkState {
    #[default]
    Size,
    /// Bytes of the chunk that are still to come.
    Data(u64),
    /// The line break behind a chunk.
    DataEnd,
    Trailers,
}

#[derive(Debug)]
pub(in crate::proxy) enum Decoded {
    Data(Bytes),
    Trailers(HeaderMap),
    End,
    /// The input is used up as far as it can be.
    NeedsMore,
}

impl Decoder {
    pub(in crate::proxy) fn is_done(&self) -> bool {
        matches!(self, Self::Done | Self::Length(0))
    }

    /// Of the whole body, or of the rest of it; `None` where only its end will tell.
    pub(in crate::proxy) fn length(&self) -> Option<u64> {
        match self {
            Self::Done => Some(0),
            Self::Length(length) => Some(*length),
            Self::Chunked(_) | Self::UntilClose | Self::Broken => None,
        }
    }

    /// Takes the next piece out of `input`.
    pub(in crate::proxy) fn decode(&mut self, input: &mut BytesMut) -> Result<Decoded, Http1Error> {
        match self {
            Self::Done | Self::Length(0) => Ok(Decoded::End),
            Self::Length(left) => Ok(take(input, left)),
            Self::UntilClose => Ok(take(input, &mut { u64::MAX })),
            Self::Chunked(chunked) => {
                let decoded = chunked.decode(input);
                match decoded {
                    Ok(Decoded::Data(_) | Decoded::NeedsMore) => {}
                    Ok(Decoded::Trailers(_) | Decoded::End) => *self = Self::Done,
                    Err(_) => *self = Self::Broken,
                }
                decoded
            }
            Self::Broken => Err(Http1Error::Chunk),
        }
    }

    /// The connection ended: an error, unless that is how the body ends.
    pub(in crate::proxy) fn end_of_stream(&mut self) -> Result<(), Http1Error> {
        if !self.is_done() && !matches!(self, Self::UntilClose) {
            return Err(Http1Error::Incomplete);
        }
        *self = Self::Done;
        Ok(())
    }
}

fn take(input: &mut BytesMut, left: &mut u64) -> Decoded {
    let length = usize::try_from(*left).map_or(input.len(), |left| left.min(input.len()));
    if length == 0 {
        return Decoded::NeedsMore;
    }
    *left -= u64::try_from(length).unwrap_or(u64::MAX);
    Decoded::Data(input.split_to(length).freeze())
}

impl Chunked {
    fn decode(&mut self, input: &mut BytesMut) -> Result<Decoded, Http1Error> {
        loop {
            match &mut self.state {
                ChunkState::Size => {
                    let Some((line, size)) = chunk_size(input)? else {
                        return Ok(Decoded::NeedsMore);
                    };
                    // 16 digits and the line break are the least that must be free.
                    self.extensions += line.saturating_sub(18);
                    if self.extensions > CHUNK_EXTENSIONS {
                        return Err(Http1Error::Chunk);
                    }
                    input.advance(line);
                    self.state = if size == 0 {
                        ChunkState::Trailers
                    } else {
                        ChunkState::Data(size)
                    };
                }
                ChunkState::Data(left) => {
                    let data = take(input, left);
                    if *left == 0 {
                        self.state = ChunkState::DataEnd;
                    }
                    return Ok(data);
                }
                ChunkState::DataEnd => {
                    if !b"\r\n".starts_with(&input[..input.len().min(2)]) {
                        return Err(Http1Error::Chunk);
                    }
                    if input.len() < 2 {
                        return Ok(Decoded::NeedsMore);
                    }
                    input.advance(2);
                    self.state = ChunkState::Size;
                }
                ChunkState::Trailers => {
                    // Nearly always there are none.
                    if input.starts_with(b"\r\n") {
                        input.advance(2);
                        return Ok(Decoded::End);
                    }
                    let limits = HeadLimits {
                        bytes: TRAILERS,
                        lines: TRAILER_COUNT,
                    };
                    return Ok(match read_lines(input, limits)? {
                        Some(trailers) => Decoded::Trailers(trailers),
                        None => Decoded::NeedsMore,
                    });
                }
            }
        }
    }
}

/// Length of the line and size of the chunk; `None` while the line is not whole.
fn chunk_size(input: &[u8]) -> Result<Option<(usize, u64)>, Http1Error> {
    let Some(first) = input.first() else {
        return Ok(None);
    };
    let line = &input[..input.len().min(CHUNK_LINE)];
    let end = line.iter().position(|&byte| byte == b'\n');
    // httparse takes a line without digits for a zero, and a lone LF for a part of an extension: others might not.
    if !first.is_ascii_hexdigit() || (end.is_none() && input.len() >= CHUNK_LINE) {
        return Err(Http1Error::Chunk);
    }
    let line = end.map_or(line, |end| &line[..=end]);
    match httparse::parse_chunk_size(line) {
        Ok(httparse::Status::Complete((length, size))) => Ok(Some((length, size))),
        // All of a line, and no end of it: its LF stands alone.
        Ok(httparse::Status::Partial) if end.is_none() => Ok(None),
        Ok(httparse::Status::Partial) | Err(_) => Err(Http1Error::Chunk),
    }
}

#[cfg(test)]
mod tests;
