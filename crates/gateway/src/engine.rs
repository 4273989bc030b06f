//! What the workers share: snapshot, keys, cache, limits, figures; and the way through them, waiting included.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::{ArcSwap, Guard};
use bytes::Bytes;
use domain::explanation::Explanation;
use domain::id::ApiId;
use domain::snapshot::SnapshotUpdate;
use domain::{Clock, SecretString};
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue, Method, Response};
use secrecy::ExposeSecret as _;

use crate::config::GatewayConfig;
use crate::cors::Cors;
use crate::decide::{
    Admission, Caller, Ground, Preflight, RequestParts, Stop, UnknownKey, authorize, decide,
};
use crate::explain::{ExplainRequest, ExplainTarget, Recorder};
use crate::key_set::{KeySets, seconds};
use crate::limits::LimitTable;
use crate::metrics::Metrics;
use crate::refusal::{Reason, Refusal};
use crate::snapshot::{Api, OutOfOrder, Snapshot};
use crate::token_cache::TokenCache;
use crate::trace::{Check, Fact, NoTrace, Trace};

/// What the workers share: everything a decision needs.
pub(crate) struct Engine {
    pub(crate) config: GatewayConfig,
    pub(crate) clock: Arc<dyn Clock>,
    snapshot: ArcSwap<Snapshot>,
    generation: AtomicU64,
    cache: Option<TokenCache>,
    limits: LimitTable,
    cors: Option<Cors>,
    pub(crate) metrics: Metrics,
    key_sets: Arc<KeySets>,
    pub(crate) requests_in_progress: AtomicU64,
}

/// A request that does not go to an upstream.
#[derive(Debug)]
pub(crate) enum Turned {
    Refused(Refusal),
    Preflight(Preflight),
}

impl Engine {
    pub(crate) fn new(
        config: GatewayConfig,
        clock: Arc<dyn Clock>,
        key_sets: Arc<KeySets>,
    ) -> Self {
        Self {
            clock,
            snapshot: ArcSwap::from_pointee(Snapshot::empty()),
            generation: AtomicU64::new(0),
            cache: TokenCache::with_bytes(config.token_cache_bytes),
            limits: LimitTable::new(),
            metrics: Metrics::default(),
            key_sets,
            requests_in_progress: AtomicU64::new(0),
            cors: config.cors.as_ref().map(Cors::compile),
            config,
        }
    }

    /// One change after the other: the caller sees to that.
    pub(crate) fn apply(&self, update: SnapshotUpdate) -> Result<(), OutOfOrder> {
        let generation = self.generation.fetch_add(1, Ordering::AcqRel) + 1;
        let before = self.snapshot.load_full();
        let after = before.after(update, &self.key_sets, generation)?;
        self.snapshot.store(Arc::new(after));
        Ok(())
    }

    pub(crate) fn snapshot(&self) -> Guard<Arc<Snapshot>> {
        self.snapshot.load()
    }

    pub(crate) fn cache(&self) -> Option<&TokenCache> {
        self.cache.as_ref()
    }

