//! `/oauth2PermissionGrants`: delegated permissions (Microsoft: *oAuth2PermissionGrant resource type*).

use std::sync::Arc;

use http::Method;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    error::GraphError,
    odata,
    odata::{Filterable, Operand, SearchMode},
    path::{Key, Segment},
    permission::Action,
    request::{Answer, Outcome, Request, object, owned},
    schema::shorten,
    service_principal::{self, ServicePrincipalKey},
    types,
};
use crate::directory::{Field, PermissionGrant, ServicePrincipal, User, link_id, link_target};

const SET: &str = "oauth2PermissionGrants";
const RESOURCE: &str = "OAuth2PermissionGrant";

/// Serves `/oauth2PermissionGrants…`.
pub(super) fn serve(request: &Request<'_>, key: Option<&Key>, rest: &[Segment]) -> Outcome {
    if let [segment, ..] = rest {
        return Err(GraphError::unknown_segment(&shorten(&segment.name)));
    }
    match (&request.method, key) {
        (&Method::GET, None) => list(request),
        (&Method::POST, None) => create(request),
        (&Method::GET, Some(key)) => {
            request.caller.require(Action::ReadGrants)?;
            let grant = find(request, &key.value)?;
            Ok(Answer::ok(request.entity(SET, represent(&grant))?))
        }
        (&Method::PATCH, Some(key)) => update(request, &key.value),
        (&Method::DELETE, Some(key)) => delete(request, &key.value),
        _ => Err(GraphError::method_not_allowed()),
    }
}

/// Serves `/servicePrincipals/{id}/oauth2PermissionGrants`.
pub(super) fn of_client(request: &Request<'_>, key: ServicePrincipalKey) -> Outcome {
    if request.method != Method::GET {
        return Err(GraphError::method_not_allowed());
    }
    request.caller.require(Action::ReadGrants)?;
    let directory = request.directory();
    let client = service_principal::find(request, &directory, key)?;
    let items = directory
        .grants_of_client(client.id, request.view)
        .iter()
        .map(|grant| represent(grant))
        .collect();
    Ok(Answer::ok(request.collection(SET, items, None, None)?))
}

fn list(request: &Request<'_>) -> Outcome {
    request.caller.require(Action::ReadGrants)?;
    let directory = request.directory();
    let page = odata::collect::<PermissionGrant>(request.source(&directory), &request.query)?;
    let items = page.items.iter().map(|grant| represent(grant)).collect();
    Ok(Answer::ok(request.collection(
        SET,
        items,
        page.count,
        page.next.as_deref(),
    )?))
}

fn create(request: &Request<'_>) -> Outcome {
    request.caller.require(Action::GrantDelegated)?;
    let body = request.checked_body(types::PERMISSION_GRANT, RESOURCE)?;
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let guid = |name: &str| text(name).and_then(|text| Uuid::try_parse(text).ok());
    let client_id =
        guid("clientId").ok_or_else(|| GraphError::missing_value("clientId", RESOURCE))?;
    let resource_id =
        guid("resourceId").ok_or_else(|| GraphError::missing_value("resourceId", RESOURCE))?;
    let scope = text("scope").unwrap_or_default().to_owned();
    let consent_type = text("consentType").unwrap_or_default().to_owned();
    let principal_id = match consent_type.as_str() {
        "AllPrincipals" => None,
        "Principal" => Some(
            guid("principalId")
                .ok_or_else(|| GraphError::missing_value("principalId", RESOURCE))?,
        ),
        _ => return Err(GraphError::invalid_value("consentType", RESOURCE)),
    };
    let random = &request.state.random;
    let (grant, effects) = request.write(|transaction| {
        let directory = transaction.directory();
        let tenant_id = request.caller.tenant_id;
        let exists = |id: Uuid| {
            directory
                .get::<ServicePrincipal>(id, request.view)
                .is_some_and(|found| found.tenant_id == tenant_id)
        };
        let person_exists = principal_id.is_none_or(|id| {
            directory
                .get::<User>(id, request.view)
                .is_some_and(|found| found.tenant_id == tenant_id)
        });
        if let Some(missing) = [client_id, resource_id].into_iter().find(|&id| !exists(id)) {
            return Err(GraphError::not_found(missing));
        }
        if !person_exists {
            return Err(GraphError::not_found(principal_id.unwrap_or_default()));
        }
        let same = directory
            .table::<PermissionGrant>()
            .find_newest(Field::PrincipalId, &client_id.to_string());
        if same
            .iter()
            .any(|other| other.resource_id == resource_id && other.principal_id == principal_id)
        {
            return Err(GraphError::new(
                http::StatusCode::CONFLICT,
                "Request_MultipleObjectsWithSameKeyValue",
                "Permission entry already exists.",
            ));
        }
        Ok(transaction.put(PermissionGrant {
            id: random.uuid(),
            tenant_id,
            client_id,
            consent_type,
            principal_id,
            resource_id,
            scope,
        }))
    })?;
    let location = format!("{}/{SET}/{}", request.base, link_id(grant.id));
    Ok(Answer::created(
        request.entity(SET, represent(&grant))?,
        location,
        effects,
    ))
}

