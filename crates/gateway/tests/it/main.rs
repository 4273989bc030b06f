//! The gateway over its public face: real sockets, real signatures, a clock that the test holds.

mod authorization;
mod backend_tokens;
mod blocking;
mod browsing;
mod certificate_binding;
mod coding;
mod draining;
mod explaining;
mod framing;
mod generated;
mod half_closing;
mod introspecting;
mod key_manager_choice;
mod key_sets;
mod limiting;
mod measuring;
mod mediating;
mod proxying;
mod revoking;
mod storming;
mod support;
mod token_refusal;
mod tokens;
mod tracing;
mod tunneling;
mod upstreams;
