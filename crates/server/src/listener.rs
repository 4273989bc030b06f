//! Serves a router over TCP or TLS: bounded connections and waits, and accepted requests finish at shutdown.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tower::ServiceExt;

use crate::shutdown::{Shutdown, ShutdownSignal};
use crate::tls::SharedTls;

const MOST_CONNECTIONS: usize = 4_096;
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
const HEADER_LIMIT: Duration = Duration::from_secs(30);
/// A peer of an HTTP/2 connection that has gone without a word is noticed after both.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(30);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(20);
const DRAIN_LIMIT: Duration = Duration::from_secs(30);

/// A listener that outlives what it tells about.
pub(crate) struct Lasting {
    shutdown: Shutdown,
    task: JoinHandle<()>,
}

impl Lasting {
    /// Accepted requests finish, within the listener's own bounds.
    pub(crate) async fn end(self) {
        self.shutdown.begin();
        let _ = self.task.await;
    }
}

/// A bound port that does not serve yet.
pub(crate) struct Bound {
    listener: TcpListener,
    tls: Option<SharedTls>,
    address: SocketAddr,
}

impl Bound {
    /// Binds. The sentence of an error names the address and what to do.
    pub(crate) async fn bind(
        what: &str,
        address: SocketAddr,
        tls: Option<SharedTls>,
    ) -> Result<Self, String> {
        let listener = TcpListener::bind(address).await.map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => {
                format!("{what}: {address} is taken by another program; stop it or choose another port")
            }
            _ => format!("{what}: cannot listen on {address}: {error}"),
        })?;
        let address = listener
            .local_addr()
            .map_err(|error| format!("{what}: {error}"))?;
        Ok(Self {
            listener,
            tls,
            address,
        })
    }

    pub(crate) fn url(&self) -> String {
        base_url(
            if self.tls.is_some() { "https" } else { "http" },
            self.address,
        )
    }

    pub(crate) fn serve(self, router: Router, shutdown: ShutdownSignal) -> JoinHandle<()> {
        tokio::spawn(self.run(router, shutdown))
    }

    /// Serves until [`Lasting::end`], whatever else is told to finish.
    pub(crate) fn serve_until_ended(self, router: Router) -> Lasting {
        let (shutdown, signal) = Shutdown::new();
        Lasting {
            shutdown,
            task: self.serve(router, signal),
        }
    }

    async fn run(self, router: Router, shutdown: ShutdownSignal) {
        let draining = GracefulShutdown::new();
        let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        let mut stop = std::pin::pin!(shutdown.wait());
        loop {
            let place = tokio::select! {
                () = &mut stop => break,
                place = Arc::clone(&places).acquire_owned() => {
                    place.expect("the semaphore is never closed")
                }
            };
            let (stream, peer) = tokio::select! {
                () = &mut stop => break,
                accepted = self.listener.accept() => match accepted {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        // Out of descriptors, most likely: let some connections end first.
                        tracing::warn!(%error, "cannot accept a connection");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        continue;
                    }
                },
            };
            let (router, tls, watcher) = (router.clone(), self.tls.clone(), draining.watcher());
            tokio::spawn(async move {
                serve_connection(stream, peer, tls, router, watcher).await;
                drop(place);
            });
        }
        if tokio::time::timeout(DRAIN_LIMIT, draining.shutdown())
            .await
            .is_err()
        {
            tracing::warn!("some requests did not finish before the drain limit");
        }
    }
}

/// `localhost` reads better than 127.0.0.1 and means the same.
pub(crate) fn base_url(scheme: &str, address: SocketAddr) -> String {
    if address.ip().is_loopback() || address.ip().is_unspecified() {
        format!("{scheme}://localhost:{}", address.port())
    } else {
        format!("{scheme}://{address}")
    }
}

async fn serve_connection(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<SharedTls>,
    router: Router,
    watcher: Watcher,
) {
    // Small answers must not wait for acknowledgements.
    let _ = stream.set_nodelay(true);
    match tls {
        None => serve_http(stream, peer, router, watcher).await,
        Some(tls) => {
            match tokio::time::timeout(HANDSHAKE_LIMIT, tls.acceptor().accept(stream)).await {
                Ok(Ok(stream)) => serve_http(stream, peer, router, watcher).await,
                Ok(Err(error)) => tracing::debug!(%peer, %error, "TLS handshake failed"),
                Err(_) => tracing::debug!(%peer, "TLS handshake took too long"),
            }
        }
    }
}

async fn serve_http<S>(stream: S, peer: SocketAddr, router: Router, watcher: Watcher)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = router.map_request(
        move |mut request: axum::http::Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            request
        },
    );
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_LIMIT);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .max_concurrent_streams(128);
    let connection = builder
        .serve_connection_with_upgrades(TokioIo::new(stream), TowerToHyperService::new(service));
    if let Err(error) = watcher.watch(connection.into_owned()).await {
        tracing::debug!(%peer, %error, "a connection ended early");
    }
}
