//! Client assertions (RFC 7523 section 3): signed by the client's own certificate, or by an external
//! issuer that the application trusts.

use http::StatusCode;
use jiff::Timestamp;
use url::Url;

use super::Refusal;
use super::client::Client;
use super::request::TokenForm;
use crate::directory::{Application, KeyCredential, Tenant};
use crate::keys::jws::UnverifiedJws;
use crate::keys::{PublicKey, SignatureAlgorithm, sha1, sha256_base64url};
use crate::replica::{Aspect, Place};
use crate::state::State;

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Clocks may differ by five minutes.
const SKEW_SECONDS: i64 = 300;

/// Why a client assertion is refused. `Display` is the text after `AADSTS<code>: `.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AssertionRefusal {
    #[error("JWT token is invalid or malformed.")]
    Malformed,
    #[error(
        "Client assertion application identifier doesn't match 'client_id' parameter. Review the documentation at https://learn.microsoft.com/entra/identity-platform/certificate-credentials ."
    )]
    OtherClient,
    #[error(
        "Client assertion audience claim does not match Realm issuer. Review the documentation at https://learn.microsoft.com/entra/identity-platform/certificate-credentials ."
    )]
    Audience,
    #[error(
        "Client assertion is not within its valid time range. Current time: {now}, assertion valid from {from}, expiry time of assertion {until}. Review the documentation at https://learn.microsoft.com/entra/identity-platform/certificate-credentials ."
    )]
    Time {
        now: Timestamp,
        from: String,
        until: String,
    },
    #[error(
        "Client assertion failed signature validation. [Reason - {reason}, Thumbprint of key used by client: '{thumbprint}'. Review the documentation at https://learn.microsoft.com/graph/deployments and https://learn.microsoft.com/graph/api/application-post-applications to determine the corresponding service endpoint and https://learn.microsoft.com/graph/api/application-get to build a query request URL."
    )]
    Signature {
        reason: &'static str,
        thumbprint: String,
    },
    #[error("{MISMATCH} issuer '{0}'. {MISMATCH_ADVICE}")]
    FederatedIssuer(String),
    #[error("{MISMATCH} audience '{0}'. {MISMATCH_ADVICE}")]
    FederatedAudience(String),
    #[error("{MISMATCH} subject '{0}'. {MISMATCH_ADVICE}")]
    FederatedSubject(String),
    #[error("Request to External OIDC endpoint failed.")]
    IssuerUnreachable,
}

const MISMATCH: &str = "No matching federated identity record found for presented assertion";
const MISMATCH_ADVICE: &str = "Check your federated identity credential Subject, Audience and Issuer against the presented assertion. https://learn.microsoft.com/entra/workload-id/workload-identity-federation";

impl AssertionRefusal {
    /// Microsoft's number, the status and OAuth's `error`.
    pub(super) fn class(&self) -> (u32, StatusCode, &'static str) {
        let (bad_request, unauthorized) = (StatusCode::BAD_REQUEST, StatusCode::UNAUTHORIZED);
        match self {
            Self::Malformed => (50_027, bad_request, "invalid_request"),
            Self::OtherClient => (700_021, unauthorized, "invalid_client"),
            Self::Audience => (700_023, unauthorized, "invalid_client"),
            Self::Time { .. } => (700_024, unauthorized, "invalid_client"),
            Self::Signature { .. } => (700_027, unauthorized, "invalid_client"),
            Self::FederatedIssuer(_) => (700_211, unauthorized, "invalid_client"),
            Self::FederatedAudience(_) => (700_212, unauthorized, "invalid_client"),
            Self::FederatedSubject(_) => (700_213, unauthorized, "invalid_client"),
            Self::IssuerUnreachable => (501_661, bad_request, "invalid_request"),
        }
    }
}

/// Checks the `client_assertion` of a request.
///
/// # Errors
/// An [`AssertionRefusal`], or AADSTS9002313 for an unknown assertion type.
pub(super) async fn check(
    state: &State,
    tenant: &Tenant,
    client: &Client,
    form: &TokenForm,
    assertion: &str,
) -> Result<(), Refusal> {
    if form.get("client_assertion_type") != Some(ASSERTION_TYPE) {
        return Err(Refusal::MalformedRequest);
    }
    let jws = UnverifiedJws::parse(assertion).ok_or(AssertionRefusal::Malformed)?;
    let issuer = jws.text("iss").ok_or(AssertionRefusal::Malformed)?;
    let client_id = client.application.app_id.to_string();
    if issuer.eq_ignore_ascii_case(&client_id) {
        return Ok(check_certificate(state, tenant, client, &jws)?);
    }
    Ok(super::federated::check(state, client, &jws).await?)
}

