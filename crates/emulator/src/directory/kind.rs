//! The kinds of directory objects.

use serde::{Deserialize, Serialize};

/// The kind of a directory object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// A tenant with its domains and policies.
    Tenant,
    /// An application registration, with its credentials and owners.
    Application,
    /// The presence of an application in a tenant.
    ServicePrincipal,
    /// A role of a resource granted to a principal.
    AppRoleAssignment,
    /// Delegated permissions granted to a client.
    PermissionGrant,
    /// A person.
    User,
    /// A soft-deleted application or service principal.
    DeletedItem,
}
