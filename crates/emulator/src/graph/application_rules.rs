//! What a valid application looks like (Microsoft: *Validation differences by supported account types*).

use std::collections::{HashMap, HashSet};

use url::{Host, Url};
use uuid::Uuid;

use super::{application::RESOURCE, error::GraphError};
use crate::directory::{Application, DeletedItem, Directory, Entity as _, Field, Tenant};

const AUDIENCES: [&str; 4] = [
    "AzureADMyOrg",
    "AzureADMultipleOrgs",
    "AzureADandPersonalMicrosoftAccount",
    "PersonalMicrosoftAccount",
];
/// All entries of all collections of one application.
const MAXIMUM_ENTRIES: usize = 1200;
const MAXIMUM_KEY_CREDENTIALS: usize = 600;
const MAXIMUM_DEFINITIONS: usize = 700;
const ROLE_PUNCTUATION: &str = ":!#$%&'()*+,-./;=?@[]^_{}~";

/// Refuses an application that Graph would refuse.
///
/// # Errors
/// 400 for an invalid property, 400 for a taken name, 403 for too many entries.
pub(super) fn check(
    application: &Application,
    previous: Option<&Application>,
    tenant: &Tenant,
    directory: &Directory,
) -> Result<(), GraphError> {
    audience(application)?;
    token_version(application)?;
    definitions(application, previous)?;
    required_resource_access(application)?;
    size(application)?;
    unique_name(application, previous, directory)?;
    identifier_uris(application, previous, tenant, directory)
}

fn audience(application: &Application) -> Result<(), GraphError> {
    if !AUDIENCES.contains(&application.sign_in_audience.as_str()) {
        return Err(GraphError::invalid_value("signInAudience", RESOURCE));
    }
    if application.allows_personal_accounts() && application.display_name.chars().count() > 90 {
        return Err(GraphError::invalid_value("displayName", RESOURCE));
    }
    Ok(())
}

fn token_version(application: &Application) -> Result<(), GraphError> {
    match application.api.requested_access_token_version {
        Some(2) => Ok(()),
        None | Some(1) if !application.allows_personal_accounts() => Ok(()),
        None | Some(1) => Err(GraphError::bad_request(
            "Property api.requestedAccessTokenVersion is invalid. It must be 2 when signInAudience allows personal Microsoft accounts.",
        )
        .detail("InvalidValue", "api.requestedAccessTokenVersion", "Invalid value.")),
        Some(_) => Err(GraphError::invalid_value("api.requestedAccessTokenVersion", RESOURCE)),
    }
}

/// App roles and scopes: unique ids and values, legal values, disabled before they go.
fn definitions(
    application: &Application,
    previous: Option<&Application>,
) -> Result<(), GraphError> {
    let scopes = &application.api.oauth2_permission_scopes;
    if application.app_roles.len() + scopes.len() > MAXIMUM_DEFINITIONS {
        return Err(GraphError::size_exceeded());
    }
    let mut ids = HashSet::new();
    let mut values: HashMap<&str, Uuid> = HashMap::new();
    let roles = application
        .app_roles
        .iter()
        .map(|role| (role.id, role.value.as_deref(), "appRoles"));
    let all = roles.chain(scopes.iter().map(|scope| {
        (
            scope.id,
            scope.value.as_deref(),
            "api.oauth2PermissionScopes",
        )
    }));
    for (id, value, property) in all {
        if id.is_nil() || !ids.insert(id) {
            return Err(duplicate(property, "id"));
        }
        let Some(value) = value.filter(|value| !value.is_empty()) else {
            continue;
        };
        if !is_permission_value(value) {
            return Err(GraphError::invalid_value(property, RESOURCE));
        }
        // A role and a scope may share a value only when they are the same permission.
        if values.insert(value, id).is_some() {
            return Err(duplicate(property, "value"));
        }
    }
    for role in &application.app_roles {
        let types = &role.allowed_member_types;
        let known = types
            .iter()
            .all(|kind| kind == "User" || kind == "Application");
        let named = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
        if types.is_empty() || !known || !named(&role.display_name) || !named(&role.description) {
            return Err(GraphError::invalid_value("appRoles", RESOURCE));
        }
    }
    previous.map_or(Ok(()), |previous| {
        removed_definitions(application, previous)
    })
}

