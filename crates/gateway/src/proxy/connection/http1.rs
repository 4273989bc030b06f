//! A client's connection over HTTP/1.1: reads one request after the other, has each answered, and writes the answers.
//!
//! One task does it all, the exchange with the upstream included. A request's body is read by whoever the request was
//! handed to, through the end of the connection that both share.

use std::future::{Future as _, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::header::{CONNECTION, CONTENT_LENGTH};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use hyper::body::Body as _;
use tokio::time::Instant;

use super::Peer;
use super::client_end::ClientEnd;
use crate::proxy::body::{ClientBody, ResponseBody};
use crate::proxy::deadline::Deadline;
use crate::proxy::http1::Http1Error;
use crate::proxy::http1::encoder::Encoder;
use crate::proxy::http1::head::{
    HeadLimits, ReadHead, ResponseFrame, emptied, has_no_body, read_request, write_response,
};
use crate::proxy::stream::{Rewound, Stream};
use crate::proxy::tunnel::Tunnel;
use crate::proxy::turn::turn;
use crate::proxy::{Worker, forward};
use crate::refusal::Reason;

/// RFC 9113 section 3.4.
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How long a client is listened to that was answered before it had said everything: closed at once, it might lose the
/// answer (RFC 9112 section 9.6). Long enough for the answer's way, too short to be of use to an attacker …
const LINGER: Duration = Duration::from_secs(2);
/// … and bytes that it may say meanwhile.
const LINGER_BYTES: usize = 256 * 1024;

/// A client's connection, from one request to the next.
struct ClientConnection<'w> {
    worker: &'w Rc<Worker>,
    peer: Peer,
    end: Rc<ClientEnd>,
    /// It has sent a request, and so speaks HTTP/1.1.
    has_asked: bool,
    deadline: Deadline,
    /// Since when the client has taken nothing of what it asked for.
    stalled_since: Option<Instant>,
    /// What it said could not be understood: more of it may be on its way.
    is_suspect: bool,
    limits: HeadLimits,
    /// Of a head that is no longer needed.
    spare: HeaderMap,
}

#[expect(
    clippy::large_enum_variant,
    reason = "it is taken apart at once, and there is one with every request"
)]
enum Next {
    Request(ReadHead<Request<()>>),
    Http2,
    Malformed(Http1Error),
    /// The client was silent for too long, or the gateway stops.
    Close,
    Gone,
}

/// An answer whose head was written.
struct Answer {
    /// `None` when nobody needs it any more.
    body: Option<ResponseBody>,
    encoder: Encoder,
    /// The last of its body was handed to the connection.
    is_whole: bool,
}

/// What becomes of a connection after an answer.
enum After {
    Next,
    Close,
    /// The client is gone, or cannot be told anything more.
    Gone,
    /// Protocols were switched.
    Tunnel(Box<Tunnel>),
}

/// Serves until the client or the gateway has had enough. Gives the stream back to who speaks HTTP/2 with it.
pub(super) async fn serve(
    worker: &Rc<Worker>,
    stream: Stream,
    peer: Peer,
) -> Option<(Rewound, Peer)> {
    let limits = &worker.engine.config.limits;
    let mut connection = ClientConnection {
        worker,
        peer,
        end: ClientEnd::new(stream),
        has_asked: false,
        deadline: Deadline::default(),
        stalled_since: None,
        is_suspect: false,
        limits: HeadLimits {
            bytes: limits.request_head,
            lines: limits.header_count,
        },
        spare: HeaderMap::new(),
    };
    let mut stopping = worker.stopping.clone();
    let mut stopping = pin!(stopping.wait_for(|stopping| *stopping));
    loop {
        let since = Instant::now();
        let next = poll_fn(|cx| {
            let next = connection.poll_request(cx, since);
            // Between two requests nothing is lost.
            if next.is_pending()
                && connection.end.has_no_input()
                && stopping.as_mut().poll(cx).is_ready()
            {
                return Poll::Ready(Next::Close);
            }
            next
        });
        let after = match next.await {
            Next::Request(read) => connection.exchange(read).await,
            Next::Http2 => {
                let peer = connection.peer.clone();
                return Some((connection.end.into_stream()?, peer));
            }
            Next::Malformed(error) => connection.refuse(&error).await,
            Next::Close => After::Close,
            Next::Gone => After::Gone,
        };
        connection.has_asked = true;
        match after {
            After::Next => {}
            After::Close => {
                connection.close().await;
                return None;
            }
            After::Gone => return None,
            After::Tunnel(tunnel) => {
                tunnel.carry(connection.end.into_stream()?).await;
                return None;
            }
        }
    }
}

