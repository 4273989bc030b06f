//! End to end: the programs as they are delivered. `cargo xtask test e2e` builds them first.

mod claviger;
mod cluster;
mod collector;
mod configuration;
mod crash;
mod defences;
mod demo;
mod entra;
mod exhaustion;
mod gateway_alone;
mod gateway_for_envoy;
mod http;
mod key_rotation;
mod operation;
mod polling;
mod postgres;
mod program;
mod provider_trouble;
mod scene;
mod secrecy;
mod secret_rotation;
mod serve;
mod severable;
mod shutdown;
mod traces;
mod upstream;
