//! The AADSTS errors: code, status, OAuth error and text, and the body that carries them.
//!
//! Catalogue: Microsoft's *Microsoft Entra authentication and authorization error codes*.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

use super::assertion::AssertionRefusal;
use super::sign_in_refusal::SignInRefusal;
use crate::state::State;

/// Why the token service says no. `Display` is the text after `AADSTS<code>: `.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error(
        "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{0}'."
    )]
    WrongSecret(Uuid),
    #[error(
        "The provided client secret keys for app '{0}' are expired. Visit the Azure portal to create new keys for your app: https://aka.ms/NewClientSecret, or consider using certificate credentials for added security: https://aka.ms/certCreds."
    )]
    ExpiredSecret(Uuid),
    #[error(
        "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type."
    )]
    NoClientCredential,
    #[error(
        "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."
    )]
    ConfidentialClientWithoutCredential,
    #[error(
        "The client application {app_id} is missing service principal in the tenant {tenant}. See instructions here: https://go.microsoft.com/fwlink/?linkid=2225119"
    )]
    NoServicePrincipal { app_id: Uuid, tenant: Uuid },
    #[error("Application '{app_id}'({name}) is disabled.")]
    Disabled { app_id: Uuid, name: String },
    #[error(
        "Application with identifier '{client}' was not found in the directory '{tenant}'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant."
    )]
    UnknownClient { client: String, tenant: String },
    #[error("{0} is not a valid application identifier.")]
    InvalidClientId(String),
    #[error(
        "The resource principal named {resource} was not found in the tenant named {tenant}. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You might have sent your authentication request to the wrong tenant."
    )]
    UnknownResource { resource: String, tenant: String },
    #[error(
        "The provided value for scope {0} is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI)."
    )]
    ScopeWithoutDefault(String),
    #[error(
        "The provided value for the input parameter 'scope' is not valid. The scope {0} is not valid."
    )]
    MalformedScope(String),
    #[error(
        "The required field '{0}' is missing from the credential. Ensure that you have all the necessary parameters for the login request."
    )]
    MissingField(&'static str),
    #[error("The request body must contain the following parameter: '{0}'.")]
    MissingParameter(&'static str),
    #[error(
        "The provided value for the input parameter 'scope' isn't valid because it contains more than one resource."
    )]
    SeveralResources,
    #[error("The app requested an unsupported grant type '{0}'.")]
    UnsupportedGrant(String),
    #[error(
        "Tenant '{0}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant."
    )]
    UnknownTenant(String),
    #[error(
        "Specified tenant identifier '{0}' is neither a valid DNS name, nor a valid external domain."
    )]
    MalformedTenant(String),
    #[error(
        "Application '{app_id}'({name}) is not configured as a multi-tenant application. Usage of the /common endpoint is not supported for such apps created after '10/15/2018'. Use a tenant-specific endpoint or configure the application to be multi-tenant."
    )]
    TenantNeeded { app_id: Uuid, name: String },
    #[error(
        "Application '{client}'({client_name}) is not assigned to a role for the application '{resource}'({resource_name})."
    )]
    NotAssigned {
        client: Uuid,
        client_name: String,
        resource: String,
        resource_name: String,
    },
    #[error(
        "Access has been blocked by Conditional Access policies. The access policy does not allow token issuance."
    )]
    BlockedByPolicy,
    #[error(transparent)]
    Assertion(#[from] AssertionRefusal),
    #[error(transparent)]
    SignIn(#[from] SignInRefusal),
    #[error("Unknown or invalid instance.")]
    UnknownInstance,
    #[error("Endpoint only accepts POST, OPTIONS requests.")]
    OnlyPost,
    #[error("Invalid request. Request is malformed or invalid.")]
    MalformedRequest,
}

/// OAuth's error value, the HTTP status and Microsoft's number of one refusal.
struct Class {
    code: u32,
    status: StatusCode,
    error: &'static str,
}

impl Refusal {
    /// Microsoft's number, as in `AADSTS7000215`.
    pub(crate) fn code(&self) -> u32 {
        self.class().code
    }

    /// Its HTTP status at the token endpoint.
    pub(crate) fn status(&self) -> StatusCode {
        self.class().status
    }

    /// OAuth's `error` value.
    pub(crate) fn error(&self) -> &'static str {
        self.class().error
    }

    /// The body and headers of the token endpoint.
    pub(crate) fn into_response(self, ids: &RequestIds, state: &State) -> Response {
        let now = state.now();
        let body = self.body(ids, now);
        let mut response = (self.status(), axum::Json(body)).into_response();
        add_headers(response.headers_mut(), ids);
        response
    }

    /// The error as the discovery endpoints word it: an unknown tenant is `invalid_tenant`.
    pub(crate) fn into_discovery_response(self, ids: &RequestIds, state: &State) -> Response {
        let mut body = self.body(ids, state.now());
        body["error"] = json!("invalid_tenant");
        let mut response = (StatusCode::BAD_REQUEST, axum::Json(body)).into_response();
        add_headers(response.headers_mut(), ids);
        response
    }

    /// The whole `error_description`.
    pub(crate) fn description(&self, ids: &RequestIds, now: Timestamp) -> String {
        format!(
            "AADSTS{}: {self} Trace ID: {} Correlation ID: {} Timestamp: {}",
            self.code(),
            ids.trace,
            ids.correlation,
            shown(now)
        )
    }

    fn body(&self, ids: &RequestIds, now: Timestamp) -> serde_json::Value {
        let code = self.code();
        let timestamp = shown(now);
        let mut body = json!({
            "error": self.error(),
            "error_description": self.description(ids, now),
            "error_codes": [code],
            "timestamp": timestamp,
            "trace_id": ids.trace,
            "correlation_id": ids.correlation,
        });
        // Captured: absent for these two, present for the others that were captured.
        if !matches!(self, Self::UnsupportedGrant(_) | Self::InvalidClientId(_)) {
            body["error_uri"] = json!(format!(
                "https://login.microsoftonline.com/error?code={code}"
            ));
        }
        body
    }

    fn class(&self) -> Class {
        let class = |code, status, error| Class {
            code,
            status,
            error,
        };
        let (bad_request, unauthorized) = (StatusCode::BAD_REQUEST, StatusCode::UNAUTHORIZED);
        match self {
            Self::WrongSecret(_) => class(7_000_215, unauthorized, "invalid_client"),
            Self::ExpiredSecret(_) => class(7_000_222, unauthorized, "invalid_client"),
            Self::NoClientCredential => class(7_000_216, unauthorized, "invalid_client"),
            Self::ConfidentialClientWithoutCredential => {
                class(7_000_218, unauthorized, "invalid_client")
            }
            Self::NoServicePrincipal { .. } => class(7_000_229, unauthorized, "invalid_client"),
            Self::Disabled { .. } => class(7_000_112, bad_request, "unauthorized_client"),
            Self::UnknownClient { .. } => class(700_016, bad_request, "unauthorized_client"),
            Self::InvalidClientId(_) => class(700_038, bad_request, "unauthorized_client"),
            Self::UnknownResource { .. } => class(500_011, bad_request, "invalid_resource"),
            Self::ScopeWithoutDefault(_) => class(1_002_012, bad_request, "invalid_scope"),
            Self::MalformedScope(_) => class(70_011, bad_request, "invalid_scope"),
            Self::MissingField(_) => class(90_014, bad_request, "invalid_request"),
            Self::MissingParameter(_) => class(900_144, bad_request, "invalid_request"),
            Self::SeveralResources => class(700_022, bad_request, "invalid_request"),
            Self::UnsupportedGrant(_) => class(70_003, bad_request, "unsupported_grant_type"),
            Self::UnknownTenant(_) => class(90_002, bad_request, "invalid_request"),
            Self::MalformedTenant(_) => class(900_023, bad_request, "invalid_request"),
            Self::TenantNeeded { .. } => class(50_194, bad_request, "invalid_request"),
            Self::NotAssigned { .. } => class(501_051, bad_request, "invalid_grant"),
            Self::BlockedByPolicy => class(53_003, bad_request, "invalid_grant"),
            Self::Assertion(refusal) => {
                let (code, status, error) = refusal.class();
                class(code, status, error)
            }
            Self::SignIn(refusal) => {
                let (code, status, error) = refusal.class();
                class(code, status, error)
            }
            Self::UnknownInstance => class(50_049, bad_request, "invalid_instance"),
            Self::OnlyPost => class(900_561, bad_request, "invalid_request"),
            Self::MalformedRequest => class(9_002_313, bad_request, "invalid_request"),
        }
    }
}

