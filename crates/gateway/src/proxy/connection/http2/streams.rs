//! The streams of a client's connection: whether there are any, and what becomes of answers that nobody takes.
//!
//! hyper asks an answer's body for more only where the client's window has room for it. A client that gives none would
//! hold its answer, and the upstream's connection behind it, without anybody being asked.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use crate::proxy::body::{BodyError, ResponseBody};

/// Of one connection.
pub(super) struct Streams {
    open: RefCell<Vec<Rc<OpenStream>>>,
    /// How long an answer may wait to be taken on.
    longest_wait: Duration,
    /// When the connection began, or its last stream ended; nothing where there is one.
    idle_since: Cell<Option<Instant>>,
    /// When the answers are to be looked at again.
    next_look: Cell<Instant>,
}

/// From a request to the end of its answer.
struct OpenStream {
    answer: RefCell<Option<ResponseBody>>,
    /// Since when the client has taken nothing on. `None` while we wait for somebody else.
    untaken_since: Cell<Option<Instant>>,
    /// Until when the answer must be whole.
    ends: Instant,
}

/// A stream in the hands of who serves it.
pub(super) struct StreamGuard {
    stream: Rc<OpenStream>,
    streams: Rc<Streams>,
}

/// An answer's body that can be taken away from a client that does not take it.
pub(super) struct HeldAnswer(StreamGuard);

impl Streams {
    pub(super) fn new(longest_wait: Duration) -> Rc<Self> {
        let now = Instant::now();
        Rc::new(Self {
            open: RefCell::default(),
            longest_wait,
            idle_since: Cell::new(Some(now)),
            next_look: Cell::new(now + longest_wait),
        })
    }

    /// A request has come that must be answered within `total`.
    pub(super) fn open(self: &Rc<Self>, total: Duration) -> StreamGuard {
        let now = Instant::now();
        let stream = Rc::new(OpenStream {
            answer: RefCell::new(None),
            untaken_since: Cell::new(None),
            ends: now + total,
        });
        let mut open = self.open.borrow_mut();
        if open.is_empty() {
            self.next_look.set(now + self.longest_wait);
        }
        open.push(Rc::clone(&stream));
        self.idle_since.set(None);
        StreamGuard {
            stream,
            streams: Rc::clone(self),
        }
    }

    pub(super) fn idle_since(&self) -> Option<Instant> {
        self.idle_since.get()
    }

    pub(super) fn next_look(&self) -> Instant {
        self.next_look.get()
    }

    /// Gives up the answers that were not taken in time: what they hold is free again, and who still asks for one of them
    /// sees it break off.
    pub(super) fn give_up_untaken(&self) {
        let now = Instant::now();
        let mut next = now + self.longest_wait;
        for stream in self.open.borrow().iter() {
            let Some(since) = stream.untaken_since.get() else {
                continue;
            };
            let until = stream.ends.min(since + self.longest_wait);
            if until <= now {
                stream.untaken_since.set(None);
                drop(stream.answer.take());
            } else {
                next = next.min(until);
            }
        }
        self.next_look.set(next);
    }
}

impl StreamGuard {
    pub(super) fn answer_with(self, body: ResponseBody) -> HeldAnswer {
        self.stream.answer.replace(Some(body));
        self.stream.untaken_since.set(Some(Instant::now()));
        HeldAnswer(self)
    }
}

impl Drop for StreamGuard {
    fn drop(&mut self) {
        let mut open = self.streams.open.borrow_mut();
        open.retain(|stream| !Rc::ptr_eq(stream, &self.stream));
        if open.is_empty() {
            self.streams.idle_since.set(Some(Instant::now()));
        }
    }
}

impl Body for HeldAnswer {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let stream = &self.0.stream;
        let mut answer = stream.answer.borrow_mut();
        let Some(body) = &mut *answer else {
            return Poll::Ready(Some(Err(BodyError::Untaken)));
        };
        let frame = Pin::new(body).poll_frame(cx);
        let is_theirs = frame.is_ready();
        stream.untaken_since.set(is_theirs.then(Instant::now));
        frame
    }

    fn is_end_stream(&self) -> bool {
        let answer = self.0.stream.answer.borrow();
        answer.as_ref().is_some_and(ResponseBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let answer = self.0.stream.answer.borrow();
        answer
            .as_ref()
            .map_or_else(SizeHint::default, ResponseBody::size_hint)
    }
}
