//! Bodies on their way through: never gathered, always bounded in size or in silence.

use std::cell::Cell;
use std::future::{Future as _, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use domain::Clock;
use http::HeaderName;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::task::spawn_local;
use tokio::time::{Instant, Sleep, sleep_until};

use super::access_log::AccessRecord;
use super::connection::Http1Body;
use super::headers::clean_trailers;
use super::pool::{BoxError, Lease};
use super::tunnel::Tunnel;
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
    Sender(#[source] BoxError),
}

/// A request's body as the client sends it.
pub(crate) enum ClientBody {
    Nothing,
    Http1(Http1Body),
    Http2(Incoming),
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
    client: ClientBody,
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
    Tunnel(Box<Tunnel>),
}

pub(crate) struct UpstreamBody {
    /// Goes back to the pool when the body is whole; otherwise the connection is closed.
    lease: Option<Lease>,
    longest_silence: Duration,
    ends: Instant,
    /// Since when we wait for the upstream.
    waiting_since: Option<Instant>,
    /// Of the request's body.
    progress: Rc<BodyProgress>,
    record: Box<AccessRecord>,
    count: Option<Rc<ByteCount>>,
}

/// How long a client's body may be silent, and when it must be over. The clock runs only while we wait for it.
struct Silence {
    longest: Duration,
    ends: Instant,
    timer: Option<Pin<Box<Sleep>>>,
}

impl RequestBody {
    pub(super) fn new(
        client: ClientBody,
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
            client,
            room: most,
            silence: Silence::new(longest_silence, ends),
            progress: Rc::clone(&progress),
            count,
            forbidden_trailers: Vec::new(),
        };
        (body, progress)
    }

    /// Leaves nothing behind.
    pub(super) fn take(&mut self) -> Self {
        let nothing = Self::empty(&self.progress);
        std::mem::replace(self, nothing)
    }

    /// It does not come through the connection that its answer goes to, but through a stream of its own.
    pub(super) fn is_independent(&self) -> bool {
        matches!(self.client, ClientBody::Http2(_))
    }

    /// Besides those that nobody may say after the body.
    pub(super) fn forbid_trailer(&mut self, name: HeaderName) {
        self.forbidden_trailers.push(name);
    }

    /// For a request without a body that is sent again.
    pub(super) fn empty(progress: &Rc<BodyProgress>) -> Self {
        Self {
            client: ClientBody::Nothing,
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
        let Poll::Ready(frame) = this.client.poll_frame(cx) else {
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
            // A stream of HTTP/2 that was reset without an error.
            None if !this.client.is_end_stream() => {
                return this.broken_off(BodyError::Sender("it ended before its end".into()));
            }
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
        self.client.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.client.size_hint()
    }
}

impl ClientBody {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self {
            Self::Nothing => Poll::Ready(None),
            Self::Http1(body) => body
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| frame.map_err(BoxError::from))),
            Self::Http2(body) => Pin::new(body)
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| frame.map_err(BoxError::from))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Nothing => true,
            Self::Http1(body) => body.is_end_stream(),
            Self::Http2(body) => body.is_end_stream(),
        }
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        match self {
            Self::Nothing => SizeHint::with_exact(0),
            Self::Http1(body) => body.size_hint(),
            Self::Http2(body) => body.size_hint(),
        }
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
        lease: Lease,
        progress: Rc<BodyProgress>,
        longest_silence: Duration,
        ends: Instant,
        record: Box<AccessRecord>,
        count: Option<Rc<ByteCount>>,
    ) -> Self {
        let mut body = UpstreamBody {
            lease: Some(lease),
            longest_silence,
            ends,
            waiting_since: None,
            progress,
            record,
            count,
        };
        // Without a body nobody polls it.
        body.return_lease_at_end();
        Self::Upstream(Box::new(body))
    }

    /// Sends what can be sent now of the request, while nobody can take more of the answer.
    pub(super) fn go_on_sending(&mut self, cx: &mut Context<'_>) {
        if let Self::Upstream(body) = self
            && let Some(lease) = &mut body.lease
        {
            lease.go_on_sending(cx);
        }
    }

    /// To be asked after the last frame: ready when the rest of the request has gone up, or cannot.
    pub(super) fn poll_request_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Upstream(body) => body.poll_request_end(cx),
            Self::Own(..) | Self::Tunnel(_) => Poll::Ready(()),
        }
    }

    /// The gateway answers itself.
    pub(super) fn is_own(&self) -> bool {
        matches!(self, Self::Own(..))
    }
}

