//! A person who can sign in at the emulator.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Entity, Field, Kind, PasswordCredential};

/// A person.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(
    clippy::struct_field_names,
    reason = "Microsoft Graph's property names"
)]
pub(crate) struct User {
    pub(crate) id: Uuid,
    pub(crate) tenant_id: Uuid,
    pub(crate) user_principal_name: String,
    pub(crate) display_name: String,
    #[serde(default = "enabled")]
    pub(crate) account_enabled: bool,
    #[serde(default)]
    pub(crate) mail: Option<String>,
    #[serde(default)]
    pub(crate) given_name: Option<String>,
    #[serde(default)]
    pub(crate) surname: Option<String>,
    /// Directory roles by display name, such as `Cloud Application Administrator`.
    #[serde(default)]
    pub(crate) directory_roles: Vec<String>,
    /// Base64 of the SHA-256 of the password. People of an emulator have throw-away passwords.
    pub(crate) password_hash: String,
}

impl User {
    /// Whether `password` is this person's, compared in constant time.
    pub(crate) fn has_password(&self, password: &str) -> bool {
        let actual = PasswordCredential::hash_of(password);
        aws_lc_rs::constant_time::verify_slices_are_equal(
            self.password_hash.as_bytes(),
            actual.as_bytes(),
        )
        .is_ok()
    }

    /// Whether a directory role lets this person administer all applications.
    pub(crate) fn administers_applications(&self) -> bool {
        administers_applications(&self.directory_roles)
    }
}

/// Whether one of these directory roles covers all applications.
pub(super) fn administers_applications(roles: &[String]) -> bool {
    const ROLES: [&str; 3] = [
        "Global Administrator",
        "Application Administrator",
        "Cloud Application Administrator",
    ];
    roles.iter().any(|role| ROLES.contains(&role.as_str()))
}

impl Entity for User {
    const KIND: Kind = Kind::User;

    fn id(&self) -> Uuid {
        self.id
    }

    fn tenant_id(&self) -> Uuid {
        self.tenant_id
    }

    fn keys(&self, add: &mut dyn FnMut(Field, &str)) {
        add(Field::UserPrincipalName, &self.user_principal_name);
        add(Field::DisplayName, &self.display_name);
    }
}

fn enabled() -> bool {
    true
}
