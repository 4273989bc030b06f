//! `/servicePrincipals`: create, upsert, read, change, delete (Microsoft: *servicePrincipal resource type*).

use std::sync::Arc;

use http::{Method, StatusCode};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    app_role_assignment,
    error::GraphError,
    odata,
    odata::{Filterable, Operand, SearchMode},
    owner,
    path::{Key, Segment},
    permission::Action,
    permission_grant, quota,
    request::{Answer, Outcome, Request, from_map, object_id, owned, to_map},
    schema::{self, shorten},
    types,
};
use crate::directory::{
    AppRoleAssignment, DeletedItem, Directory, Field, PermissionGrant, ServicePrincipal,
    Transaction,
};

pub(super) const SET: &str = "servicePrincipals";
pub(super) const RESOURCE: &str = "ServicePrincipal";

/// How a request names a service principal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ServicePrincipalKey {
    Id(Uuid),
    AppId(Uuid),
}

/// Serves `/servicePrincipals…`; `key` and `rest` are what follows.
pub(super) fn serve(request: &Request<'_>, key: Option<&Key>, rest: &[Segment]) -> Outcome {
    let Some(key) = key else {
        return match (&request.method, rest) {
            (&Method::GET, []) => list(request),
            (&Method::POST, []) => create(request),
            (_, []) => Err(GraphError::method_not_allowed()),
            (_, [segment, ..]) => Err(GraphError::unknown_segment(&shorten(&segment.name))),
        };
    };
    let key = ServicePrincipalKey::parse(key)?;
    let Some((first, deeper)) = rest.split_first() else {
        return match request.method {
            Method::GET => get(request, key),
            Method::PATCH if request.prefer.create_if_missing => upsert(request, key),
            Method::PATCH => update(request, key),
            Method::DELETE => delete(request, key),
            _ => Err(GraphError::method_not_allowed()),
        };
    };
    match (first.name.as_str(), deeper) {
        ("appRoleAssignedTo" | "appRoleAssignments", _) => {
            app_role_assignment::serve(request, key, first, deeper)
        }
        ("oauth2PermissionGrants", []) => permission_grant::of_client(request, key),
        ("owners", _) => owner::serve_service_principal(request, key, deeper),
        _ => Err(GraphError::unknown_segment(&shorten(&first.name))),
    }
}

impl ServicePrincipalKey {
    fn parse(key: &Key) -> Result<Self, GraphError> {
        match key.name.as_deref() {
            None | Some("id") => object_id(&key.value).map(Self::Id),
            Some("appId") => Uuid::try_parse(&key.value).map(Self::AppId).map_err(|_| {
                GraphError::bad_request(format!(
                    "Invalid value '{}' specified for key 'appId'.",
                    shorten(&key.value)
                ))
            }),
            Some(other) => Err(GraphError::malformed(format!(
                "The key '{}' is not a key of type 'microsoft.graph.servicePrincipal'.",
                shorten(other)
            ))),
        }
    }

    fn id(self) -> Uuid {
        match self {
            Self::Id(id) | Self::AppId(id) => id,
        }
    }
}

/// The service principal as the answering replica sees it.
///
/// # Errors
/// 404 when that replica does not see it.
pub(super) fn find(
    request: &Request<'_>,
    directory: &Directory,
    key: ServicePrincipalKey,
) -> Result<Arc<ServicePrincipal>, GraphError> {
    let tenant = request.caller.tenant_id;
    let found = match key {
        ServicePrincipalKey::Id(id) => directory.get::<ServicePrincipal>(id, request.view),
        ServicePrincipalKey::AppId(id) => {
            directory.service_principal_by_app_id(tenant, id, request.view)
        }
    };
    found
        .filter(|principal| principal.tenant_id == tenant)
        .ok_or_else(|| GraphError::not_found(key.id()))
}

/// The resource as Graph shows it.
pub(super) fn represent(principal: &ServicePrincipal) -> Map<String, Value> {
    let mut map = to_map(principal);
    for hidden in ["tenantId", "owners", "createdBy", "directoryRoles"] {
        map.remove(hidden);
    }
    let constant = json!({
        "addIns": [], "applicationTemplateId": null, "disabledByMicrosoftStatus": null,
        "info": null, "keyCredentials": [], "passwordCredentials": [],
        "preferredTokenSigningKeyThumbprint": null, "resourceSpecificApplicationPermissions": [],
        "samlSingleSignOnSettings": null, "tokenEncryptionKeyId": null, "verifiedPublisher":
        { "displayName": null, "verifiedPublisherId": null, "addedDateTime": null },
        "customSecurityAttributes": null,
    });
    if let Value::Object(constant) = constant {
        map.extend(constant);
    }
    map
}

