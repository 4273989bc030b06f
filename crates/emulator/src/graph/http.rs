//! Graph over HTTP: token, headers, body in; status, headers, body out.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Request, State as Shared},
    response::Response,
    routing::any,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Call, batch,
    error::{GraphError, RequestIds, Throttled},
    perform,
    permission::Caller,
    request::{Answer, Content, Prefer},
    throttle::{Verdict, cost},
};
use crate::{
    audit::{AuditNote, RequestId},
    cloud::is_graph_host,
    directory::{Effect, User},
    state::State,
};

/// The largest request body in bytes.
const MAXIMUM_BODY: usize = 1024 * 1024;
const JSON_TYPE: &str = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8";

/// The routes of Graph.
pub(crate) fn router() -> Router<Arc<State>> {
    Router::new()
        .route("/v1.0", any(serve))
        .route("/v1.0/", any(serve))
        .route("/v1.0/{*path}", any(serve))
        .route("/beta/{*path}", any(serve))
}

/// What is known of a request before it is understood.
struct Envelope {
    request_id: String,
    /// The client's, else ours.
    client_id: String,
    /// Whether the client gave one, which is then echoed.
    is_given: bool,
}

async fn serve(Shared(state): Shared<Arc<State>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let envelope = Envelope::of(&parts);
    let body = axum::body::to_bytes(body, MAXIMUM_BODY).await;
    let Ok(body) = body else {
        let error = GraphError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "Request_EntityTooLarge",
            "The request body is too large.",
        );
        return envelope.refuse(&state, &error);
    };
    let caller = match identify(&state, &parts.headers) {
        Ok(caller) => caller,
        Err(error) => return envelope.refuse(&state, &error),
    };
    let mut response = match answer(&state, &caller, &parts, &body, &envelope) {
        Ok(response) => response,
        Err(error) => envelope.refuse(&state, &error),
    };
    let note = response
        .extensions_mut()
        .get_or_insert_default::<AuditNote>();
    note.caller_app_id = Some(caller.app_id);
    note.tenant_id = Some(caller.tenant_id);
    response
}

fn identify(state: &State, headers: &HeaderMap) -> Result<Caller, GraphError> {
    let bearer = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map_or("", |(_, token)| token.trim());
    let token = state
        .verify_graph_token(bearer)
        .map_err(|error| GraphError::invalid_token(error.to_string()))?;
    Caller::identify(token, &state.directory(), state.clock.now())
}

fn answer(
    state: &State,
    caller: &Caller,
    parts: &http::request::Parts,
    body: &[u8],
    envelope: &Envelope,
) -> Result<Response, GraphError> {
    let (version, target) = target(parts);
    let body = read_body(&parts.method, &parts.headers, body)?;
    let call = Call {
        method: parts.method.clone(),
        target,
        is_eventual: has_token(&parts.headers, "consistencylevel", "eventual"),
        prefer: Prefer {
            create_if_missing: has_token(&parts.headers, "prefer", "create-if-missing"),
        },
        body,
        base: format!("{}/{version}", host(state, parts)),
    };
    if call
        .target
        .split('?')
        .next()
        .is_some_and(|path| path.eq_ignore_ascii_case("/$batch"))
    {
        let calls = batch::read(&call)?;
        let units = calls
            .iter()
            .map(|item| item.call.as_ref().map_or(1, cost))
            .sum();
        let writes = calls
            .iter()
            .filter(|item| item.call.as_ref().is_ok_and(is_write))
            .count();
        let (used, units) = charge(
            state,
            caller,
            units,
            u32::try_from(writes).unwrap_or(u32::MAX),
        )?;
        let (content, effects) = batch::perform(state, caller, calls, envelope.ids(state));
        let mut response = envelope.respond(StatusCode::OK, Content::Json(content), effects);
        usage(&mut response, units, used);
        return Ok(response);
    }
    let (used, units) = charge(state, caller, cost(&call), u32::from(is_write(&call)))?;
    let outcome = perform(state, caller, call);
    let mut response = match outcome {
        Ok(answer) => {
            let Answer {
                status,
                content,
                effects,
                location,
            } = answer;
            let mut response = envelope.respond(status, content, effects);
            if let Some(location) =
                location.and_then(|location| HeaderValue::try_from(location).ok())
            {
                response.headers_mut().insert(header::LOCATION, location);
            }
            response
        }
        Err(error) => envelope.refuse(state, &error),
    };
    usage(&mut response, units, used);
    Ok(response)
}

/// Charges a call. Returns the used part of the limit and the units.
fn charge(
    state: &State,
    caller: &Caller,
    units: u32,
    writes: u32,
) -> Result<(f64, u32), GraphError> {
    if !state.throttles() {
        return Ok((0.0, units));
    }
    let people = state.directory().table::<User>().count(caller.tenant_id);
    match state.throttle.charge(
        caller.tenant_id,
        caller.app_id,
        people,
        units,
        writes,
        state.clock.now(),
    ) {
        Verdict::Served { units, used } => Ok((used, units)),
        Verdict::Refused {
            retry_after,
            scope,
            information,
        } => {
            let scope = format!("{scope}/{}/{}", caller.app_id, caller.tenant_id);
            Err(GraphError::throttled(Throttled {
                retry_after,
                scope,
                information,
            }))
        }
    }
}

