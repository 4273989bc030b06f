//! The REST APIs in process, over real use-cases, a real SQLite database and the in-memory connector.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod application;
mod application_key;
mod authentication;
mod bad_input;
mod blocking_condition;
mod contract;
mod discovery;
mod key_manager;
mod key_manager_refusal;
mod page;
mod publisher;
mod revocation;
mod subscription;
mod support;
mod throttling_policy;
mod token;
