//! Who calls Graph, and what they may do (Microsoft: *Microsoft Graph permissions reference*).

use std::collections::BTreeSet;

use jiff::Timestamp;
use uuid::Uuid;

use super::error::GraphError;
use crate::{
    directory::{Application, Directory, ServicePrincipal, User},
    replica::{Place, View},
    token_service::Caller as TokenCaller,
};

/// The caller of a request, from the claims of its access token.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) tenant_id: Uuid,
    pub(crate) app_id: Uuid,
    /// The service principal of the calling application, or the signed-in user.
    pub(crate) principal_id: Uuid,
    /// Roles of an application, or scopes of a client that acts for a user.
    permissions: BTreeSet<String>,
    is_delegated: bool,
    /// Whether a directory role lets the principal administer all applications.
    is_administrator: bool,
}

/// What a request wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    ReadApplications,
    /// Creating an application or service principal.
    CreateApplication,
    ReadUsers,
    ReadGrants,
    AssignRoles,
    GrantDelegated,
    ReadPolicy,
    WritePolicy,
    ReadOrganization,
}

const READ_WRITE: &str = "Application.ReadWrite.All";
const OWNED: &str = "Application.ReadWrite.OwnedBy";
const DIRECTORY_WRITE: &str = "Directory.ReadWrite.All";

impl Caller {
    /// The caller behind a verified token.
    ///
    /// # Errors
    /// 401 when the tenant does not know the calling application or person any more.
    pub(crate) fn identify(
        token: TokenCaller,
        directory: &Directory,
        now: Timestamp,
    ) -> Result<Self, GraphError> {
        let view = View {
            place: Place::Primary,
            now,
        };
        directory
            .tenant_by_id(token.tenant_id)
            .ok_or_else(GraphError::unknown_caller)?;
        let (principal_id, is_administrator) = if let Some(id) = token.user_id {
            let user = directory
                .get::<User>(id, view)
                .ok_or_else(GraphError::unknown_caller)?;
            (id, user.administers_applications())
        } else {
            let caller = token
                .service_principal_id
                .and_then(|id| directory.get::<ServicePrincipal>(id, view))
                .filter(|caller| caller.tenant_id == token.tenant_id)
                .ok_or_else(GraphError::unknown_caller)?;
            (caller.id, caller.administers_applications())
        };
        let is_delegated = token.user_id.is_some();
        let permissions = if is_delegated {
            token.scopes
        } else {
            token.roles
        };
        Ok(Self {
            tenant_id: token.tenant_id,
            app_id: token.app_id,
            principal_id,
            permissions: permissions.into_iter().collect(),
            is_delegated,
            is_administrator,
        })
    }

    /// Refuses what the caller's permissions do not cover.
    ///
    /// # Errors
    /// 403 `Authorization_RequestDenied`.
    pub(crate) fn require(&self, action: Action) -> Result<(), GraphError> {
        let any: &[&str] = match action {
            Action::ReadApplications => &[
                "Application.Read.All",
                READ_WRITE,
                OWNED,
                "Directory.Read.All",
                DIRECTORY_WRITE,
            ],
            Action::CreateApplication => &[READ_WRITE, OWNED, DIRECTORY_WRITE],
            Action::ReadUsers => &[
                "User.Read.All",
                "User.ReadWrite.All",
                "Directory.Read.All",
                DIRECTORY_WRITE,
            ],
            Action::ReadGrants => &[
                "Application.Read.All",
                READ_WRITE,
                OWNED,
                "Directory.Read.All",
                DIRECTORY_WRITE,
                "AppRoleAssignment.ReadWrite.All",
                "DelegatedPermissionGrant.ReadWrite.All",
            ],
            Action::AssignRoles => &["AppRoleAssignment.ReadWrite.All"],
            Action::GrantDelegated => &["DelegatedPermissionGrant.ReadWrite.All", DIRECTORY_WRITE],
            Action::ReadPolicy => &[
                "Policy.Read.All",
                "Policy.ReadWrite.ApplicationConfiguration",
            ],
            Action::WritePolicy => &["Policy.ReadWrite.ApplicationConfiguration"],
            Action::ReadOrganization => &[
                "Organization.Read.All",
                "Directory.Read.All",
                DIRECTORY_WRITE,
                "Application.Read.All",
                READ_WRITE,
                "User.Read",
            ],
        };
        // A signed-in person needs a directory role besides the client's scope, except to read.
        let is_write = matches!(
            action,
            Action::CreateApplication
                | Action::AssignRoles
                | Action::GrantDelegated
                | Action::WritePolicy
        );
        if self.is_delegated
            && is_write
            && !self.is_administrator
            && action != Action::CreateApplication
        {
            return Err(GraphError::insufficient_privileges());
        }
        if self.holds_any(any) {
            Ok(())
        } else {
            Err(GraphError::insufficient_privileges())
        }
    }

    /// Refuses to change an application that the caller neither administers nor owns.
    ///
    /// # Errors
    /// 403 `Authorization_RequestDenied`.
    pub(crate) fn require_application(&self, application: &Application) -> Result<(), GraphError> {
        self.require_owned(application.owners.contains(&self.principal_id))
    }

    /// Refuses to change a service principal that the caller neither administers nor owns.
    ///
    /// # Errors
    /// 403 `Authorization_RequestDenied`.
    pub(crate) fn require_service_principal(
        &self,
        principal: &ServicePrincipal,
    ) -> Result<(), GraphError> {
        self.require_owned(principal.owners.contains(&self.principal_id))
    }

    /// Whether new objects get the caller as owner.
    pub(crate) fn becomes_owner(&self) -> bool {
        self.is_delegated || self.permissions.contains(OWNED)
    }

    /// Whether only ownership lets the caller write.
    pub(crate) fn is_confined_to_owned(&self) -> bool {
        !self.holds_any(&[READ_WRITE, DIRECTORY_WRITE]) && self.permissions.contains(OWNED)
    }

    /// Whether the number of objects it may create is limited.
    pub(crate) fn has_object_quota(&self) -> bool {
        !self.is_administrator
    }

    /// Whether a person signed in.
    pub(crate) fn is_delegated(&self) -> bool {
        self.is_delegated
    }

    fn require_owned(&self, is_owner: bool) -> Result<(), GraphError> {
        let writes_all = self.holds_any(&[READ_WRITE, DIRECTORY_WRITE]);
        let may = if self.is_delegated {
            writes_all && (self.is_administrator || is_owner)
        } else {
            writes_all || (is_owner && self.permissions.contains(OWNED))
        };
        if may {
            Ok(())
        } else {
            Err(GraphError::insufficient_privileges())
        }
    }

    fn holds_any(&self, any: &[&str]) -> bool {
        any.iter()
            .any(|permission| self.permissions.contains(*permission))
    }
}
