//! A gateway with an upstream behind it and a key-set provider beside it, all on loopback.

pub(crate) mod http;
pub(crate) mod provider;
pub(crate) mod signer;
pub(crate) mod world;