impl UpstreamBody {
    fn return_lease_at_end(&mut self) {
        if self.is_end_stream() {
            self.record.complete();
            // What is left of the request may still be on its way up.
            if self.lease.as_ref().is_some_and(Lease::is_reusable)
                && let Some(lease) = self.lease.take()
            {
                lease.give_back();
            }
        }
    }

    fn poll_request_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(lease) = self.lease.as_mut().filter(|lease| lease.is_end_stream()) else {
            return Poll::Ready(());
        };
        if lease.poll_request_end(cx).is_pending() {
            let since = *self.waiting_since.get_or_insert_with(Instant::now);
            let since = since.max(self.progress.last_activity.get());
            let deadline = self.ends.min(since + self.longest_silence);
            ready!(lease.deadline.poll(cx, deadline));
        }
        if let Some(lease) = self.lease.take() {
            lease.give_back();
        }
        Poll::Ready(())
    }

    fn is_end_stream(&self) -> bool {
        self.lease.as_ref().is_none_or(Lease::is_end_stream)
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(lease) = &mut self.lease else {
            return Poll::Ready(None);
        };
        let Poll::Ready(frame) = lease.poll_frame(cx) else {
            let since = *self.waiting_since.get_or_insert_with(Instant::now);
            let deadline = self.ends.min(since + self.longest_silence);
            ready!(lease.deadline.poll(cx, deadline));
            return self.broken_off(if self.ends <= deadline {
                BodyError::TotalTime
            } else {
                BodyError::Stalled
            });
        };
        self.waiting_since = None;
        match frame {
            Some(Ok(mut frame)) => {
                if let Some(trailers) = frame.trailers_mut() {
                    clean_trailers(trailers);
                }
                let length = frame.data_ref().map_or(0, Bytes::remaining);
                self.record.sent(length);
                if let Some(count) = &self.count {
                    count.add(length);
                }
                self.return_lease_at_end();
                // Whoever never lets us wait may take too long all the same.
                if !self.is_end_stream() && self.ends <= Instant::now() {
                    return self.broken_off(BodyError::TotalTime);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => self.broken_off(BodyError::Sender(error)),
            // A stream of HTTP/2 that was reset without an error.
            None if !self.is_end_stream() => {
                self.broken_off(BodyError::Sender("it ended before its end".into()))
            }
            None => {
                self.return_lease_at_end();
                Poll::Ready(None)
            }
        }
    }

    fn broken_off(&mut self, error: BodyError) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.lease = None;
        Poll::Ready(Some(Err(error)))
    }
}

impl Drop for UpstreamBody {
    /// HTTP/2 goes on with a request though its answer is over: nobody who could is asked any more, so somebody is made.
    fn drop(&mut self) {
        let goes_on = |lease: &Lease| lease.is_end_stream() && lease.sends_by_itself();
        let Some(mut lease) = self.lease.take().filter(goes_on) else {
            return;
        };
        let (ends, progress) = (self.ends, Rc::clone(&self.progress));
        let (since, longest_silence) = (Instant::now(), self.longest_silence);
        spawn_local(async move {
            let is_through = poll_fn(|cx| {
                if lease.poll_request_end(cx).is_ready() {
                    return Poll::Ready(true);
                }
                let since = since.max(progress.last_activity.get());
                let deadline = ends.min(since + longest_silence);
                lease.deadline.poll(cx, deadline).map(|()| false)
            });
            if is_through.await {
                lease.give_back();
            }
        });
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
            Self::Tunnel(_) => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(bytes, _) => bytes.is_none(),
            Self::Upstream(body) => body.is_end_stream(),
            Self::Tunnel(_) => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(bytes, _) => {
                let length = bytes.as_ref().map_or(0, Bytes::len);
                SizeHint::with_exact(u64::try_from(length).unwrap_or(u64::MAX))
            }
            Self::Upstream(body) => body
                .lease
                .as_ref()
                .map_or_else(|| SizeHint::with_exact(0), Lease::size_hint),
            Self::Tunnel(_) => SizeHint::with_exact(0),
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
