//! Certificates & secrets: a secret's value is shown once, on the page that made it.

use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::{Path, State as Shared};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::application::{open, status};
use super::frame::{self, Frame, application_base, go};
use super::session::Session;
use super::{day as shown_day, page};
use crate::directory::Application;
use crate::state::State;

#[derive(Template)]
#[template(path = "portal/credentials.html")]
struct CredentialsPage<'a> {
    frame: Frame,
    app: &'a Application,
    here: String,
    /// A secret that was made by this request.
    value: Option<String>,
}

impl CredentialsPage<'_> {
    /// The day on which a credential begins or ends.
    fn day(instant: &Timestamp) -> String {
        shown_day(*instant)
    }
}

/// The form "Add a client secret".
#[derive(Debug, Deserialize)]
pub(super) struct SecretForm {
    #[serde(default)]
    description: String,
    #[serde(default)]
    expires: String,
    #[serde(default)]
    start: String,
    #[serde(default)]
    end: String,
}

/// The form "Upload certificate".
#[derive(Debug, Deserialize)]
pub(super) struct CertificateForm {
    #[serde(default)]
    certificate: String,
    #[serde(default)]
    description: String,
}

/// `GET …/apps/{id}/credentials`.
pub(super) async fn show(
    Shared(state): Shared<Arc<State>>,
    Path((tenant, id)): Path<(String, Uuid)>,
) -> Response {
    match open(state, &tenant, id) {
        Ok((session, app)) => answer(&session, &app, None, None),
        Err(missing) => missing.page(),
    }
}

/// `POST …/apps/{id}/secrets`: the answer is the only page that shows the value.
pub(super) async fn add_secret(
    Shared(state): Shared<Arc<State>>,
    Path((tenant, id)): Path<(String, Uuid)>,
    Form(form): Form<SecretForm>,
) -> Response {
    let (session, app) = match open(state, &tenant, id) {
        Ok(opened) => opened,
        Err(missing) => return missing.page(),
    };
    let issued = match wanted(&form, session.state.now()) {
        Ok(wanted) => {
            session
                .post(&format!("/applications/{id}/addPassword"), wanted)
                .await
        }
        Err(problem) => Err(problem),
    };
    match issued {
        Ok(issued) => {
            let value = issued["secretText"].as_str().map(str::to_owned);
            let newest = frame::application(&session, id).unwrap_or(app);
            session.note(answer(&session, &newest, value, None))
        }
        Err(problem) => session.note(answer(&session, &app, None, Some(problem))),
    }
}

/// `POST …/apps/{id}/secrets/{key}/delete`.
pub(super) async fn delete_secret(
    Shared(state): Shared<Arc<State>>,
    Path((tenant, id, key)): Path<(String, Uuid, Uuid)>,
) -> Response {
    let (session, app) = match open(state, &tenant, id) {
        Ok(opened) => opened,
        Err(missing) => return missing.page(),
    };
    let path = format!("/applications/{id}/removePassword");
    match session.post(&path, json!({ "keyId": key })).await {
        Ok(_) => go(
            &session,
            &format!("{}/credentials", application_base(&session, id)),
        ),
        Err(problem) => session.note(answer(&session, &app, None, Some(problem))),
    }
}

/// `POST …/apps/{id}/certificates`.
pub(super) async fn add_certificate(
    Shared(state): Shared<Arc<State>>,
    Path((tenant, id)): Path<(String, Uuid)>,
    Form(form): Form<CertificateForm>,
) -> Response {
    let (session, app) = match open(state, &tenant, id) {
        Ok(opened) => opened,
        Err(missing) => return missing.page(),
    };
    let body = match certificates(&app, &form) {
        Ok(body) => body,
        Err(problem) => return answer(&session, &app, None, Some(problem)),
    };
    match session.patch(&format!("/applications/{id}"), body).await {
        Ok(_) => go(
            &session,
            &format!("{}/credentials", application_base(&session, id)),
        ),
        Err(problem) => session.note(answer(&session, &app, None, Some(problem))),
    }
}

fn answer(
    session: &Session,
    app: &Application,
    value: Option<String>,
    problem: Option<String>,
) -> Response {
    let status = status(problem.as_ref());
    let template = CredentialsPage {
        frame: Frame::of_application(session, "credentials", app).with_problem(problem),
        app,
        here: application_base(session, app.id),
        value,
    };
    page(status, &template)
}

/// The body of `addPassword`.
fn wanted(form: &SecretForm, now: Timestamp) -> Result<Value, String> {
    let description = Some(form.description.trim()).filter(|text| !text.is_empty());
    let (start, end) = if form.expires == "custom" {
        let start = match form.start.trim() {
            "" => now,
            start => midnight(start)?,
        };
        (start, midnight(form.end.trim())?)
    } else {
        let days: i64 = form.expires.parse().unwrap_or(180);
        let life = SignedDuration::from_hours(24 * days.clamp(1, 730));
        (
            now,
            now.checked_add(life)
                .map_err(|_| "The end is out of range.")?,
        )
    };
    Ok(json!({ "passwordCredential": {
        "displayName": description,
        "startDateTime": start,
        "endDateTime": end,
    }}))
}

fn midnight(day: &str) -> Result<Timestamp, String> {
    let date: Date = day
        .parse()
        .map_err(|_| "Give start and end as dates.".to_owned())?;
    format!("{date}T00:00:00Z")
        .parse()
        .map_err(|_| "The date is out of range.".to_owned())
}

/// The whole array with the new certificate at its end, as a PATCH of `keyCredentials` wants it.
fn certificates(app: &Application, form: &CertificateForm) -> Result<Value, String> {
    let parsed = pem::parse(form.certificate.trim())
        .map_err(|_| "The text is not a certificate in PEM form.".to_owned())?;
    let mut all: Vec<Value> = app
        .key_credentials
        .iter()
        .map(|known| {
            json!({
                "keyId": known.key_id, "type": known.r#type, "usage": known.usage, "key": null,
                "displayName": known.display_name, "startDateTime": known.start_date_time,
                "endDateTime": known.end_date_time,
                "customKeyIdentifier": known.custom_key_identifier,
            })
        })
        .collect();
    let mut new = json!({
        "type": "AsymmetricX509Cert", "usage": "Verify", "key": STANDARD.encode(parsed.contents()),
    });
    if !form.description.trim().is_empty() {
        new["displayName"] = json!(form.description.trim());
    }
    all.push(new);
    Ok(json!({ "keyCredentials": all }))
}
