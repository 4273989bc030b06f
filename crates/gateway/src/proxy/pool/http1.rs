//! A connection to an upstream: sends a request and reads its answer, as one exchange after the other.
//!
//! It has no task of its own. Whoever asks polls it, so that a request and its answer pass through the task that serves
//! the client; the pool looks after those that nobody uses.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use hyper::body::{Body as _, Frame, SizeHint};

use super::SendError;
use crate::proxy::body::RequestBody;
use crate::proxy::http1::Http1Error;
use crate::proxy::http1::buffered::Buffered;
use crate::proxy::http1::decoder::{Decoded, Decoder};
use crate::proxy::http1::encoder::Encoder;
use crate::proxy::http1::head::{HeadLimits, emptied, read_response, write_request};
use crate::proxy::stream::{Rewound, Stream};
use crate::proxy::turn::turn;

pub(crate) struct UpstreamConnection {
    buffered: Buffered,
    limits: HeadLimits,
    unsent: Unsent,
    /// Of the request under way.
    method: Method,
    answer: Decoder,
    is_persistent: bool,
    /// Of a head that is no longer needed.
    spare: HeaderMap,
}

/// What of the request is still to be sent.
enum Unsent {
    Body(Box<RequestBody>, Encoder),
    /// All of it was handed to the connection.
    Flushing,
    Nothing,
    /// The upstream takes no more. It may have answered all the same.
    Refused,
}

impl UpstreamConnection {
    pub(crate) fn new(stream: Stream, limits: HeadLimits) -> Self {
        Self {
            buffered: Buffered::new(stream),
            limits,
            unsent: Unsent::Nothing,
            method: Method::GET,
            answer: Decoder::Done,
            is_persistent: true,
            spare: HeaderMap::new(),
        }
    }

    /// Sends a request, and its body as it comes; the answer's head is waited for, its body [polled](Self::poll_frame).
    pub(crate) async fn send(
        &mut self,
        request: Request<RequestBody>,
    ) -> Result<Response<()>, SendError> {
        let (head, body) = request.into_parts();
        let length = body.size_hint().exact();
        let encoder = match length {
            Some(0) if head.headers.contains_key(CONTENT_LENGTH) => Encoder::Length(0),
            Some(0) => Encoder::Nothing,
            Some(length) => Encoder::Length(length),
            None => Encoder::Chunked,
        };
        write_request(&head, encoder, &mut self.buffered.output);
        self.answer = Decoder::Done;
        self.is_persistent = true;
        turn().await;
        // Before the body is asked for anything: a connection that is closed takes nothing, and the request may go out
        // again over another.
        if let Err(error) = poll_fn(|cx| self.poll_first_bytes(cx)).await {
            return Err(match error {
                Some(error) => SendError::Failed(error.into()),
                None => SendError::NeverLeft(Box::new(Request::from_parts(head, body))),
            });
        }
        self.method = head.method;
        self.spare = emptied(head.headers);
        self.unsent = if matches!(length, Some(0)) {
            Unsent::Flushing
        } else {
            Unsent::Body(Box::new(body), encoder)
        };
        poll_fn(|cx| self.poll_head(cx))
            .await
            .map_err(|error| SendError::Failed(error.into()))
    }

