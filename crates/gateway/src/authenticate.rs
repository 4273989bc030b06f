//! Who a token speaks for: from its text to a verified identity in time.
//!
//! A part of [`crate::decide`], which says what the identity may do. Verified identities are remembered; whether
//! one still holds is asked with every request.

use std::sync::Arc;

use domain::SecretString;
use domain::token_profile::SignatureAlgorithm;

use crate::api::Api;
use crate::claims::Claims;
use crate::decision::{Ground, Stop, UnknownKey, pass, refuse};
use crate::identity::{Identity, Origin, Standing};
use crate::key_manager::KeyManager;
use crate::key_manager_choice::{self, Choice};
use crate::key_set::{KeySource, seconds};
use crate::refusal::Reason;
use crate::token::UnverifiedToken;
use crate::trace::{Check, Fact, Trace};

/// Who the token speaks for, verified now or earlier, and in time.
pub(crate) fn authenticate<T: Trace>(
    token: &str,
    api: &Api,
    ground: &Ground<'_>,
    trace: &mut T,
) -> Result<Arc<Identity>, Stop> {
    let remembered = ground
        .cache
        .and_then(|cache| Some((cache, cache.fingerprint(token).ok()?)));
    let Some((cache, fingerprint)) = remembered else {
        let identity = identify(token, api, ground, trace)?;
        in_force(&identity, token, api, ground, trace)?;
        return Ok(Arc::new(identity));
    };
    if let Some(known) = cache.get(&fingerprint) {
        if still_holds(&known, token, api, ground) {
            if time(&known, ground) == Err(Reason::Expired) {
                cache.remove(&fingerprint);
            }
            in_force(&known, token, api, ground, trace)?;
            return Ok(known);
        }
        cache.remove(&fingerprint);
    }
    let identity = Arc::new(identify(token, api, ground, trace)?);
    let in_force = in_force(&identity, token, api, ground, trace);
    // That a token is inactive is worth remembering too: asking again costs the key manager as much.
    if in_force.is_ok() || matches!(identity.standing, Standing::Inactive { .. }) {
        cache.insert(fingerprint, Arc::clone(&identity));
    }
    in_force.map(|()| identity)
}

/// Whether what was found out earlier, perhaps for another API, would come out the same now for this one.
fn still_holds(identity: &Identity, token: &str, api: &Api, ground: &Ground<'_>) -> bool {
    let is_fresh = match identity.standing {
        Standing::Signed => true,
        Standing::Active { until } | Standing::Inactive { until } => ground.now < until,
    };
    if !is_fresh {
        return false;
    }
    let chosen = match &identity.origin {
        Origin::Issuer(issuer) => {
            let claims = || Some(UnverifiedToken::parse(token).ok()?.claims);
            key_manager_choice::by_issuer_again(issuer, claims, api, ground.snapshot)
        }
        Origin::Opaque => key_manager_choice::of_opaque(token, api, ground.snapshot),
    };
    chosen.is_some_and(|key_manager| {
        key_manager.id() == identity.key_manager
            && key_manager.generation == identity.generation
            && key_manager.keys.removals() == identity.removals
    })
}