    /// Decides, and where a key is missing refreshes its set and decides again, once.
    pub(crate) async fn decide(&self, request: &RequestParts<'_>) -> Result<Admission, Turned> {
        let mut decision = self.decide_now(request, UnknownKey::Ask);
        if let Err(Stop::NeedsKey { set, key_id }) = &decision {
            self.key_sets.refresh_for_unknown_key(set, key_id).await;
            decision = self.decide_now(request, UnknownKey::Refuse);
        }
        decision.map_err(|stop| match stop {
            Stop::Refused(refusal) => Turned::Refused(*refusal),
            Stop::Preflight(preflight) => Turned::Preflight(preflight),
            Stop::NeedsKey { .. } => Turned::Refused(Refusal::new(Reason::KeyIdUnknown)),
        })
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

    fn decide_now(
        &self,
        request: &RequestParts<'_>,
        unknown_key: UnknownKey,
    ) -> Result<Admission, Stop> {
        let snapshot = self.snapshot.load();
        let ground = Ground {
            cache: self.cache.as_ref(),
            limits: Some(&self.limits),
            ..self.ground(&snapshot, unknown_key)
        };
        decide(request, &ground, &mut NoTrace)
    }

    /// The same functions as [`Self::decide`], without memory.
    pub(crate) async fn explain(&self, request: &ExplainRequest) -> Explanation {
        let mut unknown_key = UnknownKey::Ask;
        loop {
            let mut recorder = Recorder::default();
            // The guard of the snapshot must not be held while waiting.
            let (outcome, explanation) = {
                let snapshot = self.snapshot.load_full();
                let ground = self.ground(&snapshot, unknown_key);
                let outcome = explained_decision(request, &ground, &mut recorder);
                let refusal = match &outcome {
                    Err(Stop::Refused(refusal)) => Some(refusal.as_ref()),
                    Err(Stop::NeedsKey { .. } | Stop::Preflight(_)) | Ok(()) => None,
                };
                let explanation = recorder.explanation(refusal, &snapshot, ground.now);
                (outcome, explanation)
            };
            match outcome {
                Err(Stop::NeedsKey { set, key_id }) => {
                    self.key_sets.refresh_for_unknown_key(&set, &key_id).await;
                    unknown_key = UnknownKey::Refuse;
                }
                Ok(()) | Err(Stop::Refused(_) | Stop::Preflight(_)) => return explanation,
            }
        }
    }

    /// Without memory: nothing is cached, nothing counted.
    fn ground<'g>(&'g self, snapshot: &'g Snapshot, unknown_key: UnknownKey) -> Ground<'g> {
        let now = self.clock.now();
        Ground {
            snapshot,
            cache: None,
            now: now.as_second(),
            instant: u64::try_from(now.as_nanosecond()).unwrap_or_default(),
            leeway: seconds(self.config.clock_leeway),
            longest_token: self.config.limits.token,
            unknown_key,
            cors: self.cors.as_ref(),
            limits: None,
        }
    }
}

/// The request that is explained, through the functions that decide.
fn explained_decision(
    request: &ExplainRequest,
    ground: &Ground<'_>,
    recorder: &mut Recorder,
) -> Result<(), Stop> {
    let token = bare_token(&request.token);
    match &request.target {
        ExplainTarget::Api { context, version } => {
            let Some(api) = ground.snapshot.api_with(context, version) else {
                recorder.failed(Check::Route, Reason::ApiUnknown);
                return Err(Stop::Refused(Box::new(Refusal::new(Reason::ApiUnknown))));
            };
            recorder.saw(Fact::Api(api));
            if api.entry.blocked {
                recorder.failed(Check::Route, Reason::ApiBlocked);
                return Err(Stop::Refused(Box::new(Refusal::new(Reason::ApiBlocked))));
            }
            recorder.passed(Check::Route);
            if token.len() > ground.longest_token {
                recorder.failed(Check::Credential, Reason::TokenTooLong);
                let refusal = Refusal::new(Reason::TokenTooLong).of(&api.entry);
                return Err(Stop::Refused(Box::new(refusal)));
            }
            authorize(token, api, None, ground, recorder).map(|_: Caller| ())
        }
        ExplainTarget::Request { verb, path } => {
            let method = Method::from_bytes(verb.as_str().as_bytes()).unwrap_or(Method::GET);
            let mut headers = HeaderMap::new();
            // Whatever header the API reads is the one that has the token.
            let header = ground
                .snapshot
                .credential_header(path)
                .and_then(|name| HeaderName::from_bytes(name.as_bytes()).ok())
                .unwrap_or(http::header::AUTHORIZATION);
            if let Ok(value) = HeaderValue::from_str(&format!("Bearer {token}")) {
                headers.insert(header, value);
            }
            let path = path.split('?').next().unwrap_or_default();
            let parts = RequestParts {
                method: &method,
                path,
                headers: &headers,
            };
            decide(&parts, ground, recorder).map(|_| ())
        }
    }
}

/// People paste the whole header value.
fn bare_token(token: &SecretString) -> &str {
    let token = token.expose_secret().trim();
    match token.split_once(' ') {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("Bearer") => rest.trim(),
        _ => token,
    }
}
