//! Graph, the control API and persistence of a running emulator, over HTTPS as clients see them.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails the test by panicking"
)]

mod application;
mod batch;
mod contract;
mod control;
mod delegated;
mod error_catalogue;
mod federated_identity_credential;
mod invariants;
mod laboratory;
mod limits;
mod persistence;
mod query;
mod random_requests;
mod replication;
mod secret;
mod service_principal;
