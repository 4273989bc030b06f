//! Bodies on their way through: never gathered, always bounded in size or in silence.

mod response;

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

use super::connection::Http1Body;
use super::headers::clean_trailers;
use super::pool::BoxError;
use crate::rate_limit::Meter;
use crate::refusal::Reason;
pub(crate) use response::ResponseBody;

/// Why a body broke off.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the body is larger than the gateway accepts")]
    TooLarge,
    #[error("no byte of the body arrived in time")]
    Stalled,
    #[error("the client did not take it")]
    Untaken,
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
            BodyError::Stalled | BodyError::Untaken | BodyError::TotalTime => {
                Reason::RequestTimeout
            }
            BodyError::Sender(_) => Reason::RequestAborted,
        };
        self.progress.fault.set(Some(fault));
        Poll::Ready(Some(Err(error)))
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