    /// Ready when the head was written, or as far as the upstream takes it now. `None` where it takes nothing at all.
    fn poll_first_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Option<Http1Error>>> {
        let before = self.buffered.left();
        match self.buffered.poll_flush(cx) {
            Poll::Ready(Err(_)) if self.buffered.left() == before => Poll::Ready(Err(None)),
            Poll::Ready(Err(error)) => Poll::Ready(Err(Some(error.into()))),
            Poll::Pending if self.buffered.left() == before => Poll::Pending,
            // Where something is left, it goes out while the answer is waited for.
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(())),
        }
    }

    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Response<()>, Http1Error>> {
        self.poll_upload(cx)?;
        loop {
            if let Some(read) = read_response(
                &mut self.buffered.input,
                &self.method,
                self.limits,
                &mut self.spare,
            )? {
                self.answer = read.body;
                self.is_persistent = read.is_persistent;
                if read.head.status() == StatusCode::SWITCHING_PROTOCOLS {
                    self.is_persistent = false;
                }
                return Poll::Ready(Ok(read.head));
            }
            if ready!(self.buffered.poll_fill(cx))? == 0 {
                return Poll::Ready(Err(Http1Error::Incomplete));
            }
        }
    }

    /// The next piece of the answer's body; sends what is left of the request's meanwhile.
    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Http1Error>>> {
        self.go_on_sending(cx);
        loop {
            match self.answer.decode(&mut self.buffered.input)? {
                Decoded::Data(data) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Decoded::Trailers(trailers) => {
                    return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                }
                Decoded::End => return Poll::Ready(None),
                Decoded::NeedsMore => {}
            }
            if ready!(self.buffered.poll_fill(cx))? == 0 {
                self.is_persistent = false;
                self.answer.end_of_stream()?;
            }
        }
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        self.answer.is_done()
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        self.answer
            .length()
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }

    /// Sends as much as can be sent now. An error is the client's; that the upstream takes no more is none yet.
    fn poll_upload(&mut self, cx: &mut Context<'_>) -> Result<(), Http1Error> {
        loop {
            match &mut self.unsent {
                Unsent::Nothing | Unsent::Refused => return Ok(()),
                Unsent::Flushing => match self.buffered.poll_flush(cx) {
                    Poll::Ready(Ok(())) => self.unsent = Unsent::Nothing,
                    Poll::Ready(Err(_)) => self.unsent = Unsent::Refused,
                    Poll::Pending => return Ok(()),
                },
                Unsent::Body(body, encoder) => {
                    if !self.buffered.has_room() {
                        match self.buffered.poll_flush(cx) {
                            Poll::Ready(Ok(())) => {}
                            Poll::Ready(Err(_)) => {
                                self.unsent = Unsent::Refused;
                                continue;
                            }
                            Poll::Pending => return Ok(()),
                        }
                    }
                    match Pin::new(&mut **body).poll_frame(cx) {
                        Poll::Ready(Some(Ok(frame))) => encoder.write(frame, &mut self.buffered)?,
                        Poll::Ready(Some(Err(error))) => {
                            return Err(Http1Error::Body(error.into()));
                        }
                        Poll::Ready(None) => {
                            encoder.finish(&mut self.buffered)?;
                            self.unsent = Unsent::Flushing;
                        }
                        // What there is of the body does not wait for the rest.
                        Poll::Pending => {
                            if let Poll::Ready(Err(_)) = self.buffered.poll_flush(cx) {
                                self.unsent = Unsent::Refused;
                            }
                            return Ok(());
                        }
                    }
                }
            }
        }
    }

    /// Sends what can be sent now of a request that is being answered already. A client that fails to send its body
    /// gets the answer all the same: the connection is then not used again.
    pub(crate) fn go_on_sending(&mut self, cx: &mut Context<'_>) {
        if self.poll_upload(cx).is_err() {
            self.unsent = Unsent::Refused;
        }
    }

    /// Whether what is left of the request may be sent by anybody.
    pub(crate) fn sends_by_itself(&self) -> bool {
        match &self.unsent {
            Unsent::Body(body, _) => body.is_independent(),
            Unsent::Flushing => true,
            Unsent::Nothing | Unsent::Refused => false,
        }
    }

    /// Ready when nothing is left of the request, though its answer came before its end.
    pub(crate) fn poll_request_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.go_on_sending(cx);
        if matches!(self.unsent, Unsent::Nothing | Unsent::Refused) {
            return Poll::Ready(());
        }
        // Who has answered says no more; what comes is the end.
        self.buffered.poll_fill(cx).map(|_| ())
    }

    /// Whether the next request may go over it, as far as this end knows.
    pub(crate) fn is_reusable(&self) -> bool {
        self.is_persistent
            && self.answer.is_done()
            && self.buffered.input.is_empty()
            && matches!(self.unsent, Unsent::Nothing)
    }

    /// False when an unused one is of no more use: the upstream closed it, or speaks without being asked.
    pub(crate) fn probe_quiet(&mut self) -> bool {
        self.buffered.probe_quiet()
    }

    /// Gives memory back that nobody needs for now.
    pub(crate) fn release_memory(&mut self) {
        self.buffered.release_memory();
    }

    /// For whatever protocol was switched to.
    pub(crate) fn into_stream(self) -> Rewound {
        self.buffered.into_stream()
    }
}
