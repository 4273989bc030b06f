//! A stream with what was read of it and not yet used, and with what is yet to be written.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio_util::io::poll_read_buf;

use crate::proxy::stream::{Rewound, Stream};

/// What a connection reads at a time: heads, and bodies that are not large.
const READ_SIZE: usize = 8 * 1024;
/// What it reads at a time at the most, while large bodies pass.
const MOST_READ_SIZE: usize = 128 * 1024;
/// Bytes of heads and small pieces that wait before bodies are asked for more.
const MOST_OUTPUT: usize = 16 * 1024;
/// Up to this many bytes, copying is cheaper than one more part of a write.
const COPIED: usize = 4 * 1024;

pub(in crate::proxy) struct Buffered {
    pub(in crate::proxy) stream: Stream,
    pub(in crate::proxy) input: BytesMut,
    /// Heads and small pieces of bodies, on their way out.
    pub(in crate::proxy) output: Vec<u8>,
    /// How many of them are written.
    written: usize,
    /// Follows `output`.
    large: Bytes,
    /// Follows `large`.
    end: &'static [u8],
    /// What is read at a time: more where there was more.
    read_size: usize,
    /// `input` may have more memory than heads need.
    has_grown: bool,
}

impl Buffered {
    pub(in crate::proxy) fn new(stream: Stream) -> Self {
        Self {
            stream,
            input: BytesMut::new(),
            output: Vec::new(),
            written: 0,
            large: Bytes::new(),
            end: b"",
            read_size: READ_SIZE,
            has_grown: false,
        }
    }

    /// Reads what there is; 0 at the end of the stream.
    pub(in crate::proxy) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.input.capacity() - self.input.len() < self.read_size / 2 {
            self.has_grown |= self.read_size > READ_SIZE;
            if !self.input.is_empty() {
                self.input.reserve(self.read_size);
            } else if !self.input.try_reclaim(self.read_size) {
                self.input = BytesMut::with_capacity(self.read_size);
            }
        }
        let spare = self.input.capacity() - self.input.len();
        let read = ready!(poll_read_buf(
            Pin::new(&mut self.stream),
            cx,
            &mut self.input
        ))?;
        if read == spare {
            self.read_size = (2 * self.read_size).min(MOST_READ_SIZE);
        } else if read < self.read_size / 4 {
            self.read_size = (self.read_size / 2).max(READ_SIZE);
        }
        Poll::Ready(Ok(read))
    }

    /// Whether nothing has come, not even the end. What has come is lost: who is not quiet is to be closed. Costs no call
    /// of the system where nothing new is known.
    pub(in crate::proxy) fn probe_quiet(&mut self) -> bool {
        let mut byte = [0];
        match &mut self.stream {
            Stream::Plain(stream) => {
                let read = stream.try_read(&mut byte);
                read.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
            }
            Stream::Tls(stream) => {
                let mut cx = Context::from_waker(Waker::noop());
                let mut buffer = ReadBuf::new(&mut byte);
                Pin::new(stream)
                    .poll_read(&mut cx, &mut buffer)
                    .is_pending()
            }
        }
    }

    /// Gives back what large messages took: a connection that waits needs no memory.
    pub(in crate::proxy) fn release_memory(&mut self) {
        if self.input.is_empty() && self.has_grown {
            self.input = BytesMut::new();
            self.read_size = READ_SIZE;
            self.has_grown = false;
        }
        if self.output.capacity() > MOST_OUTPUT {
            self.output = Vec::new();
        }
    }

    /// Room for a further piece of a body.
    pub(in crate::proxy) fn has_room(&self) -> bool {
        self.large.is_empty() && self.end.is_empty() && self.output.len() < MOST_OUTPUT
    }

    /// Only where there [is room](Self::has_room). `end` follows the bytes.
    pub(in crate::proxy) fn push(&mut self, bytes: Bytes, end: &'static [u8]) {
        if bytes.len() <= COPIED {
            self.output.extend_from_slice(&bytes);
            self.output.extend_from_slice(end);
        } else {
            self.large = bytes;
            self.end = end;
        }
    }

    /// Writes until nothing is left.
    pub(in crate::proxy) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.left() > 0 {
            let written = ready!(self.poll_write(cx))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.advance(written);
        }
        // TLS holds back what the socket did not take.
        match &mut self.stream {
            Stream::Plain(_) => Poll::Ready(Ok(())),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    /// One write.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let stream = Pin::new(&mut self.stream);
        let output = &self.output[self.written..];
        if self.large.is_empty() && self.end.is_empty() {
            return stream.poll_write(cx, output);
        }
        let parts = [output, &self.large, self.end].map(IoSlice::new);
        stream.poll_write_vectored(cx, &parts)
    }

    fn advance(&mut self, mut count: usize) {
        let taken = count.min(self.output.len() - self.written);
        self.written += taken;
        count -= taken;
        if self.written == self.output.len() {
            self.output.clear();
            self.written = 0;
        }
        let taken = count.min(self.large.len());
        self.large.advance(taken);
        if self.large.is_empty() {
            // Used up, it would still hold on to the memory that it is a part of.
            self.large = Bytes::new();
        }
        self.end = &self.end[count - taken..];
    }

    /// Bytes that are not written yet.
    pub(in crate::proxy) fn left(&self) -> usize {
        self.output.len() - self.written + self.large.len() + self.end.len()
    }

    pub(in crate::proxy) fn into_stream(self) -> Rewound {
        let first = if self.input.is_empty() {
            // Frozen, it would keep its memory.
            Bytes::new()
        } else {
            self.input.freeze()
        };
        Rewound {
            first,
            stream: self.stream,
        }
    }

    pub(in crate::proxy) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
