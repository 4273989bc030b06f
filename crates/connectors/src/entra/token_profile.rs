//! How a gateway recognises Entra's access tokens.
//!
//! A token's version decides its issuer and the claim with the client id: version 1 `https://sts.windows.net/{tid}/`
//! and `appid`, version 2 `https://login.microsoftonline.com/{tid}/v2.0` and `azp` (Microsoft's access token reference).

#[cfg(test)]
mod tests;

use domain::key_manager::KeyManagerSettings;
use domain::token_profile::{AudienceRule, SignatureAlgorithm, TokenProfile};
use domain::{FieldError, Invalid};
use serde_json::Value;
use url::Url;
use uuid::Uuid;

use super::{cloud, descriptor as field};

const VERSION_1_CLAIM: &str = "appid";
const VERSION_2_CLAIM: &str = "azp";

/// The two issuers of one tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TenantIssuer {
    pub(super) tenant: Uuid,
    pub(super) version: u8,
}

pub(super) fn token_profile(settings: &KeyManagerSettings) -> Result<TokenProfile, Invalid> {
    if settings.issuer.is_empty() {
        let label = "the issuer of the tenant's access tokens";
        return Err(FieldError::missing("issuer", label).into());
    }
    let accepts_both = text(settings, field::ACCEPTED_VERSIONS) == Some(field::ACCEPT_BOTH);
    let issuers = if accepts_both {
        both_issuers(settings)?
    } else {
        vec![settings.issuer.clone()]
    };
    Ok(TokenProfile {
        issuers,
        certificates: settings.certificates.clone(),
        algorithms: vec![SignatureAlgorithm::RS256],
        consumer_key_claims: consumer_key_claims(settings),
        scopes_claims: vec![if settings.scopes_claim.is_empty() {
            "scp".to_owned()
        } else {
            settings.scopes_claim.clone()
        }],
        // Each client is its own resource. This also refuses Graph's own tokens, whoever shows them.
        audience: AudienceRule::OwnClient,
    })
}

/// `azp` and `appid` are the same thing in the two versions, so that a token of either is read whichever of them
/// an administrator entered (WSO2's page names `appid` beside the version 2 issuer). A claim of another name is
/// taken at its word.
fn consumer_key_claims(settings: &KeyManagerSettings) -> Vec<String> {
    match settings.consumer_key_claim.as_str() {
        "" | VERSION_1_CLAIM | VERSION_2_CLAIM => {
            vec![VERSION_2_CLAIM.to_owned(), VERSION_1_CLAIM.to_owned()]
        }
        other => vec![other.to_owned()],
    }
}

/// The configured issuer first, then the other version's of the same tenant and cloud.
fn both_issuers(settings: &KeyManagerSettings) -> Result<Vec<String>, Invalid> {
    let Some(TenantIssuer { tenant, version }) = tenant_issuer(&settings.issuer) else {
        return Err(Invalid::field(
            "issuer",
            "must be an Entra tenant's issuer (https://login.microsoftonline.com/{tenant id}/v2.0 or https://sts.windows.net/{tenant id}/) for V1 and V2 tokens to be accepted",
        ));
    };
    let chosen = text(settings, field::CLOUD).unwrap_or("global");
    let cloud = cloud::by_name(chosen).or_else(|| cloud::by_name("global"));
    let Some(cloud) = cloud else {
        return Err(Invalid::field("issuer", "belongs to no known cloud"));
    };
    let other = if version == 1 {
        format!("https://{}/{tenant}/v2.0", cloud.login)
    } else {
        format!("https://{}/{tenant}/", cloud.version_1_issuer)
    };
    Ok(vec![settings.issuer.clone(), other])
}

/// Reads an issuer of either documented form; the host is not looked at.
pub(super) fn tenant_issuer(issuer: &str) -> Option<TenantIssuer> {
    let url = Url::parse(issuer).ok()?;
    let mut segments = url.path_segments()?;
    let tenant = Uuid::parse_str(segments.next()?).ok()?;
    let version = match (segments.next(), segments.next(), segments.next()) {
        (None | Some(""), None, None) => 1,
        (Some("v2.0"), None | Some(""), None) => 2,
        _ => return None,
    };
    Some(TenantIssuer { tenant, version })
}

fn text<'s>(settings: &'s KeyManagerSettings, name: &str) -> Option<&'s str> {
    settings.configuration.get(name).and_then(Value::as_str)
}
