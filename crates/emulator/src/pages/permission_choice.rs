//! "Request API permissions": which API, which type, which permissions.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, Query, State as Shared};
use axum::response::Response;
use serde::Deserialize;
use uuid::Uuid;

use super::application::{open, status};
use super::form::Fields;
use super::frame::{Frame, application_base};
use super::page;
use super::permissions::save;
use super::session::Session;
use crate::directory::{
    Application, GRAPH_APP_ID, RequiredResourceAccess, ResourceAccess, ServicePrincipal,
};
use crate::replica::Place;
use crate::state::State;

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

/// `GET …/apps/{id}/permissions/add`.
pub(super) async fn show(
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
