//! Eventual consistency: when a write becomes visible, and where.
//!
//! Entra ID promises no replication time. Each write here draws, from a seeded source, the instant
//! at which each *place* (a directory replica, the list index, the search index, the token service)
//! begins to see it. The directory keeps old versions until every place has moved on.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{directory::Kind, random::Random};

/// The most replicas that can be configured.
pub(crate) const MAXIMUM_REPLICAS: u8 = 8;

/// What a reader can see: a place at an instant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    pub(crate) place: Place,
    pub(crate) now: Timestamp,
}

/// Where a reader stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The newest state. Writes check uniqueness here; the control API shows it.
    Primary,
    /// One of the directory replicas that answer reads of a single object.
    Replica(u8),
    /// The index behind collections and plain `$filter`.
    List,
    /// The slower index behind `$search`, `$count` and advanced queries.
    Search,
    /// The token service, which learns about the parts of an object at different times.
    TokenService(Aspect),
}

/// The part of an object that the token service reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aspect {
    /// The object itself: an application, a service principal, a role assignment.
    Object,
    /// The credentials of an application.
    Credentials,
    /// The App ID URIs of an application or the names of a service principal.
    Names,
}

/// A delay drawn evenly from a range, in milliseconds. In JSON a number or `[least, most]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "DelayForm", into = "DelayForm")]
pub struct Delay {
    least: u32,
    most: u32,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(untagged)]
enum DelayForm {
    Fixed(u32),
    Range(u32, u32),
}

/// How long writes take to become visible. The default is none at all: everything is visible at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ReplicationDelays {
    /// How many directory replicas answer reads, 1 to 8.
    pub replicas: u8,
    /// A new object, on each replica.
    pub create: Delay,
    /// A changed object, on each replica.
    pub update: Delay,
    /// A deleted object, on each replica: until then it can still be read.
    pub delete: Delay,
    /// Any write, in collections and plain `$filter`.
    pub list: Delay,
    /// Any write, in `$search`, `$count` and advanced queries.
    pub search: Delay,
    /// Any write, at the token service.
    pub token_service: TokenServiceDelays,
    /// Replica delays of particular object kinds, instead of `create`, `update` and `delete`.
    pub by_kind: BTreeMap<Kind, WriteDelays>,
}

/// Replica delays of one object kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct WriteDelays {
    /// A new object.
    pub create: Delay,
    /// A changed object.
    pub update: Delay,
    /// A deleted object.
    pub delete: Delay,
}

/// How late the token service learns of a write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct TokenServiceDelays {
    /// A new, changed or deleted application (AADSTS700016 until then).
    pub application: Delay,
    /// A service principal (AADSTS7000229 until then).
    pub service_principal: Delay,
    /// A secret, certificate or federated credential (AADSTS7000215 until then).
    pub credential: Delay,
    /// An App ID URI (AADSTS500011 until then).
    pub uri: Delay,
    /// A role assignment (no role in the token until then).
    pub role: Delay,
}

/// What a write does to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Write {
    Create,
    Update,
    Delete,
}

/// When each place begins to see one version of an object.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    replicas: Vec<Timestamp>,
    list: Timestamp,
    search: Timestamp,
    object: Timestamp,
    credentials: Timestamp,
    names: Timestamp,
}

impl Delay {
    /// No delay.
    pub const NONE: Self = Self { least: 0, most: 0 };

    /// Always `milliseconds`.
    pub const fn fixed(milliseconds: u32) -> Self {
        Self {
            least: milliseconds,
            most: milliseconds,
        }
    }

    /// Between `least` and `most` milliseconds; the two may stand in any order.
    pub const fn between(least: u32, most: u32) -> Self {
        if least <= most {
            Self { least, most }
        } else {
            Self {
                least: most,
                most: least,
            }
        }
    }

    fn draw(self, random: &Random) -> SignedDuration {
        let spread = u64::from(self.most - self.least) + 1;
        let extra = if spread == 1 { 0 } else { random.below(spread) };
        SignedDuration::from_millis(i64::from(self.least) + i64::try_from(extra).unwrap_or(0))
    }
}