impl ClientConnection<'_> {
    fn poll_request(&mut self, cx: &mut Context<'_>, since: Instant) -> Poll<Next> {
        let mut buffered = self.end.buffered();
        loop {
            let input = &mut buffered.input;
            let preface = &HTTP2_PREFACE[..input.len().min(HTTP2_PREFACE.len())];
            if !self.has_asked && !input.is_empty() && input.starts_with(preface) {
                if preface.len() == HTTP2_PREFACE.len() {
                    return Poll::Ready(Next::Http2);
                }
            } else if !input.is_empty() {
                match read_request(input, self.limits, &mut self.spare) {
                    Ok(Some(read)) => return Poll::Ready(Next::Request(read)),
                    Ok(None) => {}
                    Err(error) => return Poll::Ready(Next::Malformed(error)),
                }
            }
            if input.is_empty() {
                buffered.release_memory();
            }
            match buffered.poll_fill(cx) {
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(Ok(_)) => return Poll::Ready(Next::Gone),
                Poll::Ready(Err(error)) => {
                    tracing::debug!(%error, "a client's connection failed");
                    return Poll::Ready(Next::Gone);
                }
                Poll::Pending => break,
            }
        }
        let patience = self.worker.engine.config.timeouts.request_head;
        self.deadline
            .poll(cx, since + patience)
            .map(|()| Next::Close)
    }

    /// From a request's head to the last byte of its answer.
    async fn exchange(&mut self, read: ReadHead<Request<()>>) -> After {
        let (version, method) = (read.head.version(), read.head.method().clone());
        let body = self.end.begin(read.body, read.expects_continue);
        let body = body.map_or(ClientBody::Nothing, ClientBody::Http1);
        let request = read.head.map(|()| body);
        let response = {
            let worker = Rc::clone(self.worker);
            let mut answering = pin!(forward::handle(worker, request, self.peer.clone()));
            let end = &self.end;
            poll_fn(|cx| {
                if let Poll::Ready(response) = answering.as_mut().poll(cx) {
                    return Poll::Ready(Some(response));
                }
                end.poll_gone(cx).map(|()| None)
            })
            .await
        };
        let Some(response) = response else {
            return After::Gone;
        };
        self.answer(response, version, &method, read.is_persistent)
            .await
    }

    async fn answer(
        &mut self,
        response: Response<ResponseBody>,
        version: Version,
        method: &Method,
        is_persistent: bool,
    ) -> After {
        let (mut head, body) = response.into_parts();
        if let ResponseBody::Tunnel(tunnel) = body {
            self.write_head(&head, Encoder::Nothing, version, None, None);
            return match poll_fn(|cx| self.poll_written(cx)).await {
                Ok(()) => After::Tunnel(tunnel),
                Err(_) => After::Gone,
            };
        }
        let asks_for_close = head.headers.remove(CONNECTION).is_some();
        self.is_suspect |= asks_for_close;
        let mut keeps = is_persistent && !asks_for_close && !*self.worker.stopping.borrow();
        if body.is_own() {
            keeps &= self.end.skip_body();
        }
        let encoder = match body.size_hint().exact() {
            _ if has_no_body(head.status, method) => Encoder::Nothing,
            Some(length) => Encoder::Length(length),
            None if version == Version::HTTP_11 => Encoder::Chunked,
            None => Encoder::UntilClose,
        };
        keeps &= encoder != Encoder::UntilClose;
        // Said where it is not what the version means without a word.
        let connection = match (version, keeps) {
            (Version::HTTP_10, true) => Some("keep-alive"),
            (Version::HTTP_10, false) | (_, true) => None,
            (_, false) => Some("close"),
        };
        // RFC 9110 section 8.6: nothing else without a body may say how long one would be.
        let may_say = *method == Method::HEAD || head.status == StatusCode::NOT_MODIFIED;
        let absent_length = head.headers.get(CONTENT_LENGTH).filter(|_| may_say);
        self.write_head(&head, encoder, version, absent_length, connection);
        self.spare = emptied(head.headers);
        let mut answer = Answer {
            body: Some(body),
            encoder,
            is_whole: false,
        };
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
        if keeps && self.end.is_request_read() {
            After::Next
        } else {
            After::Close
        }
    }

    fn write_head(
        &self,
        head: &http::response::Parts,
        body: Encoder,
        version: Version,
        absent_length: Option<&HeaderValue>,
        connection: Option<&'static str>,
    ) {
        self.end.begin_answer();
        let frame = ResponseFrame {
            body,
            version,
            absent_length,
            connection,
            date: &|| self.worker.date.now(&*self.worker.engine.clock),
        };
        write_response(head, &frame, &mut self.end.buffered().output);
    }

    /// Nothing of the request is known but that it is none.
    async fn refuse(&mut self, error: &Http1Error) -> After {
        tracing::debug!(
            error = error as &dyn std::error::Error,
            "a request could not be read"
        );
        let reason = match error {
            Http1Error::HeadTooLarge | Http1Error::Head(httparse::Error::TooManyHeaders) => {
                Reason::RequestHeadTooLarge
            }
            _ => Reason::RequestUnreadable,
        };
        let response = forward::refuse_unread(self.worker, self.peer.clone(), reason);
        self.answer(response, Version::HTTP_11, &Method::GET, false)
            .await
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
    fn poll_written(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Http1Error>> {
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

    /// Says that no more will be said, and lets the client finish, within bounds.
    async fn close(&mut self) {
        if poll_fn(|cx| self.poll_written(cx)).await.is_err() {
            return;
        }
        let end = Rc::clone(&self.end);
        let is_clean = end.is_request_read() && end.has_no_input() && !self.is_suspect;
        let shut_down = poll_fn(|cx| end.buffered().poll_shutdown(cx));
        let until = Instant::now() + LINGER;
        let mut heard = 0;
        let lingering = async {
            if shut_down.await.is_err() || is_clean {
                return;
            }
            while heard < LINGER_BYTES {
                match poll_fn(|cx| end.poll_discard(cx)).await {
                    0 => return,
                    count => heard += count,
                }
            }
        };
        let mut lingering = pin!(lingering);
        poll_fn(|cx| {
            if lingering.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            self.deadline.poll(cx, until)
        })
        .await;
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
