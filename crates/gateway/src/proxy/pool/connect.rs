//! Making a connection to an upstream: TCP, TLS with ALPN where the address says https, and HTTP.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hyper::client::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::spawn_local;
use tokio_rustls::TlsConnector;

use super::Need;
use super::http1::UpstreamConnection;
use super::http2::Http2Connection;
use crate::config::GatewayConfig;
use crate::origin::{Origin, OriginProtocol};
use crate::proxy::Here;
use crate::proxy::http1::head::HeadLimits;
use crate::proxy::stream::Stream;
use crate::proxy::tls::{SharedUpstreamTls, UpstreamClients};

/// How often it is looked whether a new HTTP/2 connection may be used.
const LOOK_FOR_SETTINGS: Duration = Duration::from_millis(1);

/// Header lines of a response: as many as most clients take (hyper's bound).
const RESPONSE_LINES: usize = 100;

pub(super) struct Connector {
    tls: Arc<SharedUpstreamTls>,
    /// What connections were last made with.
    tls_in_use: RefCell<Arc<UpstreamClients>>,
    response_head_limit: usize,
    stream_limit: usize,
}

pub(super) enum Made {
    Http1(Box<UpstreamConnection>),
    Http2(Http2Connection),
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

impl Connector {
    pub(super) fn new(config: &GatewayConfig, tls: Arc<SharedUpstreamTls>) -> Self {
        Self {
            tls_in_use: RefCell::new(tls.load_full()),
            tls,
            response_head_limit: config.limits.request_head,
            stream_limit: config.limits.upstream_streams.max(1),
        }
    }

    /// True once after certificate or authorities were replaced.
    pub(super) fn takes_new_tls(&self) -> bool {
        let now = self.tls.load();
        let mut in_use = self.tls_in_use.borrow_mut();
        if Arc::ptr_eq(&now, &in_use) {
            return false;
        }
        *in_use = Arc::clone(&now);
        true
    }

    pub(super) async fn connect(&self, origin: &Origin, need: Need) -> Result<Made, ConnectError> {
        let address = (origin.host.as_str(), origin.port);
        let stream = TcpStream::connect(address)
            .await
            .map_err(ConnectError::Io)?;
        let _ = stream.set_nodelay(true);
        match (origin.protocol, need) {
            (OriginProtocol::Plain, _) | (OriginProtocol::PlainHttp2, Need::Http1) => {
                Ok(self.http1(stream.into()))
            }
            (OriginProtocol::PlainHttp2, Need::AnyVersion) => self.http2(stream.into()).await,
            (OriginProtocol::Tls, need) => {
                let clients = Arc::clone(&self.tls_in_use.borrow());
                let config = match need {
                    Need::AnyVersion => &clients.any_version,
                    Need::Http1 => &clients.http1,
                };
                let name = ServerName::try_from(origin.host.clone())
                    .map_err(|_| ConnectError::ServerName)?;
                let stream = TlsConnector::from(Arc::clone(config))
                    .connect(name, stream)
                    .await
                    .map_err(ConnectError::Io)?;
                if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                    self.http2(stream.into()).await
                } else {
                    Ok(self.http1(stream.into()))
                }
            }
        }
    }

    fn http1(&self, stream: Stream) -> Made {
        let limits = HeadLimits {
            bytes: self.response_head_limit,
            lines: RESPONSE_LINES,
        };
        Made::Http1(Box::new(UpstreamConnection::new(stream, limits)))
    }

    async fn http2(&self, stream: Stream) -> Result<Made, ConnectError> {
        let (sender, connection) = http2::Builder::new(Here)
            .timer(TokioTimer::new())
            .keep_alive_interval(Duration::from_secs(30))
            .keep_alive_timeout(Duration::from_secs(20))
            // None until the upstream's settings say how many: they are its first word.
            .initial_max_send_streams(0)
            .max_header_list_size(u32::try_from(self.response_head_limit).unwrap_or(u32::MAX))
            .handshake(TokioIo::new(stream))
            .await
            .map_err(ConnectError::Http)?;
        let ours = self.stream_limit;
        let most = Rc::new(Cell::new(0));
        let announced = Rc::clone(&most);
        let (settle, settled) = oneshot::channel();
        let mut settle = Some(settle);
        spawn_local(async move {
            let mut connection = pin!(connection);
            // Nothing else wakes us when the settings arrive.
            let mut looking = tokio::time::interval(LOOK_FOR_SETTINGS);
            let ended = poll_fn(|cx| {
                let progress = connection.as_mut().poll(cx);
                announced.set(ours.min(connection.current_max_send_streams()));
                if announced.get() > 0
                    && let Some(settle) = settle.take()
                {
                    let _ = settle.send(());
                }
                if settle.as_ref().is_some_and(|settle| !settle.is_closed()) {
                    while looking.poll_tick(cx).is_ready() {}
                }
                progress
            });
            if let Err(error) = ended.await {
                tracing::debug!(%error, "a connection to an upstream ended badly");
            }
        });
        settled
            .await
            .map_err(|_| ConnectError::Io(io::ErrorKind::UnexpectedEof.into()))?;
        Ok(Made::Http2(Http2Connection::new(sender, most)))
    }
}
