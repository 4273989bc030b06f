//! What the workers share: snapshot, keys, cache, limits, figures; and the way through them, waiting included.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::{ArcSwap, Guard};
use bytes::Bytes;
use domain::api::Verb;
use domain::explanation::Explanation;
use domain::id::ApiId;
use domain::snapshot::SnapshotUpdate;
use domain::{Clock, SecretString};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Method, Response};
use secrecy::ExposeSecret as _;

use crate::access_log::AccessLog;
use crate::api::Api;
use crate::backend_jwt::BackendJwts;
use crate::check::{Check, CheckObserver, Fact, Unobserved};
use crate::client_certificate::ClientCertificate;
use crate::config::GatewayConfig;
use crate::cors::Cors;
use crate::credential::Credential;
use crate::decide::{authorize, decide, not_blocked};
use crate::decision::{Admission, Basis, Caller, NotAdmitted, Preflight, RequestParts, UnknownKey};
use crate::explain::{ExplainRequest, ExplainTarget, Recorder};
use crate::introspection::{Introspected, Introspections};
use crate::key_set::{KeySets, seconds};
use crate::metrics::Metrics;
use crate::origin::Origins;
use crate::refusal::{Reason, Refusal};
use crate::request_path::RequestPath;
use crate::route::Route;
use crate::snapshot::{OutOfOrder, Snapshot};
use crate::span::Tracing;
use crate::throttling::Counting;
use crate::token_cache::TokenCache;

/// What the workers share: everything a decision needs.
pub(crate) struct Engine {
    pub(crate) config: GatewayConfig,
    pub(crate) clock: Arc<dyn Clock>,
    snapshot: ArcSwap<Snapshot>,
    generation: AtomicU64,
    cache: Option<TokenCache>,
    cors: Option<Cors>,
    pub(crate) metrics: Metrics,
    key_sets: Arc<KeySets>,
    pub(crate) introspections: Arc<Introspections>,
    pub(crate) origins: Origins,
    pub(crate) backend_jwts: Option<BackendJwts>,
    pub(crate) requests_in_progress: AtomicU64,
    pub(crate) access_log: Option<AccessLog>,
    tracing: Option<Tracing>,
}

/// A request that does not go to an upstream.
#[derive(Debug)]
pub(crate) enum NotForwarded {
    Refused(Refusal),
    Preflight(Preflight),
}

/// How often one request may wait for something.
const MOST_WAITS: usize = 3;

/// What was found out while a request waited.
#[derive(Default)]
struct Learned {
    unknown_key: UnknownKey,
    introspected: Option<Arc<Introspected>>,
}

impl Engine {
    pub(crate) fn new(
        config: GatewayConfig,
        clock: Arc<dyn Clock>,
        key_sets: Arc<KeySets>,
        introspections: Arc<Introspections>,
        access_log: Option<AccessLog>,
        tracing: Option<Tracing>,
        backend_jwts: Option<BackendJwts>,
    ) -> Self {
        Self {
            clock,
            snapshot: ArcSwap::from_pointee(Snapshot::empty()),
            generation: AtomicU64::new(0),
            cache: TokenCache::with_bytes(config.token_cache_bytes),
            metrics: Metrics::default(),
            key_sets,
            introspections,
            origins: Origins::new(&config),
            backend_jwts,
            requests_in_progress: AtomicU64::new(0),
            cors: config.cors.as_ref().map(Cors::compile),
            access_log,
            tracing,
            config,
        }
    }

    /// One change after the other: the caller sees to that.
    pub(crate) fn apply(&self, update: SnapshotUpdate) -> Result<(), OutOfOrder> {
        let generation = self.generation.fetch_add(1, Ordering::AcqRel) + 1;
        let before = self.snapshot.load_full();
        let now = self.clock.now().as_second();
        let after = before.after(update, &self.key_sets, &self.origins, generation, now)?;
        self.snapshot.store(Arc::new(after));
        Ok(())
    }

    pub(crate) fn snapshot(&self) -> Guard<Arc<Snapshot>> {
        self.snapshot.load()
    }

    pub(crate) fn cache(&self) -> Option<&TokenCache> {
        self.cache.as_ref()
    }

    /// Limits that are being counted.
    pub(crate) fn limit_counters(&self) -> usize {
        self.snapshot.load().limit_counters()
    }

    /// `None` where nobody traces.
    pub(crate) fn tracing(&self) -> Option<&Tracing> {
        self.tracing.as_ref()
    }