impl From<DelayForm> for Delay {
    fn from(form: DelayForm) -> Self {
        match form {
            DelayForm::Fixed(milliseconds) => Self::fixed(milliseconds),
            DelayForm::Range(least, most) => Self::between(least, most),
        }
    }
}

impl From<Delay> for DelayForm {
    fn from(delay: Delay) -> Self {
        if delay.least == delay.most {
            Self::Fixed(delay.least)
        } else {
            Self::Range(delay.least, delay.most)
        }
    }
}

impl Default for ReplicationDelays {
    fn default() -> Self {
        Self {
            replicas: 1,
            create: Delay::NONE,
            update: Delay::NONE,
            delete: Delay::NONE,
            list: Delay::NONE,
            search: Delay::NONE,
            token_service: TokenServiceDelays::default(),
            by_kind: BTreeMap::new(),
        }
    }
}

impl ReplicationDelays {
    /// The replica that answers the next request.
    pub(crate) fn choose_replica(&self, random: &Random) -> Place {
        let count = self.replica_count();
        let chosen = if count == 1 {
            0
        } else {
            random.below(u64::from(count))
        };
        Place::Replica(u8::try_from(chosen).unwrap_or(0))
    }

    /// Draws when each place sees a write made at `now`; `None` when all do so at once.
    pub(crate) fn schedule(
        &self,
        kind: Kind,
        write: Write,
        now: Timestamp,
        random: &Random,
    ) -> Option<Box<Schedule>> {
        let replica = self.replica_delay(kind, write);
        let object = self.token_service.of(kind);
        let after = |delay: Delay| {
            now.checked_add(delay.draw(random))
                .unwrap_or(Timestamp::MAX)
        };
        let schedule = Schedule {
            replicas: (0..self.replica_count()).map(|_| after(replica)).collect(),
            list: after(self.list),
            search: after(self.search),
            object: after(object),
            credentials: after(self.token_service.credential),
            names: after(self.token_service.uri),
        };
        (schedule.settled_at() > now).then(|| Box::new(schedule))
    }

    fn replica_count(&self) -> u8 {
        self.replicas.clamp(1, MAXIMUM_REPLICAS)
    }

    fn replica_delay(&self, kind: Kind, write: Write) -> Delay {
        let delays = self.by_kind.get(&kind).copied().unwrap_or(WriteDelays {
            create: self.create,
            update: self.update,
            delete: self.delete,
        });
        match write {
            Write::Create => delays.create,
            Write::Update => delays.update,
            Write::Delete => delays.delete,
        }
    }
}

impl TokenServiceDelays {
    fn of(self, kind: Kind) -> Delay {
        match kind {
            Kind::Application => self.application,
            Kind::ServicePrincipal => self.service_principal,
            Kind::AppRoleAssignment | Kind::PermissionGrant => self.role,
            Kind::Tenant | Kind::User | Kind::DeletedItem => Delay::NONE,
        }
    }
}

impl Schedule {
    /// When `place` begins to see the version.
    pub(crate) fn visible_at(&self, place: Place) -> Timestamp {
        match place {
            Place::Primary => Timestamp::MIN,
            // The number of replicas can be lowered at run time: the last one stands in.
            Place::Replica(number) => self
                .replicas
                .get(usize::from(number))
                .or(self.replicas.last())
                .copied()
                .unwrap_or(Timestamp::MIN),
            Place::List => self.list,
            Place::Search => self.search,
            Place::TokenService(Aspect::Object) => self.object,
            Place::TokenService(Aspect::Credentials) => self.credentials,
            Place::TokenService(Aspect::Names) => self.names,
        }
    }

    /// When every place sees the version.
    pub(crate) fn settled_at(&self) -> Timestamp {
        let rest = [
            self.list,
            self.search,
            self.object,
            self.credentials,
            self.names,
        ];
        self.replicas
            .iter()
            .copied()
            .chain(rest)
            .max()
            .unwrap_or(Timestamp::MIN)
    }
}
