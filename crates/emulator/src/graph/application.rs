//! `/applications`: create, upsert, read, change, delete.

use std::sync::Arc;

use http::Method;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    application_rules,
    error::GraphError,
    key_credential, odata,
    odata::{Filterable, Operand, SearchMode},
    owner, password,
    path::{Key, Segment},
    permission::Action,
    quota,
    request::{Answer, Outcome, Request, from_map, object_id, owned, to_map},
    schema::{self, shorten},
    types,
};
use crate::directory::{
    Application, DeletedItem, Directory, Entity as _, Field, ServicePrincipal, Transaction,
};

pub(super) const SET: &str = "applications";
pub(super) const RESOURCE: &str = "Application";

/// How a request names an application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ApplicationKey {
    Id(Uuid),
    AppId(Uuid),
    UniqueName(String),
}

/// Serves `/applications…`; `key` and `rest` are what follows.
pub(super) fn serve(request: &Request<'_>, key: Option<&Key>, rest: &[Segment]) -> Outcome {
    let Some(key) = key else {
        return match (&request.method, rest) {
            (&Method::GET, []) => list(request),
            (&Method::POST, []) => create(request),
            (_, []) => Err(GraphError::method_not_allowed()),
            (_, [segment, ..]) => Err(GraphError::unknown_segment(&shorten(&segment.name))),
        };
    };
    let key = ApplicationKey::parse(key)?;
    let Some((first, deeper)) = rest.split_first() else {
        return match request.method {
            Method::GET => get(request, &key),
            Method::PATCH if request.prefer.create_if_missing => upsert(request, &key),
            Method::PATCH => update(request, &key),
            Method::DELETE => delete(request, &key),
            _ => Err(GraphError::method_not_allowed()),
        };
    };
    match (first.name.as_str(), deeper) {
        ("addPassword", []) => password::add(request, &key),
        ("removePassword", []) => password::remove(request, &key),
        ("addKey", []) => key_credential::add(request, &key),
        ("removeKey", []) => key_credential::remove(request, &key),
        ("federatedIdentityCredentials", _) => {
            super::federated_identity_credential::serve(request, &key, first.key.as_ref(), deeper)
        }
        ("owners", _) => owner::serve_application(request, &key, deeper),
        _ => Err(GraphError::unknown_segment(&shorten(&first.name))),
    }
}

impl ApplicationKey {
    fn parse(key: &Key) -> Result<Self, GraphError> {
        let guid = || {
            Uuid::try_parse(&key.value).map_err(|_| {
                GraphError::bad_request(format!(
                    "Invalid value '{}' specified for key 'appId'.",
                    shorten(&key.value)
                ))
            })
        };
        match key.name.as_deref() {
            None | Some("id") => object_id(&key.value).map(Self::Id),
            Some("appId") => guid().map(Self::AppId),
            Some("uniqueName") => Ok(Self::UniqueName(key.value.clone())),
            Some(other) => Err(GraphError::malformed(format!(
                "The key '{}' is not a key of type 'microsoft.graph.application'.",
                shorten(other)
            ))),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Id(id) | Self::AppId(id) => id.to_string(),
            Self::UniqueName(name) => shorten(name),
        }
    }
}

/// The application as the answering replica sees it.
///
/// # Errors
/// 404 when that replica does not see it.
pub(super) fn find(
    request: &Request<'_>,
    directory: &Directory,
    key: &ApplicationKey,
) -> Result<Arc<Application>, GraphError> {
    let found = match key {
        ApplicationKey::Id(id) => directory.get::<Application>(*id, request.view),
        ApplicationKey::AppId(id) => directory.application_by_app_id(*id, request.view),
        ApplicationKey::UniqueName(name) => {
            directory.application_by_unique_name(request.caller.tenant_id, name, request.view)
        }
    };
    found
        .filter(|application| application.tenant_id == request.caller.tenant_id)
        .ok_or_else(|| GraphError::not_found(key.text()))
}

/// The newest version of an application that the replica sees and the caller may change.
///
/// # Errors
/// 404 or 403.
pub(super) fn find_writable(
    request: &Request<'_>,
    transaction: &Transaction<'_>,
    key: &ApplicationKey,
) -> Result<Application, GraphError> {
    let seen = find(request, transaction.directory(), key)?;
    request.caller.require_application(&seen)?;
    transaction
        .newest::<Application>(seen.id)
        .map(|application| owned(&application))
        .ok_or_else(|| GraphError::not_found(key.text()))
}

