//! The gateway as its owner sees it: started, fed with snapshots, asked, stopped.

mod exposition;

use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use domain::explanation::Explanation;
use domain::id::KeyManagerId;
use domain::snapshot::{SnapshotRevision, SnapshotUpdate};
use domain::{Clock, SecretString};
use http::{HeaderMap, Method};
use jiff::Timestamp;
use tokio::sync::oneshot;

use crate::access_log::AccessLog;
use crate::backend_jwt::{BackendJwtError, BackendJwts};
use crate::blocking_condition::BlockingConditions;
use crate::client_certificate::ClientCertificate;
use crate::config::{ClientCertificates, GatewayConfig, TlsIdentity, UpstreamTls};
use crate::decision::RequestParts;
use crate::engine::Engine;
use crate::explain::ExplainRequest;
use crate::introspection::{Introspections, TokenIntrospector};
use crate::key_set::refresh::{self, KeySetSource};
use crate::key_set::{KeySets, KeySource};
use crate::proxy::verdict::{DescribedRequest, Judge, Verdict};
use crate::proxy::{Proxy, ProxyError, TlsError};
use crate::revocation::Revocations;
use crate::snapshot::OutOfOrder;
use crate::span::Tracing;
use crate::token_cache::TokenCache;

/// How long the last lines of the access log may take.
const LOG_PATIENCE: Duration = Duration::from_secs(5);

