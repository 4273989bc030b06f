//! Enterprise applications: the service principals, their switches, and who holds which role.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, Query, State as Shared};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::application::status;
use super::form::Fields;
use super::frame::{Frame, Missing, base, enter, go};
use super::page;
use super::session::Session;
use crate::directory::{AppRoleAssignment, ServicePrincipal};
use crate::replica::Place;
use crate::state::State;

const MOST_ROWS: usize = 200;

#[derive(Template)]
#[template(path = "portal/enterprise_list.html")]
struct ListPage<'a> {
    frame: Frame,
    query: &'a str,
    rows: Vec<Row>,
    hidden: usize,
}

struct Row {
    id: Uuid,
    app_id: Uuid,
    name: String,
}

#[derive(Template)]
#[template(path = "portal/enterprise.html")]
struct PrincipalPage<'a> {
    frame: Frame,
    principal: &'a ServicePrincipal,
    registration: Option<Uuid>,
    granted: Vec<Grant>,
    held: Vec<Grant>,
}

struct Grant {
    principal: String,
    kind: String,
    role: String,
}

/// What the list shows.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ListQuery {
    #[serde(default)]
    q: String,
}

/// `GET /_portal/{tenant}/enterprise-applications`.
pub(super) async fn list(
    Shared(state): Shared<Arc<State>>,
    Path(tenant): Path<String>,
    Query(query): Query<ListQuery>,
) -> Response {
    let session = match enter(state, &tenant) {
        Ok(session) => session,
        Err(missing) => return missing.page(),
    };
    let wanted = query.q.trim().to_lowercase();
    let mut rows: Vec<Row> = session
        .state
        .directory()
        .table::<ServicePrincipal>()
        .list_newest(session.tenant.id)
        .filter(|principal| {
            wanted.is_empty()
                || principal.display_name.to_lowercase().contains(&wanted)
                || principal.app_id.to_string() == wanted
                || principal.id.to_string() == wanted
        })
        .map(|principal| Row {
            id: principal.id,
            app_id: principal.app_id,
            name: principal.display_name.clone(),
        })
        .collect();
    rows.reverse();
    let hidden = rows.len().saturating_sub(MOST_ROWS);
    rows.truncate(MOST_ROWS);
    let frame = Frame::of(&session, "enterprise");
    page(
        StatusCode::OK,
        &ListPage {
            frame,
            query: &query.q,
            rows,
            hidden,
        },
    )
}

/// `GET /_portal/{tenant}/enterprise-applications/{id}`.
pub(super) async fn show(
    Shared(state): Shared<Arc<State>>,
    Path((tenant, id)): Path<(String, Uuid)>,
) -> Response {
    match open(state, &tenant, id) {
        Ok((session, principal)) => answer(&session, &principal, None),
        Err(missing) => missing.page(),
    }
}

/// `POST /_portal/{tenant}/enterprise-applications/{id}`: saves the two switches.
pub(super) async fn save(
    Shared(state): Shared<Arc<State>>,
    Path((tenant, id)): Path<(String, Uuid)>,
    fields: Fields,
) -> Response {
    let (session, principal) = match open(state, &tenant, id) {
        Ok(opened) => opened,
        Err(missing) => return missing.page(),
    };
    let body = json!({
        "accountEnabled": fields.get("enabled").is_some(),
        "appRoleAssignmentRequired": fields.get("assignment").is_some(),
    });
    match session
        .patch(&format!("/servicePrincipals/{id}"), body)
        .await
    {
        Ok(_) => go(
            &session,
            &format!("{}/enterprise-applications/{id}", base(&session)),
        ),
        Err(problem) => session.note(answer(&session, &principal, Some(problem))),
    }
}

fn open(
    state: Arc<State>,
    tenant: &str,
    id: Uuid,
) -> Result<(Session, Arc<ServicePrincipal>), Missing> {
    let session = enter(state, tenant)?;
    let found = session
        .state
        .directory()
        .table::<ServicePrincipal>()
        .newest(id)
        .cloned();
    let principal = found
        .filter(|principal| principal.tenant_id == session.tenant.id)
        .ok_or(Missing("There is no such enterprise application."))?;
    Ok((session, principal))
}

fn answer(session: &Session, principal: &ServicePrincipal, problem: Option<String>) -> Response {
    let view = session.state.view(Place::Primary);
    let (registration, granted, held) = {
        let directory = session.state.directory();
        let registration = directory
            .application_by_app_id(principal.app_id, view)
            .filter(|application| application.tenant_id == session.tenant.id)
            .map(|application| application.id);
        let granted = directory
            .roles_at_resource(principal.id, view)
            .iter()
            .map(|assignment| Grant {
                principal: assignment.principal_display_name.clone(),
                kind: assignment.principal_type.clone(),
                role: role_name(principal, assignment),
            })
            .collect();
        let held = directory
            .roles_of_principal(principal.id, view)
            .iter()
            .map(|assignment| {
                let resource = directory.get::<ServicePrincipal>(assignment.resource_id, view);
                Grant {
                    principal: assignment.resource_display_name.clone(),
                    kind: String::new(),
                    role: resource.map_or_else(
                        || assignment.app_role_id.to_string(),
                        |resource| role_name(&resource, assignment),
                    ),
                }
            })
            .collect();
        (registration, granted, held)
    };
    let status = status(problem.as_ref());
    let frame = Frame::of(session, "enterprise").with_problem(problem);
    page(
        status,
        &PrincipalPage {
            frame,
            principal,
            registration,
            granted,
            held,
        },
    )
}

fn role_name(resource: &ServicePrincipal, assignment: &AppRoleAssignment) -> String {
    if assignment.app_role_id.is_nil() {
        return "Default Access".to_owned();
    }
    resource
        .app_roles
        .iter()
        .find(|role| role.id == assignment.app_role_id)
        .and_then(|role| role.value.clone())
        .unwrap_or_else(|| assignment.app_role_id.to_string())
}
