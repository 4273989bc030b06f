//! After a switch to WebSocket: bytes in both directions until one side ends, or both are silent for too long.
//!
//! A tunnel is still the client's connection: the gateway's limit holds for it, and its end waits for it.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional};
use tokio::time::{Instant, sleep_until};

use super::access_log::AccessRecord;
use super::body::ByteCount;
use super::stream::Rewound;

/// One side of a tunnel: notes when its last byte came, and how many bytes went to it.
struct Side {
    io: Rewound,
    last_read: Rc<Cell<Instant>>,
    written: Rc<Cell<usize>>,
    /// What comes from it and goes to it counts against quotas of bytes as it passes, so that nothing is gained by
    /// breaking off.
    count: Option<Rc<ByteCount>>,
}

/// An upstream that has switched, and what is known of the request that made it.
pub(crate) struct Tunnel {
    pub(super) upstream: Rewound,
    pub(super) longest_silence: Duration,
    pub(super) record: Box<AccessRecord>,
    pub(super) count: Option<Rc<ByteCount>>,
}

impl Tunnel {
    /// Carries until the end. The 101 has been written.
    pub(super) async fn carry(self, client: Rewound) {
        let mut tunneled = Tunneled {
            record: self.record,
            to_client: Rc::default(),
        };
        let last_read = Rc::new(Cell::new(Instant::now()));
        let to_client = Rc::clone(&tunneled.to_client);
        let mut client = Side::new(client, &last_read, to_client, self.count);
        let mut upstream = Side::new(self.upstream, &last_read, Rc::default(), None);
        let ended = {
            let copying = copy_bidirectional(&mut client, &mut upstream);
            tokio::select! {
                ended = copying => ended.is_ok(),
                () = silence(&last_read, self.longest_silence) => {
                    tracing::debug!("a WebSocket was silent for too long");
                    false
                }
            }
        };
        if ended {
            tunneled.record.complete();
        }
    }
}

/// What is known of a tunnel's request, also where the gateway's end cuts it.
struct Tunneled {
    record: Box<AccessRecord>,
    /// Bytes.
    to_client: Rc<Cell<usize>>,
}

impl Drop for Tunneled {
    fn drop(&mut self) {
        self.record.sent(self.to_client.get());
    }
}

async fn silence(last_read: &Cell<Instant>, longest: Duration) {
    loop {
        let deadline = last_read.get() + longest;
        if deadline <= Instant::now() {
            return;
        }
        sleep_until(deadline).await;
    }
}

impl Side {
    fn new(
        io: Rewound,
        last_read: &Rc<Cell<Instant>>,
        written: Rc<Cell<usize>>,
        count: Option<Rc<ByteCount>>,
    ) -> Self {
        Self {
            io,
            last_read: Rc::clone(last_read),
            written,
            count,
        }
    }

    fn count(&self, bytes: usize) {
        if let Some(count) = &self.count {
            count.add(bytes);
        }
    }
}

impl AsyncRead for Side {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut self.io).poll_read(cx, buffer));
        self.count(buffer.filled().len() - before);
        self.last_read.set(Instant::now());
        Poll::Ready(read)
    }
}

impl AsyncWrite for Side {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.io).poll_write(cx, bytes));
        if let Ok(count) = written {
            self.written.set(self.written.get().saturating_add(count));
            self.count(count);
        }
        Poll::Ready(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
