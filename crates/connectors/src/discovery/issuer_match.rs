//! Is the document its issuer's own? (OpenID Connect Discovery 1.0 section 4.3.)
//!
//! Without this check one server's document could be saved under another server's name. Entra ID's documents do not
//! keep the rule (a tenant may be named by a domain, version 1 tokens come from another host, hosts have aliases), so
//! its documented forms are recognised by the tenant id, which must stand in both.

use url::Url;
use uuid::Uuid;

use super::DiscoveryError;
use super::document::MetadataDocument;

const SUFFIX: &str = "/.well-known/openid-configuration";
const OAUTH_PREFIX: &str = "/.well-known/oauth-authorization-server";

pub(super) fn check(url: &Url, document: &MetadataDocument) -> Result<(), DiscoveryError> {
    let issuer = document.issuer.as_str();
    if issuer.contains("{tenantid}") {
        return Err(DiscoveryError::TenantIndependent);
    }
    if is_issuers_own_address(url, issuer) || is_entra_document(url, document) {
        return Ok(());
    }
    Err(DiscoveryError::IssuerMismatch {
        issuer: issuer.to_owned(),
        expected_url: format!("{}{SUFFIX}", issuer.trim_end_matches('/')),
    })
}

fn is_issuers_own_address(url: &Url, issuer: &str) -> bool {
    let Ok(issuer) = Url::parse(issuer) else {
        return false;
    };
    if url.origin() != issuer.origin() || issuer.query().is_some() {
        return false;
    }
    let issuer_path = issuer.path().trim_end_matches('/');
    // RFC 8414 section 3.1 puts the well-known part before the issuer's path.
    url.path() == format!("{issuer_path}{SUFFIX}")
        || url.path() == format!("{OAUTH_PREFIX}{issuer_path}")
}

fn is_entra_document(url: &Url, document: &MetadataDocument) -> bool {
    let Ok(issuer) = Url::parse(&document.issuer) else {
        return false;
    };
    let Some(tenant) = tenant_id(&issuer) else {
        return false;
    };
    let Some(prefix) = url.path().strip_suffix(SUFFIX) else {
        return false;
    };
    let mut segments = prefix.trim_matches('/').split('/');
    let (Some(named), version, None) = (segments.next(), segments.next(), segments.next()) else {
        return false;
    };
    if !matches!(version, None | Some("v2.0")) {
        return false;
    }
    if let Ok(named) = Uuid::parse_str(named) {
        return named == tenant;
    }
    // Named by a domain: only the server that serves the document can say which tenant that is.
    let from_the_same_server = |endpoint: &Option<Url>| {
        endpoint.as_ref().is_some_and(|endpoint| {
            endpoint.origin() == url.origin() && tenant_id(endpoint) == Some(tenant)
        })
    };
    named.contains('.')
        && from_the_same_server(&document.token_endpoint)
        && from_the_same_server(&document.jwks_uri)
}

/// The tenant id that is the first part of an Entra address.
fn tenant_id(url: &Url) -> Option<Uuid> {
    Uuid::parse_str(url.path_segments()?.next()?).ok()
}
