//! The smaller parts of WSO2's `KeyManager`: certificates, claim mappings, token handling options, permissions.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::certificate::Certificates;
use domain::key_manager::{Permissions, TokenValidation};
use domain::validation::Check;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

/// Where the signing keys come from. A PEM value is base64 of the PEM text.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = KeyManagerCertificates)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CertificatesBody {
    /// `JWKS` or `PEM`.
    #[serde(rename = "type")]
    pub kind: Option<CertificateKind>,
    pub value: Option<String>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum CertificateKind {
    Jwks,
    Pem,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ClaimMappingEntry {
    pub remote_claim: String,
    pub local_claim: String,
}

/// One "token handling option". The value of REFERENCE is a regular expression, that of JWT is
/// `{"body": {claim: regular expression}}`.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = TokenValidation)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TokenValidationBody {
    pub id: Option<i64>,
    pub enable: Option<bool>,
    #[serde(rename = "type")]
    pub kind: Option<TokenValidationKind>,
    #[schema(value_type = Option<Object>)]
    pub value: Option<Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum TokenValidationKind {
    Reference,
    Jwt,
    Custom,
}

/// Who may use the key manager in the developer portal.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = KeyManagerPermissions)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct PermissionsBody {
    pub permission_type: Option<PermissionType>,
    pub roles: Option<Vec<String>>,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum PermissionType {
    #[default]
    Public,
    Allow,
    Deny,
}

impl From<&Certificates> for CertificatesBody {
    fn from(certificates: &Certificates) -> Self {
        let (kind, value) = match certificates {
            Certificates::Jwks(url) => (CertificateKind::Jwks, url.to_string()),
            Certificates::Pem(text) => (CertificateKind::Pem, STANDARD.encode(text)),
        };
        Self {
            kind: Some(kind),
            value: Some(value),
        }
    }
}

impl From<&Permissions> for PermissionsBody {
    fn from(permissions: &Permissions) -> Self {
        let (permission_type, roles) = match permissions {
            Permissions::Public => (PermissionType::Public, Vec::new()),
            Permissions::Allow(roles) => (PermissionType::Allow, roles.clone()),
            Permissions::Deny(roles) => (PermissionType::Deny, roles.clone()),
        };
        Self {
            permission_type: Some(permission_type),
            roles: Some(roles),
        }
    }
}

/// Accepts PEM text as well as base64 of it.
pub(super) fn certificates_from(
    body: Option<CertificatesBody>,
    check: &mut Check,
) -> Option<Certificates> {
    let body = body?;
    let value = body.value.unwrap_or_default().trim().to_owned();
    let kind = body.kind.filter(|_| !value.is_empty())?;
    let certificates = match kind {
        CertificateKind::Jwks => value.parse().ok().map(Certificates::Jwks),
        CertificateKind::Pem if value.starts_with("-----BEGIN") => Some(Certificates::Pem(value)),
        CertificateKind::Pem => STANDARD
            .decode(value)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .map(Certificates::Pem),
    };
    let message = match kind {
        CertificateKind::Jwks => "must be the address of a JSON Web Key Set",
        CertificateKind::Pem => "must be base64 of PEM text",
    };
    check.that(certificates.is_some(), "certificates.value", message);
    certificates
}

pub(super) fn permissions_from(body: PermissionsBody) -> Permissions {
    let roles = body.roles.unwrap_or_default();
    match body.permission_type.unwrap_or_default() {
        PermissionType::Public => Permissions::Public,
        PermissionType::Allow => Permissions::Allow(roles),
        PermissionType::Deny => Permissions::Deny(roles),
    }
}

/// Portals send a switched-off entry along; it means nothing.
pub(super) fn token_validation_from(
    entries: Vec<TokenValidationBody>,
    check: &mut Check,
) -> Vec<TokenValidation> {
    let mut rules = Vec::new();
    for entry in entries {
        if !entry.enable.unwrap_or(true) {
            continue;
        }
        let value = entry.value.unwrap_or_default();
        let rule = match entry.kind {
            Some(TokenValidationKind::Reference) => {
                value.as_str().map(|pattern| TokenValidation::Reference {
                    pattern: pattern.to_owned(),
                })
            }
            Some(TokenValidationKind::Jwt) => value
                .get("body")
                .and_then(|body| serde_json::from_value(body.clone()).ok())
                .map(|claims| TokenValidation::Jwt { claims }),
            Some(TokenValidationKind::Custom) | None => None,
        };
        check.that(
            rule.is_some(),
            "tokenValidation",
            "must be REFERENCE with a regular expression or JWT with {\"body\": {claim: regular expression}}",
        );
        rules.extend(rule);
    }
    rules
}

pub(super) fn token_validation_body(rules: &[TokenValidation]) -> Vec<TokenValidationBody> {
    let ids = 1_i64..;
    rules
        .iter()
        .zip(ids)
        .map(|(rule, id)| {
            let (kind, value) = match rule {
                TokenValidation::Reference { pattern } => {
                    (TokenValidationKind::Reference, json!(pattern))
                }
                TokenValidation::Jwt { claims } => {
                    (TokenValidationKind::Jwt, json!({ "body": claims }))
                }
            };
            TokenValidationBody {
                id: Some(id),
                enable: Some(true),
                kind: Some(kind),
                value: Some(value),
            }
        })
        .collect()
}
