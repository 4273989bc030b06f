//! An object of any kind: the unit of the journal, of export and of import.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    AppRoleAssignment, Application, DeletedItem, Directory, Entity, Kind, PermissionGrant,
    ServicePrincipal, Table, Tenant, User,
};

/// An object of any kind.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", content = "object", rename_all = "camelCase")]
pub(crate) enum Object {
    Tenant(Arc<Tenant>),
    User(Arc<User>),
    Application(Arc<Application>),
    ServicePrincipal(Arc<ServicePrincipal>),
    AppRoleAssignment(Arc<AppRoleAssignment>),
    PermissionGrant(Arc<PermissionGrant>),
    DeletedItem(Arc<DeletedItem>),
}

/// A kind of object that the directory has a table for.
pub(crate) trait Stored: Entity {
    fn table(directory: &Directory) -> &Table<Self>;
    fn table_mut(directory: &mut Directory) -> &mut Table<Self>;
    fn object(value: Arc<Self>) -> Object;
}

macro_rules! stored {
    ($($kind:ident in $table:ident),* $(,)?) => { $(
        impl Stored for $kind {
            fn table(directory: &Directory) -> &Table<Self> {
                &directory.$table
            }

            fn table_mut(directory: &mut Directory) -> &mut Table<Self> {
                &mut directory.$table
            }

            fn object(value: Arc<Self>) -> Object {
                Object::$kind(value)
            }
        }
    )* };
}

stored! {
    Tenant in tenants,
    User in users,
    Application in applications,
    ServicePrincipal in service_principals,
    AppRoleAssignment in assignments,
    PermissionGrant in grants,
    DeletedItem in deleted_items,
}

impl Object {
    /// What it is.
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Tenant(_) => Kind::Tenant,
            Self::User(_) => Kind::User,
            Self::Application(_) => Kind::Application,
            Self::ServicePrincipal(_) => Kind::ServicePrincipal,
            Self::AppRoleAssignment(_) => Kind::AppRoleAssignment,
            Self::PermissionGrant(_) => Kind::PermissionGrant,
            Self::DeletedItem(_) => Kind::DeletedItem,
        }
    }
}

impl Directory {
    /// Takes in an object of a journal or an import, visible everywhere at once.
    pub(crate) fn load(&mut self, object: Object) {
        match object {
            Object::Tenant(object) => self.tenants.put(object, None),
            Object::User(object) => self.users.put(object, None),
            Object::Application(object) => self.applications.put(object, None),
            Object::ServicePrincipal(object) => self.service_principals.put(object, None),
            Object::AppRoleAssignment(object) => self.assignments.put(object, None),
            Object::PermissionGrant(object) => self.grants.put(object, None),
            Object::DeletedItem(object) => self.deleted_items.put(object, None),
        }
    }

    /// Forgets an object, everywhere at once.
    pub(crate) fn unload(&mut self, kind: Kind, id: Uuid) {
        match kind {
            Kind::Tenant => drop(self.tenants.remove(id, None)),
            Kind::User => drop(self.users.remove(id, None)),
            Kind::Application => drop(self.applications.remove(id, None)),
            Kind::ServicePrincipal => drop(self.service_principals.remove(id, None)),
            Kind::AppRoleAssignment => drop(self.assignments.remove(id, None)),
            Kind::PermissionGrant => drop(self.grants.remove(id, None)),
            Kind::DeletedItem => drop(self.deleted_items.remove(id, None)),
        }
    }

    /// The newest version of every object, tenants first, each kind in order of creation.
    pub(crate) fn objects(&self) -> impl Iterator<Item = Object> + '_ {
        fn of<'a, T: Stored + 'a>(directory: &'a Directory) -> impl Iterator<Item = Object> + 'a {
            T::table(directory).all_newest().cloned().map(T::object)
        }
        of::<Tenant>(self)
            .chain(of::<User>(self))
            .chain(of::<Application>(self))
            .chain(of::<ServicePrincipal>(self))
            .chain(of::<AppRoleAssignment>(self))
            .chain(of::<PermissionGrant>(self))
            .chain(of::<DeletedItem>(self))
    }
}
