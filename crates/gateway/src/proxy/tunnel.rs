//! After a switch to WebSocket: bytes in both directions until one side ends, or both are silent for too long.
//!
//! A tunnel counts as an open connection: the gateway's limit holds for it, and its end waits for it.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional};
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep_until};

use super::access_log::AccessRecord;
use super::body::ByteCount;
use super::connection::OpenConnection;

/// One side of a tunnel: notes when its last byte came, and how many bytes went to it.
struct Side {
    io: TokioIo<Upgraded>,
    last_read: Rc<Cell<Instant>>,
    written: Rc<Cell<usize>>,
    /// What comes from it and goes to it counts against quotas of bytes as it passes, so that nothing is gained by
    /// breaking off.
    count: Option<Rc<ByteCount>>,
}

/// Must be called on the worker's thread, after the 101 is on its way.
pub(super) fn open(
    client: OnUpgrade,
    upstream: OnUpgrade,
    longest_silence: Duration,
    connection: OpenConnection,
    mut record: Box<AccessRecord>,
    count: Option<Rc<ByteCount>>,
) {
    spawn_local(async move {
        let (client, upstream) = match tokio::try_join!(client, upstream) {
            Ok(both) => both,
            Err(error) => {
                tracing::debug!(%error, "a switch of protocols failed");
                return;
            }
        };
        let last_read = Rc::new(Cell::new(Instant::now()));
        let mut client = Side::new(client, &last_read, count);
        let mut upstream = Side::new(upstream, &last_read, None);
        let down = Rc::clone(&client.written);
        let ended = {
            let copying = copy_bidirectional(&mut client, &mut upstream);
            tokio::select! {
                ended = copying => ended.is_ok(),
                () = silence(&last_read, longest_silence) => {
                    tracing::debug!("a WebSocket was silent for too long");
                    false
                }
            }
        };
        record.sent(down.get());
        if ended {
            record.complete();
        }
        drop(connection);
    });
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
    fn new(io: Upgraded, last_read: &Rc<Cell<Instant>>, count: Option<Rc<ByteCount>>) -> Self {
        Self {
            io: TokioIo::new(io),
            last_read: Rc::clone(last_read),
            written: Rc::default(),
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