/// A running gateway.
pub struct Gateway {
    engine: Arc<Engine>,
    proxy: Proxy,
    judge: Judge,
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
    pub token_introspector: Arc<dyn TokenIntrospector>,
    /// Where the access log goes, line by line; written on a thread of its own.
    pub access_log: Box<dyn Write + Send>,
    /// `None` traces nothing.
    pub tracing: Option<Tracing>,
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
    #[error("the certificate authorities or the client certificate for upstreams cannot be used")]
    UpstreamTls(#[source] TlsError),
    #[error("backend JWTs cannot be made")]
    BackendJwts(#[source] BackendJwtError),
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
    pub blocking_conditions: usize,
    pub revocations: usize,
    pub cached_tokens: usize,
    pub cached_token_bytes: u64,
    /// Requests under way, upgraded connections included.
    pub requests_in_progress: u64,
}

impl Gateway {
    /// Binds and begins to serve; until the first snapshot every path answers 404.
    pub fn start(
        config: GatewayConfig,
        dependencies: GatewayDependencies,
    ) -> Result<Self, StartError> {
        let backend_jwts = config.backend_jwts.as_ref().map(BackendJwts::new);
        let backend_jwts = backend_jwts.transpose().map_err(StartError::BackendJwts)?;
        let (key_sets, queue) = KeySets::new(
            dependencies.key_set_source,
            Arc::clone(&dependencies.clock),
            config.key_sets.clone(),
            config.key_set_folder.clone(),
        );
        let access_log = AccessLog::start(config.access_log, dependencies.access_log)
            .map_err(StartError::Thread)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(StartError::Thread)?;
        // Key managers are asked about tokens on the thread that fetches their keys.
        let introspections = Introspections::new(
            dependencies.token_introspector,
            runtime.handle().clone(),
            config.introspection.clone(),
        );
        let engine = Arc::new(Engine::new(
            config,
            dependencies.clock,
            Arc::clone(&key_sets),
            introspections,
            access_log,
            dependencies.tracing,
            backend_jwts,
        ));
        let (stop_key_sets, stopped) = oneshot::channel();
        let key_set_thread = thread::Builder::new()
            .name("gateway-keys".to_owned())
            .spawn(move || runtime.block_on(refresh::run(key_sets, queue, stopped)))
            .map_err(StartError::Thread)?;
        let proxy = Proxy::start(&engine).map_err(|error| match error {
            ProxyError::Listen(address, source) => StartError::Listen { address, source },
            ProxyError::Tls(error) => StartError::Tls(error),
            ProxyError::UpstreamTls(error) => StartError::UpstreamTls(error),
            ProxyError::Thread(error) => StartError::Thread(error),
        })?;
        Ok(Self {
            judge: Judge::new(&engine),
            engine,
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
        self.engine.apply(update)
    }

    /// Signs backend JWTs with another key: it is listed at once and signs after five minutes; keys
    /// before it stay listed while their tokens live. The same key again changes nothing. An error leaves the old one
    /// in use. Does nothing where no backend JWTs are made.
    pub fn replace_backend_jwt_keys(
        &self,
        key: SecretString,
        previous_key: Option<SecretString>,
    ) -> Result<(), BackendJwtError> {
        let Some(tokens) = &self.engine.backend_jwts else {
            return Ok(());
        };
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.replace_keys(key, previous_key, self.engine.clock.now().as_second())
    }

    /// The revision that requests are decided by.
    pub fn revision(&self) -> SnapshotRevision {
        self.engine.snapshot().revision
    }

    /// Whether the proxy would let such a request pass, counted and remembered as there. Never waits: a key that is
    /// not there yet, and an answer that would have to be asked for, is a refusal. `path` is without query.
    pub fn permits(
        &self,
        client: IpAddr,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
    ) -> bool {
        let parts = RequestParts {
            method,
            path,
            headers,
            certificate: &ClientCertificate::default(),
            client: Some(client),
        };
        self.engine.may_pass_now(&parts)
    }

    /// Every check that a request with this token would meet, and how it ends. Counts as no request.
    pub async fn explain(&self, request: &ExplainRequest) -> Explanation {
        self.engine.explain(request).await
    }

    /// Decides for another proxy, which does as the verdict says. Counts and logs as a request; one that passes
    /// counts as answered with 200, for the upstream's answer is not seen here.
    pub async fn judge(&self, request: DescribedRequest) -> Verdict {
        self.judge.judge(request).await
    }

    /// The verification keys of every key manager.
    pub fn key_set_status(&self) -> Vec<KeyManagerKeys> {
        let snapshot = self.engine.snapshot();
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
        let snapshot = self.engine.snapshot();
        let (apis, applications, consumer_keys, subscriptions) = snapshot.sizes();
        let (cached_tokens, cached_token_bytes) =
            self.engine.cache().map_or((0, 0), TokenCache::figures);
        GatewayStatus {
            revision: snapshot.revision,
            apis,
            applications,
            consumer_keys,
            subscriptions,
            blocking_conditions: snapshot
                .blocking_conditions()
                .map_or(0, BlockingConditions::len),
            revocations: snapshot.revocations().map_or(0, Revocations::len),
            cached_tokens,
            cached_token_bytes,
            requests_in_progress: self.engine.requests_in_progress.load(Ordering::Relaxed),
        }
    }

    /// Takes other authorities and another client certificate for upstreams; requests under way keep their
    /// connections, new ones get new connections. An error leaves the old ones in use.
    pub fn reload_upstream_tls(&self, settings: &UpstreamTls) -> Result<(), TlsError> {
        self.proxy.reload_upstream_tls(settings)
    }

    /// Takes another certificate, and other authorities of clients; connections that stand keep theirs. An error
    /// leaves the old ones in use, also when the gateway serves plain HTTP.
    pub fn reload_tls(
        &self,
        identity: &TlsIdentity,
        clients: &ClientCertificates,
    ) -> Result<(), TlsError> {
        self.proxy.reload_tls(identity, clients)
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
        if self.engine.access_log.is_some() {
            let engine = Arc::clone(&self.engine);
            let closed = tokio::task::spawn_blocking(move || {
                if let Some(log) = &engine.access_log {
                    log.close();
                }
            });
            // A pipe that nobody reads must not hold up the end.
            let _ = tokio::time::timeout(LOG_PATIENCE, closed).await;
        }
    }
}
