//! Connections to upstreams: a worker's own, bounded, closed when unused for long.
//!
//! Owns which connection carries a request. How one is made is [`connect`]'s business.

mod connect;
mod http1;
mod http2;
mod upload;

use std::cell::RefCell;
use std::collections::HashMap;
use std::error::Error;
use std::future::{Future as _, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use foldhash::fast::RandomState;
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use hyper::{Request, Response};
use tokio::time::{Instant, timeout};

use super::body::RequestBody;
use super::deadline::Deadline;
use super::stream::Rewound;
use super::tls::SharedUpstreamTls;
use crate::config::GatewayConfig;
use crate::origin::{Origin, OriginProtocol};

pub(crate) use connect::ConnectError;
use connect::{Connector, Made};
use http1::UpstreamConnection;
use http2::{Multiplexed, Streams};
use upload::{Upload, go_on_sending, piped};

pub(crate) struct Pool {
    idle: Rc<Idle>,
    streams: Streams,
    connector: Connector,
    patience: Duration,
}

struct Idle {
    by_origin: RefCell<HashMap<Arc<str>, Rc<AtOrigin>, RandomState>>,
    most: usize,
    longest: Duration,
}

/// Of one origin. Leases hold on to it, so that giving back takes no search.
type AtOrigin = RefCell<Vec<IdleConnection>>;

struct IdleConnection {
    connection: Box<UpstreamConnection>,
    deadline: Deadline,
    since: Instant,
}

/// What a request needs of its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    AnyVersion,
    /// WebSocket: a switch of protocols exists in HTTP/1.1 only.
    Http1,
}

/// A connection, or a stream of one, in use: first for a request, then for its answer's body.
pub(crate) struct Lease {
    carrier: Carrier,
    at_origin: Rc<AtOrigin>,
    idle: Rc<Idle>,
    /// For what the upstream may take time for.
    pub(super) deadline: Deadline,
    /// It carried requests before: the upstream may have closed it in the meantime.
    pub(super) is_reused: bool,
}

enum Carrier {
    Http1(Box<UpstreamConnection>),
    Http2 {
        stream: http2::Stream,
        /// What of the request is still to be sent.
        upload: Option<Upload>,
        answer: Option<Incoming>,
    },
}

/// Why there is no answer, and whether the request may go out again.
pub(super) enum SendError {
    /// Not a byte of it.
    NeverLeft(Box<Request<RequestBody>>),
    /// It arrived, and the upstream says that it did nothing with it (RFC 9113 section 8.7).
    RefusedUnread,
    /// The last deadline has passed.
    TimedOut,
    Failed(BoxError),
}

pub(super) type BoxError = Box<dyn Error + Send + Sync>;

impl Pool {
    pub(super) fn new(config: &GatewayConfig, tls: Arc<SharedUpstreamTls>) -> Self {
        Self {
            idle: Rc::new(Idle {
                by_origin: RefCell::default(),
                most: config.limits.idle_upstream_connections,
                longest: config.timeouts.pool_idle,
            }),
            streams: Streams::default(),
            connector: Connector::new(config, tls),
            patience: config.timeouts.connect,
        }
    }

    /// An unused connection, the most recently used first: old ones die out.
    pub(super) fn reuse(&self, origin: &Origin, need: Need, now: Instant) -> Option<Lease> {
        if origin.protocol == OriginProtocol::Tls && self.connector.takes_new_tls() {
            self.forget_tls();
        }
        if origin.protocol != OriginProtocol::Plain
            && need == Need::AnyVersion
            && let Some(stream) = self.streams.open(&origin.name)
        {
            return Some(self.lease(origin, Carrier::http2(stream), true));
        }
        let (at_origin, idle) = self.idle.take(origin, now)?;
        Some(Lease {
            carrier: Carrier::Http1(idle.connection),
            at_origin,
            idle: Rc::clone(&self.idle),
            deadline: idle.deadline,
            is_reused: true,
        })
    }

    /// A new connection, or a stream of one that came to be while waiting for it. Must run on the worker's thread.
    pub(super) async fn connect(&self, origin: &Origin, need: Need) -> Result<Lease, ConnectError> {
        // Boxed, as it is large and rare: every request's future would have room for it.
        timeout(self.patience, Box::pin(self.connect_now(origin, need)))
            .await
            .map_err(|_| ConnectError::Timeout)?
    }

