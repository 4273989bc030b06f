//! Connections to upstreams: a worker's own, bounded, closed when unused for long.
//!
//! Owns which connection carries a request. How one is made is [`connect`]'s business, what passes over it that of
//! [`lease`].

mod connect;
mod http1;
mod http2;
mod idle;
mod lease;

use std::error::Error;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use tokio::time::{Instant, timeout};

use super::body::RequestBody;
use super::deadline::Deadline;
use super::tls::SharedUpstreamTls;
use crate::config::GatewayConfig;
use crate::origin::{Origin, OriginProtocol};

pub(crate) use connect::ConnectError;
use connect::{Connector, Made};
use http2::Http2Connections;
use idle::IdleConnections;
use lease::Carrier;
pub(crate) use lease::Lease;

pub(crate) struct Pool {
    idle: Rc<IdleConnections>,
    shared: Http2Connections,
    connector: Connector,
    patience: Duration,
}

/// What a request needs of its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    AnyVersion,
    /// WebSocket: a switch of protocols exists in HTTP/1.1 only.
    Http1,
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
        let most_idle = config.limits.idle_upstream_connections;
        Self {
            idle: Rc::new(IdleConnections::new(most_idle, config.timeouts.pool_idle)),
            shared: Http2Connections::default(),
            connector: Connector::new(config, tls),
            patience: config.timeouts.connect,
        }
    }

    /// An unused connection, or a stream of one that is shared.
    pub(super) fn reuse(&self, origin: &Origin, need: Need, now: Instant) -> Option<Lease> {
        if origin.protocol == OriginProtocol::Tls && self.connector.takes_new_tls() {
            self.forget_tls();
        }
        if origin.protocol != OriginProtocol::Plain
            && need == Need::AnyVersion
            && let Some(exchange) = self.shared.open(&origin.name)
        {
            return Some(self.lease(origin, Carrier::Http2(exchange), true));
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
        let Some(turn) = self.shared.turn_to_connect(&origin.name) else {
            return Ok(self.lease_of(origin, self.connector.connect(origin, need).await?));
        };
        // Whoever waited here finds the connection that the one before made.
        let turn = turn.lock_owned().await;
        if let Some(exchange) = self.shared.open(&origin.name) {
            return Ok(self.lease(origin, Carrier::Http2(exchange), true));
        }
        let made = self.connector.connect(origin, need).await?;
        let lease = self.lease_of(origin, made);
        drop(turn);
        Ok(lease)
    }

    fn lease_of(&self, origin: &Origin, made: Made) -> Lease {
        let carrier = match made {
            Made::Http1(connection) => {
                self.shared.refuses(origin);
                Carrier::Http1(connection)
            }
            Made::Http2(connection) => {
                Carrier::Http2(self.shared.add(&origin.name, Rc::new(connection)))
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
        self.idle.sweep(now);
        self.shared.sweep(now, self.idle.longest());
    }

    /// Connections made with an earlier certificate or authority carry nothing new.
    fn forget_tls(&self) {
        self.idle.forget_tls();
        self.shared.forget_tls();
    }
}