/// Writes an application and what its service principals mirror of it.
pub(super) fn put(transaction: &mut Transaction<'_>, application: Application) -> Arc<Application> {
    let app_id = application.app_id.to_string();
    let mirrors = transaction
        .directory()
        .table::<ServicePrincipal>()
        .find_newest(Field::AppId, &app_id);
    for mirror in mirrors {
        let mut principal = owned(&mirror);
        principal.mirror(&application);
        if to_map(&principal) != to_map(&*mirror) {
            transaction.put(principal);
        }
    }
    transaction.put(application)
}

/// The resource as Graph shows it. Certificates are shown only when `$select` asks for them.
pub(super) fn represent(application: &Application, request: &Request<'_>) -> Map<String, Value> {
    let mut map = to_map(application);
    for hidden in [
        "tenantId",
        "owners",
        "createdBy",
        "federatedIdentityCredentials",
    ] {
        map.remove(hidden);
    }
    if !request.selects("authenticationBehaviors") {
        map.remove("authenticationBehaviors");
    }
    let passwords: Vec<_> = application
        .password_credentials
        .iter()
        .map(|one| password::represent(one, None))
        .collect();
    map.insert("passwordCredentials".to_owned(), json!(passwords));
    let with_key = request.selects("keyCredentials");
    let keys: Vec<_> = application
        .key_credentials
        .iter()
        .map(|one| key_credential::represent(one, if with_key { Some(&one.key) } else { None }))
        .collect();
    map.insert("keyCredentials".to_owned(), json!(keys));
    map.insert("nativeAuthenticationApisEnabled".to_owned(), Value::Null);
    map
}

fn list(request: &Request<'_>) -> Outcome {
    request.caller.require(Action::ReadApplications)?;
    let directory = request.directory();
    let page = odata::collect::<Application>(request.source(&directory), &request.query)?;
    let items = page
        .items
        .iter()
        .map(|application| represent(application, request))
        .collect();
    Ok(Answer::ok(request.collection(
        SET,
        items,
        page.count,
        page.next.as_deref(),
    )?))
}

fn get(request: &Request<'_>, key: &ApplicationKey) -> Outcome {
    request.caller.require(Action::ReadApplications)?;
    let directory = request.directory();
    let application = find(request, &directory, key)?;
    Ok(Answer::ok(
        request.entity(SET, represent(&application, request))?,
    ))
}

fn create(request: &Request<'_>) -> Outcome {
    request.caller.require(Action::CreateApplication)?;
    build(request, None)
}

fn upsert(request: &Request<'_>, key: &ApplicationKey) -> Outcome {
    let existing = {
        let directory = request.directory();
        let table = directory.table::<Application>();
        match key {
            ApplicationKey::Id(id) => table.newest(*id).cloned(),
            ApplicationKey::AppId(id) => table
                .find_newest(Field::AppId, &id.to_string())
                .into_iter()
                .next(),
            ApplicationKey::UniqueName(name) => table
                .find_newest(Field::UniqueName, name)
                .into_iter()
                .find(|found| found.tenant_id == request.caller.tenant_id),
        }
    };
    match (existing, key) {
        // An upsert is decided where writes are: the unique key is known there at once.
        (Some(existing), _) => change(request, existing.id),
        (None, ApplicationKey::UniqueName(name)) => {
            request.caller.require(Action::CreateApplication)?;
            build(request, Some(name))
        }
        (None, _) => Err(GraphError::not_found(key.text())),
    }
}

fn build(request: &Request<'_>, unique_name: Option<&str>) -> Outcome {
    let mut body = request.checked_body(types::APPLICATION, RESOURCE)?;
    if !body.contains_key("displayName") {
        return Err(GraphError::missing_value("displayName", RESOURCE));
    }
    let passwords = body.remove("passwordCredentials");
    let keys = body.remove("keyCredentials");
    let (random, now) = (&request.state.random, request.state.now());
    let caller = request.caller;
    let blank = Application::new(random.uuid(), random.uuid(), caller.tenant_id, "");
    let mut map = to_map(&blank);
    schema::merge(&mut map, body, types::APPLICATION);
    let mut application: Application = from_map(map, RESOURCE)?;
    application.unique_name = unique_name.map(str::to_owned);
    application.created_date_time = Some(now);
    application.created_by_app_id = Some(caller.app_id);
    application.created_by = Some(caller.principal_id);
    if caller.becomes_owner() {
        application.owners.push(caller.principal_id);
    }
    let ((application, secrets), effects) = request.write(|transaction| {
        let tenant = transaction
            .directory()
            .tenant_by_id(caller.tenant_id)
            .ok_or_else(GraphError::unknown_caller)?;
        application.publisher_domain = Some(tenant.initial_domain().to_owned());
        quota::check(transaction.directory(), caller, &tenant)?;
        let secrets = password::issue_inline(&mut application, passwords, &tenant, random, now)?;
        key_credential::replace(&mut application, keys, random)?;
        application_rules::check(&application, None, &tenant, transaction.directory())?;
        Ok((put(transaction, application), secrets))
    })?;
    let mut shown = represent(&application, request);
    let passwords: Vec<_> = application
        .password_credentials
        .iter()
        .zip(&secrets)
        .map(|(one, secret)| password::represent(one, Some(secret)))
        .collect();
    shown.insert("passwordCredentials".to_owned(), json!(passwords));
    let location = format!("{}/{SET}/{}", request.base, application.id);
    Ok(Answer::created(
        request.entity(SET, shown)?,
        location,
        effects,
    ))
}