/// Moves a service principal to the deleted items and takes its grants away.
pub(super) fn bury(
    transaction: &mut Transaction<'_>,
    principal: &ServicePrincipal,
    now: Timestamp,
) {
    forget_grants(transaction, principal.id);
    transaction.remove::<ServicePrincipal>(principal.id);
    let mut buried = principal.clone();
    buried.deleted_date_time = Some(now);
    transaction.put(DeletedItem::ServicePrincipal(Box::new(buried)));
}

/// Removes role assignments and delegated grants from and to a service principal.
fn forget_grants(transaction: &mut Transaction<'_>, id: Uuid) {
    let text = id.to_string();
    for field in [Field::PrincipalId, Field::ResourceId] {
        for assignment in transaction
            .directory()
            .table::<AppRoleAssignment>()
            .find_newest(field, &text)
        {
            transaction.remove::<AppRoleAssignment>(assignment.id);
        }
        for grant in transaction
            .directory()
            .table::<PermissionGrant>()
            .find_newest(field, &text)
        {
            transaction.remove::<PermissionGrant>(grant.id);
        }
    }
}

fn list(request: &Request<'_>) -> Outcome {
    request.caller.require(Action::ReadApplications)?;
    let directory = request.directory();
    let page = odata::collect::<ServicePrincipal>(request.source(&directory), &request.query)?;
    let items = page
        .items
        .iter()
        .map(|principal| represent(principal))
        .collect();
    Ok(Answer::ok(request.collection(
        SET,
        items,
        page.count,
        page.next.as_deref(),
    )?))
}

fn get(request: &Request<'_>, key: ServicePrincipalKey) -> Outcome {
    request.caller.require(Action::ReadApplications)?;
    let directory = request.directory();
    let principal = find(request, &directory, key)?;
    Ok(Answer::ok(request.entity(SET, represent(&principal))?))
}

fn create(request: &Request<'_>) -> Outcome {
    request.caller.require(Action::CreateApplication)?;
    let body = request.checked_body(types::SERVICE_PRINCIPAL, RESOURCE)?;
    let app_id = body
        .get("appId")
        .and_then(Value::as_str)
        .and_then(|text| Uuid::try_parse(text).ok())
        .ok_or_else(|| GraphError::missing_value("appId", RESOURCE))?;
    build(request, app_id, body)
}

fn upsert(request: &Request<'_>, key: ServicePrincipalKey) -> Outcome {
    let tenant = request.caller.tenant_id;
    let existing = {
        let directory = request.directory();
        let table = directory.table::<ServicePrincipal>();
        match key {
            ServicePrincipalKey::Id(id) => table.newest(id).cloned(),
            ServicePrincipalKey::AppId(id) => table
                .find_newest(Field::AppId, &id.to_string())
                .into_iter()
                .next(),
        }
        .filter(|found| found.tenant_id == tenant)
    };
    match (existing, key) {
        (Some(existing), _) => change(request, existing.id),
        (None, ServicePrincipalKey::AppId(app_id)) => {
            request.caller.require(Action::CreateApplication)?;
            let body = schema::check(request.optional_body()?, types::SERVICE_PRINCIPAL, RESOURCE)?;
            build(request, app_id, body)
        }
        (None, ServicePrincipalKey::Id(id)) => Err(GraphError::not_found(id)),
    }
}

fn build(request: &Request<'_>, app_id: Uuid, mut body: Map<String, Value>) -> Outcome {
    body.remove("appId");
    // Names come from the application; a body that repeats them is common.
    body.remove("servicePrincipalNames");
    let caller = request.caller;
    let tenant_id = caller.tenant_id;
    let random = &request.state.random;
    let now = request.state.now();
    let (principal, effects) = request.write(|transaction| {
        let directory = transaction.directory();
        let application = directory
            .application_by_app_id(app_id, request.view)
            .filter(|application| application.tenant_id == tenant_id || application.is_multi_tenant());
        let Some(application) = application else { return Err(no_backing_application(request, app_id)) };
        if caller.is_confined_to_owned() && !application.owners.contains(&caller.principal_id) {
            return Err(GraphError::insufficient_privileges());
        }
        let taken = directory.table::<ServicePrincipal>().find_newest(Field::AppId, &app_id.to_string());
        if taken.iter().any(|principal| principal.tenant_id == tenant_id) {
            return Err(GraphError::key_conflict(format!(
                "The service principal cannot be created, updated, or restored because the service principal name {app_id} is already in use."
            ))
            .detail("ObjectConflict", "servicePrincipalNames", "The service principal name is already in use."));
        }
        let tenant = directory.tenant_by_id(tenant_id).ok_or_else(GraphError::unknown_caller)?;
        quota::check(directory, caller, &tenant)?;
        // Mirrors the newest application, whatever the replica that found it knows.
        let newest = transaction.newest(application.id).unwrap_or(application);
        let mut map = to_map(&ServicePrincipal::of(&newest, random.uuid(), tenant_id));
        schema::merge(&mut map, body, types::SERVICE_PRINCIPAL);
        let mut principal: ServicePrincipal = from_map(map, RESOURCE)?;
        principal.created_date_time = Some(now);
        principal.created_by = Some(caller.principal_id);
        if caller.becomes_owner() {
            principal.owners.push(caller.principal_id);
        }
        Ok(transaction.put(principal))
    })?;
    let location = format!("{}/{SET}/{}", request.base, principal.id);
    Ok(Answer::created(
        request.entity(SET, represent(&principal))?,
        location,
        effects,
    ))
}

