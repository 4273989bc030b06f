//! The gateway as its owner sees it: started, fed with snapshots, asked, stopped.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use arc_swap::ArcSwap;
use domain::api::Verb;
use domain::explanation::Explanation;
use domain::id::{ApiId, KeyManagerId};
use domain::snapshot::{SnapshotRevision, SnapshotUpdate};
use domain::{Clock, SecretString};
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue, Method};
use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use tokio::sync::oneshot;

use crate::config::{GatewayConfig, TlsIdentity};
use crate::decide::{Admission, Caller, Ground, RequestParts, Stop, UnknownKey, authorize, decide};
use crate::explain::{ExplainRequest, ExplainTarget, Recorder};
use crate::key_set::refresh::{self, KeySetSource};
use crate::key_set::{KeySets, KeySource, seconds};
use crate::limits::LimitTable;
use crate::metrics::{Metrics, gauge};
use crate::proxy::{Proxy, ProxyError, TlsError};
use crate::refusal::{Reason, Refusal};
use crate::snapshot::{Api, OutOfOrder, Snapshot};
use crate::token_cache::TokenCache;
use crate::trace::{Check, Fact, NoTrace, Trace};

/// A running gateway.
pub struct Gateway {
    core: Arc<Core>,
    proxy: Proxy,
    /// One change after the other.
    changing: Mutex<()>,
    key_sets_thread: Mutex<Option<KeySetsThread>>,
}

struct KeySetsThread {
    /// Dropping it ends the thread.
    stop: oneshot::Sender<()>,
    thread: thread::JoinHandle<()>,
}

/// What the gateway cannot make itself.
pub struct GatewayDependencies {
    pub clock: Arc<dyn Clock>,
    pub key_set_source: Arc<dyn KeySetSource>,
}

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot listen on {address}")]
    Listen {
        address: SocketAddr,
        #[source]
        source: std::io::Error,
    },
    #[error("the gateway's TLS certificate or key cannot be used")]
    Tls(#[source] TlsError),
    #[error("the certificate authorities for upstreams cannot be used")]
    UpstreamAuthorities(#[source] TlsError),
    #[error("a thread or its runtime cannot be started")]
    Thread(#[source] std::io::Error),
}

/// The verification keys of a key manager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyManagerKeys {
    pub key_manager_id: KeyManagerId,
    pub name: String,
    /// `None` for certificates and where nothing is configured.
    pub url: Option<url::Url>,
    pub key_ids: Vec<String>,
    pub fetched_at: Option<Timestamp>,
    /// Of the last fetch, if it failed.
    pub last_error: Option<String>,
}

/// What the gateway holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayStatus {
    pub revision: SnapshotRevision,
    pub apis: usize,
    pub applications: usize,
    pub consumer_keys: usize,
    pub subscriptions: usize,
    pub cached_tokens: usize,
    pub cached_token_bytes: u64,
    /// Requests under way, upgraded connections included.
    pub requests_in_progress: u64,
}

/// What the workers share: everything a decision needs.
pub(crate) struct Core {
    pub(crate) config: GatewayConfig,
    pub(crate) clock: Arc<dyn Clock>,
    snapshot: ArcSwap<Snapshot>,
    generation: AtomicU64,
    cache: Option<TokenCache>,
    limits: LimitTable,
    pub(crate) metrics: Metrics,
    key_sets: Arc<KeySets>,
    pub(crate) requests_in_progress: AtomicU64,
}

/// A request that does not go to an upstream.
#[derive(Debug)]
pub(crate) enum Turned {
    Refused(Refusal),
    /// A browser's question: what the path offers.
    Preflight(BTreeSet<Verb>),
}

