//! The decision: may this request pass, and where to? One synchronous function over an immutable snapshot.
//!
//! The order is WSO2's where a client can see it. Every check is here or called from here; everything that is not
//! allowed by it is refused. Waiting is the caller's business: an unknown key is handed back as [`NotAdmitted::NeedsKey`],
//! a token that only its key manager can judge as [`NotAdmitted::NeedsIntrospection`].

use std::net::IpAddr;
use std::sync::Arc;

use domain::api::{Operation, Verb};
use domain::key_mapping::KeyType;
use domain::subscription::SubscriptionStatus;

use crate::api::Api;
use crate::authenticate::authenticate;
use crate::certificate_binding::Confirmation;
use crate::check::{Check, CheckObserver, Fact};
use crate::cors::is_preflight;
use crate::credential::{Credential, bearer_token};
use crate::decision::{
    Admission, Basis, Caller, NotAdmitted, Preflight, RequestParts, pass, refuse,
};
use crate::identity::{ConsumerKey, Identity};
use crate::key_manager::KeyManager;
use crate::refusal::{Reason, Refusal};
use crate::request_path::RequestPath;
use crate::route::{NoResource, Route};
use crate::snapshot::Snapshot;
use crate::throttling::throttle;

/// Decides a request.
pub(crate) fn decide<O: CheckObserver>(
    request: &RequestParts<'_>,
    basis: &Basis<'_>,
    observer: &mut O,
) -> Result<Admission, NotAdmitted> {
    let stop = |reason, observer: &mut O| {
        observer.failed(Check::Route, reason);
        NotAdmitted::refused(Refusal::new(reason))
    };
    let path =
        RequestPath::parse(request.path).map_err(|_| stop(Reason::PathAmbiguous, observer))?;
    let route =
        Route::find(basis.snapshot, &path).ok_or_else(|| stop(Reason::ApiUnknown, observer))?;
    observer.saw(Fact::Api(route.api));
    if route.api.entry.blocked {
        return Err(refuse(
            Check::Route,
            Reason::ApiBlocked,
            route.api,
            observer,
        ));
    }
    // Before authentication: a preflight carries no credential. An API that offers OPTIONS itself is asked itself.
    if is_preflight(request.method, request.headers)
        && (route.api.cors.is_some() || basis.cors.is_some())
    {
        let verbs = route.offered(&path);
        if !verbs.is_empty() && !verbs.contains(&Verb::Options) {
            let api = Arc::clone(route.api);
            return Err(NotAdmitted::Preflight(Preflight { api, verbs }));
        }
    }
    let operation = match route.resource(Verb::of_method(request.method.as_str()), &path) {
        Ok(operation) => operation,
        Err(NoResource::Path) => {
            return Err(refuse(
                Check::Route,
                Reason::ResourceUnknown,
                route.api,
                observer,
            ));
        }
        Err(NoResource::Verb(offered)) => {
            observer.failed(Check::Route, Reason::VerbUnknown);
            return Err(NotAdmitted::refused(
                Refusal::new(Reason::VerbUnknown)
                    .of(&route.api.entry)
                    .offering(offered),
            ));
        }
    };
    observer.saw(Fact::Operation(operation));
    observer.passed(Check::Route);
    // WSO2 asks with the limits; here nobody pays for a signature that cannot help.
    not_blocked(route.api, request.client, basis.snapshot, observer)?;

    let (caller, key_type) = if operation.auth_required {
        let header = &route.api.credential_header;
        let caller = bearer_token(request.headers, header, basis.longest_token)
            .map_err(|reason| refuse(Check::Credential, reason, route.api, observer))
            .map(|token| Credential {
                token,
                certificate: request.certificate,
            })
            .and_then(|credential| {
                authorize(&credential, route.api, Some(operation), basis, observer)
            })?;
        let key_type = caller.key_type;
        (Some(caller), key_type)
    } else {
        let key_type = open_resource_endpoint(route.api).ok_or_else(|| {
            refuse(
                Check::Endpoint,
                Reason::KeyTypeWithoutEndpoint,
                route.api,
                observer,
            )
        })?;
        (None, key_type)
    };
    let meters = throttle(
        operation,
        route.api,
        caller.as_ref(),
        key_type,
        basis,
        observer,
    )?;
    Ok(Admission {
        api: Arc::clone(route.api),
        key_type,
        rest_of_path: path.raw_after(route.depth).to_owned(),
        caller,
        edits: route.api.edits.of(operation),
        meters,
    })
}

/// Decides whether who shows `credential` may use `api`, and of it `operation` (where one is known).
pub(crate) fn authorize<O: CheckObserver>(
    credential: &Credential<'_>,
    api: &Arc<Api>,
    operation: Option<&Operation>,
    basis: &Basis<'_>,
    observer: &mut O,
) -> Result<Caller, NotAdmitted> {
    observer.passed(Check::Credential);
    let identity = authenticate(credential.token, api, basis, observer)?;
    observer.saw(Fact::Identity(&identity));
    if identity.confirmation != Confirmation::None {
        let met = credential.certificate.meets(&identity.confirmation);
        pass(Check::Certificate, met, api, observer)?;
    }
    let key_manager = basis
        .snapshot
        .key_manager(identity.key_manager)
        .ok_or_else(|| {
            refuse(
                Check::KeyManager,
                Reason::KeyManagerNotAllowed,
                api,
                observer,
            )
        })?;

    pass(Check::TokenType, token_type(key_manager), api, observer)?;
    pass(Check::Audience, audience(&identity, api), api, observer)?;
    let caller = subscriber(&identity, key_manager, api, basis.snapshot, observer)?;
    observer.saw(Fact::KeyType(caller.key_type));
    pass(
        Check::Endpoint,
        endpoint(api, caller.key_type),
        api,
        observer,
    )?;
    if let Some(operation) = operation {
        scopes(&identity, operation, api, observer)?;
    }
    let outcome = match basis.snapshot.blocking_conditions() {
        Some(conditions) => {
            let application = caller.application.as_deref();
            let application = application.map(|application| (application, caller.key_type));
            conditions.check_caller(api, application, &identity.users)
        }
        None => Ok(()),
    };
    pass(Check::CallerBlocking, outcome, api, observer)?;
    Ok(caller)
}

