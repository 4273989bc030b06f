//! `/directory/deletedItems`: list, read, restore, purge (Microsoft: *List deleted items (directory objects)*).

use std::sync::Arc;

use http::Method;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    application,
    error::GraphError,
    odata,
    odata::{Filterable, Operand, SearchMode},
    path::{Key, Segment},
    permission::Action,
    request::{Answer, Outcome, Request, object_id, owned},
    schema::shorten,
    service_principal,
};
use crate::directory::{Application, DeletedItem, Directory, Entity as _, Field, ServicePrincipal};

const APPLICATION_TYPE: &str = "microsoft.graph.application";
const SERVICE_PRINCIPAL_TYPE: &str = "microsoft.graph.servicePrincipal";

/// Serves `/directory/deletedItems…`.
pub(super) fn serve(request: &Request<'_>, key: Option<&Key>, rest: &[Segment]) -> Outcome {
    let Some(key) = key else {
        return Err(GraphError::bad_request(
            "The directory object type must be specified, such as microsoft.graph.application.",
        ));
    };
    if let Some(wanted) = listed_type(&key.value) {
        return match (&request.method, rest) {
            (&Method::GET, []) => list(request, wanted),
            (_, []) => Err(GraphError::method_not_allowed()),
            (_, [segment, ..]) => Err(GraphError::unknown_segment(&shorten(&segment.name))),
        };
    }
    let id = object_id(&key.value)?;
    match (&request.method, rest) {
        (&Method::GET, []) => get(request, id),
        (&Method::DELETE, []) => purge(request, id),
        (&Method::POST, [action])
            if matches!(action.name.as_str(), "restore" | "microsoft.graph.restore") =>
        {
            restore(request, id)
        }
        (_, []) => Err(GraphError::method_not_allowed()),
        (_, [segment]) if segment.name == "restore" => Err(GraphError::method_not_allowed()),
        (_, [segment, ..]) => Err(GraphError::unknown_segment(&shorten(&segment.name))),
    }
}

/// The type that a cast names. The namespace has the alias `graph`, which the Graph SDKs write.
fn listed_type(cast: &str) -> Option<&'static str> {
    let name = cast
        .strip_prefix("microsoft.graph.")
        .or_else(|| cast.strip_prefix("graph."))?;
    [APPLICATION_TYPE, SERVICE_PRINCIPAL_TYPE]
        .into_iter()
        .find(|one| one.strip_prefix("microsoft.graph.") == Some(name))
}

fn list(request: &Request<'_>, wanted: &str) -> Outcome {
    request.caller.require(Action::ReadApplications)?;
    let directory = request.directory();
    let now = request.state.now();
    let page =
        odata::collect_where::<DeletedItem>(request.source(&directory), &request.query, |item| {
            type_of(item) == wanted && !item.is_expired(now)
        })?;
    let items: Vec<_> = page
        .items
        .iter()
        .map(|item| represent(item, request))
        .collect();
    let body = request.collection(set_of(wanted), items, page.count, page.next.as_deref())?;
    Ok(Answer::ok(body))
}

fn get(request: &Request<'_>, id: Uuid) -> Outcome {
    request.caller.require(Action::ReadApplications)?;
    let directory = request.directory();
    let item = find(request, &directory, id)?;
    Ok(Answer::ok(shown(request, &item)?))
}

fn purge(request: &Request<'_>, id: Uuid) -> Outcome {
    let ((), effects) = request.write(|transaction| {
        let item = find(request, transaction.directory(), id)?;
        require_owned(request, &item)?;
        transaction
            .remove::<DeletedItem>(id)
            .ok_or_else(|| GraphError::not_found(id))?;
        let DeletedItem::Application(application) = &*item else {
            return Ok(());
        };
        // The service principal went with its application and goes with it for good.
        let text = application.app_id.to_string();
        for other in transaction
            .directory()
            .table::<DeletedItem>()
            .find_newest(Field::AppId, &text)
        {
            if matches!(&*other, DeletedItem::ServicePrincipal(_))
                && other.tenant_id() == application.tenant_id
            {
                transaction.remove::<DeletedItem>(other.id());
            }
        }
        Ok(())
    })?;
    Ok(Answer::no_content(effects))
}

