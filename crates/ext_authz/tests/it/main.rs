//! The authorization service over its public face: gRPC on loopback, and the real Envoy in front of it.

mod backend_jwts;
mod certificate;
mod checking;
mod envoy;
mod health;
mod support;
