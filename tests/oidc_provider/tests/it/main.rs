//! The gateway's library and the product's outbound HTTP against `oidc-provider` for Node, unmodified and at a pinned
//! version. `cargo xtask test interop` installs it first and says where it is.

mod introspection;
mod jwt;
mod provider;
mod world;
