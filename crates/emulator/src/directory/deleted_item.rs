//! Soft-deleted objects: for 30 days they can be restored, and keep their names and quota.

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
