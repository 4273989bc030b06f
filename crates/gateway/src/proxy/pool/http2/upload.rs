//! The body of a request on an HTTP/2 stream: given by who serves the client, taken by the connection to the upstream.
//!
//! The connection has a task of its own. A client's socket has one reader, which must be the task that also writes to
//! it; so that task reads the body, whenever the connection wants a piece.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use crate::proxy::body::{BodyError, RequestBody};

/// What is still to be given.
pub(super) struct Upload {
    body: RequestBody,
    pipe: Rc<RefCell<Pipe>>,
}

/// What the connection takes.
pub(crate) enum StreamBody {
    /// Nothing, at once.
    Empty(RequestBody),
    Piped(Taker),
}

pub(crate) struct Taker {
    pipe: Rc<RefCell<Pipe>>,
    size_hint: SizeHint,
}

/// One piece at a time, and only where it is waited for: what was not given can still go elsewhere.
#[derive(Default)]
struct Pipe {
    frame: Option<Result<Frame<Bytes>, BodyError>>,
    has_ended: bool,
    /// The connection wants no more.
    is_refused: bool,
    taker: Option<Waker>,
    giver: Option<Waker>,
}

/// A body's two ends; one that is over at once needs no second.
pub(super) fn piped(body: RequestBody) -> (StreamBody, Option<Upload>) {
    if body.is_end_stream() {
        return (StreamBody::Empty(body), None);
    }
    let pipe = Rc::default();
    let taker = Taker {
        pipe: Rc::clone(&pipe),
        size_hint: body.size_hint(),
    };
    (StreamBody::Piped(taker), Some(Upload { body, pipe }))
}

/// Gives what is wanted and there; `None` afterwards where nothing is left to give.
pub(super) fn go_on_sending(upload: &mut Option<Upload>, cx: &mut Context<'_>) {
    while let Some(giver) = upload {
        let is_wanted = {
            let mut pipe = giver.pipe.borrow_mut();
            pipe.giver = Some(cx.waker().clone());
            if pipe.is_refused {
                drop(pipe);
                *upload = None;
                return;
            }
            pipe.taker.is_some()
        };
        let Poll::Ready(frame) = (if is_wanted {
            Pin::new(&mut giver.body).poll_frame(cx)
        } else {
            Poll::Pending
        }) else {
            return;
        };
        let is_last = !matches!(frame, Some(Ok(_)));
        giver.pipe.borrow_mut().give(frame);
        if is_last {
            *upload = None;
        }
    }
}

impl Upload {
    /// Whether anybody may go on with it.
    pub(super) fn is_independent(&self) -> bool {
        self.body.is_independent()
    }
}

impl Drop for Upload {
    /// Half a body must not look like a whole one.
    fn drop(&mut self) {
        let mut pipe = self.pipe.borrow_mut();
        if !pipe.has_ended {
            pipe.give(Some(Err(BodyError::Sender(
                "nobody sends the rest of it".into(),
            ))));
        }
    }
}

impl Pipe {
    fn give(&mut self, frame: Option<Result<Frame<Bytes>, BodyError>>) {
        self.has_ended |= !matches!(frame, Some(Ok(_)));
        self.frame = frame;
        if let Some(taker) = self.taker.take() {
            taker.wake();
        }
    }
}

impl StreamBody {
    /// The body again, of a request that never left.
    pub(super) fn into_unsent(self, upload: Option<Upload>) -> Option<RequestBody> {
        match self {
            Self::Empty(body) => Some(body),
            Self::Piped(_) => {
                let mut upload = upload?;
                upload.pipe.borrow_mut().has_ended = true;
                Some(upload.body.take())
            }
        }
    }
}

impl Body for StreamBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Self::Piped(taker) = &mut *self else {
            return Poll::Ready(None);
        };
        let mut pipe = taker.pipe.borrow_mut();
        if let Some(frame) = pipe.frame.take() {
            return Poll::Ready(Some(frame));
        }
        if pipe.has_ended {
            return Poll::Ready(None);
        }
        pipe.taker = Some(cx.waker().clone());
        if let Some(giver) = pipe.giver.take() {
            giver.wake();
        }
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty(_) => true,
            Self::Piped(taker) => {
                let pipe = taker.pipe.borrow();
                pipe.has_ended && pipe.frame.is_none()
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty(_) => SizeHint::with_exact(0),
            Self::Piped(taker) => taker.size_hint,
        }
    }
}

impl Drop for Taker {
    fn drop(&mut self) {
        let mut pipe = self.pipe.borrow_mut();
        pipe.is_refused = true;
        if let Some(giver) = pipe.giver.take() {
            giver.wake();
        }
    }
}
