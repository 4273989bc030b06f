//! One registration: the overview with its Application ID URI, "Expose an API", the manifest.

use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::{Path, State as Shared};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::frame::{self, Frame, Missing, application_base, base, enter, go};
use super::page;
use super::session::Session;
use crate::directory::Application;
use crate::replica::Place;
use crate::state::State;

#[derive(Template)]
#[template(path = "portal/application.html")]
struct ApplicationPage<'a> {
    frame: Frame,
    app: &'a Application,
    here: String,
    principal: Option<Uuid>,
    redirects: String,
}

#[derive(Template)]
#[template(path = "portal/expose.html")]
struct ExposePage<'a> {
    frame: Frame,
    app: &'a Application,
    proposal: String,
}

#[derive(Template)]
#[template(path = "portal/manifest.html")]
struct ManifestPage<'a> {
    frame: Frame,
    name: &'a str,
    manifest: String,
}

/// The form "Set the App ID URI".
#[derive(Debug, Deserialize)]
pub(super) struct UriForm {
    #[serde(default)]
    uri: String,
}

/// The manifest editor.
#[derive(Debug, Deserialize)]
pub(super) struct ManifestForm {
    #[serde(default)]
    manifest: String,
}

/// `GET …/apps/{id}/overview`.
pub(super) async fn overview(
    Shared(state): Shared<Arc<State>>,
    Path((tenant, id)): Path<(String, Uuid)>,
) -> Response {
    match open(state, &tenant, id) {
        Ok((session, app)) => show_overview(&session, &app, None),
        Err(missing) => missing.page(),
    }
}

/// `POST …/apps/{id}/delete`.
pub(super) async fn delete(
    Shared(state): Shared<Arc<State>>,
    Path((tenant, id)): Path<(String, Uuid)>,
) -> Response {
    let (session, app) = match open(state, &tenant, id) {
        Ok(opened) => opened,
        Err(missing) => return missing.page(),
    };
    match session.delete(&format!("/applications/{id}")).await {
        Ok(_) => go(&session, &format!("{}/app-registrations", base(&session))),
        Err(problem) => session.note(show_overview(&session, &app, Some(problem))),
    }
}

/// `POST …/apps/{id}/principal`: "Create Service Principal".
pub(super) async fn create_principal(
    Shared(state): Shared<Arc<State>>,
    Path((tenant, id)): Path<(String, Uuid)>,
) -> Response {
    let (session, app) = match open(state, &tenant, id) {
        Ok(opened) => opened,
        Err(missing) => return missing.page(),
    };
    match session.ensure_principal(app.app_id).await {
        Ok(_) => go(
            &session,
            &format!("{}/overview", application_base(&session, id)),
        ),
        Err(problem) => session.note(show_overview(&session, &app, Some(problem))),
    }
}

/// `GET …/apps/{id}/expose`.
pub(super) async fn show_expose(
    Shared(state): Shared<Arc<State>>,
    Path((tenant, id)): Path<(String, Uuid)>,
) -> Response {
    match open(state, &tenant, id) {
        Ok((session, app)) => expose_page(&session, &app, None, None),
        Err(missing) => missing.page(),
    }
}

/// `POST …/apps/{id}/expose`: sets the Application ID URI; without one in the form, the default.
pub(super) async fn expose(
    Shared(state): Shared<Arc<State>>,
    Path((tenant, id)): Path<(String, Uuid)>,
    Form(form): Form<UriForm>,
) -> Response {
    let (session, app) = match open(state, &tenant, id) {
        Ok(opened) => opened,
        Err(missing) => return missing.page(),
    };
    let uri = match form.uri.trim() {
        "" => default_uri(&app),
        given => given.to_owned(),
    };
    let mut uris = app.identifier_uris.clone();
    // The page edits the first URI; others are kept.
    match uris.first_mut() {
        Some(first) => first.clone_from(&uri),
        None => uris.push(uri.clone()),
    }
    let body = json!({ "identifierUris": uris });
    match session.patch(&format!("/applications/{id}"), body).await {
        Ok(_) => go(
            &session,
            &format!("{}/overview", application_base(&session, id)),
        ),
        Err(problem) => session.note(expose_page(&session, &app, Some(uri), Some(problem))),
    }
}

