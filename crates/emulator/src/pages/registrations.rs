//! App registrations: the list with its three views, "New registration", deleted applications.

use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::{Path, Query, State as Shared};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::frame::{Frame, base, enter, go};
use super::page;
use super::session::Session;
use crate::directory::{Application, DeletedItem};
use crate::state::State;

/// Rows on one page; the rest is found by filtering.
const MOST_ROWS: usize = 200;

#[derive(Template)]
#[template(path = "portal/registrations.html")]
struct RegistrationsPage<'a> {
    frame: Frame,
    view: &'a str,
    query: &'a str,
    rows: Vec<Row>,
    hidden: usize,
}

struct Row {
    id: Uuid,
    app_id: Uuid,
    name: String,
    created: String,
    credentials: String,
}

#[derive(Template)]
#[template(path = "portal/register.html")]
struct RegisterPage<'a> {
    frame: Frame,
    name: &'a str,
}

/// What the list shows.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ListQuery {
    #[serde(default)]
    view: String,
    #[serde(default)]
    q: String,
}

/// The form "Register an application".
#[derive(Debug, Deserialize)]
pub(super) struct Registration {
    #[serde(default)]
    name: String,
    #[serde(default)]
    audience: String,
    #[serde(default)]
    platform: String,
    #[serde(default)]
    redirect_uri: String,
}

/// What to do with a deleted application.
#[derive(Debug, Deserialize)]
pub(super) struct Decision {
    #[serde(default)]
    decision: String,
}

/// `GET /_portal/{tenant}/app-registrations`.
pub(super) async fn list(
    Shared(state): Shared<Arc<State>>,
    Path(tenant): Path<String>,
    Query(query): Query<ListQuery>,
) -> Response {
    let session = match enter(state, &tenant) {
        Ok(session) => session,
        Err(missing) => return missing.page(),
    };
    show_list(&session, &query, None)
}

/// `GET /_portal/{tenant}/app-registrations/new`.
pub(super) async fn show_new(
    Shared(state): Shared<Arc<State>>,
    Path(tenant): Path<String>,
) -> Response {
    let session = match enter(state, &tenant) {
        Ok(session) => session,
        Err(missing) => return missing.page(),
    };
    let frame = Frame::of(&session, "registrations");
    page(StatusCode::OK, &RegisterPage { frame, name: "" })
}

/// `POST /_portal/{tenant}/app-registrations/new`: application and service principal, as the
/// real portal makes both.
pub(super) async fn register(
    Shared(state): Shared<Arc<State>>,
    Path(tenant): Path<String>,
    Form(form): Form<Registration>,
) -> Response {
    let session = match enter(state, &tenant) {
        Ok(session) => session,
        Err(missing) => return missing.page(),
    };
    match create(&session, &form).await {
        Ok(id) => go(&session, &format!("{}/apps/{id}/overview", base(&session))),
        Err(problem) => {
            let frame = Frame::of(&session, "registrations").with_problem(Some(problem));
            session.note(page(
                StatusCode::BAD_REQUEST,
                &RegisterPage {
                    frame,
                    name: &form.name,
                },
            ))
        }
    }
}

/// `POST /_portal/{tenant}/deleted/{id}`: restore or delete permanently.
pub(super) async fn decide_deleted(
    Shared(state): Shared<Arc<State>>,
    Path((tenant, id)): Path<(String, Uuid)>,
    Form(form): Form<Decision>,
) -> Response {
    let session = match enter(state, &tenant) {
        Ok(session) => session,
        Err(missing) => return missing.page(),
    };
    let path = format!("/directory/deletedItems/{id}");
    let done = match form.decision.as_str() {
        "restore" => session.post(&format!("{path}/restore"), json!({})).await,
        "purge" => session.delete(&path).await,
        _ => Err("Choose whether to restore or to delete.".to_owned()),
    };
    let query = ListQuery {
        view: "deleted".to_owned(),
        q: String::new(),
    };
    match done {
        Ok(_) => go(
            &session,
            &format!("{}/app-registrations?view=deleted", base(&session)),
        ),
        Err(problem) => session.note(show_list(&session, &query, Some(problem))),
    }
}

async fn create(session: &Session, form: &Registration) -> Result<Uuid, String> {
    let mut body = json!({ "displayName": form.name.trim(), "signInAudience": form.audience });
    let uri = form.redirect_uri.trim();
    if !uri.is_empty() {
        let platform = match form.platform.as_str() {
            "spa" => "spa",
            "publicClient" => "publicClient",
            _ => "web",
        };
        body[platform] = json!({ "redirectUris": [uri] });
    }
    if form.audience == "AzureADandPersonalMicrosoftAccount" {
        body["api"] = json!({ "requestedAccessTokenVersion": 2 });
    }
    let made = session.post("/applications", body).await?;
    let id = |name: &str| -> Option<Uuid> { Uuid::try_parse(made[name].as_str()?).ok() };
    let (Some(object), Some(app_id)) = (id("id"), id("appId")) else {
        return Err("Graph's answer has no ids.".to_owned());
    };
    // Under replication delay the principal may come too early: the overview offers to make it.
    let _ = session.ensure_principal(app_id).await;
    Ok(object)
}

fn show_list(session: &Session, query: &ListQuery, problem: Option<String>) -> Response {
    let view = match query.view.as_str() {
        "owned" => "owned",
        "deleted" => "deleted",
        _ => "all",
    };
    let wanted = query.q.trim().to_lowercase();
    let is_wanted = |application: &Application| {
        wanted.is_empty()
            || application.display_name.to_lowercase().contains(&wanted)
            || application.app_id.to_string() == wanted
    };
    let directory = session.state.directory();
    let tenant = session.tenant.id;
    let mut rows: Vec<Row> = if view == "deleted" {
        directory
            .table::<DeletedItem>()
            .list_newest(tenant)
            .filter_map(|item| match item.as_ref() {
                DeletedItem::Application(application) => Some(application.as_ref()),
                DeletedItem::ServicePrincipal(_) => None,
            })
            .filter(|application| is_wanted(application))
            .map(row)
            .collect()
    } else {
        directory
            .table::<Application>()
            .list_newest(tenant)
            .map(AsRef::as_ref)
            .filter(|application: &&Application| {
                view == "all" || application.owners.contains(&session.user.id)
            })
            .filter(|application| is_wanted(application))
            .map(row)
            .collect()
    };
    drop(directory);
    rows.reverse();
    let hidden = rows.len().saturating_sub(MOST_ROWS);
    rows.truncate(MOST_ROWS);
    let status = if problem.is_some() {
        StatusCode::BAD_REQUEST
    } else {
        StatusCode::OK
    };
    let frame = Frame::of(session, "registrations").with_problem(problem);
    page(
        status,
        &RegistrationsPage {
            frame,
            view,
            query: &query.q,
            rows,
            hidden,
        },
    )
}

fn row(application: &Application) -> Row {
    let secrets = application.password_credentials.len();
    let certificates = application.key_credentials.len();
    Row {
        id: application.id,
        app_id: application.app_id,
        name: application.display_name.clone(),
        created: application
            .created_date_time
            .map(super::day)
            .unwrap_or_default(),
        credentials: match (certificates, secrets) {
            (0, 0) => "-".to_owned(),
            _ => format!("{certificates} certificate, {secrets} secret"),
        },
    }
}
