//! One request and its answer on a stream of an HTTP/2 connection.

use std::error::Error;
use std::future::{Future as _, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use hyper::{Request, Response};

use super::Http2Stream;
use super::upload::{Upload, go_on_sending, piped};
use crate::proxy::body::RequestBody;
use crate::proxy::pool::SendError;

pub(in crate::proxy::pool) struct Http2Exchange {
    stream: Http2Stream,
    /// What of the request is still to be sent.
    upload: Option<Upload>,
    answer: Option<Incoming>,
}

impl Http2Exchange {
    pub(super) fn on(stream: Http2Stream) -> Self {
        Self {
            stream,
            upload: None,
            answer: None,
        }
    }

    /// Sends a request, and its body as it comes; the answer's head is waited for, its body [polled](Self::poll_frame).
    pub(in crate::proxy::pool) async fn send(
        &mut self,
        request: Request<RequestBody>,
    ) -> Result<Response<()>, SendError> {
        let (head, body) = request.into_parts();
        let (body, rest) = piped(body);
        self.upload = rest;
        let mut sender = self.stream.sender();
        let mut sending = pin!(sender.try_send_request(Request::from_parts(head, body)));
        let sent = poll_fn(|cx| {
            go_on_sending(&mut self.upload, cx);
            sending.as_mut().poll(cx)
        });
        let mut error = match sent.await {
            Ok(response) => {
                let (head, body) = response.into_parts();
                self.answer = Some(body);
                return Ok(Response::from_parts(head, ()));
            }
            Err(error) => error,
        };
        let unsent = error.take_message();
        let error = error.into_error();
        let Some(unsent) = unsent else {
            return Err(if is_refusal(&error) {
                SendError::RefusedUnread
            } else {
                SendError::Failed(error.into())
            });
        };
        let (head, body) = unsent.into_parts();
        Err(match body.into_unsent(self.upload.take()) {
            Some(body) => SendError::NeverLeft(Box::new(Request::from_parts(head, body))),
            None => SendError::Failed(error.into()),
        })
    }

    pub(in crate::proxy::pool) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        self.go_on_sending(cx);
        match &mut self.answer {
            Some(answer) => Pin::new(answer).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    pub(in crate::proxy::pool) fn is_end_stream(&self) -> bool {
        self.answer.as_ref().is_none_or(Incoming::is_end_stream)
    }

    pub(in crate::proxy::pool) fn size_hint(&self) -> SizeHint {
        let answer = self.answer.as_ref();
        answer.map_or_else(|| SizeHint::with_exact(0), Incoming::size_hint)
    }

    pub(in crate::proxy::pool) fn go_on_sending(&mut self, cx: &mut Context<'_>) {
        go_on_sending(&mut self.upload, cx);
    }

    /// Whether what is left of the request may be sent by anybody.
    pub(in crate::proxy::pool) fn sends_by_itself(&self) -> bool {
        self.upload.as_ref().is_some_and(Upload::is_independent)
    }

    pub(in crate::proxy::pool) fn poll_request_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.go_on_sending(cx);
        if self.is_request_sent() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    pub(in crate::proxy::pool) fn is_request_sent(&self) -> bool {
        self.upload.is_none()
    }

    pub(in crate::proxy::pool) fn retire(&self) {
        self.stream.retire();
    }
}

/// REFUSED_STREAM, or a stream beyond the last one that a GOAWAY counts.
fn is_refusal(error: &hyper::Error) -> bool {
    let source = Error::source(error);
    source
        .and_then(|source| source.downcast_ref::<h2::Error>())
        .is_some_and(|error| {
            let is_refused_stream =
                error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
            error.is_remote() && (is_refused_stream || error.is_go_away())
        })
}
