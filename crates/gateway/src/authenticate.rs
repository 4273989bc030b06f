//! Who a token speaks for: from its text to a verified identity in time.
//!
//! A part of [`crate::decide`], which says what the identity may do. Verified identities are remembered; whether
//! one still holds is asked with every request.

use std::sync::Arc;

use domain::SecretString;
use domain::token_profile::SignatureAlgorithm;

use crate::api::Api;
use crate::check::{Check, CheckObserver, Fact};
use crate::claims::Claims;
use crate::decision::{Basis, NotAdmitted, UnknownKey, pass, refuse};
use crate::identity::{Identity, Origin, Standing};
use crate::key_manager::KeyManager;
use crate::key_manager_choice::{self, Choice};
use crate::key_set::{KeySource, seconds};
use crate::refusal::Reason;
use crate::token::UnverifiedToken;

/// Who the token speaks for, verified now or earlier, and in time.
pub(crate) fn authenticate<O: CheckObserver>(
    token: &str,
    api: &Api,
    basis: &Basis<'_>,
    observer: &mut O,
) -> Result<Arc<Identity>, NotAdmitted> {
    let remembered = basis
        .cache
        .and_then(|cache| Some((cache, cache.fingerprint(token).ok()?)));
    let Some((cache, fingerprint)) = remembered else {
        let identity = identify(token, api, basis, observer)?;
        in_force(&identity, token, api, basis, observer)?;
        return Ok(Arc::new(identity));
    };
    if let Some(known) = cache.get(&fingerprint) {
        if still_holds(&known, token, api, basis) {
            if time(&known, basis) == Err(Reason::Expired) {
                cache.remove(&fingerprint);
            }
            in_force(&known, token, api, basis, observer)?;
            return Ok(known);
        }
        cache.remove(&fingerprint);
    }
    let identity = Arc::new(identify(token, api, basis, observer)?);
    let in_force = in_force(&identity, token, api, basis, observer);
    // That a token is inactive is worth remembering too: asking again costs the key manager as much.
    if in_force.is_ok() || matches!(identity.standing, Standing::Inactive { .. }) {
        cache.insert(fingerprint, Arc::clone(&identity));
    }
    in_force.map(|()| identity)
}

/// Whether what was found out earlier, perhaps for another API, would come out the same now for this one.
fn still_holds(identity: &Identity, token: &str, api: &Api, basis: &Basis<'_>) -> bool {
    let is_fresh = match identity.standing {
        Standing::Signed => true,
        Standing::Active { until } | Standing::Inactive { until } => basis.now < until,
    };
    if !is_fresh {
        return false;
    }
    let chosen = match &identity.origin {
        Origin::Issuer(issuer) => {
            let claims = || Some(UnverifiedToken::parse(token).ok()?.claims);
            key_manager_choice::by_issuer_again(issuer, claims, api, basis.snapshot)
        }
        Origin::Opaque => key_manager_choice::of_opaque(token, api, basis.snapshot),
    };
    chosen.is_some_and(|key_manager| {
        key_manager.id() == identity.key_manager
            && key_manager.generation == identity.generation
            && key_manager.keys.removals() == identity.removals
    })
}

/// Takes the token apart, finds its key manager, and verifies it: by its signature, or by asking.
fn identify<O: CheckObserver>(
    token: &str,
    api: &Api,
    basis: &Basis<'_>,
    observer: &mut O,
) -> Result<Identity, NotAdmitted> {
    let parsed = match UnverifiedToken::parse(token) {
        Ok(parsed) => parsed,
        Err(reason) => {
            let taker = key_manager_choice::of_opaque(token, api, basis.snapshot);
            let key_manager = pass(Check::Format, taker.ok_or(reason), api, observer)?;
            observer.saw(Fact::KeyManager(key_manager, Choice::Only));
            observer.passed(Check::KeyManager);
            return introspect(token, Origin::Opaque, key_manager, api, basis, observer);
        }
    };
    observer.passed(Check::Format);
    observer.saw(Fact::Header(&parsed.header));
    observer.saw(Fact::Claims(&parsed.claims));

    let found = key_manager_choice::by_issuer(&parsed.claims, api, basis.snapshot);
    let (issuer, key_manager, choice) = pass(Check::KeyManager, found, api, observer)?;
    observer.saw(Fact::KeyManager(key_manager, choice));
    if key_manager.introspects() {
        let origin = Origin::Issuer(Arc::clone(issuer));
        return introspect(token, origin, key_manager, api, basis, observer);
    }

    // The profile says what may be; the token only says which of it.
    let algorithm = SignatureAlgorithm::from_header(&parsed.header.algorithm)
        .filter(|algorithm| key_manager.allows(*algorithm))
        .ok_or(Reason::AlgorithmNotAllowed);
    let algorithm = pass(Check::Algorithm, algorithm, api, observer)?;

    // Read before the key: if it loses trust in between, the identity is void at once.
    let removals = key_manager.keys.removals();
    let verified = verify_signature(&parsed, issuer, key_manager, algorithm, basis.unknown_key);
    match verified {
        Ok(()) => {
            observer.passed(Check::Key);
            observer.passed(Check::Signature);
        }
        Err(Unverified::NeedsKey(stop)) => return Err(stop),
        Err(Unverified::Key(reason)) => return Err(refuse(Check::Key, reason, api, observer)),
        Err(Unverified::Signature(reason)) => {
            observer.passed(Check::Key);
            return Err(refuse(Check::Signature, reason, api, observer));
        }
    }
    Identity::of_signed(&parsed.claims, issuer, key_manager, removals)
        .map(|identity| with_passed_claims(identity, &parsed.claims, key_manager, basis))
        .map_err(|reason| refuse(Check::Time, reason, api, observer))
}