    async fn connect_now(&self, origin: &Origin, need: Need) -> Result<Lease, ConnectError> {
        if origin.protocol == OriginProtocol::Plain || need == Need::Http1 {
            return Ok(self.lease_of(origin, self.connector.connect(origin, need).await?));
        }
        let Some(turn) = self.streams.turn_to_connect(&origin.name) else {
            return Ok(self.lease_of(origin, self.connector.connect(origin, need).await?));
        };
        // Whoever waited here finds the connection that the one before made.
        let turn = turn.lock_owned().await;
        if let Some(stream) = self.streams.open(&origin.name) {
            return Ok(self.lease(origin, Carrier::http2(stream), true));
        }
        let made = self.connector.connect(origin, need).await?;
        let lease = self.lease_of(origin, made);
        drop(turn);
        Ok(lease)
    }

    fn lease_of(&self, origin: &Origin, made: Made) -> Lease {
        let carrier = match made {
            Made::Http1(connection) => {
                self.streams.refuses(origin);
                Carrier::Http1(connection)
            }
            Made::Http2(connection) => {
                Carrier::http2(self.streams.add(&origin.name, Rc::new(connection)))
            }
        };
        self.lease(origin, carrier, false)
    }

    fn lease(&self, origin: &Origin, carrier: Carrier, is_reused: bool) -> Lease {
        Lease {
            carrier,
            at_origin: self.idle.at(&origin.name),
            idle: Rc::clone(&self.idle),
            deadline: Deadline::default(),
            is_reused,
        }
    }

    /// Closes what its upstream has closed, or has been unused for too long.
    pub(super) fn sweep(&self) {
        let now = Instant::now();
        let mut by_origin = self.idle.by_origin.borrow_mut();
        by_origin.retain(|_, connections| {
            let is_unused = Rc::strong_count(connections) == 1;
            let mut connections = connections.borrow_mut();
            connections.retain_mut(|idle| {
                idle.connection.release_memory();
                now.duration_since(idle.since) < self.idle.longest && idle.connection.probe_quiet()
            });
            !(connections.is_empty() && is_unused)
        });
        self.streams.sweep(now, self.idle.longest);
    }

    /// Connections made with an earlier certificate or authority carry nothing new.
    fn forget_tls(&self) {
        // Those in use are given back to lists that nobody looks into any more.
        let mut by_origin = self.idle.by_origin.borrow_mut();
        by_origin.retain(|origin, _| !origin.starts_with("https:"));
        self.streams.forget_tls();
    }
}

impl Lease {
    pub(super) fn is_http2(&self) -> bool {
        matches!(self.carrier, Carrier::Http2 { .. })
    }

    /// Sends the request and waits for the answer's head until `deadline`, or, when that has passed, until what
    /// `extend` makes of it.
    pub(super) async fn send(
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
    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.carrier {
            Carrier::Http1(connection) => connection
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| frame.map_err(BoxError::from))),
            Carrier::Http2 { answer, upload, .. } => {
                go_on_sending(upload, cx);
                let Some(answer) = answer else {
                    return Poll::Ready(None);
                };
                let frame = ready!(Pin::new(answer).poll_frame(cx));
                Poll::Ready(frame.map(|frame| frame.map_err(BoxError::from)))
            }
        }
    }

    pub(super) fn is_end_stream(&self) -> bool {
        match &self.carrier {
            Carrier::Http1(connection) => connection.is_end_stream(),
            Carrier::Http2 { answer, .. } => answer.as_ref().is_none_or(Incoming::is_end_stream),
        }
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        match &self.carrier {
            Carrier::Http1(connection) => connection.size_hint(),
            Carrier::Http2 { answer, .. } => answer
                .as_ref()
                .map_or_else(|| SizeHint::with_exact(0), Incoming::size_hint),
        }
    }

    /// Sends what can be sent now of a request that is being answered already.
    pub(super) fn go_on_sending(&mut self, cx: &mut Context<'_>) {
        match &mut self.carrier {
            Carrier::Http1(connection) => connection.go_on_sending(cx),
            Carrier::Http2 { upload, .. } => go_on_sending(upload, cx),
        }
    }

    /// Whether what is left of the request may be sent by anybody.
    pub(super) fn sends_by_itself(&self) -> bool {
        match &self.carrier {
            Carrier::Http1(connection) => connection.sends_by_itself(),
            Carrier::Http2 { upload, .. } => upload.as_ref().is_some_and(Upload::is_independent),
        }
    }

    /// Ready when nothing is left of a request whose answer came before its end.
    pub(super) fn poll_request_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.carrier {
            Carrier::Http1(connection) => connection.poll_request_end(cx),
            Carrier::Http2 { upload, .. } => {
                go_on_sending(upload, cx);
                if upload.is_some() {
                    Poll::Pending
                } else {
                    Poll::Ready(())
                }
            }
        }
    }

    /// After a switch of protocols; there is none in HTTP/2.
    pub(super) fn into_stream(self) -> Option<Rewound> {
        match self.carrier {
            Carrier::Http1(connection) => Some(connection.into_stream()),
            Carrier::Http2 { .. } => None,
        }
    }

    /// Nothing new goes over this connection: the upstream said so.
    pub(super) fn retire(&self) {
        if let Carrier::Http2 { stream, .. } = &self.carrier {
            stream.retire();
        }
    }

    /// Whether it is through with request and answer, and fit for the next.
    pub(super) fn is_reusable(&self) -> bool {
        match &self.carrier {
            Carrier::Http1(connection) => connection.is_reusable(),
            Carrier::Http2 { upload, .. } => upload.is_none(),
        }
    }

    /// For the next request, where the connection is fit for one.
    pub(super) fn give_back(self) {
        // A stream ends with its lease.
        if let Carrier::Http1(connection) = self.carrier
            && connection.is_reusable()
        {
            self.idle.put(&self.at_origin, connection, self.deadline);
        }
    }
}

