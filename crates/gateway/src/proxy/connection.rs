//! Connections of clients: accepting, TLS, HTTP/1.1 or HTTP/2, and the graceful end.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::{Future as _, poll_fn};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::write_timeout::WriteTimeout;
use super::{Here, Worker, forward};
use crate::certificate_binding::CertificateDigest;
use crate::config::GatewayConfig;

/// Pause after the system refused to hand out a connection (no descriptors left): trying at once would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

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

/// Connections that are open.
#[derive(Default)]
pub(crate) struct OpenConnections {
    count: Cell<usize>,
    closed: Notify,
}

/// Counts as open until it is dropped.
pub(super) struct OpenConnection(Rc<OpenConnections>);

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
    let open = Rc::clone(&worker.open);
    let mut stopping = worker.stopping.clone();
    let builder = Rc::new(builder(&worker.engine.config));
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
                let (worker, builder) = (Rc::clone(&worker), Rc::clone(&builder));
                spawn_local(async move {
                    serve(worker, builder, stream, address).await;
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

/// Closes connections to upstreams that nobody has used for long.
async fn sweep(worker: Rc<Worker>) {
    let every = worker
        .engine
        .config
        .timeouts
        .pool_idle
        .max(Duration::from_secs(2))
        / 2;
    loop {
        sleep(every).await;
        worker.pool.sweep();
    }
}

fn builder(config: &GatewayConfig) -> Builder<Here> {
    let mut builder = Builder::new(Here);
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(config.timeouts.request_head)
        .max_headers(config.limits.header_count)
        .max_buf_size(config.limits.request_head.max(8_192));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(config.limits.concurrent_streams)
        .max_header_list_size(u32::try_from(config.limits.request_head).unwrap_or(u32::MAX))
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20));
    builder
}

async fn serve(
    worker: Rc<Worker>,
    builder: Rc<Builder<Here>>,
    stream: TcpStream,
    address: SocketAddr,
) {
    let _open = worker.engine.metrics.open_connection();
    let _ = stream.set_nodelay(true);
    let tls = worker.tls.load_full();
    let Some(tls) = tls else {
        let peer = Peer::new(address, false, None);
        return serve_http(&worker, &builder, stream, peer).await;
    };
    let patience = worker.engine.config.timeouts.request_head;
    let handshake = timeout(patience, TlsAcceptor::from(tls).accept(stream)).await;
    match handshake
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))
        .flatten()
    {
        Ok(stream) => {
            let peer = Peer::new(address, true, client_certificate(&stream));
            serve_http(&worker, &builder, stream, peer).await;
        }
        Err(error) => tracing::debug!(%error, "a TLS handshake failed"),
    }
}

fn client_certificate(stream: &TlsStream<TcpStream>) -> Option<CertificateDigest> {
    let (_, connection) = stream.get_ref();
    let own = connection.peer_certificates()?.first()?;
    Some(CertificateDigest::of(own))
}

async fn serve_http<I>(worker: &Rc<Worker>, builder: &Builder<Here>, io: I, peer: Peer)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let io = WriteTimeout::new(io, worker.engine.config.timeouts.body_idle);
    let has_asked = Rc::new(Cell::new(false));
    let service = service_fn(|request| {
        has_asked.set(true);
        let (worker, peer) = (Rc::clone(worker), peer.clone());
        async move { Ok::<_, Infallible>(forward::handle(worker, request, peer).await) }
    });
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(io), service);
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
                    tracing::debug!(error, "a connection ended badly");
                }
                return Poll::Ready(());
            }
            // Who connects and says nothing, not even half a preface, does not stay.
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

impl OpenConnections {
    pub(super) fn open(self: &Rc<Self>) -> OpenConnection {
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