/// Blocking conditions that need no credential to be known.
pub(crate) fn not_blocked<O: CheckObserver>(
    api: &Api,
    client: Option<IpAddr>,
    snapshot: &Snapshot,
    observer: &mut O,
) -> Result<(), NotAdmitted> {
    let outcome = match snapshot.blocking_conditions() {
        Some(conditions) => conditions.check_request(api, client),
        None => Ok(()),
    };
    pass(Check::RequestBlocking, outcome, api, observer)
}

fn token_type(key_manager: &KeyManager) -> Result<(), Reason> {
    if key_manager.takes_direct_tokens() {
        Ok(())
    } else {
        Err(Reason::TokenTypeExchanged)
    }
}

/// What the key manager's profile demands, and what the API demands beside it.
fn audience(identity: &Identity, api: &Api) -> Result<(), Reason> {
    let demanded = &api.entry.audiences;
    let suits_api = demanded.is_empty() || demanded.iter().any(|one| identity.is_for(one));
    if identity.suits_profile && suits_api {
        Ok(())
    } else {
        Err(Reason::Audience)
    }
}

/// The application behind the consumer key, and its subscription, where the API needs one.
fn subscriber<O: CheckObserver>(
    identity: &Identity,
    key_manager: &Arc<KeyManager>,
    api: &Api,
    snapshot: &Snapshot,
    observer: &mut O,
) -> Result<Caller, NotAdmitted> {
    let consumer_key = match &identity.consumer_key {
        ConsumerKey::Known(key) => Ok(key),
        ConsumerKey::Missing => Err(Reason::ConsumerKeyMissing),
        ConsumerKey::Ambiguous => Err(Reason::ConsumerKeyAmbiguous),
    };
    let consumer_key = pass(Check::ConsumerKey, consumer_key, api, observer)?;

    let known = snapshot
        .mapping(key_manager.id(), consumer_key)
        .and_then(|mapping| Some((mapping, mapping.application.as_ref()?)));
    let Some((mapping, application)) = known else {
        if api.entry.subscription_required {
            return Err(refuse(
                Check::Application,
                Reason::ClientUnmapped,
                api,
                observer,
            ));
        }
        observer.passed(Check::Application);
        observer.passed(Check::Subscription);
        return Ok(Caller {
            key_manager: Arc::clone(key_manager),
            application: None,
            key_type: open_resource_endpoint(api).unwrap_or(KeyType::Production),
            subscription: None,
            subscription_policy: None,
            passed_claims: identity.passed_claims.clone(),
        });
    };
    observer.saw(Fact::Mapping(mapping));
    observer.passed(Check::Application);

    let subscription = application.subscriptions.to(api.entry.id);
    let plan = subscription.and_then(|one| snapshot.policies().name(one.policy));
    if let Some(subscription) = subscription {
        observer.saw(Fact::Subscription(subscription, plan));
    }
    let state = match subscription.map(|one| one.status) {
        None if api.entry.subscription_required => Err(Reason::NotSubscribed),
        None | Some(SubscriptionStatus::Unblocked) => Ok(()),
        Some(status) if status.is_blocked_for(mapping.key_type) => Err(Reason::SubscriptionBlocked),
        Some(SubscriptionStatus::OnHold | SubscriptionStatus::Rejected) => {
            Err(Reason::SubscriptionInactive)
        }
        Some(SubscriptionStatus::Blocked | SubscriptionStatus::ProdOnlyBlocked) => Ok(()),
    };
    pass(Check::Subscription, state, api, observer)?;
    Ok(Caller {
        key_manager: Arc::clone(key_manager),
        application: Some(Arc::clone(application)),
        key_type: mapping.key_type,
        subscription: subscription.cloned(),
        subscription_policy: plan.cloned(),
        passed_claims: identity.passed_claims.clone(),
    })
}

fn endpoint(api: &Api, key_type: KeyType) -> Result<(), Reason> {
    if api.upstreams(key_type).is_empty() {
        Err(Reason::KeyTypeWithoutEndpoint)
    } else {
        Ok(())
    }
}

/// Production, unless there is only a sandbox.
fn open_resource_endpoint(api: &Api) -> Option<KeyType> {
    [KeyType::Production, KeyType::Sandbox]
        .into_iter()
        .find(|key_type| endpoint(api, *key_type).is_ok())
}

/// Any one of the resource's scopes is enough.
fn scopes<O: CheckObserver>(
    identity: &Identity,
    operation: &Operation,
    api: &Api,
    observer: &mut O,
) -> Result<(), NotAdmitted> {
    let holds = |scope: &String| identity.scopes.iter().any(|held| held.as_ref() == scope);
    if operation.scopes.is_empty() || operation.scopes.iter().any(holds) {
        observer.passed(Check::Scopes);
        return Ok(());
    }
    observer.failed(Check::Scopes, Reason::ScopeMissing);
    let refusal = Refusal::new(Reason::ScopeMissing).of(&api.entry);
    Err(NotAdmitted::refused(refusal.needing(&operation.scopes)))
}
