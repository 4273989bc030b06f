//! `federatedIdentityCredentials` of an application (Microsoft: *federatedIdentityCredential resource type*).

use http::Method;
use serde_json::{Map, Value, json};
use url::Url;
use uuid::Uuid;

use super::{
    application::{self, ApplicationKey},
    error::GraphError,
    path::{Key, Segment},
    permission::Action,
    request::{Answer, Outcome, Request, object},
    schema::shorten,
    types,
};
use crate::directory::{Application, FederatedIdentityCredential};

const RESOURCE: &str = "FederatedIdentityCredential";
const MAXIMUM: usize = 20;

/// Serves `/applications/{id}/federatedIdentityCredentials…`.
pub(super) fn serve(
    request: &Request<'_>,
    application: &ApplicationKey,
    key: Option<&Key>,
    rest: &[Segment],
) -> Outcome {
    let name = match (key, rest) {
        (None, []) => None,
        (Some(key), []) => Some(key.value.as_str()),
        (None, [segment]) => Some(segment.name.as_str()),
        (_, [.., last]) => return Err(GraphError::unknown_segment(&shorten(&last.name))),
    };
    match (&request.method, name) {
        (&Method::GET, None) => list(request, application),
        (&Method::POST, None) => create(request, application, None),
        (&Method::GET, Some(name)) => get(request, application, name),
        (&Method::PATCH, Some(name)) => update(request, application, name),
        (&Method::DELETE, Some(name)) => delete(request, application, name),
        _ => Err(GraphError::method_not_allowed()),
    }
}

fn list(request: &Request<'_>, key: &ApplicationKey) -> Outcome {
    request.caller.require(Action::ReadApplications)?;
    let directory = request.directory();
    let application = application::find(request, &directory, key)?;
    let filter = request.query.filter.as_deref();
    let items: Vec<_> = application
        .federated_identity_credentials
        .iter()
        .filter(|one| filter.is_none_or(|filter| passes(one, filter)))
        .map(represent)
        .collect();
    let count = request.query.count.then_some(items.len());
    Ok(Answer::ok(request.collection(
        &set(&application),
        items,
        count,
        None,
    )?))
}

/// Graph serves `name eq`, `issuer eq` and `subject eq` here.
fn passes(credential: &FederatedIdentityCredential, filter: &str) -> bool {
    let Some((property, value)) = filter.split_once(" eq ") else {
        return false;
    };
    let value = value.trim().trim_matches('\'').replace("''", "'");
    match property.trim() {
        "name" => credential.name.eq_ignore_ascii_case(&value),
        "issuer" => credential.issuer == value,
        "subject" => credential.subject == value,
        _ => false,
    }
}

fn get(request: &Request<'_>, key: &ApplicationKey, name: &str) -> Outcome {
    request.caller.require(Action::ReadApplications)?;
    let directory = request.directory();
    let application = application::find(request, &directory, key)?;
    let position = position(&application, name)?;
    let shown = represent(&application.federated_identity_credentials[position]);
    Ok(Answer::ok(request.entity(&set(&application), shown)?))
}

fn create(request: &Request<'_>, key: &ApplicationKey, name: Option<&str>) -> Outcome {
    let mut body = request.checked_body(types::FEDERATED_IDENTITY_CREDENTIAL, RESOURCE)?;
    if let Some(name) = name {
        body.insert("name".to_owned(), json!(name));
    }
    let random = &request.state.random;
    let ((credential, application), effects) = request.write(|transaction| {
        let mut application = application::find_writable(request, transaction, key)?;
        let credential = merged(
            FederatedIdentityCredential {
                id: random.uuid(),
                name: String::new(),
                issuer: String::new(),
                subject: String::new(),
                audiences: Vec::new(),
                description: None,
            },
            &body,
        );
        check(&credential, &application)?;
        if application.federated_identity_credentials.len() >= MAXIMUM {
            return Err(GraphError::bad_request(format!(
                "Too many federated identity credentials. The maximum of {MAXIMUM} has been reached."
            )));
        }
        application.federated_identity_credentials.push(credential.clone());
        Ok((credential, application::put(transaction, application)))
    })?;
    let location = format!(
        "{}/applications/{}/federatedIdentityCredentials/{}",
        request.base, application.id, credential.id
    );
    Ok(Answer::created(
        request.entity(&set(&application), represent(&credential))?,
        location,
        effects,
    ))
}