    /// For the log: base path and resource template of a request, as the snapshot has them now.
    pub(crate) fn route_of(&self, method: &Method, path: &str) -> Option<String> {
        let path = RequestPath::parse(path).ok()?;
        let snapshot = self.snapshot.load();
        let route = Route::find(&snapshot, &path)?;
        let operation = route
            .resource(Verb::of_method(method.as_str()), &path)
            .ok()?;
        Some(format!("{}{}", route.api.base_path(), operation.target))
    }

    /// Decides; where something must be waited for, waits and decides again.
    pub(crate) async fn decide(
        &self,
        request: &RequestParts<'_>,
    ) -> Result<Admission, NotForwarded> {
        let mut learned = Learned::default();
        let mut decision = self.decide_now(request, &learned);
        for _ in 0..MOST_WAITS {
            let Err(stop) = &decision else { break };
            // Boxed, as it is large and rare: every request's future would have room for it.
            if !Box::pin(self.learn(stop, &mut learned)).await {
                break;
            }
            decision = self.decide_now(request, &learned);
        }
        decision.map_err(NotForwarded::from)
    }

    /// Waits for what a decision needs. False when it needs nothing.
    async fn learn(&self, stop: &NotAdmitted, learned: &mut Learned) -> bool {
        match stop {
            NotAdmitted::NeedsKey { set, key_id } => {
                self.key_sets.refresh_for_unknown_key(set, key_id).await;
                learned.unknown_key = UnknownKey::Refuse;
            }
            NotAdmitted::NeedsIntrospection { key_manager, token } => {
                let answer = self.introspections.ask(key_manager, token).await;
                learned.introspected = Some(answer);
            }
            NotAdmitted::Refused(_) | NotAdmitted::Preflight(_) => return false,
        }
        true
    }

    /// The policy that holds for an API, or where none was found.
    pub(crate) fn cors<'e>(&'e self, api: Option<&'e Api>) -> Option<&'e Cors> {
        api.and_then(|api| api.cors.as_ref()).or(self.cors.as_ref())
    }

    /// The answer to a browser's question.
    pub(crate) fn preflight(
        &self,
        asked: &Preflight,
        origin: Option<&HeaderValue>,
    ) -> Response<Bytes> {
        self.cors(Some(&asked.api)).map_or_else(
            || Response::new(Bytes::new()),
            |policy| policy.preflight(origin, &asked.verbs),
        )
    }

    /// For the log: the API of a refusal, if it is still deployed.
    pub(crate) fn api(&self, id: ApiId) -> Option<Arc<Api>> {
        self.snapshot.load().api(id).cloned()
    }

    /// Whether the request passes by what is known now.
    pub(crate) fn may_pass_now(&self, request: &RequestParts<'_>) -> bool {
        let learned = Learned {
            unknown_key: UnknownKey::Refuse,
            ..Learned::default()
        };
        self.decide_now(request, &learned).is_ok()
    }

    fn decide_now(
        &self,
        request: &RequestParts<'_>,
        learned: &Learned,
    ) -> Result<Admission, NotAdmitted> {
        let snapshot = self.snapshot.load();
        let basis = Basis {
            cache: self.cache.as_ref(),
            counting: Counting::Count,
            ..self.basis(&snapshot, learned)
        };
        decide(request, &basis, &mut Unobserved)
    }

    /// The same functions as [`Self::decide`], without memory.
    pub(crate) async fn explain(&self, request: &ExplainRequest) -> Explanation {
        let mut learned = Learned::default();
        let mut waits = 0;
        loop {
            let mut recorder = Recorder::default();
            // Not the guard, which must not be held while waiting.
            let snapshot = self.snapshot.load_full();
            let basis = self.basis(&snapshot, &learned);
            let now = basis.now;
            let outcome = explained_decision(request, &basis, &mut recorder);
            if let Err(stop) = &outcome
                && waits < MOST_WAITS
                && self.learn(stop, &mut learned).await
            {
                waits += 1;
                continue;
            }
            let refusal = match outcome.map_err(NotForwarded::from) {
                Err(NotForwarded::Refused(refusal)) => Some(refusal),
                Err(NotForwarded::Preflight(_)) | Ok(()) => None,
            };
            return recorder.explanation(refusal.as_ref(), &snapshot, now);
        }
    }