/// Why an application that the replica does not see cannot get a service principal: the text
/// depends on the permission, and clients match on it (Microsoft: *Microsoft Graph error responses and resource types*).
fn no_backing_application(request: &Request<'_>, app_id: Uuid) -> GraphError {
    if request.caller.is_confined_to_owned() {
        return GraphError::new(
            StatusCode::FORBIDDEN,
            "Authorization_RequestDenied",
            "When using this permission, the backing application of the service principal being created must in the local tenant",
        );
    }
    let message = format!(
        "The appId '{app_id}' of the service principal does not reference a valid application object."
    );
    GraphError::bad_request(message.clone()).detail("NoBackingApplicationObject", "appId", message)
}

fn update(request: &Request<'_>, key: ServicePrincipalKey) -> Outcome {
    let id = find(request, &request.directory(), key)?.id;
    change(request, id)
}

fn change(request: &Request<'_>, id: Uuid) -> Outcome {
    let mut body = schema::check(request.optional_body()?, types::SERVICE_PRINCIPAL, RESOURCE)?;
    body.remove("appId");
    body.remove("servicePrincipalNames");
    let ((), effects) = request.write(|transaction| {
        let previous = transaction
            .newest::<ServicePrincipal>(id)
            .ok_or_else(|| GraphError::not_found(id))?;
        request.caller.require_service_principal(&previous)?;
        let mut map = to_map(&*previous);
        schema::merge(&mut map, body, types::SERVICE_PRINCIPAL);
        let principal: ServicePrincipal = from_map(map, RESOURCE)?;
        transaction.put(principal);
        Ok(())
    })?;
    Ok(Answer::no_content(effects))
}

fn delete(request: &Request<'_>, key: ServicePrincipalKey) -> Outcome {
    let now = request.state.now();
    let ((), effects) = request.write(|transaction| {
        let seen = find(request, transaction.directory(), key)?;
        let principal = transaction
            .newest::<ServicePrincipal>(seen.id)
            .ok_or_else(|| GraphError::not_found(key.id()))?;
        request.caller.require_service_principal(&principal)?;
        bury(transaction, &owned(&principal), now);
        Ok(())
    })?;
    Ok(Answer::no_content(effects))
}

impl Filterable for ServicePrincipal {
    const FILTERABLE: &'static [&'static str] = &[
        "id",
        "appId",
        "displayName",
        "appDisplayName",
        "accountEnabled",
        "appOwnerOrganizationId",
        "servicePrincipalType",
        "servicePrincipalNames",
        "tags",
        "createdDateTime",
        "alternativeNames",
    ];

    fn operand(&self, property: &str) -> Option<Operand<'_>> {
        Some(match property {
            "id" => odata::text(self.id.to_string()),
            "appId" => odata::text(self.app_id.to_string()),
            "displayName" => odata::text(self.display_name.as_str()),
            "appDisplayName" => odata::text(self.app_display_name.as_str()),
            "accountEnabled" => Operand::Bool(self.account_enabled),
            "appOwnerOrganizationId" => odata::text(self.app_owner_organization_id.to_string()),
            "servicePrincipalType" => odata::text(self.service_principal_type.as_str()),
            "servicePrincipalNames" => Operand::Texts(&self.service_principal_names),
            "tags" => Operand::Texts(&self.tags),
            "createdDateTime" => self.created_date_time.map_or(Operand::Null, Operand::Time),
            "alternativeNames" => Operand::Texts(&self.alternative_names),
            _ => return None,
        })
    }

    fn search_mode(property: &str) -> Option<SearchMode> {
        match property {
            "displayName" | "description" => Some(SearchMode::Words),
            "appId" | "servicePrincipalNames" | "tags" | "appDisplayName" => {
                Some(SearchMode::Start)
            }
            _ => None,
        }
    }
}
