//! Fetching key sets: on a thread of its own, hourly, and once for everybody when an unknown key id appears.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use async_trait::async_trait;
use domain::Clock;
use domain::certificate::Certificates;
use domain::token_profile::TokenProfile;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval, timeout};
use url::Url;

use super::{FetchPermit, KeySet, KeySource, Keys, file, location, parse_key_set};
use crate::config::KeySetConfig;

/// Gets the bytes behind a key set's address. The implementation brings proxy, certificate authorities and
/// timeouts, and should stop reading at [`super::LARGEST_KEY_SET`] bytes.
#[async_trait]
pub trait KeySetSource: Send + Sync {
    async fn fetch(&self, url: &Url) -> Result<Vec<u8>, KeySetSourceError>;
}

/// Why a key set could not be had; shown to operators.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct KeySetSourceError(pub String);

/// Fetches that may wait to be started.
const QUEUE: usize = 256;

/// All key sets in use, each once, whoever uses it.
pub(crate) struct KeySets {
    sets: Mutex<HashMap<Url, Weak<KeySet>>>,
    queue: mpsc::Sender<Arc<KeySet>>,
    fetcher: Arc<Fetcher>,
}

/// What a fetch needs.
pub(crate) struct Fetcher {
    source: Arc<dyn KeySetSource>,
    clock: Arc<dyn Clock>,
    config: KeySetConfig,
    folder: Option<PathBuf>,
}

impl KeySets {
    /// The sets, and the queue that [`run`] must work off.
    pub(crate) fn new(
        source: Arc<dyn KeySetSource>,
        clock: Arc<dyn Clock>,
        config: KeySetConfig,
        folder: Option<PathBuf>,
    ) -> (Arc<Self>, mpsc::Receiver<Arc<KeySet>>) {
        let (queue, received) = mpsc::channel(QUEUE);
        let sets = Self {
            sets: Mutex::default(),
            queue,
            fetcher: Arc::new(Fetcher {
                source,
                clock,
                config,
                folder,
            }),
        };
        (Arc::new(sets), received)
    }

    /// The keys of a profile. A set that is new here starts with what is on disk, and is fetched at once.
    pub(crate) fn source_of(&self, profile: &TokenProfile) -> KeySource {
        match location(profile) {
            Some(Certificates::Jwks(url)) => KeySource::Remote(self.set_at(url)),
            Some(Certificates::Pem(text)) => KeySource::certificates(text),
            None => KeySource::None,
        }
    }

    /// Waits for the keys as the provider has them now, if it may be asked. Many callers share one fetch.
    pub(crate) async fn refresh_for_unknown_key(&self, set: &Arc<KeySet>, key_id: &str) {
        let mut finished = set.finished.subscribe();
        match set.permit_unknown_key(key_id, self.now(), &self.fetcher.config) {
            FetchPermit::Start => self.start(Arc::clone(set)),
            FetchPermit::Join => {}
            FetchPermit::Known | FetchPermit::Refused => return,
        }
        // Whatever comes of it, the caller looks again; too late is the same as not found.
        let _ = timeout(self.fetcher.config.fetch_timeout, finished.changed()).await;
    }

    fn set_at(&self, url: &Url) -> Arc<KeySet> {
        let set = {
            let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(known) = sets.get(url).and_then(Weak::upgrade) {
                return known;
            }
            sets.retain(|_, set| set.strong_count() > 0);
            let folder = self.fetcher.folder.as_deref();
            let kept = folder.map_or_else(Keys::default, |folder| file::load(folder, url));
            let set = KeySet::new(url.clone(), kept, self.now(), &self.fetcher.config);
            let set = Arc::new(set);
            sets.insert(url.clone(), Arc::downgrade(&set));
            set
        };
        if set.take_due(self.now()) {
            self.start(Arc::clone(&set));
        }
        set
    }

    fn start(&self, set: Arc<KeySet>) {
        if let Err(refused) = self.queue.try_send(set) {
            let set = match refused {
                mpsc::error::TrySendError::Full(set) | mpsc::error::TrySendError::Closed(set) => {
                    set
                }
            };
            let reason = "the gateway has too many key sets to fetch".to_owned();
            set.fail(reason, self.now(), &self.fetcher.config);
        }
    }

    /// Fetches what is due by the clock.
    fn start_due(&self) {
        let now = self.now();
        let due: Vec<_> = {
            let sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
            let alive = sets.values().filter_map(Weak::upgrade);
            alive.filter(|set| set.take_due(now)).collect()
        };
        for set in due {
            self.start(set);
        }
    }

    fn now(&self) -> i64 {
        self.fetcher.clock.now().as_second()
    }
}

/// Works until told to stop. Fetches run side by side; there is at most one a set.
pub(crate) async fn run(
    sets: Arc<KeySets>,
    mut queue: mpsc::Receiver<Arc<KeySet>>,
    mut stop: oneshot::Receiver<()>,
) {
    let mut tick = interval(sets.fetcher.config.check_every);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = &mut stop => return,
            Some(set) = queue.recv() => {
                let fetcher = Arc::clone(&sets.fetcher);
                tokio::spawn(async move { fetcher.fetch(&set).await });
            }
            _ = tick.tick() => sets.start_due(),
        }
    }
}

impl Fetcher {
    async fn fetch(&self, set: &KeySet) {
        let answer = timeout(self.config.fetch_timeout, self.source.fetch(set.url())).await;
        let keys = match answer {
            Err(_) => Err("no answer in time".to_owned()),
            Ok(Err(error)) => Err(error.to_string()),
            Ok(Ok(document)) => parse_key_set(&document).map_err(|error| error.to_string()),
        };
        let now = self.clock.now().as_second();
        match keys {
            Ok(keys) => {
                set.succeed(keys, now, &self.config);
                self.save(set);
            }
            Err(error) => {
                tracing::warn!(key_set.url = %set.url(), error, "a key set could not be refreshed; the last good one stays");
                set.fail(error, now, &self.config);
            }
        }
    }

    fn save(&self, set: &KeySet) {
        let Some(folder) = &self.folder else {
            return;
        };
        if let Err(error) = file::save(folder, set.url(), &set.keys()) {
            tracing::warn!(key_set.url = %set.url(), %error, "a key set could not be saved");
        }
    }
}