/// What the key manager says about the token, where it was asked already. Only its answer counts: nothing in the
/// token itself is verified.
fn introspect<O: CheckObserver>(
    token: &str,
    origin: Origin,
    key_manager: &Arc<KeyManager>,
    api: &Api,
    basis: &Basis<'_>,
    observer: &mut O,
) -> Result<Identity, NotAdmitted> {
    let answer = basis.introspected.filter(|answer| {
        answer.key_manager == key_manager.id() && answer.generation == key_manager.generation
    });
    let Some(answer) = answer else {
        return Err(NotAdmitted::NeedsIntrospection {
            key_manager: Arc::clone(key_manager),
            token: SecretString::from(token),
        });
    };
    let kept = basis.introspection;
    let identity = match &answer.outcome {
        Ok(Some(claims)) => {
            observer.saw(Fact::Claims(claims));
            let until = basis.now.saturating_add(seconds(kept.keep_active));
            Identity::of_active(claims, origin, key_manager, until)
                .map(|identity| with_passed_claims(identity, claims, key_manager, basis))
        }
        Ok(None) => {
            let until = basis.now.saturating_add(seconds(kept.keep_inactive));
            Ok(Identity::of_inactive(origin, key_manager, until))
        }
        Err(reason) => Err(*reason),
    };
    identity.map_err(|reason| refuse(Check::Introspection, reason, api, observer))
}

enum Unverified {
    NeedsKey(NotAdmitted),
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
                    UnknownKey::Ask => Unverified::NeedsKey(NotAdmitted::NeedsKey {
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

/// What backend JWTs will be made of.
fn with_passed_claims(
    mut identity: Identity,
    claims: &Claims,
    key_manager: &KeyManager,
    basis: &Basis<'_>,
) -> Identity {
    let passed = basis
        .backend_jwts
        .map(|tokens| tokens.passed(claims, key_manager));
    identity.passed_claims = passed.map(Arc::new);
    identity
}

/// Asked with every request, of an identity that was found now or earlier.
fn in_force<O: CheckObserver>(
    identity: &Identity,
    token: &str,
    api: &Api,
    basis: &Basis<'_>,
    observer: &mut O,
) -> Result<(), NotAdmitted> {
    match identity.standing {
        Standing::Signed => {}
        Standing::Active { .. } => observer.passed(Check::Introspection),
        Standing::Inactive { .. } => {
            let reason = Reason::TokenInactive;
            return Err(refuse(Check::Introspection, reason, api, observer));
        }
    }
    pass(Check::Time, time(identity, basis), api, observer)?;
    let outcome = match basis.snapshot.revocations() {
        Some(revocations) => revocations.check(identity, token),
        None => Ok(()),
    };
    pass(Check::Revocation, outcome, api, observer)
}

/// RFC 7519 section 4.1.4 to 4.1.6, with leeway; asked with every request.
fn time(identity: &Identity, basis: &Basis<'_>) -> Result<(), Reason> {
    if basis.now >= identity.expires_at.saturating_add(basis.leeway) {
        return Err(Reason::Expired);
    }
    let latest = basis.now.saturating_add(basis.leeway);
    if identity.not_before.is_some_and(|at| latest < at) {
        return Err(Reason::NotYetValid);
    }
    if identity.issued_at.is_some_and(|at| latest < at) {
        return Err(Reason::IssuedInFuture);
    }
    Ok(())
}
