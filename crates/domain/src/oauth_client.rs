//! OAuth clients of Claviger's own REST APIs, as scripts register them (WSO2's DCR v0.17).

use jiff::Timestamp;
use secrecy::SecretString;

use crate::id::OAuthClientId;

#[derive(Clone, Debug)]
pub struct OAuthClient {
    pub id: OAuthClientId,
    /// OAuth2 client_id.
    pub client_id: String,
    /// SHA-256 of the client secret, lower-case hexadecimal. The secret has 256 random bits, so a slow hash adds nothing.
    pub secret_hash: String,
    /// Unique per owner: registering the same name again answers with the same client.
    pub name: String,
    /// The user who registered it; client_credentials tokens act for this user.
    pub owner: String,
    pub callback_url: String,
    pub grant_types: Vec<String>,
    pub created_at: Timestamp,
}

/// A client with the one copy of its secret that is ever shown.
#[derive(Clone, Debug)]
pub struct RegisteredOAuthClient {
    pub client: OAuthClient,
    pub client_secret: SecretString,
}
