//! A client's connection over HTTP/2, by hyper: streams to requests, and the graceful end.

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
use tokio::time::sleep;

use super::Peer;
use crate::config::GatewayConfig;
use crate::proxy::body::ClientBody;
use crate::proxy::stream::Rewound;
use crate::proxy::write_timeout::WriteTimeout;
use crate::proxy::{Here, Worker, forward};

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
    let io = WriteTimeout::new(stream, worker.engine.config.timeouts.body_idle);
    let has_asked = Rc::new(Cell::new(false));
    let service = service_fn(|request: Request<Incoming>| {
        has_asked.set(true);
        let (worker, peer) = (Rc::clone(worker), peer.clone());
        let request = request.map(ClientBody::Http2);
        async move { Ok::<_, Infallible>(forward::handle(worker, request, peer).await) }
    });
    let connection = builder.serve_connection(TokioIo::new(io), service);
    let mut connection = pin!(connection);
    let mut stopping = worker.stopping.clone();
    let mut first_request = pin!(sleep(worker.engine.config.timeouts.request_head));
    let mut stopping = pin!(stopping.wait_for(|stopping| *stopping));
    let mut is_stopping = false;
    // By hand: a request wakes this a few times, and only the connection has something to do then.
    poll_fn(|cx| {
        loop {
            if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended badly");
                }
                return Poll::Ready(());
            }
            // Who connects and asks for nothing does not stay.
            if !has_asked.get() && first_request.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
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
