//! Checking the tokens that Graph's own surface receives.

use serde_json::{Value, json};
use uuid::Uuid;

use super::claims::{opaque_url, pairwise_subject};
use super::issue::sign;
use crate::cloud::is_graph_host;
use crate::directory::{GRAPH_APP_ID, Tenant, User};
use crate::state::State;

/// What the portal may do at Graph for an administrator.
const PORTAL_SCOPES: &str = "Application.ReadWrite.All AppRoleAssignment.ReadWrite.All DelegatedPermissionGrant.ReadWrite.All Directory.ReadWrite.All";
/// Clocks may differ by five minutes.
const SKEW_SECONDS: i64 = 300;

/// Who calls Graph, as a token that was verified says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) tenant_id: Uuid,
    /// The client id of the calling application.
    pub(crate) app_id: Uuid,
    /// Object id of the calling service principal; `None` when a person calls through the client.
    pub(crate) service_principal_id: Option<Uuid>,
    /// Object id of the person who calls; `None` when the application calls for itself.
    pub(crate) user_id: Option<Uuid>,
    /// Application permissions (`roles`).
    pub(crate) roles: Vec<String>,
    /// Delegated permissions (`scp`).
    pub(crate) scopes: Vec<String>,
}

/// Why a token does not open Graph. `Display` is Graph's message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GraphTokenError {
    #[error("Access token is empty.")]
    Empty,
    #[error(
        "IDX14100: JWT is not well formed, there are no dots (.).\nThe token needs to be in JWS or JWE Compact Serialization Format. (JWS): 'EncodedHeader.EndcodedPayload.EncodedSignature'. (JWE): 'EncodedProtectedHeader.EncodedEncryptedKey.EncodedInitializationVector.EncodedCiphertext.EncodedAuthenticationTag'."
    )]
    Malformed,
    #[error("Signing key is invalid.")]
    Signature,
    #[error("Lifetime validation failed, the token is expired.")]
    Expired,
    #[error("Lifetime validation failed, the token is not yet valid.")]
    NotYetValid,
    #[error("Access token validation failure. Invalid audience.")]
    Audience,
}

impl State {
    /// Verifies a bearer token for Graph: signature, dates and audience.
    pub(crate) fn verify_graph_token(&self, bearer: &str) -> Result<Caller, GraphTokenError> {
        if bearer.is_empty() {
            return Err(GraphTokenError::Empty);
        }
        if !bearer.contains('.') {
            return Err(GraphTokenError::Malformed);
        }
        let claims = self.keys.verify(bearer).ok_or(GraphTokenError::Signature)?;
        let now = self.now().as_second();
        let seconds = |claim: &str| claims.get(claim).and_then(Value::as_i64);
        if seconds("exp").is_none_or(|exp| exp.saturating_add(SKEW_SECONDS) <= now) {
            return Err(GraphTokenError::Expired);
        }
        if seconds("nbf").is_some_and(|nbf| nbf > now.saturating_add(SKEW_SECONDS)) {
            return Err(GraphTokenError::NotYetValid);
        }
        if !claims
            .get("aud")
            .and_then(Value::as_str)
            .is_some_and(is_graph_audience)
        {
            return Err(GraphTokenError::Audience);
        }
        caller(&claims).ok_or(GraphTokenError::Malformed)
    }
}

/// A token for Graph that speaks for `user` through the portal `app_id`, valid for five minutes.
///
/// The portal needs no sign-in page: whoever reaches the emulator administers it.
pub(crate) fn sign_portal_token(
    state: &State,
    tenant: &Tenant,
    user: &User,
    app_id: Uuid,
) -> Option<String> {
    let now = state.now().as_second();
    let claims = json!({
        "aud": format!("https://{}", tenant.profile.graph_host()),
        "iss": tenant.profile.v1_issuer(tenant.id),
        "iat": now,
        "nbf": now,
        "exp": now.saturating_add(300),
        "appid": app_id,
        "appidacr": "2",
        "idtyp": "user",
        "oid": user.id,
        "scp": PORTAL_SCOPES,
        "sub": pairwise_subject(user, GRAPH_APP_ID),
        "tid": tenant.id,
        "upn": user.user_principal_name,
        "ver": "1.0",
    });
    sign(state, Some(opaque_url(&state.random, 32)), true, &claims).ok()
}

fn is_graph_audience(audience: &str) -> bool {
    audience
        .strip_prefix("https://")
        .is_some_and(|host| is_graph_host(host.trim_end_matches('/')))
        || Uuid::try_parse(audience) == Ok(GRAPH_APP_ID)
}

fn caller(claims: &Value) -> Option<Caller> {
    let id = |claim: &str| Uuid::try_parse(claims.get(claim)?.as_str()?).ok();
    let scopes: Option<Vec<String>> = claims
        .get("scp")
        .and_then(Value::as_str)
        .map(|scopes| scopes.split_whitespace().map(str::to_owned).collect());
    let roles = claims
        .get("roles")
        .and_then(Value::as_array)
        .map(|roles| {
            roles
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect()
        })
        .unwrap_or_default();
    let object_id = id("oid")?;
    let is_person = scopes.is_some();
    Some(Caller {
        tenant_id: id("tid")?,
        app_id: id("azp").or_else(|| id("appid"))?,
        service_principal_id: (!is_person).then_some(object_id),
        user_id: is_person.then_some(object_id),
        roles,
        scopes: scopes.unwrap_or_default(),
    })
}
