//! HTTP/1.1 on the wire (RFC 9112): heads, frames, and a stream with what waits on either side of it.
//!
//! Owns what bytes mean as messages, and nothing of what becomes of them: clients' connections are
//! [`connection`](super::connection)'s business, upstreams' [`pool`](super::pool)'s. Heads are parsed by httparse
//! (docs/adr/0008).

pub(super) mod buffered;
pub(super) mod decoder;
pub(super) mod encoder;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
pub(super) mod head;

use std::io;

/// Why a message could not be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Http1Error {
    #[error("the connection failed")]
    Io(#[from] io::Error),
    #[error("the head is no HTTP/1.1")]
    Head(#[from] httparse::Error),
    #[error("the head is larger than allowed")]
    HeadTooLarge,
    #[error("the head's parts are malformed")]
    Malformed,
    #[error("how the message is framed is ambiguous")]
    Framing,
    #[error("a chunk is malformed")]
    Chunk,
    #[error("the trailers are malformed or larger than allowed")]
    Trailers,
    #[error("the connection ended within a message")]
    Incomplete,
    #[error("a body is not as long as its head says")]
    Length,
    #[error("the body's sender failed")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
}
