//! What of a verified token's claims goes on to upstreams, renamed as the key manager's claim mappings say.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;

use crate::claims::Claims;
use crate::key_manager::KeyManager;

/// Claims that are said of the backend JWT itself, or that WSO2 keeps back.
const KEPT_BACK: [&str; 12] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "application",
    "tierInfo",
    "subscribedAPIs",
    "aut",
    "active",
];

/// What the gateway itself says under its dialect: no token may say it.
pub(super) const OWN_NAMES: [&str; 14] = [
    "subscriber",
    "applicationid",
    "applicationname",
    "applicationtier",
    "applicationUUId",
    "applicationAttributes",
    "apiname",
    "apicontext",
    "version",
    "tier",
    "keytype",
    "usertype",
    "enduser",
    "enduserTenantId",
];

/// More than that fits into no server's request head, in bytes.
const MOST_PASSED: usize = 16 * 1024;

/// Tells one verification of a token from the next, in this process.
static SERIALS: AtomicU64 = AtomicU64::new(0);

/// Kept beside a verified token.
#[derive(Debug)]
pub(crate) struct PassedClaims {
    pub(super) serial: u64,
    pub(super) subject: Option<Box<str>>,
    /// A person called, through an application.
    pub(super) is_user: bool,
    /// Members of a JSON object, without its braces.
    pub(super) json: Box<str>,
}

impl PassedClaims {
    pub(super) fn of(claims: &Claims, key_manager: &KeyManager, dialect: &str) -> Self {
        let is_own = |name: &str| {
            let local = name
                .strip_prefix(dialect)
                .and_then(|rest| rest.strip_prefix('/'));
            local.is_some_and(|local| OWN_NAMES.contains(&local))
        };
        let mut written = HashSet::new();
        let mut json = String::new();
        for (name, value) in claims.iter() {
            let mappings = &key_manager.entry.claim_mappings;
            let mapping = mappings
                .iter()
                .find(|mapping| mapping.remote_claim == *name);
            let local = mapping.map_or(name, |mapping| mapping.local_claim.as_str());
            // Under any name, what is the gateway's to say is nobody else's.
            if KEPT_BACK.contains(&local)
                || (mapping.is_none() && KEPT_BACK.contains(&name))
                || is_own(local)
                || !written.insert(local)
            {
                continue;
            }
            if !json.is_empty() {
                json.push(',');
            }
            json.push_str(&Value::from(local).to_string());
            json.push(':');
            json.push_str(&value.to_string());
        }
        if json.len() > MOST_PASSED {
            tracing::warn!(
                key_manager.name = key_manager.name(),
                "the claims of a token are too long to be passed on"
            );
            json.clear();
        }
        Self {
            serial: SERIALS.fetch_add(1, Ordering::Relaxed),
            subject: claims.text("sub").map(Into::into),
            is_user: is_user(claims),
            json: json.into(),
        }
    }

    /// Roughly what it takes in memory, in bytes.
    pub(crate) fn weight(&self) -> usize {
        size_of::<Self>() + self.json.len() + self.subject.as_deref().map_or(0, str::len)
    }
}

/// By WSO2's claim (`aut`), by Entra's (`idtyp`, or for application tokens `oid` equal to `sub`), else by whether the
/// subject is another than the client.
fn is_user(claims: &Claims) -> bool {
    match (claims.text("aut"), claims.text("idtyp")) {
        (Some(kind), _) => return kind == "APPLICATION_USER",
        (None, Some(kind)) => return kind == "user",
        (None, None) => {}
    }
    let Some(subject) = claims.text("sub") else {
        return false;
    };
    ["azp", "appid", "client_id", "oid"]
        .iter()
        .all(|name| claims.text(name) != Some(subject))
}
