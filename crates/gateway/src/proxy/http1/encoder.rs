//! From a body to bytes: its frame is of our own making, whatever frame it came in.

use std::io::Write as _;

use bytes::Bytes;
use http::HeaderMap;
use hyper::body::Frame;

use super::Http1Error;
use super::buffered::Buffered;
use super::head::write_lines;

/// How what follows a head is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proxy) enum Encoder {
    /// Nothing follows.
    Nothing,
    /// Bytes that are still due.
    Length(u64),
    Chunked,
    UntilClose,
}

impl Encoder {
    /// Only where `to` has room.
    pub(in crate::proxy) fn write(
        &mut self,
        frame: Frame<Bytes>,
        to: &mut Buffered,
    ) -> Result<(), Http1Error> {
        match frame.into_data() {
            Ok(data) => self.write_data(data, to),
            Err(frame) => {
                if let (Self::Chunked, Ok(trailers)) = (*self, frame.into_trailers()) {
                    to.output.extend_from_slice(b"0\r\n");
                    write_trailers(&trailers, &mut to.output);
                    *self = Self::Nothing;
                }
                Ok(())
            }
        }
    }

    fn write_data(&mut self, data: Bytes, to: &mut Buffered) -> Result<(), Http1Error> {
        if data.is_empty() {
            // An empty chunk would be the last one.
            return Ok(());
        }
        match self {
            Self::Nothing => return Err(Http1Error::Length),
            Self::Length(due) => {
                let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
                *due = due.checked_sub(length).ok_or(Http1Error::Length)?;
                to.push(data, b"");
            }
            Self::Chunked => {
                let _ = write!(to.output, "{:x}\r\n", data.len());
                to.push(data, b"\r\n");
            }
            Self::UntilClose => to.push(data, b""),
        }
        Ok(())
    }

    /// The body is over.
    pub(in crate::proxy) fn finish(&mut self, to: &mut Buffered) -> Result<(), Http1Error> {
        match std::mem::replace(self, Self::Nothing) {
            Self::Length(1..) => Err(Http1Error::Length),
            Self::Chunked => {
                to.output.extend_from_slice(b"0\r\n\r\n");
                Ok(())
            }
            Self::Nothing | Self::Length(0) | Self::UntilClose => Ok(()),
        }
    }
}

fn write_trailers(trailers: &HeaderMap, output: &mut Vec<u8>) {
    write_lines(trailers, output);
    output.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests;
