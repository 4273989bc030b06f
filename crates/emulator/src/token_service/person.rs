//! Who signs in: a person of a tenant, with a password.

use std::sync::Arc;

use super::sign_in_refusal::SignInRefusal;
use super::tenant::Authority;
use crate::directory::{Directory, Tenant, User};

/// Finds the person and checks the password.
///
/// # Errors
/// AADSTS50034 for an unknown name, AADSTS50126 for a wrong password, AADSTS50057 if disabled.
pub(super) fn sign_in(
    directory: &Directory,
    authority: &Authority,
    name: &str,
    password: &str,
) -> Result<(Arc<Tenant>, Arc<User>), SignInRefusal> {
    let unknown = |tenant: &str| SignInRefusal::UnknownUser {
        user: name.chars().take(200).collect(),
        tenant: tenant.to_owned(),
    };
    let tenant = match authority {
        Authority::Tenant(tenant) => Arc::clone(tenant),
        // A shared authority finds the tenant by the name's domain.
        Authority::Shared => name
            .rsplit_once('@')
            .and_then(|(_, domain)| directory.tenant(domain))
            .ok_or_else(|| unknown("common"))?,
    };
    let user = directory
        .user_by_name(tenant.id, name)
        .ok_or_else(|| unknown(&tenant.display_name))?;
    if !user.has_password(password) {
        return Err(SignInRefusal::WrongPassword);
    }
    if !user.account_enabled {
        return Err(SignInRefusal::DisabledUser);
    }
    Ok((tenant, user))
}
