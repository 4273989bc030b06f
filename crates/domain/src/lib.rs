//! The nouns of Claviger, their states and their rules.
//!
//! Pure: no I/O, no async, no clock and no randomness of its own (both are parameters: [`Clock`], [`Random`]).
//! One noun, one file; the same noun names a file in `store`, `control` and `web`.

pub mod api;
pub mod application;
pub mod audit;
pub mod blocking_condition;
pub mod certificate;
pub mod clock;
pub mod connector_descriptor;
pub mod cors;
pub mod explanation;
pub mod id;
pub mod key_manager;
pub mod key_mapping;
pub mod mediation;
pub mod oauth_client;
pub mod provider_failure;
pub mod provisioning;
pub mod random;
pub mod revision;
pub mod revocation;
pub mod snapshot;
pub mod subscription;
pub mod throttling_policy;
pub mod token_profile;
pub mod user;
pub mod validation;

pub use clock::Clock;
pub use random::Random;
pub use secrecy::SecretString;
pub use validation::{FieldError, FieldFault, Invalid};
