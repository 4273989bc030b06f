//! Who a token speaks for: from its text to a verified identity in time.
//!
//! A part of [`crate::decide`], which says what the identity may do. Verified identities are remembered; whether
//! one still holds is asked with every request.

use std::sync::Arc;

use domain::token_profile::SignatureAlgorithm;

use crate::decide::{Ground, Stop, UnknownKey, pass, refuse};
use crate::identity::Identity;
use crate::key_manager::KeyManager;
use crate::key_set::KeySource;
use crate::refusal::Reason;
use crate::snapshot::{Api, Snapshot};
use crate::token::UnverifiedToken;
use crate::token_cache::TokenCache;
use crate::trace::{Check, Fact, Trace};

/// Who the token speaks for, verified now or earlier, and in time.
pub(crate) fn authenticate<T: Trace>(
    token: &str,
    api: &Api,
    ground: &Ground<'_>,
    trace: &mut T,
) -> Result<Arc<Identity>, Stop> {
    let Some(cache) = ground.cache else {
        let identity = verify(token, api, ground, trace)?;
        pass(Check::Time, time(&identity, ground), api, trace)?;
        return Ok(Arc::new(identity));
    };
    let digest = TokenCache::digest_of(token);
    if let Some(known) = cache.get(&digest) {
        if still_holds(&known, api, ground.snapshot) {
            let in_time = time(&known, ground);
            if in_time == Err(Reason::Expired) {
                cache.remove(&digest);
            }
            pass(Check::Time, in_time, api, trace)?;
            return Ok(known);
        }
        cache.remove(&digest);
    }
    let identity = Arc::new(verify(token, api, ground, trace)?);
    pass(Check::Time, time(&identity, ground), api, trace)?;
    cache.insert(digest, Arc::clone(&identity));
    Ok(identity)
}

/// Whether a verification made earlier, perhaps for another API, would come out the same now for this one.
fn still_holds(identity: &Identity, api: &Api, snapshot: &Snapshot) -> bool {
    let of_issuer = snapshot.key_managers_of_issuer(&identity.issuer);
    // The first that the API accepts is the one that would be chosen: its token handling options took the token
    // when it was verified, and they are part of its generation. Any other has to be found again.
    of_issuer
        .iter()
        .find(|key_manager| api.accepts(key_manager))
        .is_some_and(|key_manager| {
            key_manager.id() == identity.key_manager
                && key_manager.generation == identity.generation
                && key_manager.keys.removals() == identity.removals
        })
}

/// Takes the token apart, finds its key manager and key, and verifies the signature.
fn verify<T: Trace>(
    token: &str,
    api: &Api,
    ground: &Ground<'_>,
    trace: &mut T,
) -> Result<Identity, Stop> {
    let token = pass(Check::Format, UnverifiedToken::parse(token), api, trace)?;
    trace.saw(Fact::Token(&token));

    let found = find_key_manager(&token, api, ground.snapshot);
    let (issuer, key_manager) = pass(Check::KeyManager, found, api, trace)?;
    trace.saw(Fact::KeyManager(key_manager));
    if key_manager.introspects() {
        return Err(refuse(
            Check::Key,
            Reason::IntrospectionUnavailable,
            api,
            trace,
        ));
    }

    // The profile says what may be; the token only says which of it.
    let algorithm = SignatureAlgorithm::from_header(&token.header.algorithm)
        .filter(|algorithm| key_manager.allows(*algorithm))
        .ok_or(Reason::AlgorithmNotAllowed);
    let algorithm = pass(Check::Algorithm, algorithm, api, trace)?;

    // Read before the key: if it loses trust in between, the identity is void at once.
    let removals = key_manager.keys.removals();
    let verified = verify_signature(&token, issuer, key_manager, algorithm, ground.unknown_key);
    match verified {
        Ok(()) => {
            trace.passed(Check::Key);
            trace.passed(Check::Signature);
        }
        Err(Unverified::NeedsKey(stop)) => return Err(stop),
        Err(Unverified::Key(reason)) => return Err(refuse(Check::Key, reason, api, trace)),
        Err(Unverified::Signature(reason)) => {
            trace.passed(Check::Key);
            return Err(refuse(Check::Signature, reason, api, trace));
        }
    }
    Identity::of_verified(&token.claims, issuer, key_manager, removals)
        .map_err(|reason| refuse(Check::Time, reason, api, trace))
}

