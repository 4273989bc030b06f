//! The directory: every object of every tenant, and who sees which version of it.
//!
//! [`Directory`] reads through a [`View`]; [`Transaction`] is the only writer. Rules of the Graph
//! API (who may, what is valid) live in `graph`; here live look-ups, versions and change records.

mod app_role;
mod application;
mod assignment;
mod credential;
mod deleted_item;
mod graph_resource;
mod kind;
mod object;
mod service_principal;
mod table;
mod tenant;
mod transaction;
mod user;

use std::sync::Arc;

use uuid::Uuid;

pub(crate) use app_role::{AppRole, PermissionScope};
pub(crate) use application::{Application, OptionalClaim, RequiredResourceAccess, ResourceAccess};
pub(crate) use assignment::{AppRoleAssignment, PermissionGrant, link_id, link_target};
pub(crate) use credential::{FederatedIdentityCredential, KeyCredential, PasswordCredential};
pub(crate) use deleted_item::DeletedItem;
pub(crate) use graph_resource::graph_service_principal;
pub use kind::Kind;
pub(crate) use object::{Object, Stored};
pub(crate) use service_principal::ServicePrincipal;
pub(crate) use table::{Entity, Field, Table};
pub use tenant::CloudProfile;
pub(crate) use tenant::{AppManagementPolicy, Tenant, TenantPolicies};
pub(crate) use transaction::{Change, Effect, Transaction};
pub(crate) use user::User;

use crate::replica::View;

/// The client id of Microsoft Graph.
pub(crate) const GRAPH_APP_ID: Uuid = Uuid::from_u128(0x0000_0003_0000_0000_c000_0000_0000_0000);

/// The tenant in which Microsoft's own applications are registered.
pub(crate) const MICROSOFT_TENANT_ID: Uuid =
    Uuid::from_u128(0xf8cd_ef31_a31e_4b4a_93e4_5f57_1e91_255a);

/// Every object of every tenant.
#[derive(Default)]
pub(crate) struct Directory {
    tenants: Table<Tenant>,
    applications: Table<Application>,
    service_principals: Table<ServicePrincipal>,
    assignments: Table<AppRoleAssignment>,
    grants: Table<PermissionGrant>,
    users: Table<User>,
    deleted_items: Table<DeletedItem>,
}

impl Directory {
    /// The table of one kind of object.
    pub(crate) fn table<T: Stored>(&self) -> &Table<T> {
        T::table(self)
    }

    /// The object with this object id, as `view` sees it.
    pub(crate) fn get<T: Stored>(&self, id: Uuid, view: View) -> Option<Arc<T>> {
        T::table(self).get(id, view)
    }

    /// The tenant with this id or verified domain.
    pub(crate) fn tenant(&self, id_or_domain: &str) -> Option<Arc<Tenant>> {
        match Uuid::try_parse(id_or_domain) {
            Ok(id) => self.tenants.newest(id).cloned(),
            Err(_) => self
                .tenants
                .find_newest(Field::Domain, id_or_domain)
                .into_iter()
                .next(),
        }
    }

    /// The tenant with this id.
    pub(crate) fn tenant_by_id(&self, id: Uuid) -> Option<Arc<Tenant>> {
        self.tenants.newest(id).cloned()
    }

    /// All tenants.
    pub(crate) fn tenants(&self) -> impl Iterator<Item = &Arc<Tenant>> {
        self.tenants.all_newest()
    }

    /// The registration with this client id, in whatever tenant it is at home.
    pub(crate) fn application_by_app_id(
        &self,
        app_id: Uuid,
        view: View,
    ) -> Option<Arc<Application>> {
        self.applications
            .find(Field::AppId, &app_id.to_string(), view)
            .into_iter()
            .next()
    }

    /// The registration of `tenant` with this `uniqueName`.
    pub(crate) fn application_by_unique_name(
        &self,
        tenant: Uuid,
        name: &str,
        view: View,
    ) -> Option<Arc<Application>> {
        first_of_tenant(
            self.applications.find(Field::UniqueName, name, view),
            tenant,
        )
    }

    /// The service principal of a client in `tenant`.
    pub(crate) fn service_principal_by_app_id(
        &self,
        tenant: Uuid,
        app_id: Uuid,
        view: View,
    ) -> Option<Arc<ServicePrincipal>> {
        let found = self
            .service_principals
            .find(Field::AppId, &app_id.to_string(), view);
        first_of_tenant(found, tenant)
    }

    /// The service principal of `tenant` with this name: a client id or an App ID URI.
    pub(crate) fn service_principal_by_name(
        &self,
        tenant: Uuid,
        name: &str,
        view: View,
    ) -> Option<Arc<ServicePrincipal>> {
        first_of_tenant(self.service_principals.find(Field::Uri, name, view), tenant)
    }

    /// The roles that a principal (service principal or user) was granted.
    pub(crate) fn roles_of_principal(
        &self,
        principal: Uuid,
        view: View,
    ) -> Vec<Arc<AppRoleAssignment>> {
        self.assignments
            .find(Field::PrincipalId, &principal.to_string(), view)
    }

    /// Who was granted roles of a resource's service principal.
    pub(crate) fn roles_at_resource(
        &self,
        resource: Uuid,
        view: View,
    ) -> Vec<Arc<AppRoleAssignment>> {
        self.assignments
            .find(Field::ResourceId, &resource.to_string(), view)
    }

    /// The values of the enabled roles that `principal` has at `resource`: a token's `roles`.
    pub(crate) fn role_values(
        &self,
        principal: Uuid,
        resource: &ServicePrincipal,
        view: View,
    ) -> Vec<String> {
        self.roles_of_principal(principal, view)
            .iter()
            .filter(|assignment| assignment.resource_id == resource.id)
            .filter_map(|assignment| {
                resource
                    .app_roles
                    .iter()
                    .find(|role| role.id == assignment.app_role_id)
            })
            .filter(|role| role.is_enabled)
            .filter_map(|role| role.value.clone())
            .collect()
    }

    /// Delegated permissions granted to a client's service principal.
    pub(crate) fn grants_of_client(&self, client: Uuid, view: View) -> Vec<Arc<PermissionGrant>> {
        self.grants
            .find(Field::PrincipalId, &client.to_string(), view)
    }

    /// The person with this user principal name.
    pub(crate) fn user_by_name(&self, tenant: Uuid, name: &str) -> Option<Arc<User>> {
        first_of_tenant(
            self.users.find_newest(Field::UserPrincipalName, name),
            tenant,
        )
    }
}

fn first_of_tenant<T: Entity>(found: Vec<Arc<T>>, tenant: Uuid) -> Option<Arc<T>> {
    found
        .into_iter()
        .find(|object| object.tenant_id() == tenant)
}
