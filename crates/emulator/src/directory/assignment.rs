//! What principals were granted: app roles and delegated permissions.

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Entity, Field, Kind, application::uuid_text};

/// A role of a resource granted to a principal (`appRoleAssignment`).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AppRoleAssignment {
    pub(crate) id: Uuid,
    pub(crate) tenant_id: Uuid,
    /// The all-zero id means default access.
    pub(crate) app_role_id: Uuid,
    pub(crate) created_date_time: Option<Timestamp>,
    /// Object id of the service principal or user that has the role.
    pub(crate) principal_id: Uuid,
    pub(crate) principal_display_name: String,
    /// `ServicePrincipal` or `User`.
    pub(crate) principal_type: String,
    /// Object id of the resource's service principal.
    pub(crate) resource_id: Uuid,
    pub(crate) resource_display_name: String,
}

/// Delegated permissions granted to a client (`oAuth2PermissionGrant`).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PermissionGrant {
    pub(crate) id: Uuid,
    pub(crate) tenant_id: Uuid,
    /// Object id of the client's service principal.
    pub(crate) client_id: Uuid,
    /// `AllPrincipals` or `Principal`.
    pub(crate) consent_type: String,
    /// The user, when `consent_type` is `Principal`.
    pub(crate) principal_id: Option<Uuid>,
    /// Object id of the resource's service principal.
    pub(crate) resource_id: Uuid,
    /// Scope values separated by spaces.
    pub(crate) scope: String,
}

/// The id that Graph shows for a link between objects: base64url, not a GUID.
pub(crate) fn link_id(id: Uuid) -> String {
    let tail = digest::digest(&digest::SHA256, id.as_bytes());
    let bytes: Vec<u8> = id
        .as_bytes()
        .iter()
        .chain(&tail.as_ref()[..16])
        .copied()
        .collect();
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The object behind a link id; `None` when `text` is not one.
pub(crate) fn link_target(text: &str) -> Option<Uuid> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let id = Uuid::from_slice(bytes.get(..16)?).ok()?;
    (link_id(id) == text).then_some(id)
}

impl Entity for AppRoleAssignment {
    const KIND: Kind = Kind::AppRoleAssignment;

    fn id(&self) -> Uuid {
        self.id
    }

    fn tenant_id(&self) -> Uuid {
        self.tenant_id
    }

    fn keys(&self, add: &mut dyn FnMut(Field, &str)) {
        add(
            Field::PrincipalId,
            uuid_text(self.principal_id, &mut Uuid::encode_buffer()),
        );
        add(
            Field::ResourceId,
            uuid_text(self.resource_id, &mut Uuid::encode_buffer()),
        );
    }
}

impl Entity for PermissionGrant {
    const KIND: Kind = Kind::PermissionGrant;

    fn id(&self) -> Uuid {
        self.id
    }

    fn tenant_id(&self) -> Uuid {
        self.tenant_id
    }

    fn keys(&self, add: &mut dyn FnMut(Field, &str)) {
        add(
            Field::PrincipalId,
            uuid_text(self.client_id, &mut Uuid::encode_buffer()),
        );
        add(
            Field::ResourceId,
            uuid_text(self.resource_id, &mut Uuid::encode_buffer()),
        );
    }
}
