//! The answer's body on its way down: the gateway's own words, or an upstream's as they come.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use hyper::body::{Body, Frame, SizeHint};
use tokio::task::spawn_local;
use tokio::time::Instant;

use super::{BodyError, BodyProgress, ByteCount};
use crate::proxy::access_log::AccessRecord;
use crate::proxy::headers::clean_trailers;
use crate::proxy::pool::Lease;
use crate::proxy::tunnel::Tunnel;

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

impl ResponseBody {
    pub(in crate::proxy) fn upstream(
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
    pub(in crate::proxy) fn go_on_sending(&mut self, cx: &mut Context<'_>) {
        if let Self::Upstream(body) = self
            && let Some(lease) = &mut body.lease
        {
            lease.go_on_sending(cx);
        }
    }

    /// To be asked after the last frame: ready when the rest of the request has gone up, or cannot.
    pub(in crate::proxy) fn poll_request_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Upstream(body) => body.poll_request_end(cx),
            Self::Own(..) | Self::Tunnel(_) => Poll::Ready(()),
        }
    }

    /// The gateway answers itself.
    pub(in crate::proxy) fn is_own(&self) -> bool {
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