/// `GET …/apps/{id}/manifest`.
pub(super) async fn show_manifest(
    Shared(state): Shared<Arc<State>>,
    Path((tenant, id)): Path<(String, Uuid)>,
) -> Response {
    let (session, app) = match open(state, &tenant, id) {
        Ok(opened) => opened,
        Err(missing) => return missing.page(),
    };
    match current_manifest(&session, id).await {
        Ok(manifest) => manifest_page(&session, &app, pretty(&manifest), None),
        Err(problem) => manifest_page(&session, &app, String::new(), Some(problem)),
    }
}

/// `POST …/apps/{id}/manifest`: saves what differs.
pub(super) async fn save_manifest(
    Shared(state): Shared<Arc<State>>,
    Path((tenant, id)): Path<(String, Uuid)>,
    Form(form): Form<ManifestForm>,
) -> Response {
    let (session, app) = match open(state, &tenant, id) {
        Ok(opened) => opened,
        Err(missing) => return missing.page(),
    };
    match change_manifest(&session, id, &form.manifest).await {
        Ok(()) => go(
            &session,
            &format!("{}/manifest", application_base(&session, id)),
        ),
        Err(problem) => session.note(manifest_page(&session, &app, form.manifest, Some(problem))),
    }
}

/// Finds tenant, administrator and application.
///
/// # Errors
/// The page that says what is missing.
pub(super) fn open(
    state: Arc<State>,
    tenant: &str,
    id: Uuid,
) -> Result<(Session, Arc<Application>), Missing> {
    let session = enter(state, tenant)?;
    let app = frame::application(&session, id)?;
    Ok((session, app))
}

fn show_overview(session: &Session, app: &Application, problem: Option<String>) -> Response {
    let view = session.state.view(Place::Primary);
    let principal =
        session
            .state
            .directory()
            .service_principal_by_app_id(session.tenant.id, app.app_id, view);
    let redirects = format!(
        "{} web, {} spa, {} public client",
        app.web.redirect_uris.len(),
        app.spa.redirect_uris.len(),
        app.public_client.redirect_uris.len()
    );
    let status = status(problem.as_ref());
    let template = ApplicationPage {
        frame: Frame::of_application(session, "app", app).with_problem(problem),
        app,
        here: application_base(session, app.id),
        principal: principal.map(|principal| principal.id),
        redirects,
    };
    page(status, &template)
}

fn expose_page(
    session: &Session,
    app: &Application,
    proposal: Option<String>,
    problem: Option<String>,
) -> Response {
    let proposal = proposal
        .or_else(|| app.identifier_uris.first().cloned())
        .unwrap_or_else(|| default_uri(app));
    let status = status(problem.as_ref());
    let frame = Frame::of_application(session, "expose", app).with_problem(problem);
    page(
        status,
        &ExposePage {
            frame,
            app,
            proposal,
        },
    )
}

fn manifest_page(
    session: &Session,
    app: &Application,
    manifest: String,
    problem: Option<String>,
) -> Response {
    let status = status(problem.as_ref());
    let frame = Frame::of_application(session, "manifest", app).with_problem(problem);
    page(
        status,
        &ManifestPage {
            frame,
            name: &app.display_name,
            manifest,
        },
    )
}

async fn current_manifest(session: &Session, id: Uuid) -> Result<Map<String, Value>, String> {
    let shown = session
        .call(Method::GET, &format!("/applications/{id}"), None)
        .await?;
    let Value::Object(mut manifest) = shown else {
        return Err("Graph's answer is not an object.".to_owned());
    };
    manifest.retain(|name, _| !name.contains('@'));
    Ok(manifest)
}

async fn change_manifest(session: &Session, id: Uuid, text: &str) -> Result<(), String> {
    let edited: Value = serde_json::from_str(text)
        .map_err(|error| format!("The manifest is not valid JSON: {error}"))?;
    let Value::Object(edited) = edited else {
        return Err("The manifest must be a JSON object.".to_owned());
    };
    let current = current_manifest(session, id).await?;
    let changes: Map<String, Value> = edited
        .into_iter()
        .filter(|(name, value)| current.get(name) != Some(value))
        .collect();
    if changes.is_empty() {
        return Ok(());
    }
    session
        .patch(&format!("/applications/{id}"), Value::Object(changes))
        .await
        .map(|_| ())
}

fn pretty(manifest: &Map<String, Value>) -> String {
    serde_json::to_string_pretty(manifest).unwrap_or_default()
}

fn default_uri(app: &Application) -> String {
    format!("api://{}", app.app_id)
}

/// The status of a page with or without a refusal on it.
pub(super) fn status(problem: Option<&String>) -> StatusCode {
    if problem.is_some() {
        StatusCode::BAD_REQUEST
    } else {
        StatusCode::OK
    }
}