fn shown(instant: Timestamp) -> String {
    instant.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// The identifiers of one request to the token service.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestIds {
    /// Made here for each request; also the `x-ms-request-id` header.
    pub(crate) trace: Uuid,
    /// The client's `client-request-id`, else made here.
    pub(crate) correlation: Uuid,
}

impl RequestIds {
    /// The identifiers of a request: the client names one in a header or in the query.
    pub(crate) fn of(headers: &HeaderMap, query: Option<&str>, state: &State) -> Self {
        let header = headers
            .get("client-request-id")
            .and_then(|value| value.to_str().ok());
        let in_query = query.and_then(|query| {
            url::form_urlencoded::parse(query.as_bytes())
                .find(|(name, _)| name == "client-request-id")
                .map(|(_, value)| value.into_owned())
        });
        let correlation = header
            .and_then(|text| Uuid::try_parse(text).ok())
            .or_else(|| Uuid::try_parse(in_query?.as_str()).ok())
            .unwrap_or_else(|| state.random.uuid());
        Self {
            trace: state.random.uuid(),
            correlation,
        }
    }
}

/// The headers that every answer of the token service has.
pub(crate) fn add_headers(headers: &mut HeaderMap, ids: &RequestIds) {
    let no_store = HeaderValue::from_static("no-store, no-cache");
    headers.insert(header::CACHE_CONTROL, no_store);
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    headers.insert(header::EXPIRES, HeaderValue::from_static("-1"));
    // Single-page applications redeem codes and read refusals from their own origin.
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        HeaderValue::from_static("*"),
    );
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    if let Ok(id) = HeaderValue::from_str(&ids.trace.to_string()) {
        headers.insert("x-ms-request-id", id);
    }
    if let Ok(id) = HeaderValue::from_str(&ids.correlation.to_string()) {
        headers.insert("client-request-id", id);
    }
}

/// An answer in JSON with the token service's headers.
pub(crate) fn json_answer(body: &serde_json::Value, ids: &RequestIds) -> Response<Body> {
    let mut response = axum::Json(body).into_response();
    add_headers(response.headers_mut(), ids);
    response
}