impl Carrier {
    fn http2(stream: http2::Stream) -> Self {
        Self::Http2 {
            stream,
            upload: None,
            answer: None,
        }
    }

    async fn send(&mut self, request: Request<RequestBody>) -> Result<Response<()>, SendError> {
        match self {
            Self::Http1(connection) => {
                connection.send(request).await.map_err(|error| match error {
                    http1::SendError::NeverLeft(request) => SendError::NeverLeft(request),
                    http1::SendError::Failed(error) => SendError::Failed(error.into()),
                })
            }
            Self::Http2 {
                stream,
                upload,
                answer,
            } => {
                let (head, body) = request.into_parts();
                let (body, rest) = piped(body);
                *upload = rest;
                let request = Request::from_parts(head, body);
                let mut sender = stream.sender();
                let mut sending = pin!(sender.try_send_request(request));
                let sent = poll_fn(|cx| {
                    go_on_sending(upload, cx);
                    sending.as_mut().poll(cx)
                });
                match sent.await {
                    Ok(response) => {
                        let (head, body) = response.into_parts();
                        *answer = Some(body);
                        Ok(Response::from_parts(head, ()))
                    }
                    Err(mut error) => Err(match error.take_message() {
                        Some(request) => {
                            let (head, body) = request.into_parts();
                            match body.into_unsent(upload.take()) {
                                Some(body) => {
                                    SendError::NeverLeft(Box::new(Request::from_parts(head, body)))
                                }
                                None => SendError::Failed(error.into_error().into()),
                            }
                        }
                        None if is_refusal(error.error()) => SendError::RefusedUnread,
                        None => SendError::Failed(error.into_error().into()),
                    }),
                }
            }
        }
    }
}

/// REFUSED_STREAM, or a stream beyond the last one that a GOAWAY counts.
fn is_refusal(error: &hyper::Error) -> bool {
    let source = Error::source(error);
    source
        .and_then(|source| source.downcast_ref::<h2::Error>())
        .is_some_and(|error| {
            let is_refused_stream =
                error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
            error.is_remote() && (is_refused_stream || error.is_go_away())
        })
}

impl Idle {
    fn at(&self, origin: &Arc<str>) -> Rc<AtOrigin> {
        let mut by_origin = self.by_origin.borrow_mut();
        Rc::clone(by_origin.entry(Arc::clone(origin)).or_default())
    }

    fn take(&self, origin: &Origin, now: Instant) -> Option<(Rc<AtOrigin>, IdleConnection)> {
        let by_origin = self.by_origin.borrow();
        let at_origin = by_origin.get(&origin.name)?;
        let mut connections = at_origin.borrow_mut();
        while let Some(mut idle) = connections.pop() {
            let is_fresh = now.duration_since(idle.since) < self.longest;
            // The upstream may have closed it while nobody has looked.
            if is_fresh && idle.connection.probe_quiet() {
                return Some((Rc::clone(at_origin), idle));
            }
        }
        None
    }

    fn put(&self, at_origin: &AtOrigin, connection: Box<UpstreamConnection>, deadline: Deadline) {
        let mut connections = at_origin.borrow_mut();
        if connections.len() < self.most {
            connections.push(IdleConnection {
                connection,
                deadline,
                since: Instant::now(),
            });
        }
    }
}
