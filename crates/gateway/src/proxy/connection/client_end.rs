//! The client's end of a connection, shared by who serves it and by the body of the request under way.
//!
//! Both run in one task: a socket has one reader, who would otherwise wait for bytes that another took.

use std::cell::{RefCell, RefMut};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

use crate::proxy::http1::Http1Error;
use crate::proxy::http1::buffered::Buffered;
use crate::proxy::http1::decoder::{Decoded, Decoder};
use crate::proxy::stream::{Rewound, Stream};

/// Bytes that a client may send ahead of the answer to its last request.
const PIPELINED: usize = 16 * 1024;

pub(super) struct ClientEnd(RefCell<Inner>);

struct Inner {
    buffered: Buffered,
    /// What of the request's body is still to be read.
    body: Decoder,
    /// Of the request under way.
    number: u64,
    /// The client waits for it before it sends the body.
    owes_continue: bool,
    /// An answer is on its way: it is too late to tell the client to go on.
    is_answering: bool,
    /// The client has closed its half, or the connection broke.
    has_ended: bool,
}

/// The body of a request.
pub(crate) struct Http1Body {
    end: Rc<ClientEnd>,
    number: u64,
}

impl ClientEnd {
    pub(super) fn new(stream: Stream) -> Rc<Self> {
        Rc::new(Self(RefCell::new(Inner {
            buffered: Buffered::new(stream),
            body: Decoder::Done,
            number: 0,
            owes_continue: false,
            is_answering: false,
            has_ended: false,
        })))
    }

    /// Not to be held while a body is polled.
    pub(super) fn buffered(&self) -> RefMut<'_, Buffered> {
        RefMut::map(self.0.borrow_mut(), |inner| &mut inner.buffered)
    }

    /// `None` while a body holds on to it.
    pub(super) fn into_stream(self: Rc<Self>) -> Option<Rewound> {
        let end = Rc::into_inner(self)?;
        Some(end.0.into_inner().buffered.into_stream())
    }

    /// A request's head was read. Its body, if it has one, is to be read by whom the request is handed to.
    pub(super) fn begin(self: &Rc<Self>, body: Decoder, owes_continue: bool) -> Option<Http1Body> {
        let mut inner = self.0.borrow_mut();
        inner.number += 1;
        inner.owes_continue = owes_continue;
        inner.is_answering = false;
        inner.body = body;
        if inner.body.is_done() {
            return None;
        }
        Some(Http1Body {
            end: Rc::clone(self),
            number: inner.number,
        })
    }

    /// From here on, nothing but the answer may be written.
    pub(super) fn begin_answer(&self) {
        self.0.borrow_mut().is_answering = true;
    }

    pub(super) fn has_room(&self) -> bool {
        self.0.borrow().buffered.has_room()
    }

    /// Not a byte of a next request has arrived.
    pub(super) fn has_no_input(&self) -> bool {
        self.0.borrow().buffered.input.is_empty()
    }

    /// The request was read to its end.
    pub(super) fn is_request_read(&self) -> bool {
        let inner = self.0.borrow();
        inner.body.is_done() && !inner.owes_continue
    }

    /// Passes over a body that nobody wants, as far as it has arrived. False where more of it may come.
    pub(super) fn skip_body(&self) -> bool {
        let mut inner = self.0.borrow_mut();
        let Inner {
            buffered,
            body,
            owes_continue,
            ..
        } = &mut *inner;
        if *owes_continue {
            return false;
        }
        while let Ok(Decoded::Data(_) | Decoded::Trailers(_)) = body.decode(&mut buffered.input) {}
        body.is_done()
    }

    /// Ready when the client has closed the connection, or its half of it, while it waits for an answer.
    pub(super) fn poll_gone(self: &Rc<Self>, cx: &mut Context<'_>) -> Poll<()> {
        let has_reader = Rc::strong_count(self) > 1;
        let mut inner = self.0.borrow_mut();
        while !inner.has_ended {
            // The body's reader finds out, and nobody takes its bytes away.
            if has_reader && !inner.body.is_done() || inner.buffered.input.len() >= PIPELINED {
                return Poll::Pending;
            }
            let read = ready!(inner.buffered.poll_fill(cx));
            inner.has_ended = !matches!(read, Ok(1..));
        }
        Poll::Ready(())
    }

    /// Reads for nobody; 0 at the end.
    pub(super) fn poll_discard(&self, cx: &mut Context<'_>) -> Poll<usize> {
        let mut inner = self.0.borrow_mut();
        inner.buffered.input.clear();
        inner.buffered.poll_fill(cx).map(Result::unwrap_or_default)
    }
}

impl Http1Body {
    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Http1Error>>> {
        let mut inner = self.end.0.borrow_mut();
        // The next request's body is not this one's business.
        if inner.number != self.number {
            return Poll::Ready(Some(Err(Http1Error::Incomplete)));
        }
        let Inner {
            buffered,
            body,
            owes_continue,
            is_answering,
            has_ended,
            ..
        } = &mut *inner;
        loop {
            match body.decode(&mut buffered.input)? {
                Decoded::Data(data) => {
                    *owes_continue = false;
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Decoded::Trailers(trailers) => {
                    return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                }
                Decoded::End => return Poll::Ready(None),
                Decoded::NeedsMore => {}
            }
            if *owes_continue && !*is_answering {
                *owes_continue = false;
                buffered
                    .output
                    .extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
            }
            // An answer is flushed by who writes it. TLS may hold something back though nothing is left here.
            if !*is_answering {
                let _ = buffered.poll_flush(cx)?;
            }
            let read = ready!(buffered.poll_fill(cx));
            *has_ended = !matches!(read, Ok(1..));
            if read? == 0 {
                body.end_of_stream()?;
            }
        }
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        let inner = self.end.0.borrow();
        inner.number == self.number && inner.body.is_done()
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        let inner = self.end.0.borrow();
        if inner.number != self.number {
            return SizeHint::default();
        }
        inner
            .body
            .length()
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
