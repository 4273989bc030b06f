//! Connections to upstreams: a worker's own, bounded, closed when unused for long.
//!
//! Owns which connection carries a request. How one is made is [`connect`]'s business.

mod connect;
mod multiplexed;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;
use hyper::Response;
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1};
use tokio::task::spawn_local;
use tokio::time::{Instant, timeout};

use super::body::RequestBody;
use super::tls::SharedUpstreamTls;
use crate::config::GatewayConfig;
use crate::origin::{Origin, OriginProtocol};

pub(crate) use connect::ConnectError;
use connect::{Connector, Made};
use multiplexed::{Multiplexed, Streams};

pub(crate) struct Pool {
    idle: Rc<Idle>,
    streams: Streams,
    connector: Connector,
    patience: Duration,
}

struct Idle {
    by_origin: RefCell<HashMap<Arc<str>, Vec<IdleConnection>, RandomState>>,
    most: usize,
    longest: Duration,
}

struct IdleConnection {
    sender: http1::SendRequest<RequestBody>,
    since: Instant,
}

/// What a request needs of its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    AnyVersion,
    /// WebSocket: a switch of protocols exists in HTTP/1.1 only.
    Http1,
}

/// A connection, or a stream of one, in use.
pub(crate) struct Lease {
    carrier: Carrier,
    /// It carried requests before: the upstream may have closed it in the meantime.
    pub(super) is_reused: bool,
}

enum Carrier {
    Http1 {
        sender: http1::SendRequest<RequestBody>,
        origin: Arc<str>,
        idle: Rc<Idle>,
    },
    Http2(multiplexed::Stream),
}

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
    pub(super) fn reuse(&self, origin: &Origin, need: Need) -> Option<Lease> {
        if origin.protocol == OriginProtocol::Tls && self.connector.takes_new_tls() {
            self.forget_tls();
        }
        if origin.protocol != OriginProtocol::Plain
            && need == Need::AnyVersion
            && let Some(stream) = self.streams.open(&origin.name)
        {
            return Some(Lease {
                carrier: Carrier::Http2(stream),
                is_reused: true,
            });
        }
        self.idle.take(origin).map(|sender| Lease {
            carrier: Carrier::Http1 {
                sender,
                origin: Arc::clone(&origin.name),
                idle: Rc::clone(&self.idle),
            },
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
            return Ok(Lease {
                carrier: Carrier::Http2(stream),
                is_reused: true,
            });
        }
        let made = self.connector.connect(origin, need).await?;
        let lease = self.lease_of(origin, made);
        drop(turn);
        Ok(lease)
    }

    fn lease_of(&self, origin: &Origin, made: Made) -> Lease {
        let carrier = match made {
            Made::Http1(sender) => {
                self.streams.refuses(origin);
                Carrier::Http1 {
                    sender,
                    origin: Arc::clone(&origin.name),
                    idle: Rc::clone(&self.idle),
                }
            }
            Made::Http2(connection) => {
                Carrier::Http2(self.streams.add(&origin.name, Rc::new(connection)))
            }
        };
        Lease {
            carrier,
            is_reused: false,
        }
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
        self.streams.sweep(now, self.idle.longest);
    }

    /// Connections made with an earlier certificate or authority carry nothing new.
    fn forget_tls(&self) {
        let mut by_origin = self.idle.by_origin.borrow_mut();
        by_origin.retain(|origin, _| !origin.starts_with("https:"));
        self.streams.forget_tls();
    }
}

impl Lease {
    pub(super) fn is_http2(&self) -> bool {
        matches!(self.carrier, Carrier::Http2(_))
    }

    /// An error holds the request where it never left.
    pub(super) async fn send(
        &mut self,
        request: http::Request<RequestBody>,
    ) -> Result<Response<Incoming>, TrySendError<http::Request<RequestBody>>> {
        match &mut self.carrier {
            Carrier::Http1 { sender, .. } => sender.try_send_request(request).await,
            Carrier::Http2(stream) => stream.sender().try_send_request(request).await,
        }
    }

    /// Nothing new goes over this connection: the upstream said so.
    pub(super) fn retire(&self) {
        if let Carrier::Http2(stream) = &self.carrier {
            stream.retire();
        }
    }

    /// For the next request, once the connection is through with this one.
    pub(super) fn give_back(self) {
        let Carrier::Http1 {
            mut sender,
            origin,
            idle,
        } = self.carrier
        else {
            // The stream ends with the lease.
            return;
        };
        if sender.is_ready() {
            idle.put(origin, sender);
        } else if !sender.is_closed() {
            spawn_local(async move {
                if sender.ready().await.is_ok() {
                    idle.put(origin, sender);
                }
            });
        }
    }
}

impl Idle {
    fn take(&self, origin: &Origin) -> Option<http1::SendRequest<RequestBody>> {
        let mut by_origin = self.by_origin.borrow_mut();
        let connections = by_origin.get_mut(&origin.name)?;
        let now = Instant::now();
        while let Some(connection) = connections.pop() {
            let is_fresh = now.duration_since(connection.since) < self.longest;
            if is_fresh && connection.sender.is_ready() {
                return Some(connection.sender);
            }
        }
        None
    }

    fn put(&self, origin: Arc<str>, sender: http1::SendRequest<RequestBody>) {
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