fn update(request: &Request<'_>, id: &str) -> Outcome {
    request.caller.require(Action::GrantDelegated)?;
    let body = request.checked_body(types::PERMISSION_GRANT, RESOURCE)?;
    let grant = find(request, id)?;
    let ((), effects) = request.write(|transaction| {
        let newest = transaction
            .newest::<PermissionGrant>(grant.id)
            .ok_or_else(|| GraphError::not_found(shorten(id)))?;
        let mut changed = owned(&newest);
        if let Some(scope) = body.get("scope").and_then(Value::as_str) {
            scope.clone_into(&mut changed.scope);
        }
        transaction.put(changed);
        Ok(())
    })?;
    Ok(Answer::no_content(effects))
}

fn delete(request: &Request<'_>, id: &str) -> Outcome {
    request.caller.require(Action::GrantDelegated)?;
    let grant = find(request, id)?;
    let ((), effects) = request.write(|transaction| {
        transaction
            .remove::<PermissionGrant>(grant.id)
            .map(|_| ())
            .ok_or_else(|| GraphError::not_found(shorten(id)))
    })?;
    Ok(Answer::no_content(effects))
}

fn find(request: &Request<'_>, id: &str) -> Result<Arc<PermissionGrant>, GraphError> {
    let not_found = || GraphError::not_found(shorten(id));
    let target = link_target(id).ok_or_else(not_found)?;
    request
        .directory()
        .get::<PermissionGrant>(target, request.view)
        .filter(|grant| grant.tenant_id == request.caller.tenant_id)
        .ok_or_else(not_found)
}

fn represent(grant: &PermissionGrant) -> Map<String, Value> {
    let shown = json!({
        "id": link_id(grant.id),
        "clientId": grant.client_id,
        "consentType": grant.consent_type,
        "principalId": grant.principal_id,
        "resourceId": grant.resource_id,
        "scope": grant.scope,
    });
    object(shown)
}

impl Filterable for PermissionGrant {
    const FILTERABLE: &'static [&'static str] = &[
        "clientId",
        "consentType",
        "principalId",
        "resourceId",
        "scope",
    ];

    fn operand(&self, property: &str) -> Option<Operand<'_>> {
        Some(match property {
            "clientId" => odata::text(self.client_id.to_string()),
            "consentType" => odata::text(self.consent_type.as_str()),
            "principalId" => self
                .principal_id
                .map_or(Operand::Null, |id| odata::text(id.to_string())),
            "resourceId" => odata::text(self.resource_id.to_string()),
            "scope" => odata::text(self.scope.as_str()),
            _ => return None,
        })
    }

    fn search_mode(_: &str) -> Option<SearchMode> {
        None
    }
}
