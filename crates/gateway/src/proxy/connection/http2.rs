//! A client's connection over HTTP/2, by hyper: streams to requests, and the graceful end.

mod streams;

use std::cell::Cell;
use std::convert::Infallible;
use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::time::Instant;

use super::Peer;
use crate::config::GatewayConfig;
use crate::proxy::body::ClientBody;
use crate::proxy::deadline::Deadline;
use crate::proxy::stream::Rewound;
use crate::proxy::write_timeout::WriteTimeout;
use crate::proxy::{Here, Worker, forward};
use streams::Streams;

/// How long an idle client may take to close a connection that it was told is over.
const FAREWELL: Duration = Duration::from_secs(5);

pub(super) fn builder(config: &GatewayConfig) -> Builder<Here> {
    let mut builder = Builder::new(Here);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(config.limits.concurrent_streams)
        .max_header_list_size(u32::try_from(config.limits.request_head).unwrap_or(u32::MAX))
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20));
    builder
}

pub(super) async fn serve(
    worker: &Rc<Worker>,
    builder: &Builder<Here>,
    stream: Rewound,
    peer: Peer,
) {
    let timeouts = &worker.engine.config.timeouts;
    let io = WriteTimeout::new(stream, timeouts.body_idle);
    let streams = Streams::new(timeouts.body_idle);
    let has_asked = Cell::new(false);
    let service = service_fn(|request: Request<Incoming>| {
        has_asked.set(true);
        let stream = streams.open(timeouts.total);
        let (worker, peer) = (Rc::clone(worker), peer.clone());
        let request = request.map(ClientBody::Http2);
        async move {
            let answer = forward::handle(worker, request, peer).await;
            Ok::<_, Infallible>(answer.map(|body| stream.answer_with(body)))
        }
    });
    let connection = builder.serve_connection(TokioIo::new(io), service);
    let mut connection = pin!(connection);
    let mut stopping = worker.stopping.clone();
    let mut stopping = pin!(stopping.wait_for(|stopping| *stopping));
    let mut is_stopping = false;
    let mut deadline = Deadline::default();
    let mut leaves_at = None;
    // By hand: a request wakes this a few times, and only the connection has something to do then.
    poll_fn(|cx| {
        loop {
            if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended badly");
                }
                return Poll::Ready(());
            }
            let patience = if has_asked.get() {
                // The last of an answer may still be on its way to a slow client.
                timeouts.request_head.max(timeouts.body_idle)
            } else {
                timeouts.request_head
            };
            let idle_until = streams.idle_since().map(|since| since + patience);
            let next = leaves_at
                .or(idle_until)
                .unwrap_or_else(|| streams.next_look());
            if deadline.poll(cx, next).is_ready() {
                match idle_until {
                    // Who connects and asks for nothing does not stay, nor who was told to leave.
                    Some(_) if !has_asked.get() || leaves_at.is_some() => return Poll::Ready(()),
                    Some(_) => {
                        leaves_at = Some(Instant::now() + FAREWELL);
                        connection.as_mut().graceful_shutdown();
                    }
                    None => {
                        leaves_at = None;
                        streams.give_up_untaken();
                    }
                }
                continue;
            }
            if is_stopping || stopping.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            is_stopping = true;
            connection.as_mut().graceful_shutdown();
        }
    })
    .await;
}
