//! `appRoleAssignedTo` and `appRoleAssignments`: app roles granted to principals (Microsoft: *appRoleAssignment resource type*).

use std::sync::Arc;

use http::Method;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    error::GraphError,
    path::Segment,
    permission::Action,
    request::{Answer, Outcome, Request, object},
    schema::shorten,
    service_principal::{self, ServicePrincipalKey},
    types,
};
use crate::directory::{AppRoleAssignment, ServicePrincipal, User, link_id, link_target};

const RESOURCE: &str = "AppRoleAssignment";
const MAXIMUM_PER_PRINCIPAL: usize = 1500;

/// From which end an assignment is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// `appRoleAssignedTo`: who has roles of this resource.
    Resource,
    /// `appRoleAssignments`: what this principal was granted.
    Principal,
}

/// Serves `/servicePrincipals/{id}/appRoleAssignedTo…` and `…/appRoleAssignments…`.
pub(super) fn serve(
    request: &Request<'_>,
    key: ServicePrincipalKey,
    segment: &Segment,
    rest: &[Segment],
) -> Outcome {
    let end = if segment.name == "appRoleAssignedTo" {
        End::Resource
    } else {
        End::Principal
    };
    let id = match (&segment.key, rest) {
        (None, []) => None,
        (Some(key), []) => Some(key.value.as_str()),
        (None, [id]) => Some(id.name.as_str()),
        (_, [.., last]) => return Err(GraphError::unknown_segment(&shorten(&last.name))),
    };
    match (&request.method, id) {
        (&Method::GET, None) => list(request, key, end),
        (&Method::POST, None) => create(request, key, end),
        (&Method::GET, Some(id)) => get(request, key, end, id),
        (&Method::DELETE, Some(id)) => delete(request, key, end, id),
        _ => Err(GraphError::method_not_allowed()),
    }
}

fn list(request: &Request<'_>, key: ServicePrincipalKey, end: End) -> Outcome {
    request.caller.require(Action::ReadGrants)?;
    let directory = request.directory();
    let principal = service_principal::find(request, &directory, key)?;
    let all = match end {
        End::Resource => directory.roles_at_resource(principal.id, request.view),
        End::Principal => directory.roles_of_principal(principal.id, request.view),
    };
    let count = request.query.count.then_some(all.len());
    let items = all
        .iter()
        .take(request.query.top.unwrap_or(MAXIMUM_PER_PRINCIPAL))
        .map(|one| represent(one))
        .collect();
    Ok(Answer::ok(request.collection(
        "appRoleAssignments",
        items,
        count,
        None,
    )?))
}

fn get(request: &Request<'_>, key: ServicePrincipalKey, end: End, id: &str) -> Outcome {
    request.caller.require(Action::ReadGrants)?;
    let assignment = find(request, key, end, id)?;
    Ok(Answer::ok(
        request.entity("appRoleAssignments", represent(&assignment))?,
    ))
}

