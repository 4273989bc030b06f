//! The `client_credentials` grant (RFC 6749 section 4.4): a token for the client itself.

use serde_json::Value;

use super::Refusal;
use super::claims::{AccessToken, Subject};
use super::client::{Client, ClientAuthentication, client_id};
use super::issue::{EndpointVersion, Validity, sign_access_token, token_answer};
use super::request::TokenForm;
use super::resource::{Resource, resource_of_default_scope};
use super::tenant::Authority;
use crate::replica::{Aspect, Place};
use crate::state::State;

/// Answers one request, checks in this order: client, its credential, its presence, resource, role.
pub(crate) async fn answer(
    state: &State,
    version: EndpointVersion,
    authority: Authority,
    form: &TokenForm,
) -> Result<Value, Refusal> {
    let tenant = match authority {
        Authority::Tenant(tenant) => tenant,
        Authority::Shared => return Err(tenant_needed(state, form)),
    };
    let app_id = client_id(form, &tenant.display_name)?;
    let named = named_resource(version, form)?;
    let client = Client::find(state, &tenant, app_id)?;
    let authentication = client.authenticate(state, &tenant, form).await?;
    if authentication == ClientAuthentication::Public {
        return Err(Refusal::NoClientCredential);
    }
    let principal = client.enabled_principal(&tenant)?;
    // Such policies cover the tenant's own applications, not those of other tenants.
    if client.application.tenant_id == tenant.id
        && tenant.policies.workload_conditional_access.blocks(app_id)
    {
        return Err(Refusal::BlockedByPolicy);
    }
    let resource = Resource::find(state, &tenant, named)?;
    let roles = granted_roles(state, &client, &resource)?;
    let validity = Validity::draw(state, &tenant);
    let token = AccessToken {
        tenant: &tenant,
        resource: &resource,
        client_id: app_id,
        client: Some(principal),
        authentication,
        subject: Subject::Client { roles },
        not_before: validity.not_before,
        expires_at: validity.expires_at,
    };
    let signed = sign_access_token(state, &token)?;
    Ok(token_answer(version, validity, named, &signed))
}

/// What the request names: `scope` at v2.0, `resource` (or `scope`) at v1.0.
fn named_resource(version: EndpointVersion, form: &TokenForm) -> Result<&str, Refusal> {
    if version == EndpointVersion::V1
        && let Some(resource) = form.get("resource")
    {
        return Ok(resource);
    }
    let missing = match version {
        EndpointVersion::V1 => "resource",
        EndpointVersion::V2 => "scope",
    };
    resource_of_default_scope(form.get("scope").ok_or(Refusal::MissingField(missing))?)
}

/// The roles of the client at the resource, which may insist that there is an assignment.
fn granted_roles(
    state: &State,
    client: &Client,
    resource: &Resource,
) -> Result<Vec<String>, Refusal> {
    let Some(principal) = &client.principal else {
        return Ok(Vec::new());
    };
    let directory = state.directory();
    let view = state.view(Place::TokenService(Aspect::Object));
    if resource.principal.app_role_assignment_required {
        let is_assigned = directory
            .roles_of_principal(principal.id, view)
            .iter()
            .any(|assignment| assignment.resource_id == resource.principal.id);
        if !is_assigned {
            return Err(Refusal::NotAssigned {
                client: client.application.app_id,
                client_name: client.application.display_name.clone(),
                resource: resource.principal.app_id.to_string(),
                resource_name: resource.principal.display_name.clone(),
            });
        }
    }
    Ok(directory.role_values(principal.id, &resource.principal, view))
}

/// `common` and `organizations` cannot serve this grant: there is no user whose tenant would count.
fn tenant_needed(state: &State, form: &TokenForm) -> Refusal {
    let app_id = match client_id(form, "common") {
        Ok(app_id) => app_id,
        Err(refusal) => return refusal,
    };
    let view = state.view(Place::TokenService(Aspect::Object));
    let Some(application) = state.directory().application_by_app_id(app_id, view) else {
        return Refusal::UnknownClient {
            client: app_id.to_string(),
            tenant: "common".to_owned(),
        };
    };
    Refusal::TenantNeeded {
        app_id,
        name: application.display_name.clone(),
    }
}
