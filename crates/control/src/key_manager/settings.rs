//! The checks of a key manager's settings before they are stored, and how an update meets what is stored.

use connectors::registry::MASKED_VALUE;
use domain::key_manager::{KeyManagerSettings, Permissions};
use domain::{FieldError, Invalid};
use serde_json::{Value, json};
use store::Tx;

use crate::error::Noun;
use crate::identity::user::role_exists;
use crate::open_connectors::{connector_type, open_unsaved};
use crate::{Dependencies, Error};

/// Settings as they will be stored: every rule of the noun, of its type's form and of the connector itself holds.
pub(super) fn validated(
    dependencies: &Dependencies,
    mut settings: KeyManagerSettings,
) -> Result<KeyManagerSettings, Error> {
    let connector_type = connector_type(dependencies, &settings.connector_type)?;
    settings
        .secrets
        .retain(|_, secret| !is_masked(secrecy::ExposeSecret::expose_secret(secret)));
    settings.validate()?;
    let settings = dependencies
        .connector_types
        .validate_configuration(settings)?;
    // Both are pure: they find out what the form alone cannot tell.
    connector_type.token_profile(&settings)?;
    open_unsaved(dependencies, &settings)?;
    Ok(settings)
}

/// What is stored after `given` replaces `stored`.
pub(super) fn merged(
    dependencies: &Dependencies,
    stored: &KeyManagerSettings,
    mut given: KeyManagerSettings,
) -> Result<KeyManagerSettings, Error> {
    if given.name != stored.name {
        return Err(Invalid::from(FieldError::fixed("name", "")).into());
    }
    if given.connector_type != stored.connector_type {
        return Err(Invalid::from(FieldError::fixed("type", "")).into());
    }
    let connector_type = connector_type(dependencies, &stored.connector_type)?;
    let fields = &connector_type.descriptor().configurations;
    for (name, secret) in &stored.secrets {
        let kept = given
            .secrets
            .get(name)
            .is_none_or(|new| is_masked(secrecy::ExposeSecret::expose_secret(new)));
        if kept {
            given.secrets.insert(name.clone(), secret.clone());
        }
    }
    for field in fields.iter().filter(|field| field.update_disabled) {
        if !given.configuration.contains_key(field.name)
            && let Some(value) = stored.configuration.get(field.name)
        {
            given
                .configuration
                .insert(field.name.to_owned(), value.clone());
        }
    }
    let merged = validated(dependencies, given)?;
    // Compared after defaults and white space are settled, so that only a real change is refused.
    for field in fields.iter().filter(|field| field.update_disabled) {
        let before = stored.configuration.get(field.name);
        if before.is_some() && merged.configuration.get(field.name) != before {
            let wire_name = format!("additionalProperties.{}", field.name);
            return Err(Invalid::from(FieldError::fixed(wire_name, "")).into());
        }
    }
    Ok(merged)
}

/// A permission that names a role nobody can hold is a slip of the pen; in a DENY it would deny nobody.
pub(super) async fn check_roles(
    tx: &mut dyn Tx,
    settings: &KeyManagerSettings,
) -> Result<(), Error> {
    let (Permissions::Allow(roles) | Permissions::Deny(roles)) = &settings.permissions else {
        return Ok(());
    };
    if roles.is_empty() || roles.len() > 100 {
        return Err(Invalid::field("permissions.roles", "must name 1 to 100 roles").into());
    }
    for role in roles {
        if !role_exists(tx, role).await? {
            return Err(Error::NotFound(Noun::Role));
        }
    }
    Ok(())
}

/// What the audit log says about a key manager. Names of secrets, never the secrets.
pub(super) fn audit_details(settings: &KeyManagerSettings) -> Value {
    json!({
        "name": settings.name,
        "type": settings.connector_type,
        "enabled": settings.enabled,
        "issuer": settings.issuer,
        "permissions": settings.permissions,
        "secrets": settings.secrets.keys().collect::<Vec<_>>(),
    })
}

fn is_masked(text: &str) -> bool {
    text.trim() == MASKED_VALUE
}
