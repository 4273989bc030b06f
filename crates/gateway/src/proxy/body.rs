//! Bodies on their way through: never gathered, always bounded in size or in silence.

use std::cell::Cell;
use std::future::Future as _;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use domain::Clock;
use http::HeaderName;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use super::access_log::AccessRecord;
use super::headers::clean_trailers;
use super::pool::Lease;
use crate::limits::Meter;
use crate::refusal::Reason;

/// Why a body broke off.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the body is larger than the gateway accepts")]
    TooLarge,
    #[error("no byte of the body arrived in time")]
    Stalled,
    #[error("the request took longer than a whole request may take")]
    TotalTime,
    #[error("the sender of the body failed")]
    Sender(#[source] hyper::Error),
}

/// Counts the bytes that pass against quotas of bytes.
pub(crate) struct ByteCount {
    meters: Vec<Meter>,
    clock: Arc<dyn Clock>,
}

impl ByteCount {
    /// `None` where nothing is to be counted, which is nearly always.
    pub(super) fn of(meters: Vec<Meter>, clock: &Arc<dyn Clock>) -> Option<Rc<Self>> {
        (!meters.is_empty()).then(|| {
            Rc::new(Self {
                meters,
                clock: Arc::clone(clock),
            })
        })
    }

    pub(super) fn add(&self, bytes: usize) {
        if bytes == 0 {
            return;
        }
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let now = u64::try_from(self.clock.now().as_nanosecond()).unwrap_or_default();
        for meter in &self.meters {
            meter.count(bytes, now);
        }
    }
}

/// How the client's body is getting on, seen from the request that waits for the answer.
#[derive(Debug)]
pub(super) struct BodyProgress {
    pub(super) last_activity: Cell<Instant>,
    pub(super) fault: Cell<Option<Reason>>,
}

/// The client's body on its way up.
pub(crate) struct RequestBody {
    /// `None`: there is nothing to send.
    incoming: Option<Incoming>,
    room: u64,
    silence: Silence,
    progress: Rc<BodyProgress>,
    count: Option<Rc<ByteCount>>,
    forbidden_trailers: Vec<HeaderName>,
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
    count: Option<Rc<ByteCount>>,
}

/// How long a body may be silent, and when it must be over. The clock runs only while we wait for the sender.
struct Silence {
    longest: Duration,
    ends: Instant,
    timer: Option<Pin<Box<Sleep>>>,
}

impl RequestBody {
    pub(super) fn new(
        incoming: Incoming,
        most: u64,
        longest_silence: Duration,
        begun: Instant,
        ends: Instant,
        count: Option<Rc<ByteCount>>,
    ) -> (Self, Rc<BodyProgress>) {
        let progress = Rc::new(BodyProgress {
            last_activity: Cell::new(begun),
            fault: Cell::new(None),
        });
        let body = Self {
            incoming: Some(incoming),
            room: most,
            silence: Silence::new(longest_silence, ends),
            progress: Rc::clone(&progress),
            count,
            forbidden_trailers: Vec::new(),
        };
        (body, progress)
    }

    /// Besides those that nobody may say after the body.
    pub(super) fn forbid_trailer(&mut self, name: HeaderName) {
        self.forbidden_trailers.push(name);
    }

    /// For a request without a body that is sent again.
    pub(super) fn empty(progress: &Rc<BodyProgress>) -> Self {
        Self {
            incoming: None,
            room: 0,
            silence: Silence::new(Duration::ZERO, Instant::now()),
            progress: Rc::clone(progress),
            count: None,
            forbidden_trailers: Vec::new(),
        }
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
        let Some(incoming) = &mut this.incoming else {
            return Poll::Ready(None);
        };
        let Poll::Ready(frame) = Pin::new(incoming).poll_frame(cx) else {
            let error = ready!(this.silence.poll(cx));
            return this.broken_off(error);
        };
        this.silence.end();
        let now = Instant::now();
        if this.silence.ends <= now {
            return this.broken_off(BodyError::TotalTime);
        }
        this.progress.last_activity.set(now);
        let frame = match frame {
            None => return Poll::Ready(None),
            Some(Err(error)) => {
                return this.broken_off(BodyError::Sender(error));
            }
            Some(Ok(mut frame)) => {
                if let Some(trailers) = frame.trailers_mut() {
                    clean_trailers(trailers);
                    for name in &this.forbidden_trailers {
                        trailers.remove(name);
                    }
                }
                frame
            }
        };
        let length = frame.data_ref().map_or(0, Bytes::remaining);
        let Some(room) = this
            .room
            .checked_sub(u64::try_from(length).unwrap_or(u64::MAX))
        else {
            return this.broken_off(BodyError::TooLarge);
        };
        this.room = room;
        if let Some(count) = &this.count {
            count.add(length);
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let nothing = || SizeHint::with_exact(0);
        self.incoming.as_ref().map_or_else(nothing, Body::size_hint)
    }
}

impl RequestBody {
    fn broken_off(&self, error: BodyError) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let fault = match error {
            BodyError::TooLarge => Reason::RequestTooLarge,
            BodyError::Stalled | BodyError::TotalTime => Reason::RequestTimeout,
            BodyError::Sender(_) => Reason::RequestAborted,
        };
        self.progress.fault.set(Some(fault));
        Poll::Ready(Some(Err(error)))
    }
}

impl ResponseBody {
    pub(super) fn upstream(
        incoming: Incoming,
        lease: Lease,
        longest_silence: Duration,
        ends: Instant,
        record: Box<AccessRecord>,
        count: Option<Rc<ByteCount>>,
    ) -> Self {
        let mut body = UpstreamBody {
            incoming,
            silence: Silence::new(longest_silence, ends),
            lease: Some(lease),
            record,
            count,
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
            let error = ready!(self.silence.poll(cx));
            self.lease = None;
            return Poll::Ready(Some(Err(error)));
        };
        self.silence.end();
        match frame {
            // Whoever never lets us wait may take too long all the same.
            Some(Ok(_)) if self.silence.ends <= Instant::now() => {
                self.lease = None;
                Poll::Ready(Some(Err(BodyError::TotalTime)))
            }
            Some(Ok(frame)) => {
                let length = frame.data_ref().map_or(0, Bytes::remaining);
                self.record.sent(length);
                if let Some(count) = &self.count {
                    count.add(length);
                }
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
    fn new(longest: Duration, ends: Instant) -> Self {
        Self {
            longest,
            ends,
            timer: None,
        }
    }

    /// Ready when it lasted too long.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<BodyError> {
        let (longest, ends) = (self.longest, self.ends);
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(sleep_until(ends.min(Instant::now() + longest))));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(if timer.deadline() >= ends {
            BodyError::TotalTime
        } else {
            BodyError::Stalled
        })
    }

    fn end(&mut self) {
        self.timer = None;
    }
}