fn update(request: &Request<'_>, key: &ApplicationKey, name: &str) -> Outcome {
    let is_missing = {
        let directory = request.directory();
        position(&*application::find(request, &directory, key)?, name).is_err()
    };
    if is_missing && request.prefer.create_if_missing {
        return create(request, key, Some(name));
    }
    let body = request.checked_body(types::FEDERATED_IDENTITY_CREDENTIAL, RESOURCE)?;
    let ((), effects) = request.write(|transaction| {
        let mut application = application::find_writable(request, transaction, key)?;
        let position = position(&application, name)?;
        let previous = application.federated_identity_credentials.remove(position);
        let changed = merged(previous.clone(), &body);
        if changed.name != previous.name {
            return Err(GraphError::bad_request(
                "Property 'name' is read-only and cannot be set.",
            ));
        }
        check(&changed, &application)?;
        application
            .federated_identity_credentials
            .insert(position, changed);
        application::put(transaction, application);
        Ok(())
    })?;
    Ok(Answer::no_content(effects))
}

fn delete(request: &Request<'_>, key: &ApplicationKey, name: &str) -> Outcome {
    let ((), effects) = request.write(|transaction| {
        let mut application = application::find_writable(request, transaction, key)?;
        let position = position(&application, name)?;
        application.federated_identity_credentials.remove(position);
        application::put(transaction, application);
        Ok(())
    })?;
    Ok(Answer::no_content(effects))
}

fn merged(
    mut credential: FederatedIdentityCredential,
    body: &Map<String, Value>,
) -> FederatedIdentityCredential {
    let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
    if let Some(name) = text("name") {
        credential.name = name;
    }
    if let Some(issuer) = text("issuer") {
        credential.issuer = issuer;
    }
    if let Some(subject) = text("subject") {
        credential.subject = subject;
    }
    if let Some(audiences) = body.get("audiences").and_then(Value::as_array) {
        credential.audiences = audiences
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect();
    }
    if body.contains_key("description") {
        credential.description = text("description");
    }
    credential
}

fn check(
    credential: &FederatedIdentityCredential,
    application: &Application,
) -> Result<(), GraphError> {
    if credential.issuer.is_empty() || credential.subject.is_empty() || credential.name.is_empty() {
        return Err(GraphError::bad_request(
            "Federated identity credential has empty properties.",
        ));
    }
    if credential.audiences.len() != 1 {
        return Err(GraphError::bad_request(
            "Federated identity credentials must have exactly one audience.",
        ));
    }
    let is_name = (3..=120).contains(&credential.name.len())
        && credential
            .name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if !is_name {
        return Err(GraphError::bad_request(
            "The federated identity credential name is invalid. It must be 3 to 120 URL-friendly characters.",
        ));
    }
    if !Url::parse(&credential.issuer).is_ok_and(|issuer| issuer.scheme() == "https") {
        return Err(GraphError::bad_request(
            "The federated identity credential issuer must be an HTTPS URL.",
        ));
    }
    let others = || {
        application
            .federated_identity_credentials
            .iter()
            .filter(|other| other.id != credential.id)
    };
    if others().any(|other| other.name.eq_ignore_ascii_case(&credential.name)) {
        return Err(GraphError::key_conflict(format!(
            "FederatedIdentityCredential with name {} already exists.",
            credential.name
        )));
    }
    if others()
        .any(|other| other.issuer == credential.issuer && other.subject == credential.subject)
    {
        return Err(GraphError::key_conflict(
            "FederatedIdentityCredential with the same issuer and subject already exists.",
        ));
    }
    Ok(())
}

fn position(application: &Application, name: &str) -> Result<usize, GraphError> {
    let id = Uuid::try_parse(name).ok();
    application
        .federated_identity_credentials
        .iter()
        .position(|one| Some(one.id) == id || one.name.eq_ignore_ascii_case(name))
        .ok_or_else(|| GraphError::not_found(shorten(name)))
}

fn set(application: &Application) -> String {
    format!(
        "applications('{}')/federatedIdentityCredentials",
        application.id
    )
}

fn represent(credential: &FederatedIdentityCredential) -> Map<String, Value> {
    let shown = json!({
        "id": credential.id,
        "name": credential.name,
        "issuer": credential.issuer,
        "subject": credential.subject,
        "audiences": credential.audiences,
        "description": credential.description,
    });
    object(shown)
}