fn removed_definitions(
    application: &Application,
    previous: &Application,
) -> Result<(), GraphError> {
    let enabled = |application: &Application| -> Vec<(Uuid, String)> {
        let roles = application.app_roles.iter().filter(|role| role.is_enabled);
        let scopes = application
            .api
            .oauth2_permission_scopes
            .iter()
            .filter(|scope| scope.is_enabled);
        roles
            .map(|role| (role.id, role.value.clone().unwrap_or_default()))
            .chain(scopes.map(|scope| (scope.id, scope.value.clone().unwrap_or_default())))
            .collect()
    };
    let now = enabled(application);
    for (id, value) in enabled(previous) {
        let is_kept = now
            .iter()
            .any(|(other, other_value)| *other == id && *other_value == value);
        let is_disabled = application
            .app_roles
            .iter()
            .any(|role| role.id == id && !role.is_enabled)
            || application
                .api
                .oauth2_permission_scopes
                .iter()
                .any(|scope| scope.id == id && !scope.is_enabled);
        if !is_kept && !is_disabled {
            return Err(GraphError::new(
                http::StatusCode::BAD_REQUEST,
                "CannotDeleteOrUpdateEnabledEntitlement",
                "Permission (scope or role) cannot be deleted or updated unless disabled first.",
            ));
        }
    }
    Ok(())
}

fn duplicate(property: &str, member: &str) -> GraphError {
    GraphError::bad_request(format!(
        "Request contains a property with duplicate values. The property '{property}' has a duplicate '{member}'."
    ))
    .detail("DuplicateValue", property, "Duplicate value found.")
}

fn is_permission_value(value: &str) -> bool {
    value.len() <= 120
        && !value.starts_with('.')
        && value
            .chars()
            .all(|next| next.is_ascii_alphanumeric() || ROLE_PUNCTUATION.contains(next))
}

