//! Bodies on their way through: never gathered, always bounded in size or in silence.

use std::cell::Cell;
use std::future::Future as _;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep};

use super::access_log::AccessRecord;
use super::pool::Lease;
use crate::refusal::Reason;

/// Why a body broke off.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the body is larger than the gateway accepts")]
    TooLarge,
    #[error("no byte of the body arrived in time")]
    Stalled,
    #[error("the sender of the body failed")]
    Sender(#[source] hyper::Error),
}

/// How the client's body is getting on, seen from the request that waits for the answer.
#[derive(Debug)]
pub(super) struct BodyProgress {
    pub(super) last_activity: Cell<Instant>,
    pub(super) fault: Cell<Option<Reason>>,
}

/// The client's body on its way up.
pub(crate) struct RequestBody {
    incoming: Incoming,
    room: u64,
    silence: Silence,
    progress: Rc<BodyProgress>,
}

/// The answer's body on its way down.
pub(crate) enum ResponseBody {
    Own(Option<Bytes>, Box<AccessRecord>),
    Upstream(Box<UpstreamBody>),
    /// After a switch of protocols.
    None,
}

pub(crate) struct UpstreamBody {
    incoming: Incoming,
    silence: Silence,
    /// Goes back to the pool when the body is whole; otherwise the connection is closed.
    lease: Option<Lease>,
    record: Box<AccessRecord>,
}

/// How long a body may be silent. The clock runs only while we wait for the sender.
struct Silence {
    longest: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

impl RequestBody {
    pub(super) fn new(
        incoming: Incoming,
        most: u64,
        longest_silence: Duration,
    ) -> (Self, Rc<BodyProgress>) {
        let progress = Rc::new(BodyProgress {
            last_activity: Cell::new(Instant::now()),
            fault: Cell::new(None),
        });
        let body = Self {
            incoming,
            room: most,
            silence: Silence::new(longest_silence),
            progress: Rc::clone(&progress),
        };
        (body, progress)
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let Poll::Ready(frame) = Pin::new(&mut this.incoming).poll_frame(cx) else {
            ready!(this.silence.poll(cx));
            this.progress.fault.set(Some(Reason::RequestTimeout));
            return Poll::Ready(Some(Err(BodyError::Stalled)));
        };
        this.silence.end();
        this.progress.last_activity.set(Instant::now());
        let frame = match frame {
            None => return Poll::Ready(None),
            Some(Err(error)) => {
                this.progress.fault.set(Some(Reason::RequestAborted));
                return Poll::Ready(Some(Err(BodyError::Sender(error))));
            }
            Some(Ok(frame)) => frame,
        };
        let length = frame.data_ref().map_or(0, Bytes::remaining);
        let Some(room) = this
            .room
            .checked_sub(u64::try_from(length).unwrap_or(u64::MAX))
        else {
            this.progress.fault.set(Some(Reason::RequestTooLarge));
            return Poll::Ready(Some(Err(BodyError::TooLarge)));
        };
        this.room = room;
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl ResponseBody {
    pub(super) fn upstream(
        incoming: Incoming,
        lease: Lease,
        longest_silence: Duration,
        record: Box<AccessRecord>,
    ) -> Self {
        let mut body = UpstreamBody {
            incoming,
            silence: Silence::new(longest_silence),
            lease: Some(lease),
            record,
        };
        // Without a body nobody polls it.
        body.return_lease_at_end();
        Self::Upstream(Box::new(body))
    }
}

impl UpstreamBody {
    fn return_lease_at_end(&mut self) {
        if self.incoming.is_end_stream() {
            self.record.complete();
            if let Some(lease) = self.lease.take() {
                lease.give_back();
            }
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(cx) else {
            ready!(self.silence.poll(cx));
            self.lease = None;
            return Poll::Ready(Some(Err(BodyError::Stalled)));
        };
        self.silence.end();
        match frame {
            Some(Ok(frame)) => {
                self.record
                    .sent(frame.data_ref().map_or(0, Bytes::remaining));
                self.return_lease_at_end();
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => {
                self.lease = None;
                Poll::Ready(Some(Err(BodyError::Sender(error))))
            }
            None => {
                self.record.complete();
                if let Some(lease) = self.lease.take() {
                    lease.give_back();
                }
                Poll::Ready(None)
            }
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut *self {
            Self::Own(bytes, record) => {
                let Some(bytes) = bytes.take() else {
                    return Poll::Ready(None);
                };
                record.sent(bytes.len());
                record.complete();
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Self::Upstream(body) => body.poll(cx),
            Self::None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(bytes, _) => bytes.is_none(),
            Self::Upstream(body) => body.incoming.is_end_stream(),
            Self::None => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(bytes, _) => {
                let length = bytes.as_ref().map_or(0, Bytes::len);
                SizeHint::with_exact(u64::try_from(length).unwrap_or(u64::MAX))
            }
            Self::Upstream(body) => body.incoming.size_hint(),
            Self::None => SizeHint::with_exact(0),
        }
    }
}

impl Silence {
    fn new(longest: Duration) -> Self {
        Self {
            longest,
            timer: None,
        }
    }

    /// Ready when it lasted too long.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let longest = self.longest;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(longest)));
        timer.as_mut().poll(cx)
    }

    fn end(&mut self) {
        self.timer = None;
    }
}
