//! HTTP/2 connections to upstreams: many requests share one, up to what both sides allow.

mod exchange;
mod upload;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hyper::client::conn::http2::SendRequest;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::origin::{Origin, OriginProtocol};
pub(super) use exchange::Http2Exchange;
use upload::StreamBody;

/// A worker's connections by origin.
#[derive(Default)]
pub(super) struct Http2Connections {
    by_origin: RefCell<HashMap<Arc<str>, SharedAtOrigin>>,
}

#[derive(Default)]
struct SharedAtOrigin {
    connections: Vec<Rc<Http2Connection>>,
    /// TLS negotiated HTTP/1.1 last time: requests need not wait for one another's connection.
    is_refused: bool,
    /// One connects at a time: a burst would open a connection each, where one is enough for all.
    connecting: Arc<Mutex<()>>,
}

pub(super) struct Http2Connection {
    sender: SendRequest<StreamBody>,
    in_use: Cell<usize>,
    /// The lesser of our limit and what the upstream announced.
    most: Rc<Cell<usize>>,
    /// When its last stream ended.
    idle_since: Cell<Instant>,
    is_retired: Cell<bool>,
}

/// One stream's place on its connection.
struct Http2Stream(Rc<Http2Connection>);

impl Http2Connections {
    /// On a connection that has room.
    pub(super) fn open(&self, origin: &Arc<str>) -> Option<Http2Exchange> {
        let by_origin = self.by_origin.borrow();
        let mut connections = by_origin.get(origin)?.connections.iter();
        connections
            .find(|connection| connection.has_room())
            .map(|connection| Http2Exchange::on(Http2Stream::on(connection)))
    }

    pub(super) fn add(&self, origin: &Arc<str>, connection: Rc<Http2Connection>) -> Http2Exchange {
        let exchange = Http2Exchange::on(Http2Stream::on(&connection));
        let mut by_origin = self.by_origin.borrow_mut();
        let at = by_origin.entry(Arc::clone(origin)).or_default();
        at.is_refused = false;
        at.connections.retain(|connection| connection.is_usable());
        at.connections.push(connection);
        exchange
    }

    /// `None` where nobody needs to wait: the origin negotiates HTTP/1.1.
    pub(super) fn turn_to_connect(&self, origin: &Arc<str>) -> Option<Arc<Mutex<()>>> {
        let mut by_origin = self.by_origin.borrow_mut();
        let at = by_origin.entry(Arc::clone(origin)).or_default();
        (!at.is_refused).then(|| Arc::clone(&at.connecting))
    }

    /// The origin, though asked, speaks HTTP/1.1.
    pub(super) fn refuses(&self, origin: &Origin) {
        if origin.protocol == OriginProtocol::Tls
            && let Some(at) = self.by_origin.borrow_mut().get_mut(&origin.name)
        {
            at.is_refused = true;
        }
    }

    pub(super) fn sweep(&self, now: Instant, longest: Duration) {
        self.by_origin.borrow_mut().retain(|_, at| {
            at.connections.retain(|connection| {
                let is_idle = connection.in_use.get() == 0
                    && now.duration_since(connection.idle_since.get()) >= longest;
                connection.is_usable() && !is_idle
            });
            // Somebody may be connecting.
            !at.connections.is_empty() || Arc::strong_count(&at.connecting) > 1
        });
    }

    pub(super) fn forget_tls(&self) {
        self.by_origin
            .borrow_mut()
            .retain(|origin, _| !origin.starts_with("https:"));
    }
}

impl Http2Connection {
    pub(super) fn new(sender: SendRequest<StreamBody>, most: Rc<Cell<usize>>) -> Self {
        Self {
            sender,
            in_use: Cell::new(0),
            most,
            idle_since: Cell::new(Instant::now()),
            is_retired: Cell::new(false),
        }
    }

    fn is_usable(&self) -> bool {
        !self.is_retired.get() && !self.sender.is_closed()
    }

    fn has_room(&self) -> bool {
        self.is_usable() && self.in_use.get() < self.most.get()
    }
}

impl Http2Stream {
    fn on(connection: &Rc<Http2Connection>) -> Self {
        connection.in_use.set(connection.in_use.get() + 1);
        Self(Rc::clone(connection))
    }

    fn sender(&self) -> SendRequest<StreamBody> {
        self.0.sender.clone()
    }

    fn retire(&self) {
        self.0.is_retired.set(true);
    }
}

impl Drop for Http2Stream {
    fn drop(&mut self) {
        self.0.in_use.set(self.0.in_use.get() - 1);
        self.0.idle_since.set(Instant::now());
    }
}
