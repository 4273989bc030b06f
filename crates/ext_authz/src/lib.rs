//! Claviger as Envoy's external authorization service: `envoy.service.auth.v3.Authorization` over gRPC, and gRPC's
//! own health service beside it. Reflection is not served.
//!
//! Owns the wire: messages, their translation into the gateway's words and back. What may pass is the gateway's
//! decision, and the same as its built-in proxy's.

mod authorization;
mod deadline;
mod health;
pub mod message;
mod request;
mod response;
mod service;

pub use health::{Health, Serving};
pub use service::router;
