//! Where a key manager's token-signing keys come from.

use serde::{Deserialize, Serialize};
use url::Url;

/// WSO2's `certificates {type, value}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "value", rename_all = "UPPERCASE")]
pub enum Certificates {
    /// Address of a JSON Web Key Set (RFC 7517).
    Jwks(Url),
    /// One or more X.509 certificates in PEM text (not base64 of it).
    Pem(String),
}
