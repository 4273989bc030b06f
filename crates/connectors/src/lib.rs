//! Connectors: the code for one *type* of key manager each.
//!
//! [`contract`] says what is asked of an authorization server, [`registry`] lists the types that exist,
//! [`http`] is the one place where outbound HTTP is built, [`discovery`] reads metadata documents,
//! [`introspection`] asks about tokens.
//! One folder a type; `fake` is the first of them. Knows nothing of databases, REST or applications' owners.

pub mod contract;
pub mod discovery;
pub mod entra;
#[cfg(any(test, feature = "testing"))]
pub mod fake;
pub mod http;
pub mod introspection;
pub mod registry;

#[cfg(test)]
mod test_support;

pub use contract::{Connector, ConnectorError, ConnectorType, Journal};
