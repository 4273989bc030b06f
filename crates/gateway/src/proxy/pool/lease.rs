//! A connection to an upstream, or a stream of one, in the hands of one request.

use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use hyper::{Request, Response};
use tokio::time::Instant;

use super::http1::UpstreamConnection;
use super::http2::Http2Exchange;
use super::idle::{IdleAtOrigin, IdleConnections};
use super::{BoxError, SendError};
use crate::proxy::body::RequestBody;
use crate::proxy::deadline::Deadline;
use crate::proxy::stream::Rewound;

/// In use first for a request, then for its answer's body.
pub(crate) struct Lease {
    pub(super) carrier: Carrier,
    pub(super) at_origin: Rc<IdleAtOrigin>,
    pub(super) idle: Rc<IdleConnections>,
    /// For what the upstream may take time for.
    pub(in crate::proxy) deadline: Deadline,
    /// It carried requests before: the upstream may have closed it in the meantime.
    pub(in crate::proxy) is_reused: bool,
}

pub(super) enum Carrier {
    Http1(Box<UpstreamConnection>),
    Http2(Http2Exchange),
}

impl Lease {
    pub(in crate::proxy) fn is_http2(&self) -> bool {
        matches!(self.carrier, Carrier::Http2(_))
    }

    /// Sends the request and waits for the answer's head until `deadline`, or, when that has passed, until what
    /// `extend` makes of it.
    pub(in crate::proxy) async fn send(
        &mut self,
        request: Request<RequestBody>,
        mut deadline: Instant,
        mut extend: impl FnMut(Instant) -> Option<Instant>,
    ) -> Result<Response<()>, SendError> {
        let timer = &mut self.deadline;
        let mut sending = pin!(self.carrier.send(request));
        poll_fn(|cx| {
            if let Poll::Ready(sent) = sending.as_mut().poll(cx) {
                return Poll::Ready(sent);
            }
            loop {
                ready!(timer.poll(cx, deadline));
                let Some(later) = extend(deadline) else {
                    return Poll::Ready(Err(SendError::TimedOut));
                };
                deadline = later;
            }
        })
        .await
    }

    /// The next piece of the answer's body.
    pub(in crate::proxy) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.carrier {
            Carrier::Http1(connection) => connection
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| frame.map_err(BoxError::from))),
            Carrier::Http2(exchange) => exchange
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| frame.map_err(BoxError::from))),
        }
    }

    pub(in crate::proxy) fn is_end_stream(&self) -> bool {
        match &self.carrier {
            Carrier::Http1(connection) => connection.is_end_stream(),
            Carrier::Http2(exchange) => exchange.is_end_stream(),
        }
    }

    pub(in crate::proxy) fn size_hint(&self) -> SizeHint {
        match &self.carrier {
            Carrier::Http1(connection) => connection.size_hint(),
            Carrier::Http2(exchange) => exchange.size_hint(),
        }
    }

    /// Sends what can be sent now of a request that is being answered already.
    pub(in crate::proxy) fn go_on_sending(&mut self, cx: &mut Context<'_>) {
        match &mut self.carrier {
            Carrier::Http1(connection) => connection.go_on_sending(cx),
            Carrier::Http2(exchange) => exchange.go_on_sending(cx),
        }
    }

    /// Whether what is left of the request may be sent by anybody.
    pub(in crate::proxy) fn sends_by_itself(&self) -> bool {
        match &self.carrier {
            Carrier::Http1(connection) => connection.sends_by_itself(),
            Carrier::Http2(exchange) => exchange.sends_by_itself(),
        }
    }

    /// Ready when nothing is left of a request whose answer came before its end.
    pub(in crate::proxy) fn poll_request_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.carrier {
            Carrier::Http1(connection) => connection.poll_request_end(cx),
            Carrier::Http2(exchange) => exchange.poll_request_end(cx),
        }
    }

    /// After a switch of protocols; there is none in HTTP/2.
    pub(in crate::proxy) fn into_stream(self) -> Option<Rewound> {
        match self.carrier {
            Carrier::Http1(connection) => Some(connection.into_stream()),
            Carrier::Http2(_) => None,
        }
    }

    /// Nothing new goes over this connection: the upstream said so.
    pub(in crate::proxy) fn retire(&self) {
        if let Carrier::Http2(exchange) = &self.carrier {
            exchange.retire();
        }
    }

    /// Whether it is through with request and answer, and fit for the next.
    pub(in crate::proxy) fn is_reusable(&self) -> bool {
        match &self.carrier {
            Carrier::Http1(connection) => connection.is_reusable(),
            Carrier::Http2(exchange) => exchange.is_request_sent(),
        }
    }

    /// For the next request, where the connection is fit for one.
    pub(in crate::proxy) fn give_back(self) {
        // A stream ends with its lease.
        if let Carrier::Http1(connection) = self.carrier
            && connection.is_reusable()
        {
            self.idle.put(&self.at_origin, connection, self.deadline);
        }
    }
}

impl Carrier {
    async fn send(&mut self, request: Request<RequestBody>) -> Result<Response<()>, SendError> {
        match self {
            Self::Http1(connection) => connection.send(request).await,
            Self::Http2(exchange) => exchange.send(request).await,
        }
    }
}
