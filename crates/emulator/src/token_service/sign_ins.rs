//! What the token service remembers between the steps of a sign-in: codes, refresh tokens, devices.
//!
//! Everything is bounded in number and time, kept in memory only, and found by the SHA-256 of what
//! the client holds.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::keys::sha256_base64url;

/// Most entries of each sort; the oldest give way.
const MOST_ENTRIES: usize = 10_000;
const CODE_LIFE: SignedDuration = SignedDuration::from_mins(10);
const DEVICE_LIFE: SignedDuration = SignedDuration::from_mins(15);
const REFRESH_TOKEN_LIFE: SignedDuration = SignedDuration::from_hours(24 * 90);

/// A person let a client act for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Delegation {
    pub(crate) tenant_id: Uuid,
    pub(crate) user_id: Uuid,
    pub(crate) client_id: Uuid,
    /// What was asked for, as the client wrote it.
    pub(crate) scope: String,
    pub(crate) nonce: Option<String>,
}

/// Where a redirect URI is registered, which decides whether the client must prove itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Platform {
    Web,
    SinglePage,
    Public,
}

/// An authorization code that waits to be redeemed.
#[derive(Debug, Clone)]
pub(crate) struct AuthorizationCode {
    pub(crate) delegation: Delegation,
    pub(crate) redirect_uri: String,
    pub(crate) platform: Platform,
    /// RFC 7636: what the verifier must hash to (`S256`) or be (`plain`).
    pub(crate) challenge: Option<Challenge>,
    pub(crate) is_redeemed: bool,
}

/// A PKCE challenge (RFC 7636 section 4.2).
#[derive(Debug, Clone)]
pub(crate) enum Challenge {
    Sha256(String),
    Plain(String),
}

/// A device that waits for a person.
#[derive(Debug, Clone)]
pub(crate) struct Device {
    pub(crate) user_code: String,
    pub(crate) client_id: Uuid,
    /// The path segment that the device was started under.
    pub(crate) authority: String,
    pub(crate) scope: String,
    pub(crate) progress: Progress,
}

/// How far a device's sign-in is.
#[derive(Debug, Clone)]
pub(crate) enum Progress {
    Pending,
    Declined,
    Approved(Delegation),
}

/// Everything that waits between two steps of a sign-in.
#[derive(Debug, Default)]
pub(crate) struct SignIns {
    codes: Mutex<Waiting<AuthorizationCode>>,
    refresh_tokens: Mutex<Waiting<Delegation>>,
    devices: Mutex<Waiting<Device>>,
}

impl Challenge {
    /// Whether `verifier` belongs to this challenge.
    pub(crate) fn is_met_by(&self, verifier: &str) -> bool {
        match self {
            Self::Sha256(challenge) => *challenge == sha256_base64url(verifier.as_bytes()),
            Self::Plain(challenge) => challenge == verifier,
        }
    }
}

impl SignIns {
    /// Keeps an authorization code for ten minutes.
    pub(crate) fn add_code(&self, code: &str, entry: AuthorizationCode, now: Timestamp) {
        lock(&self.codes).insert(code, entry, now, CODE_LIFE);
    }

    /// The entry of `code` as it was, which from now on counts as redeemed. `None`: unknown or over.
    pub(crate) fn redeem_code(&self, code: &str, now: Timestamp) -> Option<AuthorizationCode> {
        let mut codes = lock(&self.codes);
        let entry = codes.get(code, now)?;
        let before = entry.clone();
        entry.is_redeemed = true;
        Some(before)
    }

    /// Keeps a refresh token for ninety days.
    pub(crate) fn add_refresh_token(&self, token: &str, entry: Delegation, now: Timestamp) {
        lock(&self.refresh_tokens).insert(token, entry, now, REFRESH_TOKEN_LIFE);
    }

    /// What a refresh token stands for; it can be used again.
    pub(crate) fn refresh_token(&self, token: &str, now: Timestamp) -> Option<Delegation> {
        lock(&self.refresh_tokens).get(token, now).cloned()
    }

    /// Keeps a device code for fifteen minutes.
    pub(crate) fn add_device(&self, code: &str, device: Device, now: Timestamp) {
        lock(&self.devices).insert(code, device, now, DEVICE_LIFE);
    }

    /// The device that holds `code`.
    pub(crate) fn device(&self, code: &str, now: Timestamp) -> Option<Device> {
        lock(&self.devices).get(code, now).cloned()
    }

    /// Forgets a device that got its tokens.
    pub(crate) fn finish_device(&self, code: &str) {
        lock(&self.devices)
            .entries
            .remove(&sha256_base64url(code.as_bytes()));
    }

    /// The pending device that shows `user_code`.
    pub(crate) fn pending_device(&self, user_code: &str, now: Timestamp) -> Option<Device> {
        let devices = lock(&self.devices);
        devices
            .pending(user_code, now)
            .map(|(_, device)| device.clone())
    }

    /// Decides a pending device; whether there was one.
    pub(crate) fn decide_device(
        &self,
        user_code: &str,
        progress: Progress,
        now: Timestamp,
    ) -> bool {
        let mut devices = lock(&self.devices);
        let Some(key) = devices.pending(user_code, now).map(|(key, _)| key.clone()) else {
            return false;
        };
        if let Some((_, device)) = devices.entries.get_mut(&key) {
            device.progress = progress;
        }
        true
    }
}

/// Entries with an end, by the hash of what the client holds.
#[derive(Debug)]
struct Waiting<T> {
    entries: BTreeMap<String, (Timestamp, T)>,
    order: VecDeque<String>,
}

impl<T> Default for Waiting<T> {
    fn default() -> Self {
        Self {
            entries: BTreeMap::new(),
            order: VecDeque::new(),
        }
    }
}

impl<T> Waiting<T> {
    fn insert(&mut self, held: &str, entry: T, now: Timestamp, life: SignedDuration) {
        while self.order.len() >= MOST_ENTRIES {
            let Some(oldest) = self.order.pop_front() else {
                break;
            };
            self.entries.remove(&oldest);
        }
        let key = sha256_base64url(held.as_bytes());
        let end = now.checked_add(life).unwrap_or(Timestamp::MAX);
        self.order.push_back(key.clone());
        self.entries.insert(key, (end, entry));
    }

    fn get(&mut self, held: &str, now: Timestamp) -> Option<&mut T> {
        let (end, entry) = self.entries.get_mut(&sha256_base64url(held.as_bytes()))?;
        (*end > now).then_some(entry)
    }
}

impl Waiting<Device> {
    fn pending(&self, user_code: &str, now: Timestamp) -> Option<(&String, &Device)> {
        let typed = user_code.trim();
        self.entries
            .iter()
            .filter(|(_, (end, _))| *end > now)
            .map(|(key, (_, device))| (key, device))
            .find(|(_, device)| {
                device.user_code.eq_ignore_ascii_case(typed)
                    && matches!(device.progress, Progress::Pending)
            })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change is a single insertion or removal: a poisoned lock still holds a whole map.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
