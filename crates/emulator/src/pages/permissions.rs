//! API permissions: what an application asks for, what an administrator granted, and consent.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, Query, State as Shared};
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::application::{open, status};
use super::form::Fields;
use super::frame::{Frame, application_base, go};
use super::page;
use super::session::Session;
use crate::directory::{
    Application, GRAPH_APP_ID, RequiredResourceAccess, ResourceAccess, ServicePrincipal,
};
use crate::replica::Place;
use crate::state::State;

#[derive(Template)]
#[template(path = "portal/permissions.html")]
struct PermissionsPage<'a> {
    frame: Frame,
    app: &'a Application,
    here: String,
    rows: Vec<Row>,
}

struct Row {
    resource: Uuid,
    id: Uuid,
    api: String,
    value: String,
    kind: &'static str,
    description: String,
    needs_admin: bool,
    is_granted: bool,
}

#[derive(Template)]
#[template(path = "portal/add_permission.html")]
struct AddPermissionPage<'a> {
    frame: Frame,
    here: String,
    apis: Vec<Api>,
    api: Option<Api>,
    kind: &'a str,
    groups: Vec<Group>,
}

#[derive(Clone)]
struct Api {
    app_id: Uuid,
    name: String,
}

/// Permissions that share the part before the first dot, such as `Application`.
struct Group {
    name: String,
    permissions: Vec<Permission>,
}

struct Permission {
    id: Uuid,
    value: String,
    description: String,
    is_requested: bool,
}

/// Which API and type the page "Request API permissions" is at.
#[derive(Debug, Default, Deserialize)]
pub(super) struct AddQuery {
    resource: Option<Uuid>,
    #[serde(default, rename = "type")]
    kind: String,
}

/// `GET …/apps/{id}/permissions`.
pub(super) async fn show(
    Shared(state): Shared<Arc<State>>,
    Path((tenant, id)): Path<(String, Uuid)>,
) -> Response {
    match open(state, &tenant, id) {
        Ok((session, app)) => answer(&session, &app, None),
        Err(missing) => missing.page(),
    }
}

/// `GET …/apps/{id}/permissions/add`.
pub(super) async fn show_add(
    Shared(state): Shared<Arc<State>>,
    Path((tenant, id)): Path<(String, Uuid)>,
    Query(query): Query<AddQuery>,
) -> Response {
    match open(state, &tenant, id) {
        Ok((session, app)) => add_page(&session, &app, &query, None),
        Err(missing) => missing.page(),
    }
}

/// `POST …/apps/{id}/permissions/add`: "Add permissions".
pub(super) async fn add(
    Shared(state): Shared<Arc<State>>,
    Path((tenant, id)): Path<(String, Uuid)>,
    fields: Fields,
) -> Response {
    let (session, app) = match open(state, &tenant, id) {
        Ok(opened) => opened,
        Err(missing) => return missing.page(),
    };
    let kind = if fields.get("type") == Some("Scope") {
        "Scope"
    } else {
        "Role"
    };
    let resource = fields
        .get("resource")
        .and_then(|text| Uuid::try_parse(text).ok());
    let query = AddQuery {
        resource,
        kind: kind.to_owned(),
    };
    let Some(resource) = resource else {
        return add_page(&session, &app, &query, Some("Choose an API.".to_owned()));
    };
    let chosen: Vec<Uuid> = fields
        .all("permission")
        .filter_map(|text| Uuid::try_parse(text).ok())
        .collect();
    if chosen.is_empty() {
        return add_page(
            &session,
            &app,
            &query,
            Some("Choose a permission.".to_owned()),
        );
    }
    let mut required = app.required_resource_access.clone();
    for id in chosen {
        request(&mut required, resource, id, kind);
    }
    save(&session, &app, &required).await
}

/// `POST …/apps/{id}/permissions/remove`: takes one permission off the list; consent stays.
pub(super) async fn remove(
    Shared(state): Shared<Arc<State>>,
    Path((tenant, id)): Path<(String, Uuid)>,
    fields: Fields,
) -> Response {
    let (session, app) = match open(state, &tenant, id) {
        Ok(opened) => opened,
        Err(missing) => return missing.page(),
    };
    let id = |name: &str| fields.get(name).and_then(|text| Uuid::try_parse(text).ok());
    let (resource, permission) = (id("resource"), id("permission"));
    let mut required = app.required_resource_access.clone();
    for access in &mut required {
        if Some(access.resource_app_id) == resource {
            access
                .resource_access
                .retain(|access| Some(access.id) != permission);
        }
    }
    required.retain(|access| !access.resource_access.is_empty());
    save(&session, &app, &required).await
}

/// `POST …/apps/{id}/permissions/consent`: "Grant admin consent for …".
pub(super) async fn consent(
    Shared(state): Shared<Arc<State>>,
    Path((tenant, id)): Path<(String, Uuid)>,
) -> Response {
    let (session, app) = match open(state, &tenant, id) {
        Ok(opened) => opened,
        Err(missing) => return missing.page(),
    };
    match grant_all(&session, &app).await {
        Ok(()) => go(
            &session,
            &format!("{}/permissions", application_base(&session, id)),
        ),
        Err(problem) => session.note(answer(&session, &app, Some(problem))),
    }
}

