//! The HTTPS accept loop: HTTP/1.1 and HTTP/2 over one listener, stopped gracefully.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::authority::ServerCertificate;
use crate::middleware::ConnectionCut;

/// Connections that are open at the same time; more wait in the system's backlog.
const MOST_CONNECTIONS: usize = 1024;
/// How long a TLS handshake and a request's headers may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long open requests may take to end when the server stops.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection without an open request may take to say goodbye: an idle HTTP/2 client
/// may never read that the server stops.
const GOODBYE_TIMEOUT: Duration = Duration::from_millis(100);

/// A running HTTPS server. Dropping it without [`Server::stop`] stops it without waiting.
pub(crate) struct Server {
    address: SocketAddr,
    stop: watch::Sender<()>,
    task: JoinHandle<()>,
}

/// TLS 1.2 and 1.3 with `certificate`, offering HTTP/2 and HTTP/1.1.
pub(crate) fn server_config(certificate: ServerCertificate) -> io::Result<ServerConfig> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(certificate.chain, certificate.key)
        .map_err(io::Error::other)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

impl Server {
    /// Serves `router` on `listener`. Handlers can extract `ConnectInfo<SocketAddr>`.
    ///
    /// # Errors
    /// When the listener has no address.
    pub(crate) fn start(
        listener: TcpListener,
        config: ServerConfig,
        router: Router,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (stop, stopped) = watch::channel(());
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let task = tokio::spawn(accept(listener, acceptor, router, stopped));
        Ok(Self {
            address,
            stop,
            task,
        })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts nothing more, lets open requests end for a few seconds, and returns.
    pub(crate) async fn stop(self) {
        let Self { stop, task, .. } = self;
        drop(stop);
        // The task ends by itself; that it panicked would already have been reported.
        let _ = task.await;
    }
}

async fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    router: Router,
    mut stopped: watch::Receiver<()>,
) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let graceful = GracefulShutdown::new();
    let open = OpenRequests::default();
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await.ok()?;
            Some((place, listener.accept().await))
        };
        let accepted = tokio::select! {
            _ = stopped.changed() => break,
            accepted = next => accepted,
        };
        let Some((place, accepted)) = accepted else {
            break;
        };
        match accepted {
            Ok((stream, peer)) => {
                let service = Service {
                    router: router.clone(),
                    peer,
                    open: open.clone(),
                };
                let connection =
                    serve(place, stream, acceptor.clone(), service, graceful.watcher());
                tokio::spawn(connection);
            }
            // Out of file descriptors or a connection that is already gone: neither ends the server.
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
    drop(listener);
    let drained = async {
        tokio::select! {
            () = graceful.shutdown() => {}
            () = open.ended() => tokio::time::sleep(GOODBYE_TIMEOUT).await,
        }
    };
    if timeout(DRAIN_TIMEOUT, drained).await.is_err() {
        tracing::warn!("requests were still open when the server stopped");
    }
}

async fn serve(
    place: OwnedSemaphorePermit,
    stream: TcpStream,
    acceptor: TlsAcceptor,
    service: Service,
    watcher: hyper_util::server::graceful::Watcher,
) {
    let _place = place;
    let peer = service.peer;
    // Answers are small: waiting to fill a packet would only delay them.
    let _ = stream.set_nodelay(true);
    let Ok(Ok(stream)) = timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await else {
        tracing::debug!(%peer, "a TLS handshake failed");
        return;
    };
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HANDSHAKE_TIMEOUT);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(256);
    let connection = builder
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
        .into_owned();
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%peer, error, "a connection ended early");
    }
}

/// How many requests are being served.
#[derive(Clone, Default)]
struct OpenRequests(watch::Sender<usize>);

/// One of them, for as long as the value lives.
struct OpenRequest(watch::Sender<usize>);

impl OpenRequests {
    fn begin(&self) -> OpenRequest {
        self.0.send_modify(|count| *count += 1);
        OpenRequest(self.0.clone())
    }

    /// Waits until none is open.
    async fn ended(&self) {
        // The sender is ours, so that the wait ends only when the count is right.
        let _ = self.0.subscribe().wait_for(|count| *count == 0).await;
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

/// The router, telling its handlers who connected.
#[derive(Clone)]
struct Service {
    router: Router,
    peer: SocketAddr,
    open: OpenRequests,
}

/// Why a connection is closed without an answer: a fault rule wanted it.
#[derive(Debug, thiserror::Error)]
#[error("a fault rule cut the connection")]
struct Cut;

impl tower::Service<http::Request<hyper::body::Incoming>> for Service {
    type Response = axum::response::Response;
    type Error = Cut;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Cut>> + Send>>;

    fn poll_ready(
        &mut self,
        _context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Self::Error>> {
        // A router is always ready.
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<hyper::body::Incoming>) -> Self::Future {
        let mut request = request.map(axum::body::Body::new);
        request.extensions_mut().insert(ConnectInfo(self.peer));
        let answer = tower::Service::call(&mut self.router, request);
        let open = self.open.begin();
        Box::pin(async move {
            let _open = open;
            let Ok(response) = answer.await;
            if response.extensions().get::<ConnectionCut>().is_some() {
                Err(Cut)
            } else {
                Ok(response)
            }
        })
    }
}