/// Takes the token apart, finds its key manager, and verifies it: by its signature, or by asking.
fn identify<T: Trace>(
    token: &str,
    api: &Api,
    ground: &Ground<'_>,
    trace: &mut T,
) -> Result<Identity, Stop> {
    let parsed = match UnverifiedToken::parse(token) {
        Ok(parsed) => parsed,
        Err(reason) => {
            let taker = key_manager_choice::of_opaque(token, api, ground.snapshot);
            let key_manager = pass(Check::Format, taker.ok_or(reason), api, trace)?;
            trace.saw(Fact::KeyManager(key_manager, Choice::Only));
            trace.passed(Check::KeyManager);
            return introspect(token, Origin::Opaque, key_manager, api, ground, trace);
        }
    };
    trace.passed(Check::Format);
    trace.saw(Fact::Header(&parsed.header));
    trace.saw(Fact::Claims(&parsed.claims));

    let found = key_manager_choice::by_issuer(&parsed.claims, api, ground.snapshot);
    let (issuer, key_manager, choice) = pass(Check::KeyManager, found, api, trace)?;
    trace.saw(Fact::KeyManager(key_manager, choice));
    if key_manager.introspects() {
        let origin = Origin::Issuer(Arc::clone(issuer));
        return introspect(token, origin, key_manager, api, ground, trace);
    }

    // The profile says what may be; the token only says which of it.
    let algorithm = SignatureAlgorithm::from_header(&parsed.header.algorithm)
        .filter(|algorithm| key_manager.allows(*algorithm))
        .ok_or(Reason::AlgorithmNotAllowed);
    let algorithm = pass(Check::Algorithm, algorithm, api, trace)?;

    // Read before the key: if it loses trust in between, the identity is void at once.
    let removals = key_manager.keys.removals();
    let verified = verify_signature(&parsed, issuer, key_manager, algorithm, ground.unknown_key);
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
    Identity::of_signed(&parsed.claims, issuer, key_manager, removals)
        .map(|identity| with_passed_claims(identity, &parsed.claims, key_manager, ground))
        .map_err(|reason| refuse(Check::Time, reason, api, trace))
}

/// What the key manager says about the token, where it was asked already. Only its answer counts: nothing in the
/// token itself is verified.
fn introspect<T: Trace>(
    token: &str,
    origin: Origin,
    key_manager: &Arc<KeyManager>,
    api: &Api,
    ground: &Ground<'_>,
    trace: &mut T,
) -> Result<Identity, Stop> {
    let answer = ground.introspected.filter(|answer| {
        answer.key_manager == key_manager.id() && answer.generation == key_manager.generation
    });
    let Some(answer) = answer else {
        return Err(Stop::NeedsIntrospection {
            key_manager: Arc::clone(key_manager),
            token: SecretString::from(token),
        });
    };
    let kept = ground.introspection;
    let identity = match &answer.outcome {
        Ok(Some(claims)) => {
            trace.saw(Fact::Claims(claims));
            let until = ground.now.saturating_add(seconds(kept.keep_active));
            Identity::of_active(claims, origin, key_manager, until)
                .map(|identity| with_passed_claims(identity, claims, key_manager, ground))
        }
        Ok(None) => {
            let until = ground.now.saturating_add(seconds(kept.keep_inactive));
            Ok(Identity::of_inactive(origin, key_manager, until))
        }
        Err(reason) => Err(*reason),
    };
    identity.map_err(|reason| refuse(Check::Introspection, reason, api, trace))
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

/// What backend tokens will be made of.
fn with_passed_claims(
    mut identity: Identity,
    claims: &Claims,
    key_manager: &KeyManager,
    ground: &Ground<'_>,
) -> Identity {
    let passed = ground
        .backend_tokens
        .map(|tokens| tokens.passed(claims, key_manager));
    identity.passed_claims = passed.map(Arc::new);
    identity
}

/// Asked with every request, of an identity that was found now or earlier.
fn in_force<T: Trace>(
    identity: &Identity,
    token: &str,
    api: &Api,
    ground: &Ground<'_>,
    trace: &mut T,
) -> Result<(), Stop> {
    match identity.standing {
        Standing::Signed => {}
        Standing::Active { .. } => trace.passed(Check::Introspection),
        Standing::Inactive { .. } => {
            let reason = Reason::TokenInactive;
            return Err(refuse(Check::Introspection, reason, api, trace));
        }
    }
    pass(Check::Time, time(identity, ground), api, trace)?;
    let outcome = match ground.snapshot.revocations() {
        Some(revocations) => revocations.check(identity, token),
        None => Ok(()),
    };
    pass(Check::Revocation, outcome, api, trace)
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