fn update(request: &Request<'_>, key: &ApplicationKey) -> Outcome {
    let id = find(request, &request.directory(), key)?.id;
    change(request, id)
}

fn change(request: &Request<'_>, id: Uuid) -> Outcome {
    let mut body = request.checked_body(types::APPLICATION, RESOURCE)?;
    if body.remove("passwordCredentials").is_some() {
        return Err(GraphError::bad_request(
            "Updates to 'passwordCredentials' are not allowed. Use the addPassword and removePassword actions.",
        )
        .detail("InvalidValue", "passwordCredentials", "Property cannot be updated."));
    }
    let keys = body.remove("keyCredentials");
    let random = &request.state.random;
    let ((), effects) = request.write(|transaction| {
        let previous = transaction
            .newest::<Application>(id)
            .ok_or_else(|| GraphError::not_found(id))?;
        request.caller.require_application(&previous)?;
        let tenant = transaction
            .directory()
            .tenant_by_id(previous.tenant_id)
            .ok_or_else(GraphError::unknown_caller)?;
        let mut map = to_map(&*previous);
        schema::merge(&mut map, body, types::APPLICATION);
        let mut application: Application = from_map(map, RESOURCE)?;
        key_credential::replace(&mut application, keys, random)?;
        application_rules::check(
            &application,
            Some(&previous),
            &tenant,
            transaction.directory(),
        )?;
        put(transaction, application);
        Ok(())
    })?;
    Ok(Answer::no_content(effects))
}

fn delete(request: &Request<'_>, key: &ApplicationKey) -> Outcome {
    let now = request.state.now();
    let ((), effects) = request.write(|transaction| {
        let mut application = find_writable(request, transaction, key)?;
        application.deleted_date_time = Some(now);
        let app_id = application.app_id.to_string();
        let at_home: Vec<_> = transaction
            .directory()
            .table::<ServicePrincipal>()
            .find_newest(Field::AppId, &app_id)
            .into_iter()
            .filter(|principal| principal.tenant_id == application.tenant_id)
            .collect();
        for principal in at_home {
            super::service_principal::bury(transaction, &principal, now);
        }
        transaction.remove::<Application>(application.id());
        transaction.put(DeletedItem::Application(Box::new(application)));
        Ok(())
    })?;
    Ok(Answer::no_content(effects))
}

impl Filterable for Application {
    const FILTERABLE: &'static [&'static str] = &[
        "id",
        "appId",
        "displayName",
        "uniqueName",
        "signInAudience",
        "publisherDomain",
        "createdByAppId",
        "createdDateTime",
        "identifierUris",
        "tags",
        "description",
        "serviceManagementReference",
    ];

    fn operand(&self, property: &str) -> Option<Operand<'_>> {
        Some(match property {
            "id" => odata::text(self.id.to_string()),
            "appId" => odata::text(self.app_id.to_string()),
            "displayName" => odata::text(self.display_name.as_str()),
            "uniqueName" => odata::optional(self.unique_name.as_deref()),
            "signInAudience" => odata::text(self.sign_in_audience.as_str()),
            "publisherDomain" => odata::optional(self.publisher_domain.as_deref()),
            "createdByAppId" => self
                .created_by_app_id
                .map_or(Operand::Null, |id| odata::text(id.to_string())),
            "createdDateTime" => self.created_date_time.map_or(Operand::Null, Operand::Time),
            "identifierUris" => Operand::Texts(&self.identifier_uris),
            "tags" => Operand::Texts(&self.tags),
            "description" => odata::optional(self.description.as_deref()),
            "serviceManagementReference" => {
                odata::optional(self.service_management_reference.as_deref())
            }
            _ => return None,
        })
    }

    fn search_mode(property: &str) -> Option<SearchMode> {
        match property {
            "displayName" | "description" => Some(SearchMode::Words),
            "appId" | "identifierUris" | "publisherDomain" | "tags" | "uniqueName" => {
                Some(SearchMode::Start)
            }
            _ => None,
        }
    }
}
