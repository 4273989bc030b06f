//! Trying a key manager out: reading its metadata document, and "Test connection" before and after saving.

use axum::Extension;
use axum::extract::{Path, State};
use control::error::{Error, Noun};
use control::{
    ConnectionFinding, ConnectionReport, Control, DiscoveredKeyManager, FindingSeverity,
};
use domain::key_manager::{Capabilities, KeyManagerSettings, Permissions, TokenType};
use domain::user::Actor;
use serde::Serialize;
use utoipa::ToSchema;

use super::key_manager::settings_of;
use super::key_manager_body::KeyManagerBody;
use crate::form::Form;
use crate::json::Json;
use crate::problem::{ErrorBody, Problem, invalid};
use crate::query::identifier;

/// A key manager as its metadata document describes it; `valid` is false where there is none.
#[derive(Serialize, ToSchema)]
pub(crate) struct KeyManagerWellKnownResponse {
    valid: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<KeyManagerBody>,
}

/// The fields of the `discover` form.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the form in the OpenAPI document")]
pub(crate) struct DiscoverForm {
    /// Address of the metadata document (OpenID Connect Discovery 1.0, RFC 8414).
    url: String,
    /// Connector type.
    #[schema(rename = "type")]
    connector_type: String,
}

/// What "Test connection" found (an addition to WSO2's contract).
#[derive(Serialize, ToSchema)]
pub(crate) struct ConnectionCheck {
    /// False where some finding is a problem.
    good: bool,
    findings: Vec<Finding>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Finding {
    /// `good`, `warning` or `problem`.
    severity: &'static str,
    /// What was looked at, for example `permissions`.
    check: &'static str,
    message: String,
}

impl From<ConnectionReport> for ConnectionCheck {
    fn from(report: ConnectionReport) -> Self {
        let findings: Vec<_> = report.findings.into_iter().map(Finding::from).collect();
        Self {
            good: findings.iter().all(|finding| finding.severity != "problem"),
            findings,
        }
    }
}

impl From<ConnectionFinding> for Finding {
    fn from(finding: ConnectionFinding) -> Self {
        Self {
            severity: match finding.severity {
                FindingSeverity::Good => "good",
                FindingSeverity::Warning => "warning",
                FindingSeverity::Problem => "problem",
            },
            check: finding.check,
            message: finding.message,
        }
    }
}

/// Fills in a key manager's form from the authorization server's metadata document. Private and link-local
/// addresses are refused unless the configuration allows them.
#[utoipa::path(
    post, path = "/key-managers/discover", tag = "Key Manager (Collection)",
    request_body(content = DiscoverForm, content_type = "multipart/form-data"),
    security(("OAuth2Security" = ["apim:admin", "apim:admin_operations", "apim:keymanagers_manage"])),
    responses((status = 200, body = KeyManagerWellKnownResponse), (status = 400, body = ErrorBody))
)]
pub(super) async fn discover_key_manager(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    mut form: Form,
) -> Result<Json<KeyManagerWellKnownResponse>, Problem> {
    let Some(url) = form.take("url") else {
        return Ok(Json(KeyManagerWellKnownResponse {
            valid: false,
            value: None,
        }));
    };
    let connector_type = form.require("type")?;
    let found = control
        .key_managers()
        .discover(&actor, &url, &connector_type)
        .await?;
    Ok(Json(KeyManagerWellKnownResponse {
        valid: true,
        value: Some(prefilled(found, connector_type)),
    }))
}

/// Tries a stored key manager's connection (an addition to WSO2's contract).
#[utoipa::path(
    post, path = "/key-managers/{keyManagerId}/check", tag = "Key Manager (Individual)",
    params(("keyManagerId" = String, Path)),
    security(("OAuth2Security" = ["apim:admin", "apim:admin_operations", "apim:keymanagers_manage"])),
    responses((status = 200, body = ConnectionCheck), (status = 404, body = ErrorBody))
)]
pub(super) async fn check_key_manager(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    Path(id): Path<String>,
) -> Result<Json<ConnectionCheck>, Problem> {
    let id = identifier(&id, Noun::KeyManager)?;
    outcome(control.key_managers().check(&actor, id).await)
}

/// Tries a key manager's connection before it is saved (an addition to WSO2's contract).
#[utoipa::path(
    post, path = "/key-managers/check", tag = "Key Manager (Collection)",
    request_body = KeyManagerBody,
    security(("OAuth2Security" = ["apim:admin", "apim:admin_operations", "apim:keymanagers_manage"])),
    responses((status = 200, body = ConnectionCheck), (status = 400, body = ErrorBody))
)]
pub(super) async fn check_unsaved_key_manager(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    Json(body): Json<KeyManagerBody>,
) -> Result<Json<ConnectionCheck>, Problem> {
    let settings = settings_of(&control, body)?;
    outcome(control.key_managers().check_unsaved(&actor, settings).await)
}

/// A provider that refuses is what the check was asked to find out: a finding, not a failed request.
fn outcome(checked: Result<ConnectionReport, Error>) -> Result<Json<ConnectionCheck>, Problem> {
    match checked {
        Ok(report) => Ok(Json(report.into())),
        Err(Error::KeyManager(failure)) => Ok(Json(ConnectionCheck {
            good: false,
            findings: vec![Finding {
                severity: "problem",
                check: "connection",
                message: crate::problem::describe(&failure),
            }],
        })),
        Err(error) => Err(invalid::of_key_manager(error)),
    }
}

/// WSO2 switches everything on in what it discovered; display endpoints come along.
fn prefilled(found: DiscoveredKeyManager, connector_type: String) -> KeyManagerBody {
    KeyManagerBody::from(&KeyManagerSettings {
        name: String::new(),
        display_name: String::new(),
        connector_type,
        description: String::new(),
        enabled: true,
        endpoints: found.endpoints,
        issuer: found.issuer,
        alias: None,
        certificates: found.certificates,
        consumer_key_claim: String::new(),
        scopes_claim: String::new(),
        claim_mappings: Vec::new(),
        available_grant_types: found.available_grant_types,
        capabilities: Capabilities::default(),
        token_validation: Vec::new(),
        token_type: TokenType::Direct,
        permissions: Permissions::Public,
        allowed_organizations: vec!["ALL".to_owned()],
        global: false,
        configuration: std::collections::BTreeMap::new(),
        secrets: std::collections::BTreeMap::new(),
    })
}