    /// Without memory: nothing is cached, nothing counted.
    fn basis<'b>(&'b self, snapshot: &'b Snapshot, learned: &'b Learned) -> Basis<'b> {
        let now = self.clock.now();
        Basis {
            snapshot,
            cache: None,
            now: now.as_second(),
            instant: u64::try_from(now.as_nanosecond()).unwrap_or_default(),
            leeway: seconds(self.config.clock_leeway),
            longest_token: self.config.limits.token,
            unknown_key: learned.unknown_key,
            introspected: learned.introspected.as_deref(),
            introspection: &self.config.introspection,
            backend_jwts: self.backend_jwts.as_ref(),
            cors: self.cors.as_ref(),
            counting: Counting::LookOnly,
        }
    }
}

impl From<NotAdmitted> for NotForwarded {
    /// Who still needs something after all waiting has met a snapshot that changed each time.
    fn from(stop: NotAdmitted) -> Self {
        match stop {
            NotAdmitted::Refused(refusal) => Self::Refused(*refusal),
            NotAdmitted::Preflight(verbs) => Self::Preflight(verbs),
            NotAdmitted::NeedsKey { .. } => Self::Refused(Refusal::new(Reason::KeyIdUnknown)),
            NotAdmitted::NeedsIntrospection { .. } => {
                Self::Refused(Refusal::new(Reason::IntrospectionFailed))
            }
        }
    }
}

/// The request that is explained, through the functions that decide.
fn explained_decision(
    request: &ExplainRequest,
    basis: &Basis<'_>,
    recorder: &mut Recorder,
) -> Result<(), NotAdmitted> {
    let token = bare_token(&request.token);
    match &request.target {
        ExplainTarget::Api { context, version } => {
            let Some(api) = basis.snapshot.api_with(context, version) else {
                recorder.failed(Check::Route, Reason::ApiUnknown);
                return Err(NotAdmitted::Refused(Box::new(Refusal::new(
                    Reason::ApiUnknown,
                ))));
            };
            recorder.saw(Fact::Api(api));
            if api.entry.blocked {
                recorder.failed(Check::Route, Reason::ApiBlocked);
                return Err(NotAdmitted::Refused(Box::new(Refusal::new(
                    Reason::ApiBlocked,
                ))));
            }
            recorder.passed(Check::Route);
            not_blocked(api, None, basis.snapshot, recorder)?;
            if token.len() > basis.longest_token {
                recorder.failed(Check::Credential, Reason::TokenTooLong);
                let refusal = Refusal::new(Reason::TokenTooLong).of(&api.entry);
                return Err(NotAdmitted::Refused(Box::new(refusal)));
            }
            let credential = Credential {
                token,
                certificate: &ClientCertificate::default(),
            };
            authorize(&credential, api, None, basis, recorder).map(|_: Caller| ())
        }
        ExplainTarget::Request { api, verb, path } => {
            let api_there = api_at(basis.snapshot, path);
            if api.is_some_and(|api| api_there.is_some_and(|there| there.entry.id != api)) {
                recorder.failed(Check::Route, Reason::ApiUnknown);
                return Err(NotAdmitted::Refused(Box::new(Refusal::new(
                    Reason::ApiUnknown,
                ))));
            }
            let method = Method::from_bytes(verb.as_str().as_bytes()).unwrap_or(Method::GET);
            let mut headers = HeaderMap::new();
            // Whatever header the API reads is the one that has the token.
            let header = api_there.map_or(AUTHORIZATION, |api| api.credential_header.clone());
            if let Ok(value) = HeaderValue::from_str(&format!("Bearer {token}")) {
                headers.insert(header, value);
            }
            let path = path.split('?').next().unwrap_or_default();
            let parts = RequestParts {
                method: &method,
                path,
                headers: &headers,
                certificate: &ClientCertificate::default(),
                client: None,
            };
            decide(&parts, basis, recorder).map(|_| ())
        }
    }
}

/// Where a request with this path would go.
fn api_at<'s>(snapshot: &'s Snapshot, path: &str) -> Option<&'s Api> {
    let path = RequestPath::parse(path.split('?').next()?).ok()?;
    Some(Route::find(snapshot, &path)?.api)
}

/// People paste the whole header value.
fn bare_token(token: &SecretString) -> &str {
    let token = token.expose_secret().trim();
    match token.split_once(' ') {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("Bearer") => rest.trim(),
        _ => token,
    }
}
