//! Who sees an API in the developer portal.

use serde::{Deserialize, Serialize};

use crate::user::RoleName;

/// Who sees an API in the developer portal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "visibility", content = "roles", rename_all = "UPPERCASE")]
pub enum Visibility {
    #[default]
    Public,
    Private,
    /// Only those who hold one of these roles.
    Restricted(Vec<RoleName>),
}

/// Who looks at the developer portal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Viewer {
    /// Sees an API whatever its visibility.
    #[default]
    All,
    /// Has not signed in.
    Anonymous,
    /// Has signed in and holds these roles.
    SignedIn(Vec<RoleName>),
}

impl Viewer {
    pub fn sees(&self, visibility: &Visibility) -> bool {
        match (self, visibility) {
            (Self::All, _) | (_, Visibility::Public) | (Self::SignedIn(_), Visibility::Private) => {
                true
            }
            (Self::Anonymous, _) => false,
            (Self::SignedIn(held), Visibility::Restricted(roles)) => {
                roles.iter().any(|role| held.contains(role))
            }
        }
    }
}