impl Gateway {
    /// Binds and begins to serve; until the first snapshot every path answers 404.
    pub fn start(
        config: GatewayConfig,
        dependencies: GatewayDependencies,
    ) -> Result<Self, StartError> {
        let (key_sets, queue) = KeySets::new(
            dependencies.key_set_source,
            Arc::clone(&dependencies.clock),
            config.key_sets.clone(),
            config.key_set_folder.clone(),
        );
        let core = Arc::new(Core {
            clock: dependencies.clock,
            snapshot: ArcSwap::from_pointee(Snapshot::empty()),
            generation: AtomicU64::new(0),
            cache: TokenCache::with_bytes(config.token_cache_bytes),
            limits: LimitTable::new(),
            metrics: Metrics::default(),
            key_sets: Arc::clone(&key_sets),
            requests_in_progress: AtomicU64::new(0),
            config,
        });
        let (stop_key_sets, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(StartError::Thread)?;
        let key_set_thread = thread::Builder::new()
            .name("gateway-keys".to_owned())
            .spawn(move || runtime.block_on(refresh::run(key_sets, queue, stopped)))
            .map_err(StartError::Thread)?;
        let proxy = Proxy::start(&core).map_err(|error| match error {
            ProxyError::Listen(address, source) => StartError::Listen { address, source },
            ProxyError::Tls(error) => StartError::Tls(error),
            ProxyError::UpstreamAuthorities(error) => StartError::UpstreamAuthorities(error),
            ProxyError::Thread(error) => StartError::Thread(error),
        })?;
        Ok(Self {
            core,
            proxy,
            changing: Mutex::new(()),
            key_sets_thread: Mutex::new(Some(KeySetsThread {
                stop: stop_key_sets,
                thread: key_set_thread,
            })),
        })
    }

    /// Where it listens, the real port included.
    pub fn local_addr(&self) -> SocketAddr {
        self.proxy.local_addr()
    }

    /// Takes a whole snapshot or a difference; requests that begin after the return are decided by it.
    pub fn apply(&self, update: SnapshotUpdate) -> Result<(), OutOfOrder> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let generation = self.core.generation.fetch_add(1, Ordering::AcqRel) + 1;
        let before = self.core.snapshot.load_full();
        let after = before.after(update, &self.core.key_sets, generation)?;
        self.core.snapshot.store(Arc::new(after));
        Ok(())
    }

    /// The revision that requests are decided by.
    pub fn revision(&self) -> SnapshotRevision {
        self.core.snapshot.load().revision
    }

    /// Every check that a request with this token would meet, and how it ends. Counts as no request.
    pub async fn explain(&self, request: &ExplainRequest) -> Explanation {
        self.core.explain(request).await
    }

    /// The verification keys of every key manager.
    pub fn key_set_status(&self) -> Vec<KeyManagerKeys> {
        let snapshot = self.core.snapshot.load();
        let mut all: Vec<_> = snapshot
            .key_managers()
            .map(|key_manager| {
                let status = KeyManagerKeys {
                    key_manager_id: key_manager.id(),
                    name: key_manager.name().to_owned(),
                    url: None,
                    key_ids: Vec::new(),
                    fetched_at: None,
                    last_error: None,
                };
                match &key_manager.keys {
                    KeySource::Remote(set) => {
                        let summary = set.summary();
                        KeyManagerKeys {
                            url: Some(set.url().clone()),
                            key_ids: summary.key_ids,
                            fetched_at: summary.fetched_at,
                            last_error: summary.last_error,
                            ..status
                        }
                    }
                    KeySource::Certificates(certificates) => KeyManagerKeys {
                        key_ids: certificates
                            .iter()
                            .map(|one| one.thumbprint.clone())
                            .collect(),
                        ..status
                    },
                    KeySource::None => status,
                }
            })
            .collect();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        all
    }

    pub fn status(&self) -> GatewayStatus {
        let snapshot = self.core.snapshot.load();
        let (apis, applications, consumer_keys, subscriptions) = snapshot.sizes();
        let (cached_tokens, cached_token_bytes) =
            self.core.cache.as_ref().map_or((0, 0), TokenCache::figures);
        GatewayStatus {
            revision: snapshot.revision,
            apis,
            applications,
            consumer_keys,
            subscriptions,
            cached_tokens,
            cached_token_bytes,
            requests_in_progress: self.core.requests_in_progress.load(Ordering::Relaxed),
        }
    }

    /// All figures in Prometheus' text format (version 0.0.4).
    pub fn metrics(&self) -> String {
        let mut text = String::with_capacity(8 * 1024);
        self.write_metrics(&mut text)
            .expect("writing to a String cannot fail");
        text
    }

