//! HTTPS: the development CA, the server's certificate, and the accept loop.
//!
//! Connections, handshakes and headers are bounded in number and time. What is served is a router
//! that somebody else builds.

mod authority;
mod server;

pub use authority::DevelopmentAuthority;
pub(crate) use server::{Server, server_config};

#[cfg(test)]
mod tests;
