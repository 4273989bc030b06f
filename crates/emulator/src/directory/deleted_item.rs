//! Soft-deleted objects: for 30 days they can be restored, and keep their names and quota.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Application, Entity, Field, Kind, ServicePrincipal};

/// A soft-deleted object; `deleted_date_time` of the object is set.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum DeletedItem {
    /// A deleted registration.
    Application(Box<Application>),
    /// A deleted service principal.
    ServicePrincipal(Box<ServicePrincipal>),
}

/// How long a deleted object can be restored.
const LIFE: SignedDuration = SignedDuration::from_hours(24 * 30);

impl DeletedItem {
    /// Whether its thirty days are over at `now`.
    pub(crate) fn is_expired(&self, now: Timestamp) -> bool {
        let deleted_at = match self {
            Self::Application(application) => application.deleted_date_time,
            Self::ServicePrincipal(principal) => principal.deleted_date_time,
        };
        deleted_at
            .and_then(|at| at.checked_add(LIFE).ok())
            .is_some_and(|end| end <= now)
    }
}

impl Entity for DeletedItem {
    const KIND: Kind = Kind::DeletedItem;

    fn id(&self) -> Uuid {
        match self {
            Self::Application(application) => application.id,
            Self::ServicePrincipal(principal) => principal.id,
        }
    }

    fn tenant_id(&self) -> Uuid {
        match self {
            Self::Application(application) => application.tenant_id,
            Self::ServicePrincipal(principal) => principal.tenant_id,
        }
    }

    fn keys(&self, add: &mut dyn FnMut(Field, &str)) {
        match self {
            Self::Application(application) => application.keys(add),
            Self::ServicePrincipal(principal) => principal.keys(add),
        }
    }
}
