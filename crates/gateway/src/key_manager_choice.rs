//! Whose token is it? From an unverified token to the one key manager that may answer for it.
//!
//! By `iss`, compared exactly, among the key managers that the API accepts; a token that is no JWT by the token
//! handling options. What is chosen here is still to be proven.

use std::sync::Arc;

use crate::api::Api;
use crate::claims::Claims;
use crate::identity::{ConsumerKey, consumer_key};
use crate::key_manager::KeyManager;
use crate::refusal::Reason;
use crate::snapshot::Snapshot;

/// Why this key manager and no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// No other takes the token.
    Only,
    /// Others take the token too, but this one knows the token's client.
    KnowsClient,
    /// None of those that take the token knows its client: the oldest.
    Oldest,
}

/// By `iss` among those that the API accepts and whose token handling options take the token: one that knows the
/// token's client goes before one that does not, an older before a newer.
pub(crate) fn by_issuer<'s>(
    claims: &Claims,
    api: &Api,
    snapshot: &'s Snapshot,
) -> Result<(&'s Arc<str>, &'s Arc<KeyManager>, Choice), Reason> {
    let issuer = claims.text("iss").ok_or(Reason::IssuerMissing)?;
    let (issuer, of_issuer) = snapshot
        .issuer(issuer)
        .ok_or_else(|| unknown_issuer(claims, snapshot))?;
    let mut accepted = of_issuer.iter().filter(|one| api.accepts(one)).peekable();
    if accepted.peek().is_none() {
        return Err(Reason::KeyManagerNotAllowed);
    }
    let mut takers = accepted.filter(|one| one.handles(claims));
    let oldest = takers.next().ok_or(Reason::TokenNotHandled)?;
    let Some(second) = takers.next() else {
        return Ok((issuer, oldest, Choice::Only));
    };
    let knows_client = |key_manager: &&Arc<KeyManager>| {
        let profile = key_manager.profile();
        match consumer_key(claims, profile.consumer_key_claims.iter()) {
            ConsumerKey::Known(key) => snapshot.mapping(key_manager.id(), &key).is_some(),
            ConsumerKey::Missing | ConsumerKey::Ambiguous => false,
        }
    };
    let knowing = [oldest, second]
        .into_iter()
        .chain(takers)
        .find(knows_client);
    Ok(match knowing {
        Some(key_manager) => (issuer, key_manager, Choice::KnowsClient),
        None => (issuer, oldest, Choice::Oldest),
    })
}

/// The first that the API accepts and that says it handles such a token.
pub(crate) fn of_opaque<'s>(
    token: &str,
    api: &Api,
    snapshot: &'s Snapshot,
) -> Option<&'s Arc<KeyManager>> {
    let takers = snapshot.key_managers_of_opaque_tokens();
    if takers.is_empty() || !is_bearer_token(token) {
        return None;
    }
    takers
        .iter()
        .find(|one| api.accepts(one) && one.handles_opaque(token))
}

/// What [`by_issuer`] says now about a token that was verified earlier.
pub(crate) fn by_issuer_again<'s>(
    issuer: &str,
    claims: impl FnOnce() -> Option<Claims>,
    api: &Api,
    snapshot: &'s Snapshot,
) -> Option<&'s Arc<KeyManager>> {
    let (_, of_issuer) = snapshot.issuer(issuer)?;
    let mut accepted = of_issuer.iter().filter(|one| api.accepts(one));
    let first = accepted.next()?;
    if accepted.next().is_none() {
        // Its token handling options took the token when it was verified, and are part of its generation.
        return Some(first);
    }
    let (_, chosen, _) = by_issuer(&claims()?, api, snapshot).ok()?;
    Some(chosen)
}

/// RFC 6750 section 2.1, `b64token`.
fn is_bearer_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte))
}

/// Tells a token of the right tenant in the wrong version from a stranger's.
fn unknown_issuer(claims: &Claims, snapshot: &Snapshot) -> Reason {
    let (Some(tenant), Some(version)) = (claims.text("tid"), claims.text("ver")) else {
        return Reason::IssuerUnknown;
    };
    let names_tenant = |issuer: &String| issuer.split('/').any(|segment| segment == tenant);
    let is_known_tenant = snapshot
        .key_managers()
        .any(|key_manager| key_manager.profile().issuers.iter().any(names_tenant));
    match version {
        "1.0" if is_known_tenant => Reason::IssuerV1Form,
        "2.0" if is_known_tenant => Reason::IssuerV2Form,
        _ => Reason::IssuerUnknown,
    }
}
