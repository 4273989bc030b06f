//! The store: a unit of work and one repository a noun, over SQLite or PostgreSQL.
//!
//! One SQL text serves both engines; the conformance suite runs every statement on both. Above this crate
//! nobody knows which engine runs, and no type parameter leaks upward. Network calls are never made while a
//! [`Tx`] is open.

pub mod access_token;
pub mod api;
pub mod application;
pub mod audit;
pub mod blocking_condition;
#[cfg(feature = "testing")]
pub mod conformance;
pub mod error;
pub mod key_manager;
pub mod key_mapping;
pub mod oauth_client;
pub mod open;
pub mod page;
pub mod provisioning;
mod reseal;
pub mod revision;
pub mod revocation;
mod seal;
pub mod snapshot_change;
mod sql;
pub mod subscription;
pub mod throttling_policy;
pub mod unit_of_work;
pub mod user;

pub use error::StoreError;
pub use open::{OpenError, StoreConfig, open};
pub use page::{Listed, Page, SortOrder};
pub use reseal::{ResealError, reseal};
pub use seal::SealingKey;
pub use unit_of_work::{Store, Tx};
