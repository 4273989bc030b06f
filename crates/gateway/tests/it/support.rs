//! A gateway with an upstream behind it and a key-set provider beside it, all on loopback.

pub(crate) mod introspection;
pub(crate) mod lines;
pub(crate) mod prometheus;
pub(crate) mod provider;
pub(crate) mod raw;
pub(crate) mod websocket;
pub(crate) mod world;

pub(crate) use code_table::{http, signer};
