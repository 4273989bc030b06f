//! Connections of clients: accepting, TLS, which version of HTTP they speak, and the graceful end.

mod client_end;
mod http1;
mod http2;

use std::cell::Cell;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use hyper::server::conn::http2::Builder;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::stream::Stream;
use super::{Here, Worker};
use crate::certificate_binding::CertificateDigest;
pub(super) use client_end::Http1Body;

/// Pause after the system refused to hand out a connection (no descriptors left): trying at once would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How long an upstream may wait to see that a connection which it closed is closed here too.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// The client's side of a request.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    /// Its IP address as text, in canonical form: written once a connection, needed by every request.
    pub(crate) ip: HeaderValue,
    pub(crate) is_tls: bool,
    /// Of the certificate that the client showed, whose key it holds.
    pub(crate) certificate: Option<CertificateDigest>,
}

impl Peer {
    pub(crate) fn new(
        address: SocketAddr,
        is_tls: bool,
        certificate: Option<CertificateDigest>,
    ) -> Self {
        let ip = Bytes::from(address.ip().to_canonical().to_string());
        Self {
            address,
            ip: HeaderValue::from_maybe_shared(ip).expect("an IP address is a header value"),
            is_tls,
            certificate,
        }
    }
}

/// Connections that are open, WebSockets included.
#[derive(Default)]
struct OpenConnections {
    count: Cell<usize>,
    closed: Notify,
}

/// Counts as open until it is dropped.
struct OpenConnection(Rc<OpenConnections>);

/// Accepts until the gateway stops, then waits for the connections to end, at most the drain time.
pub(super) async fn accept(worker: Rc<Worker>, listener: TcpListener) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "a gateway thread cannot use its listener");
            return;
        }
    };
    let sweeping = spawn_local(sweep(Rc::clone(&worker)));
    let open = Rc::<OpenConnections>::default();
    let mut stopping = worker.stopping.clone();
    let http2 = Rc::new(http2::builder(&worker.engine.config));
    let most = worker.engine.config.limits.connections;
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stopping.wait_for(|stopping| *stopping) => break,
            accepted = async {
                // A full worker leaves connections to the others, or waiting in the backlog.
                open.below(most).await;
                listener.accept().await
            } => accepted,
        };
        match accepted {
            Ok((stream, address)) => {
                let guard = open.open();
                let (worker, http2) = (Rc::clone(&worker), Rc::clone(&http2));
                spawn_local(async move {
                    serve(worker, http2, stream, address).await;
                    drop(guard);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    sweeping.abort();
    let drain = worker.engine.config.timeouts.drain;
    if timeout(drain, open.below(1)).await.is_err() {
        tracing::warn!("requests were cut off: they did not finish within the drain time");
    }
}

/// Closes connections to upstreams that are of no more use.
async fn sweep(worker: Rc<Worker>) {
    loop {
        sleep(SWEEP_EVERY).await;
        worker.pool.sweep();
    }
}

async fn serve(
    worker: Rc<Worker>,
    http2: Rc<Builder<Here>>,
    stream: TcpStream,
    address: SocketAddr,
) {
    let _open = worker.engine.metrics.open_connection();
    let _ = stream.set_nodelay(true);
    let Some(tls) = worker.tls.load_full() else {
        let peer = Peer::new(address, false, None);
        return serve_either(&worker, &http2, stream.into(), peer).await;
    };
    let patience = worker.engine.config.timeouts.request_head;
    let mut stopping = worker.stopping.clone();
    let handshake = tokio::select! {
        handshake = timeout(patience, TlsAcceptor::from(tls).accept(stream)) => handshake,
        // Nothing was asked: nobody is kept waiting for an answer.
        _ = stopping.wait_for(|stopping| *stopping) => return,
    };
    match handshake
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))
        .flatten()
    {
        Ok(stream) => {
            let peer = Peer::new(address, true, client_certificate(&stream));
            serve_either(&worker, &http2, stream.into(), peer).await;
        }
        Err(error) => tracing::debug!(%error, "a TLS handshake failed"),
    }
}

/// What is spoken shows in the first bytes, whatever was negotiated.
async fn serve_either(worker: &Rc<Worker>, http2: &Builder<Here>, stream: Stream, peer: Peer) {
    // Boxed, as only one of them is needed for long.
    if let Some((stream, peer)) = Box::pin(http1::serve(worker, stream, peer)).await {
        http2::serve(worker, http2, stream, peer).await;
    }
}

fn client_certificate(stream: &TlsStream<TcpStream>) -> Option<CertificateDigest> {
    let (_, connection) = stream.get_ref();
    let own = connection.peer_certificates()?.first()?;
    Some(CertificateDigest::of(own))
}

impl OpenConnections {
    fn open(self: &Rc<Self>) -> OpenConnection {
        self.count.set(self.count.get() + 1);
        OpenConnection(Rc::clone(self))
    }

    /// Waits until fewer than `limit` are open.
    async fn below(&self, limit: usize) {
        while self.count.get() >= limit {
            self.closed.notified().await;
        }
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.count.set(self.0.count.get() - 1);
        self.0.closed.notify_one();
    }
}
