//! `/users`, `/me` and `/organization`, as far as portals and sign-in need them; read only.

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
    request::{Answer, Outcome, Request, object},
    schema::shorten,
};
use crate::directory::{Tenant, User};

const SET: &str = "users";

/// Serves `/users…`.
pub(super) fn serve(request: &Request<'_>, key: Option<&Key>, rest: &[Segment]) -> Outcome {
    read_only(request, rest)?;
    request.caller.require(Action::ReadUsers)?;
    let directory = request.directory();
    let Some(key) = key else {
        let page = odata::collect::<User>(request.source(&directory), &request.query)?;
        let items = page.items.iter().map(|user| represent(user)).collect();
        return Ok(Answer::ok(request.collection(
            SET,
            items,
            page.count,
            page.next.as_deref(),
        )?));
    };
    let found: Option<Arc<User>> = match Uuid::try_parse(&key.value) {
        Ok(id) => directory.get::<User>(id, request.view),
        Err(_) => directory.user_by_name(request.caller.tenant_id, &key.value),
    };
    let user = found
        .filter(|user| user.tenant_id == request.caller.tenant_id)
        .ok_or_else(|| GraphError::not_found(shorten(&key.value)))?;
    Ok(Answer::ok(request.entity(SET, represent(&user))?))
}

/// Serves `/me`.
pub(super) fn me(request: &Request<'_>, rest: &[Segment]) -> Outcome {
    read_only(request, rest)?;
    if !request.caller.is_delegated() {
        return Err(GraphError::malformed(
            "/me request is only valid with delegated authentication flow.",
        ));
    }
    let directory = request.directory();
    let id = request.caller.principal_id;
    let user = directory
        .get::<User>(id, request.view)
        .ok_or_else(|| GraphError::not_found(id))?;
    Ok(Answer::ok(request.entity(SET, represent(&user))?))
}

/// Serves `/organization`.
pub(super) fn organization(request: &Request<'_>, key: Option<&Key>, rest: &[Segment]) -> Outcome {
    read_only(request, rest)?;
    request.caller.require(Action::ReadOrganization)?;
    let directory = request.directory();
    let tenant = directory
        .tenant_by_id(request.caller.tenant_id)
        .ok_or_else(GraphError::unknown_caller)?;
    let shown = represent_organization(&tenant);
    match key {
        None => Ok(Answer::ok(request.collection(
            "organization",
            vec![shown],
            None,
            None,
        )?)),
        Some(key) if Uuid::try_parse(&key.value) == Ok(tenant.id) => {
            Ok(Answer::ok(request.entity("organization", shown)?))
        }
        Some(key) => Err(GraphError::not_found(shorten(&key.value))),
    }
}

/// The resource as Graph shows it by default.
pub(super) fn represent(user: &User) -> Map<String, Value> {
    let shown = json!({
        "id": user.id,
        "businessPhones": [],
        "displayName": user.display_name,
        "givenName": user.given_name,
        "jobTitle": null,
        "mail": user.mail,
        "mobilePhone": null,
        "officeLocation": null,
        "preferredLanguage": null,
        "surname": user.surname,
        "userPrincipalName": user.user_principal_name,
    });
    object(shown)
}

fn represent_organization(tenant: &Tenant) -> Map<String, Value> {
    let domains: Vec<_> = tenant
        .domains
        .iter()
        .enumerate()
        .map(|(number, name)| {
            json!({
                "capabilities": "Email, OfficeCommunicationsOnline", "isDefault": number == 0,
                "isInitial": number == 0, "name": name, "type": "Managed",
            })
        })
        .collect();
    let shown = json!({
        "id": tenant.id, "deletedDateTime": null, "displayName": tenant.display_name,
        "tenantType": if tenant.profile == crate::CloudProfile::ExternalId { "CIAM" } else { "AAD" },
        "verifiedDomains": domains,
    });
    object(shown)
}

fn read_only(request: &Request<'_>, rest: &[Segment]) -> Result<(), GraphError> {
    if let [segment, ..] = rest {
        return Err(GraphError::unknown_segment(&shorten(&segment.name)));
    }
    if request.method == Method::GET {
        Ok(())
    } else {
        Err(GraphError::method_not_allowed())
    }
}

impl Filterable for User {
    const FILTERABLE: &'static [&'static str] = &[
        "id",
        "userPrincipalName",
        "displayName",
        "mail",
        "accountEnabled",
    ];

    fn operand(&self, property: &str) -> Option<Operand<'_>> {
        Some(match property {
            "id" => odata::text(self.id.to_string()),
            "userPrincipalName" => odata::text(self.user_principal_name.as_str()),
            "displayName" => odata::text(self.display_name.as_str()),
            "mail" => odata::optional(self.mail.as_deref()),
            "accountEnabled" => Operand::Bool(self.account_enabled),
            _ => return None,
        })
    }

    fn search_mode(property: &str) -> Option<SearchMode> {
        match property {
            "displayName" => Some(SearchMode::Words),
            "mail" | "userPrincipalName" => Some(SearchMode::Start),
            _ => None,
        }
    }
}