fn usage(response: &mut Response, units: u32, used: f64) {
    response
        .headers_mut()
        .insert("x-ms-resource-unit", HeaderValue::from(units));
    if used >= 0.8
        && let Ok(value) = HeaderValue::try_from(format!("{used:.2}"))
    {
        response
            .headers_mut()
            .insert("x-ms-throttle-limit-percentage", value);
    }
}

fn is_write(call: &Call) -> bool {
    call.method != Method::GET
}

/// The version and the target below it.
fn target(parts: &http::request::Parts) -> (&'static str, String) {
    let path = parts.uri.path();
    let (version, below) = match path.strip_prefix("/beta") {
        Some(below) => ("beta", below),
        None => ("v1.0", path.strip_prefix("/v1.0").unwrap_or(path)),
    };
    let target = match parts.uri.query() {
        Some(query) => format!("{below}?{query}"),
        None => below.to_owned(),
    };
    (version, target)
}

/// The address that links in answers begin with: Graph's own host (and the port) when the client
/// used it, else this emulator's.
fn host(state: &State, parts: &http::request::Parts) -> String {
    let named = match parts.uri.authority() {
        Some(authority) => Some(authority.clone()),
        None => parts
            .headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok()?.parse().ok()),
    };
    match named.filter(|authority: &http::uri::Authority| is_graph_host(authority.host())) {
        Some(authority) => match authority.port_u16() {
            Some(port) => format!("https://{}:{port}", authority.host()),
            None => format!("https://{}", authority.host()),
        },
        None => state.base_url().to_owned(),
    }
}

fn read_body(
    method: &Method,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Option<Value>, GraphError> {
    if body.iter().all(u8::is_ascii_whitespace)
        || *method == Method::GET
        || *method == Method::DELETE
    {
        return Ok(None);
    }
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let Some(content_type) = content_type else {
        return Err(GraphError::malformed(
            "Write requests (excluding DELETE) must contain the Content-Type header declaration.",
        ));
    };
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        return Err(GraphError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "Request_BadRequest",
            "A supported MIME type could not be found that matches the content type of the request.",
        ));
    }
    serde_json::from_slice(body).map(Some).map_err(|_| {
        GraphError::malformed(
            "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format.",
        )
    })
}

/// Whether a header, however often it is sent, has `token` among its values.
fn has_token(headers: &HeaderMap, name: &str, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split([',', ';']))
        .any(|value| value.trim().eq_ignore_ascii_case(token))
}

impl Envelope {
    fn of(parts: &http::request::Parts) -> Self {
        let request_id = parts
            .extensions
            .get::<RequestId>()
            .map_or_else(String::new, |id| id.0.to_string());
        let given = parts
            .headers
            .get("client-request-id")
            .and_then(|value| value.to_str().ok())
            .and_then(|text| Uuid::try_parse(text.trim()).ok());
        Self {
            client_id: given.map_or_else(|| request_id.clone(), |id| id.to_string()),
            is_given: given.is_some(),
            request_id,
        }
    }

    fn ids(&self, state: &State) -> RequestIds<'_> {
        RequestIds {
            request_id: &self.request_id,
            client_request_id: &self.client_id,
            now: state.now(),
        }
    }

    fn refuse(&self, state: &State, error: &GraphError) -> Response {
        let mut response = self.respond(
            error.status,
            Content::Json(error.body(self.ids(state))),
            Vec::new(),
        );
        let headers = response.headers_mut();
        if let Some(throttle) = &error.throttle {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(throttle.retry_after));
            let texts = [
                ("x-ms-throttle-limit-percentage", "1.00"),
                ("x-ms-throttle-scope", &throttle.scope),
                ("x-ms-throttle-information", throttle.information),
            ];
            for (name, text) in texts {
                if let Ok(value) = HeaderValue::from_str(text) {
                    headers.insert(name, value);
                }
            }
        }
        if error.status == StatusCode::UNAUTHORIZED {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static(
                    "Bearer realm=\"\", authorization_uri=\"https://login.microsoftonline.com/common/oauth2/authorize\", client_id=\"00000003-0000-0000-c000-000000000000\"",
                ),
            );
        }
        response
    }

    fn respond(&self, status: StatusCode, content: Content, effects: Vec<Effect>) -> Response {
        let (content_type, body) = match content {
            Content::Empty => (None, Body::empty()),
            Content::Json(value) => (Some(JSON_TYPE), Body::from(value.to_string())),
            Content::Text(text) => (Some("text/plain"), Body::from(text)),
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        if let Some(content_type) = content_type {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert("odata-version", HeaderValue::from_static("4.0"));
        let mut set = |name: &'static str, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        };
        set("request-id", &self.request_id);
        if self.is_given {
            set("client-request-id", &self.client_id);
        }
        let diagnostic = json!({ "ServerInfo": {
            "DataCenter": "Emulator", "Slice": "E", "Ring": "1", "ScaleUnit": "000", "RoleInstance": "EMULATOR",
        }});
        set("x-ms-ags-diagnostic", &diagnostic.to_string());
        response.extensions_mut().insert(AuditNote {
            effects,
            ..AuditNote::default()
        });
        response
    }
}