fn restore(request: &Request<'_>, id: Uuid) -> Outcome {
    let (item, effects) = request.write(|transaction| {
        let seen = find(request, transaction.directory(), id)?;
        require_owned(request, &seen)?;
        let item = transaction.newest::<DeletedItem>(id).ok_or_else(|| GraphError::not_found(id))?;
        match &*item {
            DeletedItem::Application(application) => {
                let text = application.app_id.to_string();
                let others = transaction.directory().table::<DeletedItem>().find_newest(Field::AppId, &text);
                let principal = others.iter().find_map(|other| match &**other {
                    DeletedItem::ServicePrincipal(principal) if principal.tenant_id == application.tenant_id => {
                        Some(principal.clone())
                    }
                    _ => None,
                });
                transaction.remove::<DeletedItem>(id);
                let mut application = (**application).clone();
                application.deleted_date_time = None;
                if let Some(mut principal) = principal {
                    transaction.remove::<DeletedItem>(principal.id);
                    principal.deleted_date_time = None;
                    transaction.put(*principal);
                }
                application::put(transaction, application);
            }
            DeletedItem::ServicePrincipal(principal) => {
                let taken = transaction
                    .directory()
                    .table::<ServicePrincipal>()
                    .find_newest(Field::AppId, &principal.app_id.to_string());
                if taken.iter().any(|other| other.tenant_id == principal.tenant_id) {
                    return Err(GraphError::key_conflict(format!(
                        "The service principal cannot be created, updated, or restored because the service principal name {} is already in use.",
                        principal.app_id
                    )));
                }
                let application = transaction
                    .directory()
                    .table::<Application>()
                    .find_newest(Field::AppId, &principal.app_id.to_string());
                if application.is_empty() {
                    return Err(GraphError::bad_request(
                        "The service principal cannot be restored because its application does not exist.",
                    ));
                }
                transaction.remove::<DeletedItem>(id);
                let mut principal = (**principal).clone();
                principal.deleted_date_time = None;
                transaction.put(principal);
            }
        }
        Ok(item)
    })?;
    let mut restored = owned(&item);
    match &mut restored {
        DeletedItem::Application(application) => application.deleted_date_time = None,
        DeletedItem::ServicePrincipal(principal) => principal.deleted_date_time = None,
    }
    Ok(Answer::changed(shown(request, &restored)?, effects))
}

fn find(
    request: &Request<'_>,
    directory: &Directory,
    id: Uuid,
) -> Result<Arc<DeletedItem>, GraphError> {
    directory
        .get::<DeletedItem>(id, request.view)
        .filter(|item| item.tenant_id() == request.caller.tenant_id)
        .filter(|item| !item.is_expired(request.state.now()))
        .ok_or_else(|| GraphError::not_found(id))
}

fn require_owned(request: &Request<'_>, item: &DeletedItem) -> Result<(), GraphError> {
    match item {
        DeletedItem::Application(application) => request.caller.require_application(application),
        DeletedItem::ServicePrincipal(principal) => {
            request.caller.require_service_principal(principal)
        }
    }
}

fn shown(request: &Request<'_>, item: &DeletedItem) -> Result<Value, GraphError> {
    let kind = type_of(item);
    let mut map = request.selected(set_of(kind), represent(item, request))?;
    map.insert(
        "@odata.context".to_owned(),
        json!(request.context("directoryObjects", "/$entity")),
    );
    map.insert("@odata.type".to_owned(), json!(format!("#{kind}")));
    Ok(Value::Object(map))
}

fn represent(item: &DeletedItem, request: &Request<'_>) -> Map<String, Value> {
    match item {
        DeletedItem::Application(application) => application::represent(application, request),
        DeletedItem::ServicePrincipal(principal) => service_principal::represent(principal),
    }
}

fn type_of(item: &DeletedItem) -> &'static str {
    match item {
        DeletedItem::Application(_) => APPLICATION_TYPE,
        DeletedItem::ServicePrincipal(_) => SERVICE_PRINCIPAL_TYPE,
    }
}

fn set_of(kind: &str) -> &'static str {
    if kind == APPLICATION_TYPE {
        application::SET
    } else {
        service_principal::SET
    }
}

impl Filterable for DeletedItem {
    const FILTERABLE: &'static [&'static str] = <Application as Filterable>::FILTERABLE;

    fn operand(&self, property: &str) -> Option<Operand<'_>> {
        match self {
            Self::Application(application) => application.operand(property),
            Self::ServicePrincipal(principal) => principal.operand(property),
        }
    }

    fn search_mode(property: &str) -> Option<SearchMode> {
        Application::search_mode(property)
    }
}