fn create(request: &Request<'_>, key: ServicePrincipalKey, end: End) -> Outcome {
    request.caller.require(Action::AssignRoles)?;
    let body = request.checked_body(types::APP_ROLE_ASSIGNMENT, RESOURCE)?;
    let guid = |name: &str| {
        body.get(name)
            .and_then(Value::as_str)
            .and_then(|text| Uuid::try_parse(text).ok())
            .ok_or_else(|| GraphError::missing_value(name, RESOURCE))
    };
    let (principal_id, resource_id, app_role_id) = (
        guid("principalId")?,
        guid("resourceId")?,
        guid("appRoleId")?,
    );
    let random = &request.state.random;
    let now = request.state.now();
    let (assignment, effects) = request.write(|transaction| {
        let directory = transaction.directory();
        let named = service_principal::find(request, directory, key)?;
        let expected = match end {
            End::Resource => resource_id,
            End::Principal => principal_id,
        };
        if named.id != expected {
            return Err(GraphError::bad_request(
                "The navigation source does not match the assignment.",
            ));
        }
        // An end that has not reached the answering replica gives this text, not a 404.
        let not_valid = || GraphError::bad_request("Not a valid reference update.");
        let resource = directory
            .get::<ServicePrincipal>(resource_id, request.view)
            .filter(|resource| resource.tenant_id == request.caller.tenant_id)
            .ok_or_else(not_valid)?;
        let user = directory
            .get::<User>(principal_id, request.view)
            .filter(|user| user.tenant_id == request.caller.tenant_id);
        let (principal_display_name, principal_type, member_type) = if let Some(user) = user {
            (user.display_name.clone(), "User", "User")
        } else {
            let principal = directory
                .get::<ServicePrincipal>(principal_id, request.view)
                .filter(|principal| principal.tenant_id == request.caller.tenant_id)
                .ok_or_else(not_valid)?;
            (
                principal.display_name.clone(),
                "ServicePrincipal",
                "Application",
            )
        };
        require_role(&resource, app_role_id, member_type)?;
        let held = directory.roles_of_principal(
            principal_id,
            crate::replica::View {
                place: crate::replica::Place::Primary,
                now,
            },
        );
        if held
            .iter()
            .any(|one| one.resource_id == resource_id && one.app_role_id == app_role_id)
        {
            return Err(GraphError::bad_request(
                "Permission being assigned already exists on the object",
            )
            .detail(
                "InvalidUpdate",
                "appRoleAssignments",
                "Permission being assigned already exists on the object",
            ));
        }
        if held.len() >= MAXIMUM_PER_PRINCIPAL {
            return Err(GraphError::size_exceeded());
        }
        Ok(transaction.put(AppRoleAssignment {
            id: random.uuid(),
            tenant_id: request.caller.tenant_id,
            app_role_id,
            created_date_time: Some(now),
            principal_id,
            principal_display_name,
            principal_type: principal_type.to_owned(),
            resource_id,
            resource_display_name: resource.display_name.clone(),
        }))
    })?;
    let segment = if end == End::Resource {
        "appRoleAssignedTo"
    } else {
        "appRoleAssignments"
    };
    let owner = if end == End::Resource {
        resource_id
    } else {
        principal_id
    };
    let location = format!(
        "{}/servicePrincipals/{owner}/{segment}/{}",
        request.base,
        link_id(assignment.id)
    );
    Ok(Answer::created(
        request.entity("appRoleAssignments", represent(&assignment))?,
        location,
        effects,
    ))
}

/// Default access (the all-zero role) exists only where the resource has no role of its own.
fn require_role(
    resource: &ServicePrincipal,
    role: Uuid,
    member_type: &str,
) -> Result<(), GraphError> {
    let fits = |kind: &String| kind == member_type;
    let is_valid = if role.is_nil() {
        !resource
            .app_roles
            .iter()
            .any(|role| role.is_enabled && role.allowed_member_types.iter().any(fits))
    } else {
        resource.app_roles.iter().any(|one| {
            one.id == role && one.is_enabled && one.allowed_member_types.iter().any(fits)
        })
    };
    if is_valid {
        return Ok(());
    }
    let message = "Permission being assigned was not found on application";
    Err(
        GraphError::bad_request(format!("{message} '{}'.", resource.app_id)).detail(
            "NotFound",
            "appRoleId",
            message,
        ),
    )
}

fn delete(request: &Request<'_>, key: ServicePrincipalKey, end: End, id: &str) -> Outcome {
    request.caller.require(Action::AssignRoles)?;
    let assignment = find(request, key, end, id)?;
    let ((), effects) = request.write(|transaction| {
        transaction
            .remove::<AppRoleAssignment>(assignment.id)
            .map(|_| ())
            .ok_or_else(|| GraphError::not_found(shorten(id)))
    })?;
    Ok(Answer::no_content(effects))
}

fn find(
    request: &Request<'_>,
    key: ServicePrincipalKey,
    end: End,
    id: &str,
) -> Result<Arc<AppRoleAssignment>, GraphError> {
    let not_found = || GraphError::not_found(shorten(id));
    let directory = request.directory();
    let principal = service_principal::find(request, &directory, key)?;
    let target = link_target(id).ok_or_else(not_found)?;
    directory
        .get::<AppRoleAssignment>(target, request.view)
        .filter(|one| match end {
            End::Resource => one.resource_id == principal.id,
            End::Principal => one.principal_id == principal.id,
        })
        .ok_or_else(not_found)
}

fn represent(assignment: &AppRoleAssignment) -> Map<String, Value> {
    let shown = json!({
        "id": link_id(assignment.id),
        "deletedDateTime": null,
        "appRoleId": assignment.app_role_id,
        "createdDateTime": assignment.created_date_time,
        "principalDisplayName": assignment.principal_display_name,
        "principalId": assignment.principal_id,
        "principalType": assignment.principal_type,
        "resourceDisplayName": assignment.resource_display_name,
        "resourceId": assignment.resource_id,
    });
    object(shown)
}
