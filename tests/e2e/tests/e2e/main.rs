//! End to end: the programs as they are delivered. `cargo xtask test e2e` builds them first.

mod configuration;
mod demo;
mod postgres;
mod program;
mod serve;
