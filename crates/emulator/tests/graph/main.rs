//! Graph, the control API and persistence of a running emulator, over HTTPS as clients see them.

mod application;
mod batch;
mod control;
mod error_catalogue;
mod federated_identity_credential;
mod invariants;
mod laboratory;
mod persistence;
mod query;
mod replication;
mod secret;
mod service_principal;
