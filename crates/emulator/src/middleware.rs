//! What every request to Graph and the token service passes through: an identifier, a size limit,
//! fault rules, and the audit.
//!
//! A cut connection is a response marked with [`ConnectionCut`]; the accept loop closes the
//! connection instead of sending it.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::{Request, State as Shared},
    middleware::Next,
    response::Response,
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts};
use serde_json::Value;
use url::form_urlencoded;
use uuid::Uuid;

use crate::{
    audit::{AuditEntry, AuditNote, RequestId},
    fault::{FaultAction, Subject},
    state::State,
};

/// The largest body of a request in bytes.
const MAXIMUM_BODY: usize = 1024 * 1024;
const MAXIMUM_CLIENT_REQUEST_ID: usize = 64;

/// Marks a response that must never be sent: the connection is closed instead.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnectionCut;

/// Takes a request through.
pub(crate) async fn pass(
    Shared(state): Shared<Arc<State>>,
    request: Request,
    next: Next,
) -> Response {
    if request.uri().path().starts_with("/_emulator") {
        return next.run(request).await;
    }
    let (mut parts, body) = request.into_parts();
    let request_id = state.request_random.uuid();
    parts.extensions.insert(RequestId(request_id));
    let Ok(body) = axum::body::to_bytes(body, MAXIMUM_BODY).await else {
        let response = plain(StatusCode::PAYLOAD_TOO_LARGE, None);
        record(&state, &parts, request_id, &response, None, None);
        return response;
    };
    let caller_app_id = caller(&parts.headers, &body);
    let subject = Subject {
        method: &parts.method,
        path: parts.uri.path(),
        caller_app_id,
    };
    let decision = state.faults.decide(&subject, &state.fault_random);
    let fault = decision.as_ref().map(|(id, _)| *id);
    let kept = kept(&parts);
    let inner = Request::from_parts(parts, Body::from(body));
    let response = match decision.map(|(_, action)| action) {
        None => next.run(inner).await,
        Some(FaultAction::Respond {
            status,
            body,
            retry_after,
        }) => {
            let mut response = respond(status, body);
            if let Some(value) = retry_after.and_then(|text| HeaderValue::try_from(text).ok()) {
                response.headers_mut().insert(header::RETRY_AFTER, value);
            }
            response
        }
        Some(FaultAction::RespondAfterEffect { status, body }) => {
            let served = next.run(inner).await;
            let mut response = respond(status, body);
            carry_note(&served, &mut response);
            response
        }
        Some(FaultAction::Delay { milliseconds }) => {
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
            next.run(inner).await
        }
        Some(FaultAction::CutBeforeEffect) => cut(plain(StatusCode::BAD_GATEWAY, None)),
        Some(FaultAction::CutAfterEffect) => cut(next.run(inner).await),
    };
    record(&state, &kept, request_id, &response, caller_app_id, fault);
    response
}

/// Request parts without what only the handler needs.
fn kept(parts: &Parts) -> Parts {
    let mut kept = http::Request::new(()).into_parts().0;
    kept.method = parts.method.clone();
    kept.uri = parts.uri.clone();
    if let Some(id) = parts.headers.get("client-request-id") {
        kept.headers.insert("client-request-id", id.clone());
    }
    kept
}

fn record(
    state: &State,
    parts: &Parts,
    request_id: Uuid,
    response: &Response,
    caller_app_id: Option<Uuid>,
    fault: Option<Uuid>,
) {
    let note = response
        .extensions()
        .get::<AuditNote>()
        .cloned()
        .unwrap_or_default();
    let target = parts
        .uri
        .path_and_query()
        .map_or_else(|| parts.uri.path(), |target| target.as_str());
    let client_request_id = parts
        .headers
        .get("client-request-id")
        .and_then(|id| id.to_str().ok())
        .map(|id| id.chars().take(MAXIMUM_CLIENT_REQUEST_ID).collect());
    state.audit.record(AuditEntry {
        number: 0,
        time: state.clock.now(),
        method: parts.method.to_string(),
        target: target.to_owned(),
        status: response.status().as_u16(),
        tenant_id: note.tenant_id,
        caller_app_id: note.caller_app_id.or(caller_app_id),
        request_id,
        client_request_id,
        effects: note.effects,
        fault,
    });
}

fn carry_note(from: &Response, to: &mut Response) {
    if let Some(note) = from.extensions().get::<AuditNote>() {
        to.extensions_mut().insert(note.clone());
    }
}

fn cut(mut response: Response) -> Response {
    response.extensions_mut().insert(ConnectionCut);
    response
}

fn respond(status: u16, body: Option<Value>) -> Response {
    plain(
        StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE),
        body,
    )
}

fn plain(status: StatusCode, body: Option<Value>) -> Response {
    let (content_type, body) = match body {
        None => (None, Body::empty()),
        Some(Value::String(text)) => (Some("text/html"), Body::from(text)),
        Some(value) => (Some("application/json"), Body::from(value.to_string())),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    if let Some(content_type) = content_type {
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    response
}

/// The client id that a request claims, for fault rules and the audit; nothing is verified here.
fn caller(headers: &HeaderMap, body: &Bytes) -> Option<Uuid> {
    let authorization = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    if let Some((scheme, value)) = authorization.and_then(|value| value.split_once(' ')) {
        if scheme.eq_ignore_ascii_case("bearer") {
            return claimed(value);
        }
        let pair = String::from_utf8(STANDARD.decode(value.trim()).ok()?).ok()?;
        return Uuid::try_parse(pair.split(':').next()?).ok();
    }
    let is_form = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("application/x-www-form-urlencoded"));
    if !is_form {
        return None;
    }
    form_urlencoded::parse(body)
        .find(|(name, _)| name == "client_id")
        .and_then(|(_, id)| Uuid::try_parse(&id).ok())
}

fn claimed(token: &str) -> Option<Uuid> {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    let id = claims
        .get("appid")
        .or_else(|| claims.get("azp"))?
        .as_str()?;
    Uuid::try_parse(id).ok()
}
