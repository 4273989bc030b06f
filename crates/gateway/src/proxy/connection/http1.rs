//! A client's connection over HTTP/1.1: reads one request after the other, has each answered, and writes the answers.
//!
//! One task does it all, the exchange with the upstream included. A request's body is read by whoever the request was
//! handed to, through the end of the connection that both share.

mod answer;

use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderMap, Method, Request, Version};
use tokio::time::Instant;

use super::Peer;
use super::client_end::ClientEnd;
use crate::proxy::body::ClientBody;
use crate::proxy::deadline::Deadline;
use crate::proxy::http1::Http1Error;
use crate::proxy::http1::head::{HeadLimits, ReadHead, read_request};
use crate::proxy::stream::{Rewound, Stream};
use crate::proxy::tunnel::Tunnel;
use crate::proxy::{Worker, forward};
use crate::refusal::Reason;
use answer::Asked;

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
        let asked = Asked {
            version: read.head.version(),
            method: read.head.method().clone(),
            is_persistent: read.is_persistent,
        };
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
        self.answer(response, &asked).await
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
        let asked = Asked {
            version: Version::HTTP_11,
            method: Method::GET,
            is_persistent: false,
        };
        self.answer(response, &asked).await
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
