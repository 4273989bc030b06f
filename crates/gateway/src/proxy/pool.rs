//! Connections to upstreams: a worker's own, bounded, closed when unused for long.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::spawn_local;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

use super::body::RequestBody;
use crate::config::GatewayConfig;
use crate::upstream::Upstream;

pub(crate) struct Pool {
    idle: Rc<Idle>,
    tls: TlsConnector,
    connect: Duration,
    response_head_limit: usize,
}

struct Idle {
    by_origin: RefCell<HashMap<Arc<str>, Vec<IdleConnection>>>,
    most: usize,
    longest: Duration,
}

struct IdleConnection {
    sender: SendRequest<RequestBody>,
    since: Instant,
}

/// A connection in use.
pub(crate) struct Lease {
    pub(super) sender: SendRequest<RequestBody>,
    /// It carried requests before: the upstream may have closed it in the meantime.
    pub(super) is_reused: bool,
    origin: Arc<str>,
    idle: Rc<Idle>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("no connection in time")]
    Timeout,
    #[error("no connection")]
    Io(#[source] io::Error),
    #[error("the host name is no name for TLS")]
    ServerName,
    #[error("no HTTP connection")]
    Http(#[source] hyper::Error),
}

impl Pool {
    pub(super) fn new(config: &GatewayConfig, tls: Arc<ClientConfig>) -> Self {
        Self {
            idle: Rc::new(Idle {
                by_origin: RefCell::default(),
                most: config.limits.idle_upstream_connections,
                longest: config.timeouts.pool_idle,
            }),
            tls: TlsConnector::from(tls),
            connect: config.timeouts.connect,
            response_head_limit: config.limits.request_head.max(8_192),
        }
    }

    /// An unused connection, the most recently used first: old ones die out.
    pub(super) fn reuse(&self, upstream: &Upstream) -> Option<Lease> {
        let mut by_origin = self.idle.by_origin.borrow_mut();
        let connections = by_origin.get_mut(&upstream.origin)?;
        let now = Instant::now();
        while let Some(connection) = connections.pop() {
            let is_fresh = now.duration_since(connection.since) < self.idle.longest;
            if is_fresh && connection.sender.is_ready() {
                return Some(Lease {
                    sender: connection.sender,
                    is_reused: true,
                    origin: Arc::clone(&upstream.origin),
                    idle: Rc::clone(&self.idle),
                });
            }
        }
        None
    }

    /// A new connection. Must run on the worker's thread.
    pub(super) async fn connect(&self, upstream: &Upstream) -> Result<Lease, ConnectError> {
        timeout(self.connect, self.connect_now(upstream))
            .await
            .map_err(|_| ConnectError::Timeout)?
    }

    async fn connect_now(&self, upstream: &Upstream) -> Result<Lease, ConnectError> {
        let address = (upstream.host.as_str(), upstream.port);
        let stream = TcpStream::connect(address)
            .await
            .map_err(ConnectError::Io)?;
        let _ = stream.set_nodelay(true);
        let sender = if upstream.is_tls {
            let name = ServerName::try_from(upstream.host.clone())
                .map_err(|_| ConnectError::ServerName)?;
            let stream = self
                .tls
                .connect(name, stream)
                .await
                .map_err(ConnectError::Io)?;
            self.handshake(stream).await?
        } else {
            self.handshake(stream).await?
        };
        Ok(Lease {
            sender,
            is_reused: false,
            origin: Arc::clone(&upstream.origin),
            idle: Rc::clone(&self.idle),
        })
    }

    async fn handshake<I>(&self, stream: I) -> Result<SendRequest<RequestBody>, ConnectError>
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(self.response_head_limit)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(ConnectError::Http)?;
        spawn_local(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "a connection to an upstream ended badly");
            }
        });
        Ok(sender)
    }

    /// Closes what has been unused for too long.
    pub(super) fn sweep(&self) {
        let now = Instant::now();
        let mut by_origin = self.idle.by_origin.borrow_mut();
        by_origin.retain(|_, connections| {
            connections.retain(|connection| {
                !connection.sender.is_closed()
                    && now.duration_since(connection.since) < self.idle.longest
            });
            !connections.is_empty()
        });
    }
}

impl Lease {
    /// For the next request, once the connection is through with this one.
    pub(super) fn give_back(mut self) {
        if self.sender.is_ready() {
            self.idle.put(self.origin, self.sender);
        } else if !self.sender.is_closed() {
            spawn_local(async move {
                if self.sender.ready().await.is_ok() {
                    self.idle.put(self.origin, self.sender);
                }
            });
        }
    }
}

impl Idle {
    fn put(&self, origin: Arc<str>, sender: SendRequest<RequestBody>) {
        let mut by_origin = self.by_origin.borrow_mut();
        let connections = by_origin.entry(origin).or_default();
        if connections.len() < self.most {
            connections.push(IdleConnection {
                sender,
                since: Instant::now(),
            });
        }
    }
}
