//! What all parts of a running emulator share.
//!
//! Locks here are never held over an await. The directory is read through a [`View`] from
//! [`State::view`] and changed only by [`State::write`].

use std::{
    io,
    sync::{
        Mutex, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicBool, Ordering},
    },
};

use jiff::Timestamp;

use crate::{
    audit::Audit,
    clock::Clock,
    config::EmulatorConfig,
    directory::{Directory, Effect, Object, Transaction},
    fault::Faults,
    graph::Throttle,
    journal::Journal,
    keys::KeyRing,
    random::Random,
    replica::{Place, ReplicationDelays, View},
    seed::{self, AdministratorCredentials, PersonCredentials},
    token_service::SignIns,
};

/// An odd number without structure: the seeds of two runs are far apart.
const SEED_STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// What all parts of a running emulator share.
pub(crate) struct State {
    pub(crate) clock: Clock,
    /// Identifiers, secrets and other values that clients see.
    pub(crate) random: Random,
    /// Request identifiers: apart from `random`, so that reads do not change what is created next.
    pub(crate) request_random: Random,
    /// Whether a fault of some probability acts.
    pub(crate) fault_random: Random,
    /// Which replica answers, and how long replication takes.
    replication_random: Random,
    delays: RwLock<ReplicationDelays>,
    directory: RwLock<Directory>,
    /// What the token service signs with.
    pub(crate) keys: KeyRing,
    /// What waits between two steps of a sign-in.
    pub(crate) sign_ins: SignIns,
    journal: Option<Mutex<Journal>>,
    pub(crate) audit: Audit,
    pub(crate) faults: Faults,
    pub(crate) throttle: Throttle,
    is_throttling: AtomicBool,
    /// `https://localhost:PORT`, without a trailing slash.
    base_url: String,
    /// The seeded tenants' administrator applications, in the order of the configuration.
    administrators: Vec<AdministratorCredentials>,
    /// The people of the seeded tenants whose passwords were made up.
    people: Vec<PersonCredentials>,
}

impl State {
    /// Opens the data folder, or begins with the configured tenants.
    ///
    /// # Errors
    /// When the data folder cannot be used.
    pub(crate) fn open(config: &EmulatorConfig, base_url: String) -> io::Result<Self> {
        let (journal, directory) = match &config.data_folder {
            Some(folder) => {
                let (journal, directory) = Journal::open(folder)?;
                (Some(Mutex::new(journal)), directory)
            }
            None => (None, Directory::default()),
        };
        let clock = config.frozen_at.map_or_else(Clock::system, Clock::frozen);
        let keys = match &config.data_folder {
            Some(folder) => KeyRing::open(folder, clock.now())?,
            None => KeyRing::generate(clock.now())?,
        };
        // A seed that began again at each start would give out the same identifiers twice.
        let runs = journal.as_ref().map_or(0, |journal| {
            journal.lock().unwrap_or_else(PoisonError::into_inner).run()
        });
        let seed = config
            .seed
            .map(|seed| seed.wrapping_add(runs.wrapping_mul(SEED_STEP)));
        let mut state = Self {
            clock,
            random: Random::new(seed, "values"),
            request_random: Random::new(seed, "requests"),
            fault_random: Random::new(seed, "faults"),
            replication_random: Random::new(seed, "replication"),
            audit: Audit::default(),
            faults: Faults::default(),
            throttle: Throttle::default(),
            is_throttling: AtomicBool::new(config.throttling),
            // Seeded objects are old: everybody knows them.
            delays: RwLock::new(ReplicationDelays::default()),
            directory: RwLock::new(directory),
            keys,
            sign_ins: SignIns::default(),
            journal,
            base_url,
            administrators: Vec::new(),
            people: Vec::new(),
        };
        let planted = seed::plant_all(config, &state)?;
        (state.administrators, state.people) = (planted.administrators, planted.people);
        for rule in &config.faults {
            let id = state.request_random.uuid();
            state
                .faults
                .add(rule.clone(), id)
                .map_err(io::Error::other)?;
        }
        state.set_delays(config.replication.clone());
        Ok(state)
    }

    /// Where this emulator is reached, without a trailing slash.
    pub(crate) fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The seeded tenants' administrator applications.
    pub(crate) fn administrators(&self) -> &[AdministratorCredentials] {
        &self.administrators
    }

    /// The people of the seeded tenants whose passwords were made up.
    pub(crate) fn people(&self) -> &[PersonCredentials] {
        &self.people
    }

    /// The current instant in whole seconds, as Graph and the token service show time.
    pub(crate) fn now(&self) -> Timestamp {
        let now = self.clock.now();
        Timestamp::from_second(now.as_second()).unwrap_or(now)
    }

    /// What a reader at `place` sees now.
    pub(crate) fn view(&self, place: Place) -> View {
        View {
            place,
            now: self.clock.now(),
        }
    }

    /// What the replica that happens to answer the next request sees now.
    pub(crate) fn replica_view(&self) -> View {
        let place = self.delays().choose_replica(&self.replication_random);
        self.view(place)
    }

    /// The directory, for reading.
    pub(crate) fn directory(&self) -> RwLockReadGuard<'_, Directory> {
        self.directory
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the directory. Returns what `change` returns and what it wrote; `change` checks
    /// everything before its first write, so that a refusal leaves nothing behind.
    pub(crate) fn write<T>(
        &self,
        change: impl FnOnce(&mut Transaction<'_>) -> T,
    ) -> (T, Vec<Effect>) {
        let delays = self.delays().clone();
        let mut directory = self
            .directory
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        let mut transaction =
            Transaction::new(&mut directory, &delays, &self.replication_random, now);
        transaction.expire_deleted_items();
        let result = change(&mut transaction);
        let (changes, effects) = transaction.finish();
        if let Some(journal) = self.journal.as_ref().filter(|_| !changes.is_empty()) {
            let written = journal
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .append(&changes);
            if let Err(error) = written {
                tracing::error!(%error, "the change file cannot be written; changes will be lost at exit");
            }
        }
        (result, effects)
    }

    /// The replication delays in force.
    pub(crate) fn delays(&self) -> RwLockReadGuard<'_, ReplicationDelays> {
        self.delays.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the delays of writes from now on.
    pub(crate) fn set_delays(&self, delays: ReplicationDelays) {
        *self.delays.write().unwrap_or_else(PoisonError::into_inner) = delays;
    }

    /// Takes in objects from outside, visible everywhere at once.
    pub(crate) fn import(&self, objects: Vec<Object>) {
        self.write(|transaction| {
            for object in objects {
                transaction.load(object);
            }
        });
    }

    /// Whether Graph enforces its resource-unit limits.
    pub(crate) fn throttles(&self) -> bool {
        self.is_throttling.load(Ordering::Relaxed)
    }

    /// Begins or ends enforcing Graph's resource-unit limits, with nothing used yet.
    pub(crate) fn set_throttling(&self, is_enabled: bool) {
        self.throttle.reset();
        self.is_throttling.store(is_enabled, Ordering::Relaxed);
    }
}
