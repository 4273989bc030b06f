//! Local users, their roles, and the actor on whose behalf something is done.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::UserId;
use crate::validation::{Check, Invalid};

/// A role's name. `admin`, `publisher` and `subscriber` carry REST scopes; any other is a label that key
/// manager permissions and API visibility may name.
pub type RoleName = String;

pub const ADMIN_ROLE: &str = "admin";
pub const PUBLISHER_ROLE: &str = "publisher";
pub const SUBSCRIBER_ROLE: &str = "subscriber";

#[derive(Clone, Debug)]
pub struct User {
    pub id: UserId,
    /// 1 to 60 characters, unique, compared exactly.
    pub username: String,
    /// Argon2id in PHC string form (RFC 9106).
    pub password_hash: String,
    pub roles: Vec<RoleName>,
    pub enabled: bool,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub version: i64,
}

impl User {
    /// User names travel in HTTP Basic credentials, so a colon is out.
    pub fn validate_username(username: &str) -> Result<(), Invalid> {
        let mut check = Check::default();
        check.length("username", username, 1, 60).that(
            username
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "._-@".contains(c)),
            "username",
            "may contain letters, digits and . _ - @",
        );
        check.finish()
    }
}

/// On whose behalf a use-case runs. Built only after authentication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    pub username: String,
    pub roles: Vec<RoleName>,
    /// REST scopes that this call may use, for example `apim:subscribe`.
    pub scopes: BTreeSet<String>,
}

impl Actor {
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|held| held == role)
    }

    /// An administrator who acts as one: a token that was given fewer scopes does not open what is other people's.
    pub fn is_admin(&self) -> bool {
        self.has_role(ADMIN_ROLE) && self.has_any_scope(&["apim:admin"])
    }

    /// Holds at least one of these scopes (WSO2 lists alternatives per operation).
    pub fn has_any_scope(&self, wanted: &[&str]) -> bool {
        wanted.iter().any(|scope| self.scopes.contains(*scope))
    }
}

/// What an access token of Claviger's own REST APIs stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessTokenGrant {
    /// SHA-256 of the token, lower-case hexadecimal; the token itself is never stored.
    pub token_hash: String,
    pub client_id: String,
    pub username: String,
    pub scopes: Vec<String>,
    pub issued_at: Timestamp,
    pub expires_at: Timestamp,
}
