//! Reads an authorization server's metadata document (OpenID Connect Discovery 1.0; RFC 8414) to fill in a key
//! manager's form. Checks that the document is its issuer's own; whether an administrator wants it is not its business.

mod document;
mod issuer_match;

#[cfg(test)]
mod tests;

use domain::certificate::Certificates;
use domain::key_manager::Endpoints;
use url::Url;

use crate::http::{FetchError, OutboundHttp};
use document::MetadataDocument;

/// The largest document that is read, in bytes.
const DOCUMENT_LIMIT: usize = 256 * 1024;

/// What a metadata document says, in a key manager's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiscoveredKeyManager {
    /// The connector type that fits best, whether it is installed or not; `None` where the document does not tell.
    pub connector_type: Option<&'static str>,
    pub issuer: String,
    /// Every endpoint that the document names, the well-known address, and the display endpoints beside their originals.
    pub endpoints: Endpoints,
    pub certificates: Option<Certificates>,
    /// Empty where the document does not tell.
    pub available_grant_types: Vec<String>,
}

/// Why an address does not fill in a key manager's form. The texts are for the administrator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DiscoveryError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("the answer is JSON but not a metadata document: {0}")]
    NotMetadata(String),
    #[error("the document belongs to another issuer: {issuer}")]
    IssuerMismatch {
        issuer: String,
        /// Where that issuer's own document stands.
        expected_url: String,
    },
    #[error("this document is shared by all tenants and names no issuer of its own")]
    TenantIndependent,
}

impl DiscoveryError {
    /// What the administrator can do about it, one sentence.
    pub fn advice(&self) -> String {
        match self {
            Self::Fetch(error) => error
                .advice()
                .unwrap_or("Paste the address of the OpenID Connect metadata document; it ends in /.well-known/openid-configuration.")
                .to_owned(),
            Self::NotMetadata(_) => "Paste the address of the OpenID Connect metadata document; it ends in /.well-known/openid-configuration.".to_owned(),
            Self::IssuerMismatch { expected_url, .. } => {
                format!("Use the issuer's own address, {expected_url}.")
            }
            Self::TenantIndependent => {
                "Put your tenant's id in the place of common or organizations.".to_owned()
            }
        }
    }
}

/// Reads and checks the document at `url`, a guarded request.
pub async fn discover(
    http: &OutboundHttp,
    url: &Url,
) -> Result<DiscoveredKeyManager, DiscoveryError> {
    let json = http.get_json_bounded(url, DOCUMENT_LIMIT).await?;
    let document = MetadataDocument::from_json(json)?;
    issuer_match::check(url, &document)?;
    Ok(document.into_key_manager(url))
}
