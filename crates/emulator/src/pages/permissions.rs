//! API permissions: what an application asks for and what an administrator granted. `permission_choice`
//! adds to the list, `consent` grants it.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State as Shared};
use axum::response::Response;
use serde_json::json;
use uuid::Uuid;

use super::application::{open, status};
use super::form::Fields;
use super::frame::{Frame, application_base, go};
use super::page;
use super::session::Session;
use crate::directory::{Application, RequiredResourceAccess, ResourceAccess, ServicePrincipal};
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

/// Replaces the list and shows it, or the page with what is wrong.
pub(super) async fn save(
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

/// The list, with what went wrong.
pub(super) fn answer(session: &Session, app: &Application, problem: Option<String>) -> Response {
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
