//! "Grant admin consent": everything that an application asks for, granted for the whole directory.

use std::sync::Arc;

use axum::extract::{Path, State as Shared};
use axum::response::Response;
use serde_json::{Value, json};
use uuid::Uuid;

use super::application::open;
use super::frame::{application_base, go};
use super::permissions::answer;
use super::session::Session;
use crate::directory::{Application, RequiredResourceAccess, ServicePrincipal};
use crate::replica::Place;
use crate::state::State;

/// `POST …/apps/{id}/permissions/consent`: "Grant admin consent for …".
pub(super) async fn grant(
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
