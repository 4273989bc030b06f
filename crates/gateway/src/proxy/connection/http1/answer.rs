//! An answer on its way to a client: how it is framed, its head, its body as it comes.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::header::{CONNECTION, CONTENT_LENGTH};
use http::{HeaderValue, Method, Response, StatusCode, Version, response};
use hyper::body::Body as _;
use tokio::time::Instant;

use super::{After, ClientConnection};
use crate::proxy::body::ResponseBody;
use crate::proxy::connection::client_end::ClientEnd;
use crate::proxy::http1::Http1Error;
use crate::proxy::http1::encoder::Encoder;
use crate::proxy::http1::head::{ResponseFraming, emptied, has_no_body, write_response};
use crate::proxy::tunnel::Tunnel;
use crate::proxy::turn::turn;

/// What of a request its answer's form depends on.
pub(super) struct Asked {
    pub(super) version: Version,
    pub(super) method: Method,
    /// The client may send another one.
    pub(super) is_persistent: bool,
}

/// An answer whose head was written.
struct Answer {
    /// `None` when nobody needs it any more.
    body: Option<ResponseBody>,
    encoder: Encoder,
    /// The last of its body was handed to the connection.
    is_whole: bool,
    /// The connection may carry another request.
    keeps_connection: bool,
}

impl ClientConnection<'_> {
    pub(super) async fn answer(
        &mut self,
        response: Response<ResponseBody>,
        asked: &Asked,
    ) -> After {
        let (head, body) = response.into_parts();
        if let ResponseBody::Tunnel(tunnel) = body {
            return self.switch_protocols(&head, tunnel, asked.version).await;
        }
        let mut answer = self.begin(head, body, asked);
        turn().await;
        let written = poll_fn(|cx| self.poll_answer(cx, &mut answer));
        if let Err(error) = written.await {
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "an answer broke off"
            );
            return After::Gone;
        }
        if let Some(mut body) = answer.body {
            poll_fn(|cx| body.poll_request_end(cx)).await;
        }
        if answer.keeps_connection && self.end.is_request_read() {
            After::Next
        } else {
            After::Close
        }
    }

    async fn switch_protocols(
        &mut self,
        head: &response::Parts,
        tunnel: Box<Tunnel>,
        version: Version,
    ) -> After {
        self.write_head(head, Encoder::Nothing, version, None, None);
        match poll_fn(|cx| self.poll_written(cx)).await {
            Ok(()) => After::Tunnel(tunnel),
            Err(_) => After::Gone,
        }
    }

    /// Writes the head, and decides by it how the body is framed and what becomes of the connection.
    fn begin(&mut self, mut head: response::Parts, body: ResponseBody, asked: &Asked) -> Answer {
        let encoder = match body.size_hint().exact() {
            _ if has_no_body(head.status, &asked.method) => Encoder::Nothing,
            Some(length) => Encoder::Length(length),
            None if asked.version == Version::HTTP_11 => Encoder::Chunked,
            None => Encoder::UntilClose,
        };
        let asks_for_close = head.headers.remove(CONNECTION).is_some();
        self.is_suspect |= asks_for_close;
        let mut keeps = asked.is_persistent
            && !asks_for_close
            && encoder != Encoder::UntilClose
            && !*self.worker.stopping.borrow();
        if body.is_own() {
            keeps &= self.end.skip_body();
        }
        // Said where it is not what the version means without a word.
        let connection = match (asked.version, keeps) {
            (Version::HTTP_10, true) => Some("keep-alive"),
            (Version::HTTP_10, false) | (_, true) => None,
            (_, false) => Some("close"),
        };
        // RFC 9110 section 8.6: nothing else without a body may say how long one would be.
        let may_say = asked.method == Method::HEAD || head.status == StatusCode::NOT_MODIFIED;
        let absent_length = head.headers.get(CONTENT_LENGTH).filter(|_| may_say);
        self.write_head(&head, encoder, asked.version, absent_length, connection);
        self.spare = emptied(head.headers);
        Answer {
            body: Some(body),
            encoder,
            is_whole: false,
            keeps_connection: keeps,
        }
    }

    fn write_head(
        &self,
        head: &response::Parts,
        body: Encoder,
        version: Version,
        absent_length: Option<&HeaderValue>,
        connection: Option<&'static str>,
    ) {
        self.end.begin_answer();
        let framing = ResponseFraming {
            body,
            version,
            absent_length,
            connection,
            date: &|| self.worker.date.now(&*self.worker.engine.clock),
        };
        write_response(head, &framing, &mut self.end.buffered().output);
    }

    /// Passes the body on as it comes, as fast as the client takes it.
    fn poll_answer(
        &mut self,
        cx: &mut Context<'_>,
        answer: &mut Answer,
    ) -> Poll<Result<(), Http1Error>> {
        loop {
            let is_waiting = answer.poll_body(cx, &self.end)?.is_pending();
            let Poll::Ready(written) = self.poll_written(cx) else {
                // A client that sends before it reads must not be waited for.
                if let Some(body) = &mut answer.body {
                    body.go_on_sending(cx);
                }
                return Poll::Pending;
            };
            written?;
            if answer.is_whole {
                return Poll::Ready(Ok(()));
            }
            if is_waiting {
                return self.end.poll_gone(cx).map(|()| Err(Http1Error::Incomplete));
            }
        }
    }

    /// Ready when the client has taken everything, or took nothing for too long.
    pub(super) fn poll_written(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Http1Error>> {
        let mut buffered = self.end.buffered();
        let before = buffered.left();
        let flushed = buffered.poll_flush(cx);
        if flushed.is_ready() || buffered.left() != before {
            self.stalled_since = None;
        }
        if flushed.is_ready() {
            return flushed.map_err(Http1Error::from);
        }
        let since = *self.stalled_since.get_or_insert_with(Instant::now);
        let longest = self.worker.engine.config.timeouts.body_idle;
        self.deadline
            .poll(cx, since + longest)
            .map(|()| Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()))
    }
}

impl Answer {
    /// Hands to the connection what there is of the body and what it has room for. Pending where more is waited for.
    fn poll_body(&mut self, cx: &mut Context<'_>, end: &ClientEnd) -> Result<Poll<()>, Http1Error> {
        while let Some(body) = &mut self.body
            && !self.is_whole
            && end.has_room()
        {
            let frame = if self.encoder == Encoder::Nothing || body.is_end_stream() {
                None
            } else {
                // Not while the end is borrowed: the rest of the request may go up meanwhile.
                let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(cx) else {
                    return Ok(Poll::Pending);
                };
                frame
            };
            let buffered = &mut end.buffered();
            if let Some(frame) = frame {
                let frame = frame.map_err(|error| Http1Error::Body(error.into()))?;
                self.encoder.write(frame, buffered)?;
            } else {
                self.encoder.finish(buffered)?;
                self.is_whole = true;
            }
        }
        // Log and figures know of an answer before its client does.
        if let Some(body) = &mut self.body
            && self.is_whole
            && body.poll_request_end(cx).is_ready()
        {
            self.body = None;
        }
        Ok(Poll::Ready(()))
    }
}
