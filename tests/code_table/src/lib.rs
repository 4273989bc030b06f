//! What the gateway answers to which request, as data (`table.yaml`), and all that it takes to ask a data plane:
//! the snapshot that the rows are written for, keys that sign, an upstream, and the comparison.
//!
//! Knows no data plane: the built-in proxy's tests and Envoy's run the same rows.

pub mod answer;
pub mod http;
pub mod row;
pub mod run;
pub mod signer;
pub mod surroundings;
pub mod token;
