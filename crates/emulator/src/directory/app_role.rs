//! What a resource offers: roles for applications and people, scopes for delegated access.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A role of a resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AppRole {
    pub(crate) id: Uuid,
    #[serde(default)]
    pub(crate) allowed_member_types: Vec<String>,
    #[serde(default)]
    pub(crate) description: Option<String>,
    #[serde(default)]
    pub(crate) display_name: Option<String>,
    #[serde(default = "enabled")]
    pub(crate) is_enabled: bool,
    #[serde(default = "application")]
    pub(crate) origin: Option<String>,
    #[serde(default)]
    pub(crate) value: Option<String>,
}

/// A delegated permission of a resource (`oauth2PermissionScopes`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PermissionScope {
    pub(crate) id: Uuid,
    #[serde(default)]
    pub(crate) admin_consent_description: Option<String>,
    #[serde(default)]
    pub(crate) admin_consent_display_name: Option<String>,
    #[serde(default = "enabled")]
    pub(crate) is_enabled: bool,
    #[serde(default = "application")]
    pub(crate) origin: Option<String>,
    #[serde(default)]
    pub(crate) r#type: Option<String>,
    #[serde(default)]
    pub(crate) user_consent_description: Option<String>,
    #[serde(default)]
    pub(crate) user_consent_display_name: Option<String>,
    #[serde(default)]
    pub(crate) value: Option<String>,
}

fn enabled() -> bool {
    true
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "a serde default has the field's type"
)]
fn application() -> Option<String> {
    Some("Application".to_owned())
}