    fn write_metrics(&self, text: &mut String) -> std::fmt::Result {
        let snapshot = self.core.snapshot.load_full();
        self.core.metrics.write(text, |id| {
            let api = &snapshot.api(id)?.entry;
            Some((api.name.clone(), api.version.clone()))
        })?;
        let status = self.status();
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let large = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let (hits, misses) = self.core.cache.as_ref().map_or((0, 0), TokenCache::lookups);
        for (name, help, value) in [
            (
                "requests_in_progress",
                "Requests under way.",
                large(status.requests_in_progress),
            ),
            (
                "snapshot_revision",
                "Revision that decides.",
                status.revision.0,
            ),
            ("snapshot_apis", "Deployed APIs.", count(status.apis)),
            (
                "snapshot_applications",
                "Applications.",
                count(status.applications),
            ),
            (
                "snapshot_consumer_keys",
                "Live consumer keys.",
                count(status.consumer_keys),
            ),
            (
                "snapshot_subscriptions",
                "Subscriptions.",
                count(status.subscriptions),
            ),
            (
                "token_cache_entries",
                "Verified tokens.",
                count(status.cached_tokens),
            ),
            (
                "token_cache_bytes",
                "Their size.",
                large(status.cached_token_bytes),
            ),
            (
                "token_cache_hits",
                "Tokens found verified, since the start.",
                large(hits),
            ),
            (
                "token_cache_misses",
                "Tokens not found verified, since the start.",
                large(misses),
            ),
        ] {
            gauge(
                text,
                &format!("claviger_gateway_{name}"),
                help,
                &[(None, value)],
            )?;
        }
        let now = self.core.clock.now().as_second();
        let key_sets = self.key_set_status();
        let labelled = |value: fn(&KeyManagerKeys, i64) -> Option<i64>| -> Vec<_> {
            let values = key_sets.iter().filter_map(|one| {
                Some((Some(("key_manager", one.name.as_str())), value(one, now)?))
            });
            values.collect()
        };
        let ages = labelled(|one, now| Some(now - one.fetched_at?.as_second()));
        gauge(
            text,
            "claviger_gateway_key_set_age_seconds",
            "Since the provider last gave the key set.",
            &ages,
        )?;
        let keys = labelled(|one, _| i64::try_from(one.key_ids.len()).ok());
        gauge(text, "claviger_gateway_keys", "Verification keys.", &keys)?;
        let failing = labelled(|one, _| Some(i64::from(one.last_error.is_some())));
        gauge(
            text,
            "claviger_gateway_key_set_failing",
            "1 while the last fetch failed.",
            &failing,
        )
    }

    /// Takes another certificate; connections that stand keep theirs. An error leaves the old one in use, also
    /// when the gateway serves plain HTTP.
    pub fn reload_tls(&self, identity: &TlsIdentity) -> Result<(), TlsError> {
        self.proxy.reload_tls(identity)
    }

    /// Accepts no more connections, lets accepted requests finish within the drain time, and ends all threads.
    /// A second call has nothing left to do.
    pub async fn stop(&self) {
        self.proxy.stop().await;
        let running = self
            .key_sets_thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(KeySetsThread { stop, thread }) = running {
            drop(stop);
            // It ends at its next turn; joining must not hold up the caller's runtime.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

impl Core {
    /// Decides, and where a key is missing refreshes its set and decides again, once.
    pub(crate) async fn decide(&self, request: &RequestParts<'_>) -> Result<Admission, Turned> {
        let mut decision = self.decide_now(request, UnknownKey::Ask);
        if let Err(Stop::NeedsKey { set, key_id }) = &decision {
            self.key_sets.refresh_for_unknown_key(set, key_id).await;
            decision = self.decide_now(request, UnknownKey::Refuse);
        }
        decision.map_err(|stop| match stop {
            Stop::Refused(refusal) => Turned::Refused(*refusal),
            Stop::Preflight(verbs) => Turned::Preflight(verbs),
            Stop::NeedsKey { .. } => Turned::Refused(Refusal::new(Reason::KeyIdUnknown)),
        })
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

    async fn explain(&self, request: &ExplainRequest) -> Explanation {
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
            cors: self.config.cors.as_ref(),
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