fn check_certificate(
    state: &State,
    tenant: &Tenant,
    client: &Client,
    jws: &UnverifiedJws,
) -> Result<(), AssertionRefusal> {
    let client_id = client.application.app_id.to_string();
    if !jws
        .text("sub")
        .is_some_and(|subject| subject.eq_ignore_ascii_case(&client_id))
    {
        return Err(AssertionRefusal::OtherClient);
    }
    let thumbprint = named_thumbprint(jws);
    let refuse = |reason| AssertionRefusal::Signature {
        reason,
        thumbprint: thumbprint.clone(),
    };
    let algorithm = SignatureAlgorithm::from_jose(&jws.header.alg)
        .ok_or_else(|| refuse("The signature algorithm is not supported."))?;
    let view = state.view(Place::TokenService(Aspect::Credentials));
    let known = state
        .directory()
        .get::<Application>(client.application.id, view);
    let credential = known
        .iter()
        .flat_map(|application| &application.key_credentials)
        .find(|credential| is_named_by(jws, credential))
        .ok_or_else(|| refuse("The key was not found."))?;
    if !credential.is_valid(view.now) {
        return Err(refuse("The key used is expired."));
    }
    let key = credential
        .certificate()
        .and_then(|der| PublicKey::from_certificate(&der));
    if !key.is_some_and(|key| jws.is_signed_by(&key, algorithm)) {
        return Err(refuse(
            "The provided signature value did not match the expected signature value.",
        ));
    }
    check_time(state, jws)?;
    let audience = jws.text("aud").unwrap_or_default();
    if !is_own_endpoint(state, tenant, audience) {
        return Err(AssertionRefusal::Audience);
    }
    Ok(())
}

/// Checks `exp` (required) and `nbf` with five minutes of tolerance.
pub(super) fn check_time(state: &State, jws: &UnverifiedJws) -> Result<(), AssertionRefusal> {
    let now = state.now();
    let (from, until) = (
        jws.seconds("nbf").or_else(|| jws.seconds("iat")),
        jws.seconds("exp"),
    );
    let has_begun = from.is_none_or(|from| from <= now.as_second().saturating_add(SKEW_SECONDS));
    let has_ended = until.is_none_or(|until| until.saturating_add(SKEW_SECONDS) <= now.as_second());
    if has_begun && !has_ended {
        return Ok(());
    }
    let text = |seconds: Option<i64>| {
        seconds
            .and_then(|seconds| Timestamp::from_second(seconds).ok())
            .map_or_else(|| "(none)".to_owned(), |instant| instant.to_string())
    };
    Err(AssertionRefusal::Time {
        now,
        from: text(from),
        until: text(until),
    })
}

/// Whether the assertion's header names this certificate, by SHA-256, by SHA-1, or as `kid`.
fn is_named_by(jws: &UnverifiedJws, credential: &KeyCredential) -> bool {
    let Some(der) = credential.certificate() else {
        return false;
    };
    let legacy = sha1(&der);
    if let Some(named) = &jws.header.x5t_s256 {
        return named.trim_end_matches('=') == sha256_base64url(&der);
    }
    let named = jws
        .header
        .x5t
        .as_deref()
        .or(jws.header.kid.as_deref())
        .unwrap_or_default();
    named.trim_end_matches('=') == base64url(legacy.as_ref())
        || named.eq_ignore_ascii_case(&hex(legacy.as_ref()))
}

fn named_thumbprint(jws: &UnverifiedJws) -> String {
    let header = &jws.header;
    let named = header
        .x5t_s256
        .as_ref()
        .or(header.x5t.as_ref())
        .or(header.kid.as_ref());
    named
        .map(|text| text.chars().take(100).collect())
        .unwrap_or_default()
}

/// Whether `audience` is a token endpoint or the issuer of `tenant`, here or at Microsoft's hosts.
fn is_own_endpoint(state: &State, tenant: &Tenant, audience: &str) -> bool {
    if audience == tenant.profile.v2_issuer(tenant.id)
        || audience == tenant.profile.v1_issuer(tenant.id)
    {
        return true;
    }
    let (Ok(url), Ok(own)) = (Url::parse(audience), Url::parse(state.base_url())) else {
        return false;
    };
    let host = url.host_str().unwrap_or_default();
    let is_here = matches!(host, "localhost" | "127.0.0.1" | "[::1]")
        && url.port_or_known_default() == own.port_or_known_default();
    if url.scheme() != "https" || !(is_here || host == tenant.profile.login_host(tenant.id)) {
        return false;
    }
    let Some((segment, rest)) = url.path().trim_start_matches('/').split_once('/') else {
        return false;
    };
    let names_tenant = segment.eq_ignore_ascii_case(&tenant.id.to_string())
        || tenant
            .domains
            .iter()
            .any(|domain| domain.eq_ignore_ascii_case(segment));
    names_tenant && matches!(rest, "oauth2/v2.0/token" | "oauth2/token" | "v2.0")
}

fn base64url(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02X}");
        text
    })
}
