//! The device authorization endpoint (RFC 8628) and the page on which a person enters the code.

use std::sync::Arc;

use askama::Template;
use axum::extract::{OriginalUri, Path, Request, State as Shared};
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::authorize::consent;
use super::claims::opaque_url;
use super::client::{Client, client_id};
use super::delegated::RequestedScopes;
use super::person;
use super::refusal::json_answer;
use super::request::TokenForm;
use super::sign_ins::{Delegation, Device, Progress};
use super::tenant::find_authority;
use super::{Refusal, RequestIds};
use crate::audit::AuditNote;
use crate::pages::{MessagePage, is_same_origin, page};
use crate::state::State;

/// No vowels and no characters that are mistaken for one another.
const USER_CODE_ALPHABET: &[u8] = b"BCDFGHJKLMNPQRSTVWXZ23456789";
const USER_CODE_LENGTH: usize = 9;

#[derive(Template)]
#[template(path = "sign_in/device.html")]
struct DevicePage<'a> {
    problem: Option<String>,
    code: &'a str,
}

/// `POST /{tenant}/oauth2/v2.0/devicecode`.
pub(crate) async fn start(
    Shared(state): Shared<Arc<State>>,
    Path(tenant): Path<String>,
    OriginalUri(uri): OriginalUri,
    request: Request,
) -> Response {
    let ids = RequestIds::of(request.headers(), uri.query(), &state);
    let started = match TokenForm::read(request).await {
        Ok(form) => begin(&state, &tenant, &form),
        Err(refusal) => Err(refusal),
    };
    match started {
        Ok(body) => json_answer(&body, &ids),
        Err(refusal) => refusal.into_response(&ids, &state),
    }
}

/// `GET /devicelogin`.
pub(crate) async fn show() -> Response {
    page(
        StatusCode::OK,
        &DevicePage {
            problem: None,
            code: "",
        },
    )
}

/// `POST /devicelogin`: code, user name and password.
pub(crate) async fn decide(Shared(state): Shared<Arc<State>>, request: Request) -> Response {
    if !is_same_origin(request.headers(), &state) {
        let text = "The form was not sent by this page.";
        return page(
            StatusCode::FORBIDDEN,
            &MessagePage {
                heading: "Not accepted",
                text,
            },
        );
    }
    let form = match TokenForm::read(request).await {
        Ok(form) => form,
        Err(refusal) => return again(&refusal, ""),
    };
    let code = form.get("user_code").unwrap_or_default();
    match approve(&state, &form, code) {
        Ok((text, note)) => {
            let template = MessagePage {
                heading: "You're all set",
                text,
            };
            let mut response = page(StatusCode::OK, &template);
            response.extensions_mut().insert(note);
            response
        }
        Err(refusal) => again(&refusal, code),
    }
}

fn begin(state: &State, segment: &str, form: &TokenForm) -> Result<Value, Refusal> {
    let authority = find_authority(&state.directory(), segment)?;
    let app_id = client_id(form, segment)?;
    if let super::tenant::Authority::Tenant(tenant) = &authority {
        Client::find(state, tenant, app_id)?;
    }
    let scope = form.get("scope").unwrap_or("openid");
    RequestedScopes::parse(scope)?;
    let user_code = state.random.text(USER_CODE_LENGTH, USER_CODE_ALPHABET);
    let device_code = opaque_url(&state.random, 64);
    let device = Device {
        user_code: user_code.clone(),
        client_id: app_id,
        authority: segment.to_owned(),
        scope: scope.to_owned(),
        progress: Progress::Pending,
    };
    state.sign_ins.add_device(&device_code, device, state.now());
    let address = format!("{}/devicelogin", state.base_url());
    Ok(json!({
        "user_code": user_code,
        "device_code": device_code,
        "verification_uri": address,
        "expires_in": 900,
        "interval": 5,
        "message": format!(
            "To sign in, use a web browser to open the page {address} and enter the code {user_code} to authenticate."
        ),
    }))
}

fn approve(
    state: &State,
    form: &TokenForm,
    code: &str,
) -> Result<(&'static str, AuditNote), Refusal> {
    let now = state.now();
    let device = state
        .sign_ins
        .pending_device(code, now)
        .ok_or(super::sign_in_refusal::SignInRefusal::DeviceExpired)?;
    if form.get("decision") == Some("cancel") {
        state.sign_ins.decide_device(code, Progress::Declined, now);
        let text = "The device was refused. You can close this window.";
        return Ok((text, AuditNote::default()));
    }
    let authority = find_authority(&state.directory(), &device.authority)?;
    let name = form.get("username").unwrap_or_default();
    let password = form.get("password").unwrap_or_default();
    let (tenant, user) = person::sign_in(&state.directory(), &authority, name, password)?;
    let client = Client::find(state, &tenant, device.client_id)?;
    let note = consent(
        state,
        &tenant,
        &client,
        &user,
        &RequestedScopes::parse(&device.scope)?,
    )?;
    let delegation = Delegation {
        tenant_id: tenant.id,
        user_id: user.id,
        client_id: device.client_id,
        scope: device.scope,
        nonce: None,
    };
    state
        .sign_ins
        .decide_device(code, Progress::Approved(delegation), now);
    Ok((
        "You have signed in on your device. You can close this window.",
        note,
    ))
}

fn again(refusal: &Refusal, code: &str) -> Response {
    let problem = Some(format!("AADSTS{}: {refusal}", refusal.code()));
    page(refusal.status(), &DevicePage { problem, code })
}