async fn save(
    session: &Session,
    app: &Application,
    required: &[RequiredResourceAccess],
) -> Response {
    let body = json!({ "requiredResourceAccess": required });
    match session
        .patch(&format!("/applications/{}", app.id), body)
        .await
    {
        Ok(_) => go(
            session,
            &format!("{}/permissions", application_base(session, app.id)),
        ),
        Err(problem) => session.note(answer(session, app, Some(problem))),
    }
}

/// Grants everything that is requested and not granted yet.
async fn grant_all(session: &Session, app: &Application) -> Result<(), String> {
    if app.required_resource_access.is_empty() {
        return Ok(());
    }
    let client = session.ensure_principal(app.app_id).await?;
    for access in &app.required_resource_access {
        let resource = session.ensure_principal(access.resource_app_id).await?;
        let held = held_roles(session, client);
        let roles = access
            .resource_access
            .iter()
            .filter(|access| access.r#type == "Role");
        for role in roles.filter(|role| !held.contains(&(resource, role.id))) {
            let path = format!("/servicePrincipals/{resource}/appRoleAssignedTo");
            let body =
                json!({ "principalId": client, "resourceId": resource, "appRoleId": role.id });
            session.post(&path, body).await?;
        }
        grant_scopes(session, client, resource, access).await?;
    }
    Ok(())
}

/// Consents to the requested scopes of one resource for everybody in the directory.
async fn grant_scopes(
    session: &Session,
    client: Uuid,
    resource: Uuid,
    access: &RequiredResourceAccess,
) -> Result<(), String> {
    let view = session.state.view(Place::Primary);
    let (wanted, existing) = {
        let directory = session.state.directory();
        let Some(principal) = directory.get::<ServicePrincipal>(resource, view) else {
            return Ok(());
        };
        let wanted: Vec<String> = access
            .resource_access
            .iter()
            .filter(|access| access.r#type == "Scope")
            .filter_map(|access| {
                principal
                    .oauth2_permission_scopes
                    .iter()
                    .find(|scope| scope.id == access.id)
            })
            .filter_map(|scope| scope.value.clone())
            .collect();
        let existing = directory
            .grants_of_client(client, view)
            .into_iter()
            .find(|grant| grant.resource_id == resource && grant.principal_id.is_none());
        (wanted, existing)
    };
    if wanted.is_empty() {
        return Ok(());
    }
    let Some(existing) = existing else {
        let body = json!({
            "clientId": client, "consentType": "AllPrincipals", "resourceId": resource,
            "scope": wanted.join(" "),
        });
        return session
            .post("/oauth2PermissionGrants", body)
            .await
            .map(|_: Value| ());
    };
    let mut scopes: Vec<&str> = existing.scope.split_whitespace().collect();
    scopes.extend(wanted.iter().map(String::as_str).filter(|scope| {
        !existing
            .scope
            .split_whitespace()
            .any(|known| known == *scope)
    }));
    let path = format!(
        "/oauth2PermissionGrants/{}",
        crate::directory::link_id(existing.id)
    );
    session
        .patch(&path, json!({ "scope": scopes.join(" ") }))
        .await
        .map(|_: Value| ())
}

fn answer(session: &Session, app: &Application, problem: Option<String>) -> Response {
    let status = status(problem.as_ref());
    let template = PermissionsPage {
        frame: Frame::of_application(session, "permissions", app).with_problem(problem),
        app,
        here: application_base(session, app.id),
        rows: rows(session, app),
    };
    page(status, &template)
}

fn rows(session: &Session, app: &Application) -> Vec<Row> {
    let view = session.state.view(Place::Primary);
    let directory = session.state.directory();
    let tenant = session.tenant.id;
    let client = directory.service_principal_by_app_id(tenant, app.app_id, view);
    let mut rows = Vec::new();
    for access in &app.required_resource_access {
        let resource = directory.service_principal_by_app_id(tenant, access.resource_app_id, view);
        for wanted in &access.resource_access {
            let described = resource
                .as_deref()
                .and_then(|resource| describe(resource, wanted));
            let is_granted = match (&client, &resource) {
                (Some(client), Some(resource)) if wanted.r#type == "Role" => directory
                    .roles_of_principal(client.id, view)
                    .iter()
                    .any(|held| held.resource_id == resource.id && held.app_role_id == wanted.id),
                (Some(client), Some(resource)) => {
                    let value = described.as_ref().map(|(value, _, _)| value.as_str());
                    directory
                        .grants_of_client(client.id, view)
                        .iter()
                        .any(|grant| {
                            grant.resource_id == resource.id
                                && grant.principal_id.is_none()
                                && grant
                                    .scope
                                    .split_whitespace()
                                    .any(|scope| Some(scope) == value)
                        })
                }
                _ => false,
            };
            let (value, description, needs_admin) =
                described.unwrap_or_else(|| (wanted.id.to_string(), String::new(), true));
            rows.push(Row {
                resource: access.resource_app_id,
                id: wanted.id,
                api: resource.as_ref().map_or_else(
                    || access.resource_app_id.to_string(),
                    |resource| resource.display_name.clone(),
                ),
                value,
                kind: if wanted.r#type == "Role" {
                    "Application"
                } else {
                    "Delegated"
                },
                description,
                needs_admin,
                is_granted,
            });
        }
    }
    rows
}

/// Value, description, and whether only an administrator may consent.
fn describe(
    resource: &ServicePrincipal,
    wanted: &ResourceAccess,
) -> Option<(String, String, bool)> {
    if wanted.r#type == "Role" {
        let role = resource
            .app_roles
            .iter()
            .find(|role| role.id == wanted.id)?;
        let description = role.display_name.clone().unwrap_or_default();
        return Some((role.value.clone()?, description, true));
    }
    let scope = resource
        .oauth2_permission_scopes
        .iter()
        .find(|scope| scope.id == wanted.id)?;
    let description = scope.admin_consent_display_name.clone().unwrap_or_default();
    Some((
        scope.value.clone()?,
        description,
        scope.r#type.as_deref() == Some("Admin"),
    ))
}

