//! `owners` of applications and service principals (Microsoft: *application: List owners*).

use http::Method;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    application::{self, ApplicationKey},
    error::GraphError,
    path::Segment,
    permission::Action,
    request::{Answer, Outcome, Request, object_id, owned},
    schema::shorten,
    service_principal::{self, ServicePrincipalKey},
    user,
};
use crate::directory::{Directory, ServicePrincipal, User};

const MAXIMUM: usize = 100;

/// What a request does with owners.
enum Operation {
    List,
    Add(Uuid),
    Remove(Uuid),
}

/// Serves `/applications/{id}/owners…`.
pub(super) fn serve_application(
    request: &Request<'_>,
    key: &ApplicationKey,
    rest: &[Segment],
) -> Outcome {
    let operation = operation(request, rest)?;
    if let Operation::List = operation {
        request.caller.require(Action::ReadApplications)?;
        let directory = request.directory();
        let application = application::find(request, &directory, key)?;
        return list(request, &directory, &application.owners);
    }
    let ((), effects) = request.write(|transaction| {
        let mut application = application::find_writable(request, transaction, key)?;
        apply(
            request,
            transaction.directory(),
            &operation,
            &mut application.owners,
        )?;
        transaction.put(application);
        Ok(())
    })?;
    Ok(Answer::no_content(effects))
}

/// Serves `/servicePrincipals/{id}/owners…`.
pub(super) fn serve_service_principal(
    request: &Request<'_>,
    key: ServicePrincipalKey,
    rest: &[Segment],
) -> Outcome {
    let operation = operation(request, rest)?;
    if let Operation::List = operation {
        request.caller.require(Action::ReadApplications)?;
        let directory = request.directory();
        let principal = service_principal::find(request, &directory, key)?;
        return list(request, &directory, &principal.owners);
    }
    let ((), effects) = request.write(|transaction| {
        let seen = service_principal::find(request, transaction.directory(), key)?;
        let newest = transaction
            .newest::<ServicePrincipal>(seen.id)
            .ok_or_else(|| GraphError::not_found(seen.id))?;
        request.caller.require_service_principal(&newest)?;
        let mut principal = owned(&newest);
        apply(
            request,
            transaction.directory(),
            &operation,
            &mut principal.owners,
        )?;
        transaction.put(principal);
        Ok(())
    })?;
    Ok(Answer::no_content(effects))
}

fn operation(request: &Request<'_>, rest: &[Segment]) -> Result<Operation, GraphError> {
    match (&request.method, rest) {
        (&Method::GET, []) => Ok(Operation::List),
        (&Method::POST, [reference]) if reference.name == "$ref" => {
            let body = request.object_body()?;
            let link = body
                .get("@odata.id")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let id = link
                .trim_end_matches(')')
                .rsplit(['/', '('])
                .next()
                .unwrap_or_default();
            Uuid::try_parse(id.trim_matches('\''))
                .map(Operation::Add)
                .map_err(|_| {
                    GraphError::bad_request(
                        "Invalid URL format specified in @odata.id for POST request.",
                    )
                })
        }
        (&Method::DELETE, [id, reference]) if reference.name == "$ref" => {
            object_id(&id.name).map(Operation::Remove)
        }
        (_, [] | [_] | [_, _]) => Err(GraphError::method_not_allowed()),
        (_, [.., last]) => Err(GraphError::unknown_segment(&shorten(&last.name))),
    }
}

fn apply(
    request: &Request<'_>,
    directory: &Directory,
    operation: &Operation,
    owners: &mut Vec<Uuid>,
) -> Result<(), GraphError> {
    match operation {
        Operation::List => Ok(()),
        Operation::Add(id) => {
            describe(request, directory, *id).ok_or_else(|| GraphError::not_found(id))?;
            if owners.contains(id) {
                return Err(GraphError::bad_request(
                    "One or more added object references already exist for the following modified properties: 'owners'.",
                ));
            }
            if owners.len() >= MAXIMUM {
                return Err(GraphError::size_exceeded());
            }
            owners.push(*id);
            Ok(())
        }
        Operation::Remove(id) => {
            let position = owners
                .iter()
                .position(|owner| owner == id)
                .ok_or_else(|| GraphError::not_found(id))?;
            owners.remove(position);
            Ok(())
        }
    }
}

fn list(request: &Request<'_>, directory: &Directory, owners: &[Uuid]) -> Outcome {
    let items: Vec<_> = owners
        .iter()
        .filter_map(|&id| describe(request, directory, id))
        .map(|item| request.selected("directoryObject", item))
        .collect::<Result<_, _>>()?;
    let context = format!("{}/$metadata#directoryObjects", request.base);
    Ok(Answer::ok(
        json!({ "@odata.context": context, "value": items }),
    ))
}

fn describe(request: &Request<'_>, directory: &Directory, id: Uuid) -> Option<Map<String, Value>> {
    let tenant = request.caller.tenant_id;
    if let Some(person) = directory
        .get::<User>(id, request.view)
        .filter(|user| user.tenant_id == tenant)
    {
        return Some(typed(user::represent(&person), "user"));
    }
    let principal = directory
        .get::<ServicePrincipal>(id, request.view)
        .filter(|one| one.tenant_id == tenant)?;
    Some(typed(
        service_principal::represent(&principal),
        "servicePrincipal",
    ))
}

fn typed(mut map: Map<String, Value>, kind: &str) -> Map<String, Value> {
    map.insert(
        "@odata.type".to_owned(),
        json!(format!("#microsoft.graph.{kind}")),
    );
    map
}