/// By `iss`, compared exactly, among those that the API accepts; of several the first whose token handling options
/// take the token.
fn find_key_manager<'t, 's>(
    token: &'t UnverifiedToken<'_>,
    api: &Api,
    snapshot: &'s Snapshot,
) -> Result<(&'t str, &'s Arc<KeyManager>), Reason> {
    let issuer = token.claims.text("iss").ok_or(Reason::IssuerMissing)?;
    let of_issuer = snapshot.key_managers_of_issuer(issuer);
    if of_issuer.is_empty() {
        return Err(unknown_issuer(token, snapshot));
    }
    let mut accepted = of_issuer.iter().filter(|one| api.accepts(one)).peekable();
    if accepted.peek().is_none() {
        return Err(Reason::KeyManagerNotAllowed);
    }
    accepted
        .find(|key_manager| key_manager.handles(&token.claims))
        .map(|key_manager| (issuer, key_manager))
        .ok_or(Reason::TokenNotHandled)
}

/// Tells a token of the right tenant in the wrong version from a stranger's.
fn unknown_issuer(token: &UnverifiedToken<'_>, snapshot: &Snapshot) -> Reason {
    let (Some(tenant), Some(version)) = (token.claims.text("tid"), token.claims.text("ver")) else {
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

enum Unverified {
    NeedsKey(Stop),
    Key(Reason),
    Signature(Reason),
}

fn verify_signature(
    token: &UnverifiedToken<'_>,
    issuer: &str,
    key_manager: &KeyManager,
    algorithm: SignatureAlgorithm,
    unknown_key: UnknownKey,
) -> Result<(), Unverified> {
    let header = &token.header;
    let message = token.signed.as_bytes();
    let is_verified = match &key_manager.keys {
        KeySource::None => return Err(Unverified::Key(Reason::KeySetUnavailable)),
        KeySource::Remote(set) => {
            let key_id = header
                .key_id
                .as_ref()
                .or(header.certificate_thumbprint.as_ref());
            let key_id = key_id.ok_or(Unverified::Key(Reason::KeyIdMissing))?;
            let keys = set.keys();
            let Some(key) = keys.get(key_id) else {
                return Err(match unknown_key {
                    UnknownKey::Ask => Unverified::NeedsKey(Stop::NeedsKey {
                        set: Arc::clone(set),
                        key_id: key_id.clone(),
                    }),
                    UnknownKey::Refuse if keys.is_empty() => {
                        Unverified::Key(Reason::KeySetUnavailable)
                    }
                    UnknownKey::Refuse => Unverified::Key(Reason::KeyIdUnknown),
                });
            };
            if !key.can(algorithm) {
                return Err(Unverified::Key(Reason::AlgorithmNotOfKey));
            }
            if !key.may_sign_for(issuer, token.claims.text("tid")) {
                return Err(Unverified::Key(Reason::KeyOfOtherIssuer));
            }
            key.verifies(algorithm, message, &token.signature)
        }
        KeySource::Certificates(certificates) => {
            let is_named = |thumbprint: &String| {
                [&header.key_id, &header.certificate_thumbprint]
                    .iter()
                    .any(|name| name.as_ref() == Some(thumbprint))
            };
            let named = certificates.iter().find(|one| is_named(&one.thumbprint));
            // Issuers name keys as they like; the few configured certificates can all be asked.
            let candidates: Vec<_> = match named {
                Some(certificate) => vec![certificate],
                None => certificates.iter().collect(),
            };
            if candidates.is_empty() {
                return Err(Unverified::Key(Reason::KeySetUnavailable));
            }
            if !candidates.iter().any(|one| one.key.can(algorithm)) {
                return Err(Unverified::Key(Reason::AlgorithmNotOfKey));
            }
            candidates
                .iter()
                .any(|one| one.key.verifies(algorithm, message, &token.signature))
        }
    };
    if is_verified {
        Ok(())
    } else if header.has_nonce {
        Err(Unverified::Signature(Reason::GraphToken))
    } else {
        Err(Unverified::Signature(Reason::SignatureInvalid))
    }
}

/// RFC 7519 section 4.1.4 to 4.1.6, with leeway; asked with every request.
fn time(identity: &Identity, ground: &Ground<'_>) -> Result<(), Reason> {
    if ground.now >= identity.expires_at.saturating_add(ground.leeway) {
        return Err(Reason::Expired);
    }
    let latest = ground.now.saturating_add(ground.leeway);
    if identity.not_before.is_some_and(|at| latest < at) {
        return Err(Reason::NotYetValid);
    }
    if identity.issued_at.is_some_and(|at| latest < at) {
        return Err(Reason::IssuedInFuture);
    }
    Ok(())
}