fn add_page(
    session: &Session,
    app: &Application,
    query: &AddQuery,
    problem: Option<String>,
) -> Response {
    let kind = if query.kind == "Scope" {
        "Scope"
    } else {
        "Role"
    };
    let mut apis: Vec<Api> = {
        let directory = session.state.directory();
        directory
            .table::<ServicePrincipal>()
            .list_newest(session.tenant.id)
            .filter(|resource| {
                !resource.app_roles.is_empty() || !resource.oauth2_permission_scopes.is_empty()
            })
            .map(|resource| Api {
                app_id: resource.app_id,
                name: resource.display_name.clone(),
            })
            .collect()
    };
    apis.sort_by_key(|api| (api.app_id != GRAPH_APP_ID, api.name.to_lowercase()));
    let api = apis
        .iter()
        .find(|api| Some(api.app_id) == query.resource)
        .cloned();
    let groups = api
        .as_ref()
        .map_or_else(Vec::new, |api| groups(session, app, api.app_id, kind));
    let status = status(problem.as_ref());
    let template = AddPermissionPage {
        frame: Frame::of_application(session, "permissions", app).with_problem(problem),
        here: application_base(session, app.id),
        apis,
        api,
        kind,
        groups,
    };
    page(status, &template)
}

fn groups(session: &Session, app: &Application, resource: Uuid, kind: &str) -> Vec<Group> {
    let view = session.state.view(Place::Primary);
    let found =
        session
            .state
            .directory()
            .service_principal_by_app_id(session.tenant.id, resource, view);
    let Some(principal) = found else {
        return Vec::new();
    };
    let offered: Vec<(Uuid, String, String)> = if kind == "Role" {
        principal
            .app_roles
            .iter()
            .filter(|role| {
                role.is_enabled
                    && role
                        .allowed_member_types
                        .iter()
                        .any(|kind| kind == "Application")
            })
            .filter_map(|role| {
                Some((
                    role.id,
                    role.value.clone()?,
                    role.display_name.clone().unwrap_or_default(),
                ))
            })
            .collect()
    } else {
        principal
            .oauth2_permission_scopes
            .iter()
            .filter(|scope| scope.is_enabled)
            .filter_map(|scope| {
                let name = scope.admin_consent_display_name.clone().unwrap_or_default();
                Some((scope.id, scope.value.clone()?, name))
            })
            .collect()
    };
    let mut groups: BTreeMap<String, Vec<Permission>> = BTreeMap::new();
    for (id, value, description) in offered {
        let name = value.split('.').next().unwrap_or_default().to_owned();
        let is_requested = app.required_resource_access.iter().any(|access| {
            access.resource_app_id == resource
                && access.resource_access.iter().any(|access| access.id == id)
        });
        let permission = Permission {
            id,
            value,
            description,
            is_requested,
        };
        groups.entry(name).or_default().push(permission);
    }
    groups
        .into_iter()
        .map(|(name, mut permissions)| {
            permissions.sort_by(|one, other| one.value.cmp(&other.value));
            Group { name, permissions }
        })
        .collect()
}

fn request(required: &mut Vec<RequiredResourceAccess>, resource: Uuid, id: Uuid, kind: &str) {
    let wanted = ResourceAccess {
        id,
        r#type: kind.to_owned(),
    };
    let Some(access) = required
        .iter_mut()
        .find(|access| access.resource_app_id == resource)
    else {
        required.push(RequiredResourceAccess {
            resource_app_id: resource,
            resource_access: vec![wanted],
        });
        return;
    };
    if !access.resource_access.iter().any(|known| known.id == id) {
        access.resource_access.push(wanted);
    }
}

fn held_roles(session: &Session, client: Uuid) -> Vec<(Uuid, Uuid)> {
    let view = session.state.view(Place::Primary);
    session
        .state
        .directory()
        .roles_of_principal(client, view)
        .iter()
        .map(|held| (held.resource_id, held.app_role_id))
        .collect()
}