fn required_resource_access(application: &Application) -> Result<(), GraphError> {
    let required = &application.required_resource_access;
    let permissions: usize = required.iter().map(|one| one.resource_access.len()).sum();
    let known = required
        .iter()
        .flat_map(|one| &one.resource_access)
        .all(|one| matches!(one.r#type.as_str(), "Role" | "Scope"));
    if required.len() > 50 || permissions > 400 || !known {
        return Err(GraphError::invalid_value(
            "requiredResourceAccess",
            RESOURCE,
        ));
    }
    Ok(())
}

fn size(application: &Application) -> Result<(), GraphError> {
    let entries = application.password_credentials.len()
        + application.key_credentials.len()
        + application.identifier_uris.len()
        + application.tags.len()
        + application.app_roles.len()
        + application.api.oauth2_permission_scopes.len()
        + application.api.pre_authorized_applications.len()
        + application.api.known_client_applications.len()
        + application.web.redirect_uris.len()
        + application.spa.redirect_uris.len()
        + application.public_client.redirect_uris.len()
        + application.add_ins.len()
        + application
            .required_resource_access
            .iter()
            .map(|one| one.resource_access.len())
            .sum::<usize>();
    if entries > MAXIMUM_ENTRIES || application.key_credentials.len() > MAXIMUM_KEY_CREDENTIALS {
        return Err(GraphError::size_exceeded());
    }
    Ok(())
}

fn unique_name(
    application: &Application,
    previous: Option<&Application>,
    directory: &Directory,
) -> Result<(), GraphError> {
    let Some(name) = &application.unique_name else {
        return Ok(());
    };
    if previous.is_some_and(|previous| previous.unique_name == application.unique_name) {
        return Ok(());
    }
    if name.is_empty() || name.chars().count() > 128 {
        return Err(GraphError::invalid_value("uniqueName", RESOURCE));
    }
    if is_taken(application, Field::UniqueName, name, directory) {
        return Err(conflict("uniqueName"));
    }
    Ok(())
}

fn identifier_uris(
    application: &Application,
    previous: Option<&Application>,
    tenant: &Tenant,
    directory: &Directory,
) -> Result<(), GraphError> {
    let is_personal = application.allows_personal_accounts();
    if is_personal && application.identifier_uris.len() > 50 {
        return Err(GraphError::invalid_value("identifierUris", RESOURCE));
    }
    let mut seen = HashSet::new();
    for uri in &application.identifier_uris {
        if !seen.insert(uri.to_ascii_lowercase()) {
            return Err(duplicate("identifierUris", "value"));
        }
        if previous.is_some_and(|previous| previous.identifier_uris.contains(uri)) {
            continue;
        }
        let most = if is_personal { 120 } else { 255 };
        if uri.chars().count() > most || uri.ends_with('/') || uri.contains(['*', '?', '#', ' ']) {
            return Err(GraphError::invalid_value("identifierUris", RESOURCE));
        }
        identifier_uri_form(uri, application, tenant)?;
        if is_taken(application, Field::Uri, uri, directory) {
            return Err(conflict("identifierUris"));
        }
    }
    // The rule holds for applications that go back from V2 to V1 too.
    let went_back =
        previous.is_some_and(Application::wants_v2_tokens) && !application.wants_v2_tokens();
    if went_back {
        for uri in &application.identifier_uris {
            identifier_uri_form(uri, application, tenant)?;
        }
    }
    Ok(())
}

/// Formats, verified domains and Microsoft's default policy on URIs of V1 applications.
fn identifier_uri_form(
    uri: &str,
    application: &Application,
    tenant: &Tenant,
) -> Result<(), GraphError> {
    let parsed =
        Url::parse(uri).map_err(|_| GraphError::invalid_value("identifierUris", RESOURCE))?;
    let names_ids = |text: &str| {
        text.split('/').any(|part| {
            Uuid::try_parse(part)
                .is_ok_and(|id| id == application.app_id || id == application.tenant_id)
        })
    };
    if let Some(rest) = uri.strip_prefix("api://") {
        let first = rest.split('/').next().unwrap_or_default();
        if first.is_empty()
            || Uuid::try_parse(first)
                .is_ok_and(|id| id != application.app_id && id != application.tenant_id)
        {
            return Err(GraphError::invalid_value("identifierUris", RESOURCE));
        }
        let is_exempt =
            application.wants_v2_tokens() || tenant.policies.identifier_uri_rule == Some(false);
        if names_ids(rest) || is_verified_domain(first, tenant) || is_exempt {
            return Ok(());
        }
        return Err(policy_refusal(uri));
    }
    match parsed.scheme() {
        "https" | "http" => match parsed.host() {
            Some(Host::Domain(domain)) if is_verified_domain(domain, tenant) => Ok(()),
            _ => Err(unverified(uri)),
        },
        _ if application.wants_v2_tokens() || names_ids(uri) => Ok(()),
        _ => Err(policy_refusal(uri)),
    }
}

fn is_verified_domain(domain: &str, tenant: &Tenant) -> bool {
    let domain = domain.to_ascii_lowercase();
    tenant.domains.iter().any(|verified| {
        let verified = verified.to_ascii_lowercase();
        domain == verified
            || domain
                .strip_suffix(&verified)
                .is_some_and(|head| head.ends_with('.'))
    })
}

fn unverified(uri: &str) -> GraphError {
    let message = format!(
        "Values of identifierUris property must use a verified domain of the organization or its subdomain: '{uri}'"
    );
    GraphError::new(
        http::StatusCode::BAD_REQUEST,
        "HostNameNotOnVerifiedDomain",
        message.clone(),
    )
    .detail("HostNameNotOnVerifiedDomain", "identifierUris", message)
}

fn policy_refusal(uri: &str) -> GraphError {
    GraphError::bad_request(format!(
        "Failed to add identifier URI {uri}. All newly added URIs must contain a tenant verified domain, tenant ID, or app ID, as per the default tenant policy of your organization. See https://aka.ms/identifier-uri-addition-error for more information on this error."
    ))
}

/// Whether another application of the tenant, live or soft-deleted, has the value.
fn is_taken(application: &Application, field: Field, value: &str, directory: &Directory) -> bool {
    let others = directory.table::<Application>().find_newest(field, value);
    let live = others
        .iter()
        .any(|other| other.id != application.id && other.tenant_id == application.tenant_id);
    let deleted = directory.table::<DeletedItem>().find_newest(field, value);
    live || deleted.iter().any(|item| {
        matches!(&**item, DeletedItem::Application(_))
            && item.id() != application.id
            && item.tenant_id() == application.tenant_id
    })
}

fn conflict(property: &str) -> GraphError {
    let message =
        format!("Another object with the same value for property {property} already exists.");
    GraphError::bad_request(message.clone()).detail("ObjectConflict", property, message)
}
