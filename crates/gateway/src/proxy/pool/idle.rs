//! HTTP/1.1 connections that nobody uses, by the origin that they lead to.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;
use tokio::time::Instant;

use super::http1::UpstreamConnection;
use crate::origin::Origin;
use crate::proxy::deadline::Deadline;

pub(super) struct IdleConnections {
    by_origin: RefCell<HashMap<Arc<str>, Rc<IdleAtOrigin>, RandomState>>,
    /// To one origin.
    most: usize,
    longest: Duration,
}

/// Of one origin. Leases hold on to it, so that giving back takes no search.
pub(super) type IdleAtOrigin = RefCell<Vec<IdleConnection>>;

pub(super) struct IdleConnection {
    pub(super) connection: Box<UpstreamConnection>,
    pub(super) deadline: Deadline,
    since: Instant,
}

impl IdleConnections {
    pub(super) fn new(most: usize, longest: Duration) -> Self {
        Self {
            by_origin: RefCell::default(),
            most,
            longest,
        }
    }

    /// How long a connection may be unused.
    pub(super) fn longest(&self) -> Duration {
        self.longest
    }

    pub(super) fn at(&self, origin: &Arc<str>) -> Rc<IdleAtOrigin> {
        let mut by_origin = self.by_origin.borrow_mut();
        Rc::clone(by_origin.entry(Arc::clone(origin)).or_default())
    }

    /// The most recently used first: old ones die out.
    pub(super) fn take(
        &self,
        origin: &Origin,
        now: Instant,
    ) -> Option<(Rc<IdleAtOrigin>, IdleConnection)> {
        let by_origin = self.by_origin.borrow();
        let at_origin = by_origin.get(&origin.name)?;
        let mut connections = at_origin.borrow_mut();
        while let Some(mut idle) = connections.pop() {
            let is_fresh = now.duration_since(idle.since) < self.longest;
            // The upstream may have closed it while nobody has looked.
            if is_fresh && idle.connection.probe_quiet() {
                return Some((Rc::clone(at_origin), idle));
            }
        }
        None
    }

    pub(super) fn put(
        &self,
        at_origin: &IdleAtOrigin,
        connection: Box<UpstreamConnection>,
        deadline: Deadline,
    ) {
        let mut connections = at_origin.borrow_mut();
        if connections.len() < self.most {
            connections.push(IdleConnection {
                connection,
                deadline,
                since: Instant::now(),
            });
        }
    }

    /// Closes what its upstream has closed, or has been unused for too long.
    pub(super) fn sweep(&self, now: Instant) {
        self.by_origin.borrow_mut().retain(|_, connections| {
            let is_unused = Rc::strong_count(connections) == 1;
            let mut connections = connections.borrow_mut();
            connections.retain_mut(|idle| {
                idle.connection.release_memory();
                now.duration_since(idle.since) < self.longest && idle.connection.probe_quiet()
            });
            !(connections.is_empty() && is_unused)
        });
    }

    /// Those in use are given back to lists that nobody looks into any more.
    pub(super) fn forget_tls(&self) {
        self.by_origin
            .borrow_mut()
            .retain(|origin, _| !origin.starts_with("https:"));
    }
}
